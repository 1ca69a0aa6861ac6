"""Sharing: with users and groups, by link, with a knock, of a part; revoking."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from people_fixture import Person, give, group, person, workspace
from waiting import until
from web_service import Web, running_web
from websockets.sync.client import ClientConnection, connect

from nixos_workspaces.audit.entries import AuditClass
from nixos_workspaces.auth.policy import Action
from nixos_workspaces.auth.sharing import shares
from nixos_workspaces.auth.sharing.joining import GUEST_LIFETIME
from nixos_workspaces.auth.tokens import digest_of
from nixos_workspaces.database import AuditEntry
from nixos_workspaces.model.access.shares import MOST_SHARES, Access
from nixos_workspaces.web.http.access import rates
from nixos_workspaces.web.http.access.windows import Rate


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running


@pytest.fixture
def owner(web: Web, numbers: Iterator[int]) -> Person:
    return person(web, f"owner{next(numbers)}")


@pytest.fixture
def ann(web: Web, numbers: Iterator[int]) -> Person:
    return person(web, f"ann{next(numbers)}")


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return iter(range(1, 1000))


@pytest.fixture
def shared(web: Web, owner: Person, numbers: Iterator[int]) -> str:
    return workspace(web, f"ws-{next(numbers):012}", owner.id)


def made(owner: Person, of: str, **wanted: Any) -> dict[str, Any]:
    answer = owner.ask("POST", f"/workspaces/{of}/shares", json=wanted)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def secret_of(told: dict[str, Any]) -> str:
    return str(told["link"]).partition("#")[2]


def entries(web: Web, of: str) -> list[AuditEntry]:
    async def work() -> list[AuditEntry]:
        async with web.services.database.reading() as tx:
            return [entry for _, entry in await tx.audit.entries(of)]

    return web.run(work())


def test_a_user_has_what_is_shared_until_it_is_revoked(web: Web, owner: Person, ann: Person, shared: str) -> None:
    assert ann.ask("GET", f"/workspaces/{shared}").status_code == 404
    told = made(owner, shared, **{"with": f"user:{ann.id}", "access": "editor"})
    assert told["link"] is None
    found = ann.ask("GET", f"/workspaces/{shared}").json()["workspace"]
    assert (found["relation"], found["owner"], found["owner_name"]) == ("editor", owner.id, owner.id)
    (listed,) = ann.ask("GET", "/workspaces").json()["workspaces"]
    assert (listed["id"], listed["relation"], listed["owner_name"]) == (shared, "editor", owner.id)
    assert owner.ask("GET", "/workspaces").json()["workspaces"][0]["relation"] == "owner"
    assert ann.ask("DELETE", f"/workspaces/{shared}").status_code == 403
    assert ann.ask("POST", f"/workspaces/{shared}/shares", json={"with": "link"}).status_code == 403
    assert owner.ask("DELETE", f"/workspaces/{shared}/shares/{told['share']['id']}").status_code == 204
    assert ann.ask("GET", f"/workspaces/{shared}").status_code == 404
    assert ann.ask("GET", "/workspaces").json()["workspaces"] == []
    assert owner.ask("DELETE", f"/workspaces/{shared}/shares/{told['share']['id']}").status_code == 404
    assert [(one.action, one.outcome) for one in entries(web, shared)] == [
        ("share", "accepted"),
        ("delete", "forbidden"),
        ("share", "forbidden"),
        ("unshare", "accepted"),
        ("share", "share_not_found"),
    ]


def test_sharing_again_replaces(owner: Person, ann: Person, shared: str) -> None:
    """It may be repeated, and raises or lowers what there is."""
    for access, files in (("viewer", False), ("viewer", True), ("editor", False), ("editor", False), ("viewer", False)):
        made(owner, shared, **{"with": f"user:{ann.id}", "access": access, "files": files})
        (one,) = owner.ask("GET", f"/workspaces/{shared}/shares").json()["shares"]
        assert (one["access"], one["files"]) == (access, files or access == "editor")


def test_a_share_that_takes_the_place_of_another_tells_it(web: Web, owner: Person, ann: Person, shared: str) -> None:
    first = made(owner, shared, **{"with": f"user:{ann.id}", "access": "editor"})["share"]["id"]
    second = made(owner, shared, **{"with": f"user:{ann.id}"})["share"]["id"]
    new, again = [one for one in entries(web, shared) if one.action == "share"]
    assert (new.before, new.after) == (None, None)
    assert again.before == {first: {"access": "editor", "files": True, "state": "active"}}
    assert again.after == {second: {"access": "viewer", "files": False, "state": "active"}}


def test_a_member_has_what_is_shared_with_the_group(web: Web, owner: Person, ann: Person, shared: str) -> None:
    """As long as they are a member."""
    group(web, f"grp-{ann.id}", [ann])
    made(owner, shared, **{"with": f"group:grp-{ann.id}"})
    assert ann.ask("GET", f"/workspaces/{shared}").json()["workspace"]["relation"] == "viewer"
    assert ann.ask("POST", f"/workspaces/{shared}/leave", json={}).json()["error"]["code"] == "not_shared"

    async def leave() -> None:
        async with web.services.database.transaction() as tx:
            await tx.groups.leave(f"grp-{ann.id}", ann.id)

    web.run(leave())
    until("they have it no more", lambda: ann.ask("GET", f"/workspaces/{shared}").status_code == 404)


@pytest.mark.parametrize(
    ("wanted", "status", "code", "field"),
    [
        ({"with": "user:nobody-there"}, 404, "recipient_not_found", "with"),
        ({"with": "group:nobody-there"}, 404, "recipient_not_found", "with"),
        ({"with": "user:"}, 422, "invalid_input", "with"),
        ({"with": "anna"}, 422, "invalid_input", "with"),
        ({"with": ""}, 422, "invalid_input", "with"),
        ({}, 422, "invalid_input", "with"),
        ({"with": "link", "access": "owner"}, 422, "invalid_input", "access"),
        ({"with": "link", "part": "file:x"}, 422, "invalid_input", "part"),
        ({"with": "link", "part": "port:0"}, 422, "invalid_input", "part"),
        ({"with": "link", "expires_in": 59}, 422, "invalid_input", None),
        ({"with": "link", "expires_in": -1}, 422, "invalid_input", "expires_in"),
        ({"with": "link", "expires_in": 10**9}, 422, "invalid_input", "expires_in"),
        ({"with": "link", "role": "admin"}, 422, "invalid_input", "role"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else None,
)
def test_wishes_that_are_refused(
    owner: Person, shared: str, wanted: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    answer = owner.ask("POST", f"/workspaces/{shared}/shares", json=wanted)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), error
    if field is not None:
        assert error["field"] == field
    assert owner.ask("GET", f"/workspaces/{shared}/shares").json() == {"shares": []}


def test_nobody_shares_with_the_owner(owner: Person, shared: str) -> None:
    answer = owner.ask("POST", f"/workspaces/{shared}/shares", json={"with": f"user:{owner.id}"})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "with")


def test_shares_are_bounded(owner: Person, shared: str) -> None:
    for _ in range(MOST_SHARES):
        made(owner, shared, **{"with": "link"})
    answer = owner.ask("POST", f"/workspaces/{shared}/shares", json={"with": "link"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_shares")


# ---- links


def test_a_link_is_taken_by_who_has_it(web: Web, owner: Person, ann: Person, shared: str) -> None:
    """Once for all; its end ends what came by it. Its secret is stored nowhere."""
    told = made(owner, shared, **{"with": "link", "access": "editor"})
    assert told["link"].startswith(f"{web.url}/join#")
    assert secret_of(told) not in json.dumps(owner.ask("GET", f"/workspaces/{shared}/shares").json())
    for _ in range(2):
        joined = ann.ask("POST", "/join", json={"secret": secret_of(told)})
        assert joined.json()["workspace_id"] == shared, joined.text
    link, mine = owner.ask("GET", f"/workspaces/{shared}/shares").json()["shares"]
    assert (mine["kind"], mine["name"], mine["via"]) == ("user", ann.id, link["id"])
    assert ann.ask("GET", f"/workspaces/{shared}").json()["workspace"]["relation"] == "editor"
    assert owner.ask("POST", "/join", json={"secret": secret_of(told)}).json()["error"]["code"] == "owner_already"
    owner.ask("DELETE", f"/workspaces/{shared}/shares/{link['id']}")
    assert owner.ask("GET", f"/workspaces/{shared}/shares").json() == {"shares": []}
    assert ann.ask("GET", f"/workspaces/{shared}").status_code == 404
    assert ann.ask("POST", "/join", json={"secret": secret_of(told)}).status_code == 401


def test_a_guest_needs_no_account_and_has_nothing_else(web: Web, owner: Person, shared: str) -> None:
    told = made(owner, shared, **{"with": "link"})
    with httpx2.Client(base_url=web.url, trust_env=False, headers={"Origin": web.url}, verify=False) as guest:
        body = {"secret": secret_of(told), "name": "Bea"}
        joined = guest.post("/api/nixos/join-as-guest", json=body)
        assert joined.json()["workspace_id"] == shared, joined.text
        assert guest.get("/api/nixos/session").json()["name"] == "Bea (guest)"
        (listed,) = guest.get("/api/nixos/workspaces").json()["workspaces"]
        assert (listed["id"], listed["relation"]) == (shared, "viewer")
        wanted = {"name": "mine", "cpu": 1, "memory": 1, "storage": 1, "template": "minimal", "packages": []}
        assert guest.post("/api/nixos/workspaces/create", json=wanted).status_code == 403
        for path in ("templates", "health", "ssh-keys", "secrets", "profile"):
            assert guest.get(f"/api/nixos/{path}").status_code == 403, path
        guest_share = owner.ask("GET", f"/workspaces/{shared}/shares").json()["shares"][1]
        owner.ask("DELETE", f"/workspaces/{shared}/shares/{guest_share['id']}")
        assert guest.get(f"/api/nixos/workspaces/{shared}").status_code == 404


@pytest.mark.parametrize("name", ["", " x", "a" * 41, "a\nb", "a\x00", "<b>", "Ann\u202e"])
def test_names_that_no_guest_has(web: Web, owner: Person, shared: str, name: str) -> None:
    told = made(owner, shared, **{"with": "link"})
    with httpx2.Client(base_url=web.url, trust_env=False, verify=False) as guest:
        answer = guest.post("/api/nixos/join-as-guest", json={"secret": secret_of(told), "name": name})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "name")


def test_who_knocks_waits(owner: Person, ann: Person, shared: str) -> None:
    """They are told nothing before they are admitted; refused, they have to knock again."""
    told = made(owner, shared, **{"with": "link", "knock": True})
    wanted = {"secret": secret_of(told)}
    waiting = ann.ask("POST", "/join", json=wanted).json()
    assert (waiting["state"], waiting["workspace_id"], waiting["workspace_name"]) == ("waiting", "", "")
    assert ann.ask("GET", f"/workspaces/{shared}").status_code == 404
    knocking = owner.ask("GET", f"/workspaces/{shared}/shares").json()["shares"][1]
    owner.ask("DELETE", f"/workspaces/{shared}/shares/{knocking['id']}")
    assert owner.ask("POST", f"/workspaces/{shared}/shares/{knocking['id']}/admit", json={}).status_code == 404
    assert ann.ask("POST", "/join", json=wanted).json()["state"] == "waiting"
    knocking = owner.ask("GET", f"/workspaces/{shared}/shares").json()["shares"][1]
    admitted = owner.ask("POST", f"/workspaces/{shared}/shares/{knocking['id']}/admit", json={})
    assert admitted.json()["share"]["state"] == "active"
    assert ann.ask("POST", "/join", json=wanted).json()["workspace_id"] == shared


@pytest.mark.parametrize("knock", [False, True], ids=["taken", "refused"])
def test_a_link_takes_away_nothing(owner: Person, ann: Person, shared: str, *, knock: bool) -> None:
    """Who may see it for good still may when a link that gave more ends, or when they are not let in."""
    lasting = made(owner, shared, **{"with": f"user:{ann.id}"})["share"]["id"]
    told = made(owner, shared, **{"with": "link", "access": "editor", "expires_in": 3600, "knock": knock})
    assert ann.ask("POST", "/join", json={"secret": secret_of(told)}).is_success
    relation = ann.ask("GET", f"/workspaces/{shared}").json()["workspace"]["relation"]
    assert relation == ("viewer" if knock else "editor")
    by_link = owner.ask("GET", f"/workspaces/{shared}/shares").json()["shares"][-1]
    assert (by_link["via"], by_link["access"]) == (told["share"]["id"], "editor")
    assert owner.ask("DELETE", f"/workspaces/{shared}/shares/{by_link['id']}").status_code == 204
    assert ann.ask("GET", f"/workspaces/{shared}").json()["workspace"]["relation"] == "viewer"
    left = [one["id"] for one in owner.ask("GET", f"/workspaces/{shared}/shares").json()["shares"]]
    assert left == [lasting, told["share"]["id"]]


def joined_as_guest(web: Web, told: dict[str, Any], address: str) -> Any:
    """Return the answer to a guest who comes by a link from an address."""
    transport = httpx2.HTTPTransport(verify=False, local_address=address)
    with httpx2.Client(base_url=web.url, transport=transport, trust_env=False) as guest:
        return guest.post("/api/nixos/join-as-guest", json={"secret": secret_of(told), "name": "Bea"})


def test_guests_of_one_address_are_bounded(
    web: Web, owner: Person, shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "GUESTS", Rate(3))
    told = made(owner, shared, **{"with": "link"})
    statuses = [joined_as_guest(web, told, "127.0.0.21").status_code for _ in range(5)]
    assert statuses == [200] * 3 + [429] * 2
    assert len(owner.ask("GET", f"/workspaces/{shared}/shares").json()["shares"]) == 1 + 3
    assert joined_as_guest(web, told, "127.0.0.22").status_code == 200


def test_guests_take_no_place_of_the_owners_shares(
    web: Web, owner: Person, ann: Person, shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have a bound of their own, and go with their session."""
    told = made(owner, shared, **{"with": "link"})
    monkeypatch.setattr(shares, "MOST_SHARES", 2)
    monkeypatch.setattr(shares, "MOST_GUESTS", 3)
    answers = [joined_as_guest(web, told, "127.0.0.23") for _ in range(4)]
    assert [one.status_code for one in answers] == [200] * 3 + [429]
    assert answers[-1].json()["error"]["code"] == "too_many_guests"
    made(owner, shared, **{"with": f"user:{ann.id}"})
    guests = owner.ask("GET", f"/workspaces/{shared}/shares").json()["shares"][1:4]
    ends = [datetime.fromisoformat(one["expires_at"]) for one in guests]
    assert max(ends) < datetime.now(UTC) + GUEST_LIFETIME


def test_nobody_comes_by_a_link_of_who_is_suspended(web: Web, owner: Person, ann: Person, shared: str) -> None:
    """Guests who are there go; users whom it is shared with stay. All is as before when the owner is back."""
    made(owner, shared, **{"with": f"user:{ann.id}"})
    told = made(owner, shared, **{"with": "link"})
    with (
        httpx2.Client(base_url=web.url, trust_env=False, headers={"Origin": web.url}, verify=False) as guest,
        web.http() as admin,
    ):

        def seen() -> tuple[int, int]:
            listed = guest.get("/api/nixos/workspaces").json()["workspaces"]
            return guest.get(f"/api/nixos/workspaces/{shared}").status_code, len(listed)

        body = {"secret": secret_of(told), "name": "Bea"}
        assert guest.post("/api/nixos/join-as-guest", json=body).status_code == 200
        assert seen() == (200, 1)
        assert admin.patch(f"/api/nixos/users/{owner.id}", json={"state": "suspended"}).status_code == 200
        assert seen() == (404, 0)
        assert joined_as_guest(web, told, "127.0.0.24").status_code == 401
        assert ann.ask("GET", f"/workspaces/{shared}").status_code == 200
        assert admin.patch(f"/api/nixos/users/{owner.id}", json={"state": "active"}).status_code == 200
        assert seen() == (200, 1)


def test_wrong_links_are_counted_and_slowed_down(web: Web, ann: Person) -> None:
    answers = [ann.ask("POST", "/join", json={"secret": f"wrong-{n}"}).status_code for n in range(60)]
    assert set(answers) == {401, 429}
    web.run(web.services.counted_audit.store())


def test_a_share_ends_by_itself(web: Web, ann: Person, shared: str) -> None:
    give(web, shared, ann.id, expires_at=datetime.now(UTC) + timedelta(seconds=1.2))
    assert ann.ask("GET", f"/workspaces/{shared}").status_code == 200
    until("it has expired", lambda: ann.ask("GET", f"/workspaces/{shared}").status_code == 404)
    assert ann.ask("GET", "/workspaces").json()["workspaces"] == []


def test_the_end_of_a_share_by_itself_is_in_the_audit_log(
    web: Web, owner: Person, ann: Person, shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each one's, of those who came by a link too; another share tells nothing of them."""
    told = made(owner, shared, **{"with": "link", "expires_in": 60})
    assert ann.ask("POST", "/join", json={"secret": secret_of(told)}).is_success
    link, mine = owner.ask("GET", f"/workspaces/{shared}/shares").json()["shares"]
    later = datetime.now(UTC) + timedelta(seconds=61)
    monkeypatch.setattr(web.services.sharing.shares, "_clock", lambda: later)
    made(owner, shared, **{"with": "link"})
    for _ in range(2):
        web.run(web.services.sharing.shares.expire())
    ended = [one for one in entries(web, shared) if one.action == "expire-share"]
    assert {one.target for one in ended} == {link["id"], mine["id"]}
    assert {(one.actor, one.outcome, one.kind) for one in ended} == {("system", "accepted", AuditClass.SYSTEM)}
    [detail] = [one.detail for one in ended if one.target == mine["id"]]
    assert detail is not None
    assert (detail["with"], detail["via"]) == (f"user:{ann.id}", link["id"])


def test_leaving(ann: Person, owner: Person, shared: str) -> None:
    made(owner, shared, **{"with": f"user:{ann.id}"})
    assert ann.ask("POST", f"/workspaces/{shared}/leave", json={}).status_code == 204
    assert ann.ask("POST", f"/workspaces/{shared}/leave", json={}).status_code == 404


# ---- what is open


@contextmanager
def events_of(web: Web, who: Person) -> Iterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {who.token}"}
    with connect(f"{web.url.replace('http', 'ws')}/ws/nixos/events", additional_headers=headers, proxy=None) as opened:
        assert json.loads(opened.recv(10)) == {"type": "hello"}
        yield opened


def test_what_is_shared_is_told_live(web: Web, owner: Person, ann: Person, shared: str) -> None:
    """From the share on to its end, and not a word later."""
    stranger = person(web, f"{ann.id}-stranger")
    with events_of(web, ann) as hers, events_of(web, stranger) as others:
        told = made(owner, shared, **{"with": f"user:{ann.id}"})
        message = json.loads(hers.recv(10))
        assert (message["type"], message["workspace"]["relation"]) == ("workspace.shares", "viewer")
        owner.ask("DELETE", f"/workspaces/{shared}/shares/{told['share']['id']}")
        ended = json.loads(hers.recv(10))
        assert ended == {"type": "workspace.shares", "workspace_id": shared}
        renamed = owner.ask("PATCH", f"/workspaces/{shared}", json={"name": f"later-{shared[3:]}"})
        assert renamed.status_code == 200, renamed.text
        for one in (hers, others):
            one.send('{"type": "ping"}')
            assert json.loads(one.recv(10)) == {"type": "pong"}


@pytest.mark.parametrize("how", ["revoked", "expired", "transferred", "left", "removed from the group"])
def test_what_is_open_ends_with_the_share(web: Web, owner: Person, ann: Person, shared: str, how: str) -> None:
    """Whoever holds it open, and only what that share opened."""
    ended: list[str] = []
    services = web.services

    async def hold() -> Callable[[], None]:
        principal = await services.tokens.authenticate(ann.token)
        own = await services.tokens.authenticate(owner.token)
        found = await services.workspaces.get(shared, principal=principal)
        access = services.sharing.open_access
        hers = access.entered(principal, Action.READ, found, lambda error: ended.append(error.code))
        mine = access.entered(own, Action.READ, found, lambda error: ended.append(f"owner {error.code}"))
        hers.__enter__()
        mine.__enter__()

        def release() -> None:
            hers.__exit__(None, None, None)
            mine.__exit__(None, None, None)

        return release

    soon = datetime.now(UTC) + timedelta(seconds=1) if how == "expired" else None
    if how == "removed from the group":
        group(web, f"grp-{ann.id}", [ann])
        share_id = made(owner, shared, **{"with": f"group:grp-{ann.id}"})["share"]["id"]
    else:
        share_id = give(web, shared, ann.id, expires_at=soon)
    release = web.run(hold())
    match how:
        case "revoked":
            owner.ask("DELETE", f"/workspaces/{shared}/shares/{share_id}")
        case "left":
            ann.ask("POST", f"/workspaces/{shared}/leave", json={})
        case "removed from the group":

            async def leave() -> None:
                async with services.database.transaction() as tx:
                    await tx.groups.leave(f"grp-{ann.id}", ann.id)

            web.run(leave())
        case "transferred":
            other = person(web, f"{ann.id}-other")
            owner.ask("POST", f"/workspaces/{shared}/transfer", json={"to": other.id})
            assert other.ask("POST", f"/transfers/{shared}/accept", json={}).status_code == 200
            until("the owner's has ended", lambda: "owner workspace_not_found" in ended, 2)
        case _:
            pass
    until("it has ended", lambda: "workspace_not_found" in ended, 3)
    assert ("owner workspace_not_found" in ended) is (how == "transferred")
    web.loop.call_soon_threadsafe(release)


def test_no_secret_of_a_link_is_stored(web: Web, owner: Person, shared: str) -> None:
    secret = secret_of(made(owner, shared, **{"with": "link"}))
    stored = (web.services.settings.data / "nixws.db").read_bytes()
    log = web.services.settings.data / "nixws.db-wal"
    stored += log.read_bytes() if log.exists() else b""
    assert digest_of(secret).encode() in stored
    assert secret.encode() not in stored


def test_access_says_viewer_unless_told(owner: Person, shared: str) -> None:
    assert made(owner, shared, **{"with": "link"})["share"]["access"] == Access.VIEWER
