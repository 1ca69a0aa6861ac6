"""Bad input against the real service: nothing is made, nothing breaks, users at work do not notice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from bad_input_cases import CASES, send
from hypothesis import given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from system.service import JSON, Service
from test_openapi import BEHIND_SSHD, RULING, bounded, connections

# The session that the examples need; the whole machine's store; answers without end.
NOT_PLAYED = {"/api/nixos/logout", "/api/nixos/collect-garbage"}

EXAMPLES_INSIDE = 5
"""Of requests that a workspace answers, which has no sshd elsewhere."""
EXAMPLES = 2
"""Of all others, which ``test_openapi.py`` plays in numbers."""


@pytest.fixture(scope="module")
def bystander(service: Service) -> Iterator[JSON]:
    """A workspace whose owner works while others misbehave."""
    made = service.create("bystander")
    yield made
    service.delete(made["id"])


def names(service: Service) -> set[str]:
    return {str(one["name"]) for one in service.api("GET", "/workspaces")["workspaces"]}


def test_every_bad_request_is_refused_and_makes_nothing(service: Service, bystander: JSON) -> None:
    before = names(service)
    wrong = {}
    for case in CASES:
        answer = send(case, service.url, service.token)
        seen = (answer.status, answer.error["code"], answer.error["field"])
        if seen != (case.status, case.code, case.field):
            wrong[case.name] = seen
    assert wrong == {}
    assert names(service) == before
    assert service.ssh(bystander, "echo undisturbed") == "undisturbed"


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_no_request_made_from_the_document_breaks_the_service(
    service: Service, bystander: JSON, mode: schemathesis.GenerationMode
) -> None:
    """Requests out of the OpenAPI document, good and bad: no 5xx, no answer that the document does not have."""
    before = names(service)
    headers = {"Authorization": f"Bearer {service.token}"}
    document = schemathesis.openapi.from_url(f"{service.url}/api/openapi.json", headers=headers)
    played = 0

    def play(case: schemathesis.Case[Any]) -> None:
        if case.query.get("follow"):
            case.query = {}
        # What exists and what fits the machine cannot be said in the document.
        case.call_and_validate(session=session, headers=headers, timeout=30, excluded_checks=RULING)

    with connections() as session:
        for found in document.get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            if operation.path in NOT_PLAYED:
                continue
            is_inside = any(part in operation.path for part in BEHIND_SSHD)
            few = settings(bounded, max_examples=EXAMPLES_INSIDE if is_inside else EXAMPLES)
            try:
                few(given(case=operation.as_strategy(generation_mode=mode))(play))()
            except Unsatisfiable:
                # A route without parameters and body has no bad requests.
                assert mode is schemathesis.GenerationMode.NEGATIVE
            else:
                played += 1
    assert played >= 10
    for made in names(service) - before:
        service.delete(made)
    # What was set of the person would be in the workspaces of later tests.
    service.api("PUT", "/profile", json={"dotfiles": None})
    for one in service.api("GET", "/secrets")["secrets"]:
        service.api("DELETE", f"/secrets/{one['name']}")
    assert service.ssh(bystander, "echo undisturbed") == "undisturbed"
