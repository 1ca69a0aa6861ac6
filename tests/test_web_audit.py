"""The audit log has the uses of files, terminals and logs, and refused requests, counted, with a request's id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from browsing import PAGE
from open_things import Place, events, running_place, terminal
from raw_socket import RawSocket
from test_web_rates import entries
from waiting import until

from nixos_workspaces.audit.entries import AuditClass
from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.database import AuditEntry

ACTIONS = ("read-files", "write-files", "read-logs", "request", "end-terminal")
BEFORE: set[str] = set()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with running_place(Path(tmp_path_factory.mktemp("data"))) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_before(place: Place) -> None:
    """Let no test count what another did."""
    place.web.run(place.web.services.counted_audit.store())
    BEFORE.update(one.request_id for action in ACTIONS for one in entries(place.web, action))


def stored(place: Place, action: str) -> list[AuditEntry]:
    """Return the entries of the last minute, as the service would store them at its end."""
    place.web.run(place.web.services.counted_audit.store())
    return [one for one in entries(place.web, action) if one.request_id not in BEFORE]


def test_uses_of_files_are_counted(place: Place) -> None:
    path = f"{place.root}/files{place.sshd.home}/audited"
    with place.web.http() as http:
        first = http.put(path, content=b"x")
        assert first.status_code == 201
        assert http.put(path, content=b"y").status_code == 200
        assert http.get(path).content == b"y"
    [written], [read] = stored(place, "write-files"), stored(place, "read-files")
    assert (written.actor, written.workspace_id, written.outcome) == ("admin", place.workspace, "accepted")
    assert (written.request_id, written.detail) == (first.headers["x-request-id"], {"count": 2})
    assert read.detail == {"count": 1}


def test_uses_of_terminals_are_counted(place: Place) -> None:
    with place.web.http() as http:
        opened = http.post(f"{place.root}/terminals", json={})
        terminal_id = opened.json()["terminal"]["id"]
        assert http.patch(f"{place.root}/terminals/{terminal_id}", json={"name": "n"}).status_code == 200
        assert http.delete(f"{place.root}/terminals/{terminal_id}").status_code == 204
    terminal(place, place.web.token).close()
    place.web.run(place.web.services.counted_audit.store())
    found: dict[str, Any] = {
        action: entries(place.web, action)[-1] for action in ("open-terminal", "rename-terminal", "close-terminal")
    }
    assert found["open-terminal"].detail == {"count": 2}
    assert found["open-terminal"].request_id == opened.headers["x-request-id"]
    assert {one.workspace_id for one in found.values()} == {place.workspace}


def test_a_terminal_that_ends_by_itself_has_an_entry(place: Place) -> None:
    """Whether somebody is at it or not, and once; of one that is closed, the entry is its closing."""
    with place.web.http() as http:
        made = [
            http.post(f"{place.root}/terminals", json={"command": command}).json()["terminal"]["id"]
            for command in ("true", "read", "read")
        ]
        assert http.delete(f"{place.root}/terminals/{made[2]}").status_code == 204
        path = f"/ws/nixos/workspaces/{place.workspace}/terminal?session={made[1]}"
        watched = RawSocket(place.web.address, path, place.web.headers)
        while json.loads(watched.recv())["type"] != "session":
            pass
        watched.send(json.dumps({"type": "input", "data": "\n"}))
        while json.loads(watched.recv())["type"] != "exit":
            pass
        watched._socket.close()
        until("both are told", lambda: {one.target for one in stored(place, "end-terminal")} >= {*made[:2]})
        for _ in range(2):
            assert http.get(f"{place.root}/terminals").status_code == 200
    found = [one for one in stored(place, "end-terminal") if one.target in made]
    assert sorted(one.target for one in found) == sorted(made[:2])
    assert {(one.actor, one.kind, one.workspace_id) for one in found} == {
        ("system", AuditClass.SYSTEM, place.workspace)
    }


def test_an_entry_tells_how_the_actor_came(place: Place) -> None:
    """Token and session of a person, share and session of a guest; of uses that are counted too."""
    secret, token = place.web.run(place.web.services.tokens.create("short", principal=ADMIN))
    with httpx2.Client(
        base_url=place.web.url, trust_env=False, headers={"Origin": place.web.url}, event_hooks=PAGE, verify=False
    ) as browser:
        assert browser.post("/api/nixos/login", json={"token": secret}).status_code == 200
        assert browser.get(f"{place.root}/logs").status_code == 200
        told = browser.post(f"{place.root}/shares", json={"with": "link"}).json()
        (session,) = [one for one in browser.get("/api/nixos/sessions").json()["sessions"] if one["is_current"]]
        path = f"{place.root}/shares/{told['share']['id']}"
        with httpx2.Client(
            base_url=place.web.url, trust_env=False, headers={"Origin": place.web.url}, verify=False
        ) as guest:
            link = {"secret": told["link"].partition("#")[2], "name": "Bea"}
            assert guest.post("/api/nixos/join-as-guest", json=link).status_code == 200
            assert guest.get(f"{place.root}/logs").status_code == 200
            share = browser.get(f"{place.root}/shares").json()["shares"][-1]
        assert browser.delete(path).status_code == 204
    found = {one.actor: one for one in stored(place, "read-logs")}
    own, of_guest = found["admin"], next(one for actor, one in found.items() if actor.startswith("guest-"))
    assert (own.chain, own.address) == ((token.id, session["id"]), "127.0.0.1")
    assert (of_guest.chain[0], len(of_guest.chain), of_guest.address) == (share["id"], 2, "127.0.0.1")
    [shared] = [one for one in entries(place.web, "share") if one.target == told["share"]["id"]]
    assert (shared.chain, shared.address) == (own.chain, own.address)
    [signed_in] = [
        one for one in entries(place.web, "create-token") if one.detail and one.detail["token"] == session["id"]
    ]
    assert (signed_in.address, bool(signed_in.request_id)) == ("127.0.0.1", True)


def test_every_entry_that_a_request_causes_tells_its_origin(place: Place) -> None:
    """A sign-in by password too, and a lesson that somebody ends."""
    with place.web.http() as http:
        assert http.put("/api/nixos/me/password", json={"password": "seven green lanterns"}).status_code == 204
        for path, body in (("learn", {"for": "10m"}), ("learn/finish", {})):
            assert http.post(f"{place.root}/network/{path}", json=body).is_success
    with httpx2.Client(base_url=place.web.url, trust_env=False, verify=False) as browser:
        wanted = {"handle": "admin", "password": "seven green lanterns"}
        assert browser.post("/api/nixos/login", json=wanted).status_code == 200
    for action in ("sign-in", "set-password", "learn-network"):
        found = [one for one in entries(place.web, action) if one.outcome == "accepted"]
        assert found, action
        assert all(one.request_id and one.address == "127.0.0.1" for one in found), action


def test_a_change_tells_what_was_before(place: Place) -> None:
    """And nothing that a link is known by."""
    with place.web.http() as http:

        def put(path: str, **wanted: Any) -> None:
            assert http.put(path, json=wanted).is_success, path

        put(f"{place.root}/terminal-choices", record=False, moderated=True)
        put(f"{place.root}/terminal-choices", record=False, moderated=False)
        put("/api/nixos/quotas/users/admin", workspaces=40)
        put("/api/nixos/quotas/users/admin", workspaces=50, cpu=100)
        put("/api/nixos/quotas/users/admin")
        put(f"{place.root}/ports/3000", visibility="link")
        put(f"{place.root}/ports/3000", visibility="signed_in")
        put(f"{place.root}/ports/3000", visibility="private")
    changes = {
        action: [(dict(one.before or {}), dict(one.after or {})) for one in entries(place.web, action)]
        for action in ("choose-terminals", "set-quota", "share-port")
    }
    assert [before["moderated"] for before, _ in changes["choose-terminals"]] == [False, True]
    assert [after["moderated"] for _, after in changes["choose-terminals"]] == [True, False]
    quotas = [(one["workspaces"], one["cpu"]) for pair in changes["set-quota"] for one in pair]
    assert quotas == [(None, None), (40, None), (40, None), (50, 100), (50, 100), (None, None)]
    shown = [one["visibility"] for pair in changes["share-port"] for one in pair]
    assert shown == ["private", "link", "link", "signed_in", "signed_in", "private"]
    assert all({*one} <= {"visibility", "expires_at"} for pair in changes["share-port"] for one in pair)


def test_reading_a_log_is_counted(place: Place) -> None:
    with place.web.http() as http:
        answer = http.get(f"{place.root}/logs")
    [entry] = stored(place, "read-logs")
    assert (entry.workspace_id, entry.request_id) == (place.workspace, answer.headers["x-request-id"])


def test_refused_requests_are_counted_by_status_and_caller(place: Place) -> None:
    with place.web.http() as http:
        wrong = [http.get("/api/nixos/workspaces?limit=0") for _ in range(3)]
        assert {one.status_code for one in wrong} == {422}
        headers = {"Content-Type": "application/json"}
        assert http.post("/api/nixos/workspaces/create", content=b"{", headers=headers).status_code == 400
        for path in ("users/nobody-1", "users/nobody-2", "nothing"):
            assert http.get(f"/api/nixos/{path}").status_code == 404
    with httpx2.Client(base_url=place.web.url, trust_env=False, verify=False) as http:
        assert http.get("/api/nixos/workspaces").status_code == 401
        assert http.post("/api/nixos/login", json={}, headers={"Origin": "http://evil.example"}).status_code == 403
        assert http.get("/nowhere").status_code == 404
    found = stored(place, "request")
    assert [(one.outcome, one.actor, one.target, one.detail) for one in found] == [
        ("422", "admin", "list_workspaces", {"address": "127.0.0.1", "count": 3}),
        ("400", "admin", "create_workspace", {"address": "127.0.0.1", "count": 1}),
        ("404", "admin", "get_user", {"address": "127.0.0.1", "count": 2}),
        ("404", "admin", "", {"address": "127.0.0.1", "count": 1}),
        ("401", "", "", {"address": "127.0.0.1", "count": 1}),
        ("403", "", "", {"address": "127.0.0.1", "count": 1}),
    ]
    assert found[0].request_id == wrong[0].headers["x-request-id"]


def test_a_refused_handshake_is_counted_and_a_good_one_is_not(place: Place) -> None:
    with pytest.raises(ConnectionRefusedError):
        RawSocket(place.web.address, "/ws/nixos/events", {"Authorization": "Bearer nope"})
    events(place, place.web.token).close()
    assert [one.outcome for one in stored(place, "request")] == []
    assert entries(place.web, "authenticate")[-1].detail == {"address": "127.0.0.1", "count": 1}
