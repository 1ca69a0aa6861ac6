"""The OpenAPI document is true: the service does what it says, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from web_service import Web, running_web


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        running.create("existing")
        yield running


@pytest.fixture(scope="module")
def api(web: Web) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{web.url}/api/openapi.json", headers=web.headers)


schema = schemathesis.pytest.from_fixture("api")

# Creating and ending things over and over says nothing new about the document and much about patience.
ENDLESS = "^/api/nixos/(logout|collect-garbage)$"


@schema.exclude(path_regex=ENDLESS).parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_service_does_what_the_document_says(case: schemathesis.Case, web: Web) -> None:
    case.call_and_validate(headers=web.headers, timeout=30)


def test_the_document_is_openapi_31_and_names_every_route(web: Web) -> None:
    with web.http() as http:
        document = http.get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.1.")
    base = "/api/nixos/workspaces"
    expected = {
        base: {"get"},
        f"{base}/create": {"post"},
        f"{base}/{{workspace_id}}": {"get", "patch", "delete"},
        **{
            f"{base}/{{workspace_id}}/{verb}": {"post"}
            for verb in ("start", "stop", "restart", "pause", "resume", "rebuild")
        },
        **{f"{base}/{{workspace_id}}/{what}": {"get"} for what in ("logs", "ssh-key", "generations")},
        "/api/nixos/templates": {"get"},
        "/api/nixos/packages": {"get"},
        "/api/nixos/health": {"get"},
        "/healthz": {"get"},
    }
    for path, methods in expected.items():
        assert methods <= set(document["paths"][path]), path
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            statuses = set(operation["responses"])
            assert {"400", "422", "500", "503"} <= statuses, (method, path)
            assert ("401" in statuses) == bool(operation["security"]), (method, path)
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    wanted = {"$ref": "#/components/schemas/ErrorAnswer"}
                    assert response["content"]["application/json"]["schema"] == wanted
