"""The health of the service: severities, codes that are documented, and whether it is ready."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import until
from web_service import Web, running_web

from nixos_workspaces.model.service import REMEDIES, SENTENCES, HealthItem, Sentence, Severity, severity_of
from nixos_workspaces.model.why.refusals import REFUSALS
from nixos_workspaces.operations.health import PARTS
from nixos_workspaces.operations.readiness import FRESH_SECONDS, Readiness
from nixos_workspaces.services import DATABASE

DOCUMENT = (Path(__file__).resolve().parent.parent / "docs" / "health.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| `([\w.]+)` \| (\w+) \|", re.MULTILINE)
NO_FINDINGS = {"progress", "notice", "why", "idle", "stop", "advice", "scaling"} | {
    code.partition(".")[0] for code in REFUSALS
}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("health"))) as running:
        yield running


def test_every_code_is_documented_with_its_severity() -> None:
    findings = {code for code in SENTENCES if code.partition(".")[0] not in NO_FINDINGS}
    documented = {code: (part, severity) for part, code, severity in ROW.findall(DOCUMENT)}
    assert set(documented) == findings
    for code, (part, severity) in documented.items():
        assert severity == severity_of(code)
        assert part == PARTS[code.partition(".")[0]]
    for code in SENTENCES:
        if code.startswith(("why.", "stop.")) and code.split(".")[1] not in {"seen", "found", "line"}:
            assert f"`{code.removeprefix('why.next.')}`" in DOCUMENT, code


def test_what_is_urgent_has_a_remedy() -> None:
    for code in SENTENCES:
        if severity_of(code) in {Severity.WARNING, Severity.CRITICAL}:
            assert code in REMEDIES, code
    assert {severity_of(code) for code in SENTENCES} == set(Severity)


def test_the_health_of_a_service_names_documented_parts(web: Web) -> None:
    documented = {code: part for part, code, _ in ROW.findall(DOCUMENT)}
    with web.http() as http:
        items = http.get("/api/nixos/health").json()["items"]
    assert {"database", "schema", "engine"} <= {item["code"] for item in items}
    for item in items:
        part, finding = documented[item["said"]["code"]], item["said"]["code"]
        pattern = re.sub("[A-Z]+", r"\\w+", part) if finding != "engine.unseen" else r"\w+"
        assert re.fullmatch(pattern, item["code"]), item
        assert item["severity"] == severity_of(finding)
        assert item["ok"] == (item["severity"] in {"ok", "notice"})


def test_it_is_ready_while_its_parts_answer_and_says_which_do_not(web: Web) -> None:
    with web.http() as http:
        assert (http.get("/readyz").status_code, http.get("/readyz").json()) == (200, {"status": "ok"})
        file = web.services.settings.data / DATABASE
        with sqlite3.connect(file) as raw:
            [revision] = raw.execute("SELECT version_num FROM alembic_version").fetchone()
            raw.execute("UPDATE alembic_version SET version_num = 'v9999'")
        try:
            until("it is not ready", lambda: http.get("/readyz").status_code == 503)
            error = http.get("/readyz").json()["error"]
            assert (error["code"], error["field"]) == ("not_serving", None)
            assert "schema" in error["message"]
            assert http.get("/healthz").status_code == 200
            [item] = [one for one in http.get("/api/nixos/health").json()["items"] if one["code"] == "schema"]
            assert (item["severity"], item["ok"]) == ("critical", False)
        finally:
            with sqlite3.connect(file) as raw:
                raw.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        until("it is ready", lambda: http.get("/readyz").status_code == 200)


async def test_however_many_ask_the_parts_are_asked_once_a_second() -> None:
    asked = 0
    now = 100.0

    async def part() -> HealthItem:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return HealthItem("engine", False, Sentence("engine.silent"))

    readiness = Readiness((part,), monotonic=lambda: now)
    assert set(await asyncio.gather(*(readiness.lacking() for _ in range(50)))) == {("engine",)}
    assert asked == 1
    now += FRESH_SECONDS
    assert await readiness.lacking() == ("engine",)
    assert asked == 2
