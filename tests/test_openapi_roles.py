"""The OpenAPI document is true for everybody: requests made from it, as each role, from three seeds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from people_fixture import Person, give, guest, person, workspace
from test_openapi import RULING, connections, operations, player
from web_service import Web, running_web

from nixos_workspaces.auth.policy import Role, Scope
from nixos_workspaces.model.access.shares import Recipient
from nixos_workspaces.web.http.access.windows import Rate

SEEDS = (1, 2, 3)
ROLES = ("admin", "member", "auditor", "guest", "reading token")
WORKSPACE = "ws-0000000roles"

few = settings(
    max_examples=1,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        # Requests with wrong credentials are part of what is played.
        running.server._fastapi.state.rates._refused = Rate(1_000_000)
        person(running, "owner")
        workspace(running, WORKSPACE, "owner")
        give(running, WORKSPACE, "member-1")
        give(running, WORKSPACE, "guest-roles", recipient=Recipient.GUEST)
        yield running


@pytest.fixture(scope="module")
def document(web: Web) -> schemathesis.BaseSchema:
    """Read once: what it says of each operation is prepared by the first who plays."""
    return schemathesis.openapi.from_url(f"{web.url}/api/openapi.json", headers=web.headers)


def of_role(web: Web, role: str, number: int) -> Person:
    """Make somebody of a role: what one seed does to them does not change the next."""
    match role:
        case "guest":
            return guest(web, "guest-roles")
        case "reading token":
            return person(web, f"reader-{number}", scopes=[Scope.WORKSPACES_READ])
        case _:
            return person(web, f"{role}-{number}", Role(role))


@pytest.mark.parametrize("number", SEEDS)
@pytest.mark.parametrize("role", ROLES)
def test_the_document_is_true_for_everybody(
    web: Web, document: schemathesis.BaseSchema, role: str, number: int
) -> None:
    """No 5xx, and no status or body that the document does not have."""
    who = of_role(web, role, number)
    played = 0
    as_role = {"Authorization": f"Bearer {who.token}"}
    with connections() as session:
        for operation in operations(document):
            for mode in schemathesis.GenerationMode:
                strategy: Any = operation.as_strategy(generation_mode=mode)
                try:
                    seed(number)(few(given(case=strategy)(player(session, as_role, RULING))))()
                except Unsatisfiable:
                    # A route without parameters and body has no bad requests.
                    assert mode is schemathesis.GenerationMode.NEGATIVE
                else:
                    played += 1
    assert played >= 80
    assert who.ask("GET", "/session").status_code == 200
