"""The OpenAPI document is true: the service does what it says, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance
from schemathesis.transport.requests import ManagedCookiesSession
from web_service import Web, running_web

from nixos_workspaces.web.http.access.windows import Rate


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        # Requests with wrong credentials are part of what is played.
        running.server._fastapi.state.rates._refused = Rate(1_000_000)
        running.create("existing")
        yield running


# Signing out ends the session that the examples need.
SKIPPED = {"/api/nixos/logout"}

# What exists (templates, packages, cursors, codes, sizes of the machine) and what is a name, an address or a public key
# cannot be said in the document.
RULED = {
    "/api/nixos/audit/consistency",
    "/api/nixos/audit/{seq}/proof",
    "/api/nixos/workspaces",
    "/api/nixos/workspaces/create",
    "/api/nixos/costs/estimate",
    "/api/nixos/workspaces/{workspace_id}",
    "/api/nixos/join-as-guest",
    "/api/nixos/login",
    "/api/nixos/workspaces/{workspace_id}/hold",
    "/api/nixos/workspaces/{workspace_id}/idle",
    "/api/nixos/workspaces/{workspace_id}/network",
    "/api/nixos/workspaces/{workspace_id}/autoscale",
    "/api/nixos/workspaces/{workspace_id}/boost",
    "/api/nixos/workspaces/{workspace_id}/network/learn",
    "/api/nixos/workspaces/{workspace_id}/network/proposals",
    "/api/nixos/workspaces/{workspace_id}/network/proposals/{proposal_id}/approve",
    "/api/nixos/workspaces/{workspace_id}/schedule",
    "/api/nixos/ssh-keys",
    "/api/nixos/ssh-certificates",
    "/api/nixos/users",
    "/api/nixos/users/{user}",
    "/api/nixos/groups",
    "/api/nixos/tokens",
    "/api/nixos/me/password",
    "/api/nixos/device",
    "/api/nixos/device/token",
}

BEHIND_SSHD = ("/files", "/uploads", "/terminal", "/journal")
"""Workspaces of the fake engine have no sshd; ``system/test_hostile.py`` plays these against real ones."""

RULING: list[Any] = [positive_data_acceptance]

# An upload's media type (tus 1.0) carries plain bytes.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")

bounded = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@contextmanager
def connections() -> Iterator[ManagedCookiesSession]:
    """Yield connections that requests share, and no cookies: opening one for each takes longer than most answers."""
    with ManagedCookiesSession() as session:
        session.headers.clear()
        session.trust_env = False
        yield session


def player(
    session: ManagedCookiesSession, headers: Mapping[str, str], unjudged: list[Any] | None
) -> Callable[[schemathesis.Case[Any]], None]:
    """Return what plays one request and checks its answer against the document, but for checks that are left out."""

    def play(case: schemathesis.Case[Any]) -> None:
        # The one answer without end is asked for elsewhere.
        if case.query.get("follow"):
            case.query = {}
        case.call_and_validate(session=session, headers=dict(headers), timeout=30, excluded_checks=unjudged)

    return play


def operations(document: schemathesis.BaseSchema) -> Iterator[schemathesis.APIOperation[Any, Any, Any, Any]]:
    """Yield the operations of the document that can be asked for here."""
    for found in document.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if operation.path not in SKIPPED and not any(part in operation.path for part in BEHIND_SSHD):
            yield operation


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_the_service_does_what_the_document_says(web: Web, mode: schemathesis.GenerationMode) -> None:
    """Good and bad requests made from the document: no 5xx, no answer that the document does not have."""
    document = schemathesis.openapi.from_url(f"{web.url}/api/openapi.json", headers=web.headers)
    played = 0
    with connections() as session:
        for operation in operations(document):
            unjudged = RULING if operation.path in RULED else None
            try:
                cases = operation.as_strategy(generation_mode=mode)
                bounded(given(case=cases)(player(session, web.headers, unjudged)))()
            except Unsatisfiable:
                # A route without parameters and body has no bad requests.
                assert mode is schemathesis.GenerationMode.NEGATIVE
            else:
                played += 1
    assert played >= 10


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
            assert "401" in statuses or not operation["security"], (method, path)
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    wanted = {"$ref": "#/components/schemas/ErrorAnswer"}
                    assert response["content"]["application/json"]["schema"] == wanted
