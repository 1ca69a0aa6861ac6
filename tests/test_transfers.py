"""Another owner: offered, and nothing before it is accepted; then without shares, links and the owner's secrets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from people_fixture import Person, group, person, workspace
from test_shares import entries, made, secret_of
from typer.testing import CliRunner
from web_service import Web, running_web
from websockets.sync.client import connect

from nixos_workspaces.auth.policy import Role, Scope
from nixos_workspaces.auth.sharing.transfers import OFFER_LIFETIME
from nixos_workspaces.cli.main import app
from nixos_workspaces.database import SecretsDue
from nixos_workspaces.database.audit import AuditRepository
from nixos_workspaces.model.access.people import UserState


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return iter(range(1, 1000))


@pytest.fixture
def owner(web: Web, numbers: Iterator[int]) -> Person:
    return person(web, f"owner{next(numbers)}")


@pytest.fixture
def ann(web: Web, numbers: Iterator[int]) -> Person:
    return person(web, f"ann{next(numbers)}")


@pytest.fixture
def given(web: Web, owner: Person, numbers: Iterator[int]) -> str:
    return workspace(web, f"ws-{next(numbers):012}", owner.id)


def offer(owner: Person, of: str, to: Person) -> dict[str, Any]:
    answer = owner.ask("POST", f"/workspaces/{of}/transfer", json={"to": to.id})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def answered(who: Person, of: str, how: str = "accept", **wanted: Any) -> tuple[int, str]:
    answer = who.ask("POST", f"/transfers/{of}/{how}", json=wanted)
    return answer.status_code, answer.json()["error"]["code"] if answer.status_code >= 400 else ""


def received(who: Person) -> list[str]:
    return [one["workspace_id"] for one in who.ask("GET", "/transfers").json()["received"]]


def due(web: Web, of: str) -> SecretsDue:
    """Return the secrets that a workspace has to have."""

    async def work() -> SecretsDue:
        async with web.services.database.reading() as tx:
            (one,) = await tx.secrets.due(of)
            return one

    return web.run(work())


def delivered(web: Web, of: str) -> bytes:
    """Return all that a delivery writes into a workspace now."""

    async def work() -> bytes:
        async with web.services.database.reading() as tx:
            found = await tx.secrets.due(of)
        rendered = [await web.services.contents.delivery.wanted(one) for one in found]
        return b"".join(content for one in rendered for content, _ in one.files.values())

    return web.run(work())


GONE = (404, "transfer_not_found")


def test_nothing_changes_before_it_is_accepted(web: Web, owner: Person, ann: Person, given: str) -> None:
    """Nothing of the receiver is in it, nothing of it is theirs, and it counts for no quota of theirs."""
    ann.ask("PUT", "/secrets/TOKEN", json={"kind": "environment", "value": "canary-ann"})
    owner.ask("PUT", "/secrets/TOKEN", json={"kind": "environment", "value": "canary-owner"})
    link = made(owner, given, **{"with": "link"})
    told = offer(owner, given, ann)
    assert (told["state"], told["to"]) == ("offered", ann.id)
    (seen,) = ann.ask("GET", "/transfers").json()["received"]
    assert (seen["workspace_id"], seen["owner"], seen["to"]) == (given, owner.id, ann.id)
    assert set(seen) == {"workspace_id", "name", "owner", "to", "offered_at", "expires_at"}
    assert [one["to"] for one in owner.ask("GET", "/transfers").json()["made"]] == [ann.id]
    for path in ("", "/files", "/secrets", "/shares"):
        assert ann.ask("GET", f"/workspaces/{given}{path}").status_code == 404
    assert ann.ask("GET", "/workspaces").json()["workspaces"] == []
    assert due(web, given).owner_id == owner.id
    assert b"canary-owner" in delivered(web, given)
    assert b"canary-ann" not in delivered(web, given)
    assert ann.ask("POST", "/join", json={"secret": secret_of(link)}).status_code == 200
    assert owner.ask("GET", f"/workspaces/{given}").json()["workspace"]["relation"] == "owner"


def test_who_is_offered_something_hears_of_it_at_once_and_of_nothing_else(
    web: Web, owner: Person, ann: Person, given: str
) -> None:
    url = f"{web.url.replace('http', 'ws', 1)}/ws/nixos/events"
    with connect(url, additional_headers={"Authorization": f"Bearer {ann.token}"}, proxy=None) as events:
        assert json.loads(events.recv(20)) == {"type": "hello"}
        offer(owner, given, ann)
        assert json.loads(events.recv(20)) == {"type": "workspace.offered", "workspace_id": given}
        assert owner.ask("DELETE", f"/workspaces/{given}/transfer").status_code == 204
        assert json.loads(events.recv(20)) == {"type": "workspace.offered", "workspace_id": given}
    assert received(ann) == []


def test_with_another_owner_all_shares_and_links_end(web: Web, owner: Person, ann: Person, given: str) -> None:
    """The old owner does not know of it any more, by no way; who had it as an editor has it as the owner only."""
    bea = person(web, f"{ann.id}-bea")
    link = made(owner, given, **{"with": "link", "access": "editor"})
    made(owner, given, **{"with": f"user:{ann.id}"})
    assert bea.ask("POST", "/join", json={"secret": secret_of(link)}).status_code == 200
    shown = owner.ask("PUT", f"/workspaces/{given}/ports/3000", json={"visibility": "signed_in"})
    assert shown.status_code == 200, shown.text
    offer(owner, given, ann)
    accepted = ann.ask("POST", f"/transfers/{given}/accept", json={}).json()
    assert (accepted["workspace_id"], accepted["personal_secrets"]) == (given, "withheld")
    assert ann.ask("GET", f"/workspaces/{given}").json()["workspace"]["relation"] == "owner"
    assert ann.ask("GET", f"/workspaces/{given}/shares").json() == {"shares": []}
    assert ann.ask("GET", f"/workspaces/{given}/ports/3000").json()["visibility"] == "private"
    for who in (owner, bea):
        assert who.ask("GET", f"/workspaces/{given}").status_code == 404
        assert who.ask("POST", f"/workspaces/{given}/transfer", json={"to": owner.id}).status_code == 404
        assert who.ask("POST", "/join", json={"secret": secret_of(link)}).status_code == 401
    assert owner.ask("GET", "/transfers").json() == {"received": [], "made": []}
    assert answered(ann, given) == GONE
    offered, accepted_entry = [one for one in entries(web, given) if one.action.endswith("-transfer")]
    assert (offered.before, offered.after) == (
        {"owner": owner.id, "offered_to": None},
        {"owner": owner.id, "offered_to": ann.id},
    )
    assert (accepted_entry.action, accepted_entry.actor) == ("accept-transfer", ann.id)
    assert (accepted_entry.before or {})["owner"] == owner.id
    assert (accepted_entry.after or {})["owner"] == ann.id
    assert (accepted_entry.after or {})["personal_secrets"] == "withheld"


def test_the_new_owners_secrets_are_withheld_until_they_say_so(
    web: Web, owner: Person, ann: Person, given: str
) -> None:
    """The old owner's go, those of the workspace stay; a change of the new owner's is not even counted."""
    owner.ask("PUT", "/secrets/TOKEN", json={"kind": "environment", "value": "canary-owner"})
    owner.ask("PUT", f"/workspaces/{given}/secrets/ITS", json={"kind": "environment", "value": "canary-its"})
    before = due(web, given)
    offer(owner, given, ann)
    assert answered(ann, given) == (200, "")
    after = due(web, given)
    assert (after.owner_id, after.of_person, after.of_workspace) == (ann.id, 0, before.of_workspace + 1)
    ann.ask("PUT", "/secrets/TOKEN", json={"kind": "environment", "value": "canary-ann"})
    assert due(web, given) == after
    written = delivered(web, given)
    assert b"canary-its" in written
    assert b"canary-ann" not in written
    assert b"canary-owner" not in written
    assert ann.ask("GET", f"/workspaces/{given}/secrets").json()["personal"] == "withheld"
    narrow = person(web, f"{ann.id} narrow", user=ann.id, scopes=[Scope.WORKSPACES_WRITE])
    path = f"/workspaces/{given}/personal-secrets"
    assert narrow.ask("PUT", path, json={"deliver": True}).status_code == 403
    with web.http() as administrator:
        assert administrator.put(f"/api/nixos{path}", json={"deliver": True}).status_code == 403
    assert ann.ask("PUT", path, json={"deliver": True}).json()["personal_secrets"] == "delivered"
    assert b"canary-ann" in delivered(web, given)
    assert ann.ask("GET", f"/workspaces/{given}/secrets").json()["personal"] == "delivered"
    assert ann.ask("PUT", path, json={"deliver": False}).json()["personal_secrets"] == "withheld"
    assert b"canary-ann" not in delivered(web, given)
    changes = [one for one in entries(web, given) if one.action == "deliver-personal-secrets"]
    assert [(one.outcome, (one.after or {}).get("personal_secrets")) for one in changes] == [
        ("forbidden", None),
        ("accepted", "delivered"),
        ("accepted", "withheld"),
    ]


def test_secrets_are_delivered_where_the_acceptance_says_so(web: Web, owner: Person, ann: Person, given: str) -> None:
    """By a credential for secrets only."""
    ann.ask("PUT", "/secrets/TOKEN", json={"kind": "environment", "value": "canary-ann"})
    offer(owner, given, ann)
    narrow = person(web, f"{ann.id} narrow", user=ann.id, scopes=[Scope.WORKSPACES_WRITE])
    assert answered(narrow, given, deliver_secrets=True) == (403, "beyond_credential")
    assert owner.ask("GET", f"/workspaces/{given}").status_code == 200
    assert answered(ann, given, deliver_secrets=True) == (200, "")
    assert b"canary-ann" in delivered(web, given)


def test_an_administrator_gives_at_once(web: Web, owner: Person, ann: Person, given: str) -> None:
    """With the same end of shares, and without the new owner's secrets."""
    ann.ask("PUT", "/secrets/TOKEN", json={"kind": "environment", "value": "canary-ann"})
    bea = person(web, f"{ann.id}-bea")
    made(owner, given, **{"with": f"user:{bea.id}"})
    offer(owner, given, bea)
    with web.http() as administrator:
        for _ in range(2):
            answer = administrator.post(f"/api/nixos/workspaces/{given}/transfer", json={"to": ann.id})
            assert (answer.status_code, answer.json()["state"]) == (200, "given"), answer.text
    assert ann.ask("GET", f"/workspaces/{given}").json()["workspace"]["relation"] == "owner"
    for who in (owner, bea):
        assert who.ask("GET", f"/workspaces/{given}").status_code == 404
    assert answered(bea, given) == GONE
    assert b"canary-ann" not in delivered(web, given)
    (entry,) = [one for one in entries(web, given) if one.action == "transfer"]
    assert ((entry.before or {})["owner"], (entry.after or {})["owner"]) == (owner.id, ann.id)


def test_strangers_answer_nothing(web: Web, owner: Person, ann: Person, given: str) -> None:
    """An offer is no more to them than none; nothing is written for them."""
    stranger = person(web, f"{ann.id}-stranger")
    offer(owner, given, ann)
    before = entries(web, given)
    for who in (stranger, owner):
        for how in ("accept", "refuse"):
            assert answered(who, given, how) == GONE
            assert answered(who, "ws-00000000none", how) == GONE
    assert stranger.ask("DELETE", f"/workspaces/{given}/transfer").status_code == 404
    assert ann.ask("DELETE", f"/workspaces/{given}/transfer").status_code == 404
    assert stranger.ask("GET", "/transfers").json() == {"received": [], "made": []}
    assert [one for one in entries(web, given) if one.outcome == "accepted"] == before
    assert received(ann) == [given]


@pytest.mark.parametrize(
    "how",
    ["withdrawn", "refused", "replaced", "expired", "giver suspended", "receiver suspended", "deleted", "given"],
)
def test_an_offer_ends(web: Web, owner: Person, ann: Person, given: str, how: str) -> None:
    """For good: it does not come back with a person who is active again."""
    other = person(web, f"{ann.id}-other")
    told = offer(owner, given, ann)
    assert received(ann) == [given]
    match how:
        case "withdrawn":
            assert owner.ask("DELETE", f"/workspaces/{given}/transfer").status_code == 204
            assert owner.ask("DELETE", f"/workspaces/{given}/transfer").json()["error"]["code"] == GONE[1]
        case "refused":
            assert answered(ann, given, "refuse") == (204, "")
            assert answered(ann, given, "refuse") == GONE
        case "replaced":
            offer(owner, given, other)
            assert received(other) == [given]
        case "expired":
            left = datetime.fromisoformat(told["expires_at"]) - datetime.now(UTC)
            assert OFFER_LIFETIME - timedelta(minutes=1) < left <= OFFER_LIFETIME
            web.run(_expire(web, given))
        case "giver suspended" | "receiver suspended":
            who = owner if how.startswith("giver") else ann
            with web.http() as http:
                for state in (UserState.SUSPENDED, UserState.ACTIVE):
                    assert http.patch(f"/api/nixos/users/{who.id}", json={"state": state}).status_code == 200
        case "deleted":
            assert owner.ask("DELETE", f"/workspaces/{given}").status_code == 202
        case _:
            with web.http() as http:
                http.post(f"/api/nixos/workspaces/{given}/transfer", json={"to": other.id})
    assert received(ann) == []
    assert answered(ann, given) == GONE
    if how not in {"deleted", "given"}:
        assert owner.ask("GET", f"/workspaces/{given}").json()["workspace"]["relation"] == "owner"


async def _expire(web: Web, of: str) -> None:
    async with web.services.database.transaction() as tx:
        offer = await tx.transfers.of(of, datetime.now(UTC))
        assert offer is not None
        past = datetime.now(UTC) - timedelta(seconds=1)
        await tx.transfers.offer(of, offer.owner_id, offer.to_id, past - OFFER_LIFETIME, past)


def test_the_new_owner_may_have_one_of_that_name(web: Web, owner: Person, ann: Person, given: str) -> None:
    """The old one is not told so."""
    name = owner.ask("GET", f"/workspaces/{given}").json()["workspace"]["name"]
    workspace(web, f"ws-1{given[4:]}", ann.id, name)
    workspace(web, f"ws-2{given[4:]}", ann.id, f"{name}-2")
    assert set(offer(owner, given, ann)) == {"state", "to", "expires_at"}
    assert ann.ask("POST", f"/transfers/{given}/accept", json={}).json()["name"] == f"{name}-3"


@pytest.mark.parametrize("of", ["user", "group"])
def test_nobody_is_given_more_than_a_quota_allows(web: Web, owner: Person, ann: Person, given: str, of: str) -> None:
    """When they accept; an administrator is not told how much they have. Nothing of the transfer happens."""
    path = f"/api/nixos/quotas/users/{ann.id}"
    if of == "group":
        group(web, f"grp-of-{ann.id}", [ann])
        path = f"/api/nixos/quotas/groups/grp-of-{ann.id}"
    workspace(web, f"ws-7{given[4:]}", ann.id)
    with web.http() as http:
        assert http.put(path, json={"workspaces": 1}).status_code < 300
        offer(owner, given, ann)
        assert answered(ann, given) == (409, "quota_exceeded")
        refused = http.post(f"/api/nixos/workspaces/{given}/transfer", json={"to": ann.id})
        error = refused.json()["error"]
        assert (refused.status_code, error["code"], error["field"]) == (409, "recipient_quota", "to")
        assert not any(letter.isdigit() for letter in error["message"])
        assert owner.ask("GET", f"/workspaces/{given}").json()["workspace"]["relation"] == "owner"
        assert ann.ask("GET", f"/workspaces/{given}").status_code == 404
        assert [(one.action, one.outcome) for one in entries(web, given)][1:] == [
            ("accept-transfer", "quota_exceeded"),
            ("transfer", "recipient_quota"),
        ]
        assert http.put(path, json={"workspaces": 2}).status_code < 300
    assert answered(ann, given) == (200, "")
    assert ann.ask("GET", f"/workspaces/{given}").json()["workspace"]["relation"] == "owner"


@pytest.mark.parametrize("to", ["nobody-there", "an-auditor"])
def test_no_owner_can_be_made_of(web: Web, owner: Person, given: str, to: str) -> None:
    person(web, "an-auditor", Role.AUDITOR)
    answer = owner.ask("POST", f"/workspaces/{given}/transfer", json={"to": to})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "recipient_not_found")


def test_an_acceptance_happens_as_a_whole_or_not_at_all(
    web: Web, owner: Person, ann: Person, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken off at the last statement, it leaves owner, shares, name, offer and secrets as they were."""
    made(owner, given, **{"with": f"user:{ann.id}"})
    offer(owner, given, ann)

    def state() -> object:
        return owner.ask("GET", f"/workspaces/{given}/shares").json(), received(ann), entries(web, given)

    async def accept() -> None:
        principal = await web.services.tokens.authenticate(ann.token)
        await web.services.sharing.transfers.accept(given, principal=principal)

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    before = state()
    with monkeypatch.context() as patched:
        patched.setattr(AuditRepository, "append", broken)
        with pytest.raises(ZeroDivisionError):
            web.run(accept())
    assert state() == before
    web.run(accept())


def test_only_one_of_many_acceptances_counts(web: Web, owner: Person, ann: Person, given: str) -> None:
    offer(owner, given, ann)

    async def race() -> list[object]:
        principal = await web.services.tokens.authenticate(ann.token)
        accept = web.services.sharing.transfers.accept
        return await asyncio.gather(*(accept(given, principal=principal) for _ in range(5)), return_exceptions=True)

    outcomes = web.run(race())
    assert sum(not isinstance(one, BaseException) for one in outcomes) == 1
    assert [one.action for one in entries(web, given) if one.outcome == "accepted"].count("accept-transfer") == 1


def test_a_repeated_creation_tells_the_old_owner_nothing(web: Web, ann: Person) -> None:
    """The answer to the same Idempotency-Key would be the workspace as it is now."""
    first = person(web, f"{ann.id}-first")
    wanted = {"name": "given", "cpu": 1, "memory": 1, "storage": 1, "template": "minimal", "packages": []}
    headers = {"Idempotency-Key": f"key-{ann.id}"}
    created = first.ask("POST", "/workspaces/create", json=wanted, headers=headers).json()["workspace"]
    offer(first, created["id"], ann)
    assert answered(ann, created["id"]) == (200, "")
    answer = first.ask("POST", "/workspaces/create", json=wanted, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_key_used")


def test_the_command_line_says_what_an_offer_means(web: Web, owner: Person, ann: Person, given: str) -> None:
    def run(who: Person, *words: str) -> str:
        done = CliRunner().invoke(app, ["--url", web.url, "--token", who.token, *words])
        assert done.exit_code == 0, (done.output, done.exception)
        return " ".join(done.output.split())

    name = owner.ask("GET", f"/workspaces/{given}").json()["workspace"]["name"]
    assert f"is offered to {ann.id}" in run(owner, "transfer", name, "--to", ann.id, "--yes")
    assert given in run(ann, "transfers")
    run(owner, "transfers", "withdraw", name)
    assert "Nothing is offered" in run(ann, "transfers", "list")
    run(owner, "transfer", name, "--to", ann.id, "--yes")
    assert f"stays {owner.id}'s" in run(ann, "transfers", "refuse", name)
    run(owner, "transfer", name, "--to", ann.id, "--yes")
    said = run(ann, "transfers", "accept", given)
    assert "programs that start by themselves included" in said
    assert "secrets are withheld from it" in said
    assert "secrets are withheld from it" in run(ann, "secret", "list", "-w", name)
    assert "secrets are delivered" in run(ann, "transfers", "deliver-secrets", name)
