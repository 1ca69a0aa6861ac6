"""The figures of all workspaces as Prometheus reads them: for whom, in which form, and documented to the last one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from people_fixture import person
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse
from web_service import Web, running_web

from nixos_workspaces.auth.policy import ADMIN, Role, Scope
from nixos_workspaces.auth.tokens import Bounds
from nixos_workspaces.metering.metrics import prometheus
from nixos_workspaces.metering.metrics.prometheus import METRICS, Kind

ROOT = Path(__file__).resolve().parent.parent
_NAME = re.compile(r"\bnixws_[a-z0-9_]+\b")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as started:
        yield started


def test_every_metric_is_told_in_both_forms(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsed by the library's own parsers, with help and type for each, and as many rows as there are workspaces."""
    made, stopped = web.create("told"), web.create("stopped")
    with web.http() as http:
        http.post(f"/api/nixos/workspaces/{stopped['id']}/stop")
        web.reaches(stopped["id"], "stopped")
        web.measure()
        answer = http.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["cache-control"] == "no-store"
        found = {one.name: one for one in parse(answer.text)}
        assert {one.name.removesuffix("_total") if one.kind is Kind.COUNTER else one.name for one in METRICS} == set(
            found
        )
        for one in METRICS:
            family = found[one.name.removesuffix("_total") if one.kind is Kind.COUNTER else one.name]
            assert (family.type, family.documentation) == (one.kind.value, one.help)
            assert all(set(sample.labels) == set(one.labels) for sample in family.samples)
        assert {sample.labels["workspace"] for sample in found["nixws_workspace_memory_bytes"].samples} == {made["id"]}
        (info,) = found["nixws_workspace_info"].samples
        assert (info.labels["name"], info.labels["template"], info.value) == ("told", "minimal", 1.0)
        by_status = {one.labels["status"]: one.value for one in found["nixws_workspaces"].samples}
        assert by_status == {"running": 1.0, "stopped": 1.0}
        opened = http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert opened.headers["content-type"].startswith("application/openmetrics-text")
        families = parse_open(opened.text)  # type: ignore[no-untyped-call]
        assert {one.name for one in families} == set(found)
        monkeypatch.setattr("nixos_workspaces.web.routes.metering.prometheus.MOST_WORKSPACES", 0)
        few = {one.name: one for one in parse(http.get("/metrics").text)}
        assert few["nixws_workspaces_left_out"].samples[0].value == 1
        assert few["nixws_workspace_memory_bytes"].samples == []


def test_it_is_for_those_who_may_read_the_figures_of_all(web: Web) -> None:
    """Nobody without a credential; a token that may do nothing else is enough."""

    def token(scope: Scope) -> str:
        bounds = Bounds(scopes=frozenset({scope}))
        return web.run(web.services.tokens.create(scope.name, principal=ADMIN, bounds=bounds))[0]

    with web.http() as http:
        assert http.get("/metrics", headers={"Authorization": ""}).status_code == 401
        allowed, narrow = token(Scope.METRICS_READ), token(Scope.WORKSPACES_READ)
        for secret, status in ((allowed, 200), (narrow, 403)):
            assert http.get("/metrics", headers={"Authorization": f"Bearer {secret}"}).status_code == status
        with person(web, "member").http() as member, person(web, "auditor", Role.AUDITOR).http() as auditor:
            assert member.get("/metrics").status_code == 403
            assert auditor.get("/metrics").status_code == 200
        assert http.get("/api/nixos/workspaces", headers={"Authorization": f"Bearer {allowed}"}).status_code == 403
        assert http.get("/metrics", params={"x": "1"}).status_code == 422


def test_the_library_is_loaded_by_the_first_request_only() -> None:
    """The memory of a service that is not scraped has no room for it."""
    source = Path(prometheus.__file__).read_text()
    assert not re.search(r"^(?:from|import) prometheus_client", source, re.MULTILINE)


def test_every_metric_is_documented() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| `(nixws_\w+)` \| (\w+) \| ([^|]*) \| (.+) \|$", page, re.MULTILINE)
    assert [(name, kind, labels.strip(), text) for name, kind, labels, text in rows] == [
        (one.name, one.kind.value, ", ".join(f"`{label}`" for label in one.labels), one.help) for one in METRICS
    ]


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    dashboard = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text())
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    variables = [str(one["query"]) for one in dashboard["templating"]["list"] if one["type"] == "query"]
    named = {name for text in (*targets, *variables) for name in _NAME.findall(text)}
    assert named <= {one.name for one in METRICS}
    assert len(targets) >= 12
    assert {one["name"] for one in dashboard["templating"]["list"]} >= {"datasource", "workspace"}
