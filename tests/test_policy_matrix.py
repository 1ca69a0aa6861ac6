"""Every operation, by everybody, over the real application: what the policy says happens, and nothing is betrayed.

What the policy says is compared with what is wanted in ``test_policy``; here it is compared with what the service does.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from people_fixture import Person
from policy_place import CANARY, NAME, NOBODY, OTHER_ID, SUBJECTS, Place, make_place, shared
from policy_subjects import PORT, TERMINAL
from test_web_errors import BODIES
from web_service import running_web
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from nixos_workspaces.auth.operations import OPEN_OPERATIONS, OPERATIONS
from nixos_workspaces.auth.policy import RULES, Action, authorise
from nixos_workspaces.errors import Forbidden, NotFound, WorkspacesError
from nixos_workspaces.model.access.shares import Part, port_part
from nixos_workspaces.web.http.access.windows import Rate

SOCKETS = {"events", "terminal", "tunnel"}
BODY: dict[str, dict[str, Any]] = {
    "create_workspace": {
        "json": {"name": "made", "cpu": 0.25, "memory": 0.25, "storage": 0.25, "template": "minimal", "packages": []}
    },
    "add_share": {"json": {"with": "user:viewer", "access": "viewer"}},
    "transfer_workspace": {"json": {"to": "viewer"}},
    "accept_transfer": {"json": {}},
    "put_personal_secrets": {"json": {"deliver": True}},
    "join_share": {"json": {"secret": "wrong"}},
    "put_secret": {"json": {"kind": "wrong", "value": "x"}},  # a secret of that name would be one's own
    "put_workspace_secret": {"json": {"kind": "environment", "value": "x"}},
    "add_ssh_key": {"json": {"public_key": "ssh-ed25519 wrong"}},
    "sign_ssh_key": {"json": {"public_key": "ssh-ed25519 wrong"}},
    "approve_network_proposal": {"json": {}},
    "put_port": {"json": {"visibility": "private"}},
    "set_password": {"json": {"password": "x"}},
    "begin_passkey": {"json": {}},
    "add_passkey": {
        "json": {"name": "x", "made": {"credential_id": "AA", "client_data": "AA", "attestation_object": "AA"}}
    },
    "rename_passkey": {"json": {"name": "x"}},
    "create_token": {"json": {"name": "x"}},
    "answer_device_login": {"json": {"approve": False}},
    "create_user": {"json": {"handle": "made"}},
    "change_user": {"json": {"display_name": "x"}},
    "invite_user": {},
    "create_group": {"json": {"name": "made"}},
    "set_user_quota": {"json": {"workspaces": 1000}},
    "set_group_quota": {"json": {"workspaces": 1000}},
    "put_budget": {"json": {"amount": "1000000"}},
    "put_prices": {"json": {"currency": "EUR", "prices": []}},
    "search_packages": {"params": {"query": "git"}},
}
"""Requests that are read as far as to the policy; the others are those of ``test_web_errors``."""
PARTS: Mapping[Action, Part] = {
    Action.WATCH_TERMINAL: TERMINAL,
    Action.USE_TERMINAL: TERMINAL,
    Action.OPEN_PORT: PORT,
    Action.READ_PORT: PORT,
}
ENDS_IT = {"delete_workspace", "transfer_workspace", "leave_workspace"}
"""Operations after which others find another workspace: each has one of its own."""
OWN_ONLY = {"get_user"}
"""Operations that everybody may do to themselves, and few to others."""
UNAUTHENTICATED, FORBIDDEN, NOT_FOUND = 401, 403, 404
CLIENT = httpx2.Client(timeout=20, trust_env=False, verify=False)
"""One for all: making one costs more than a request."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as web:
        web.server._fastapi.state.rates._refused = Rate(1_000_000)
        with CLIENT:
            yield make_place(web)


@pytest.fixture(scope="module")
def routes(place: Place) -> dict[str, tuple[str, str]]:
    """Return method and path of every operation of the document."""
    with place.web.http() as http:
        document = http.get("/api/openapi.json").json()
    found = {
        operation["operationId"]: (method.upper(), path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert set(found) - OPEN_OPERATIONS == set(OPERATIONS) - SOCKETS
    return found


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return itertools.count(1)


def request_of(operation: str, routes: Mapping[str, tuple[str, str]], place: Place, at: str) -> tuple[str, str, Any]:
    """Return method, path and content of a request at one workspace."""
    method, path = routes[operation]
    content = BODY.get(operation, BODIES.get((method, _last(path)), {}))
    for part, value in {**place.victims, "workspace_id": at}.items():
        path = path.replace(f"{{{part}}}", value)
    assert "{" not in path, f"the place has no {path}"
    return method, path, content


def _last(path: str) -> str:
    word = path.rsplit("/", 1)[-1]
    return {"{workspace_id}": "ws-000000000000", "{name}": "NAME", "{port}": "3000"}.get(word, word)


def verdict(place: Place, who: Person, action: Action, at: str, part: Part | None = None) -> int | None:
    """Return the status that the policy wants, by the principal and the workspace as the service reads them."""

    async def ask() -> int | None:
        principal = await place.web.services.tokens.authenticate(who.token)
        try:
            if RULES[action].is_of_workspace:
                async with place.web.services.database.reading() as tx:
                    workspace = await tx.workspaces.get(at)
                assert workspace is not None
                authorise(principal, action, workspace, part)
            else:
                authorise(principal, action)
        except NotFound:
            return NOT_FOUND
        except Forbidden:
            return FORBIDDEN
        return None

    return place.web.run(ask())


def ask(who: Person, method: str, path: str, content: Mapping[str, Any]) -> httpx2.Response:
    given = dict(content)
    headers = {"Authorization": f"Bearer {who.token}"} if who.token else {}
    headers |= given.pop("headers", {})
    CLIENT.cookies.clear()
    return CLIENT.request(method, who.web.url + path, headers=headers, **given)


def outcome(answer: httpx2.Response) -> tuple[int, str]:
    try:
        return answer.status_code, str(answer.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return answer.status_code, ""


def check(answer: httpx2.Response, expected: int | None, cell: str) -> None:
    status, code = outcome(answer)
    if expected is None:
        assert (status, code) not in {(NOT_FOUND, "workspace_not_found"), (FORBIDDEN, "forbidden")}, cell
        assert code not in {"beyond_credential", "unauthenticated"}, cell
    elif expected == FORBIDDEN:
        assert status == FORBIDDEN, (cell, status, code)
    else:
        assert (status, code) == (NOT_FOUND, "workspace_not_found"), (cell, status, code)
        assert CANARY not in answer.text.lower(), cell


@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - SOCKETS - {"logout", "open_preview"}))
def test_operation(place: Place, routes: dict[str, tuple[str, str]], numbers: Iterator[int], operation: str) -> None:
    """By everybody with a valid credential as the policy says, by everybody else not at all."""
    action = OPERATIONS[operation]
    for who, one in place.people.items():
        at = place.workspace
        if operation in ENDS_IT:
            number = next(numbers)
            at = shared(place.web, f"ws-{number:012}", f"{NAME}-{number}")
        expected = verdict(place, one, action, at, PARTS.get(action))
        method, path, content = request_of(operation, routes, place, at)
        answer = ask(one, method, path, content)
        if operation in OWN_ONLY and expected is None and answer.status_code == FORBIDDEN:
            assert who not in {"owner", "admin", "auditor"}
            continue
        check(answer, expected, f"{operation} by {who}")
    for who, one in place.nobody.items():
        method, path, content = request_of(operation, routes, place, place.workspace)
        assert ask(one, method, path, content).status_code == UNAUTHENTICATED, f"{operation} by {who}"


def test_previews_are_opened_by_who_may(place: Place) -> None:
    """To others there is none at that address."""
    owner = place.people["owner"]
    url = owner.ask("GET", f"/workspaces/{place.workspace}/ports/{PORT.id}").json()["url"]
    for who, one in place.people.items():
        expected = verdict(place, one, Action.OPEN_PORT, place.workspace, PORT)
        answer = ask(one, "POST", "/api/nixos/previews", {"json": {"url": url}})
        status, code = outcome(answer)
        if expected is None:
            assert status == 200, (who, answer.text)
        else:
            assert (status, code) in {(NOT_FOUND, "preview_not_found"), (FORBIDDEN, "beyond_credential")}, (
                who,
                answer.text,
            )
    for who, one in place.nobody.items():
        assert ask(one, "POST", "/api/nixos/previews", {"json": {"url": url}}).status_code == UNAUTHENTICATED, who


def test_everybody_may_sign_out(place: Place) -> None:
    """Whatever else the credential is for."""
    for who, make in SUBJECTS.items():
        assert ask(make(place.web), "POST", "/api/nixos/logout", {}).status_code == 204, who
    for who, one in place.nobody.items():
        assert ask(one, "POST", "/api/nixos/logout", {}).status_code == UNAUTHENTICATED, who


# ---- sockets

ATTEMPTS: Mapping[str, tuple[str, Action, Part | None]] = {
    "a new terminal": ("/ws/nixos/workspaces/{}/terminal", Action.OPEN_TERMINAL, None),
    "a terminal as one may": ("/ws/nixos/workspaces/{}/terminal?session=t-1", Action.WATCH_TERMINAL, TERMINAL),
    "a terminal to type in": ("/ws/nixos/workspaces/{}/terminal?session=t-1&mode=peer", Action.USE_TERMINAL, TERMINAL),
    "a terminal to moderate": (
        "/ws/nixos/workspaces/{}/terminal?session=t-1&mode=moderator",
        Action.MODERATE_TERMINAL,
        TERMINAL,
    ),
    "a terminal to watch": ("/ws/nixos/workspaces/{}/terminal?session=t-1&readonly=1", Action.WATCH_TERMINAL, TERMINAL),
    "another terminal": (
        "/ws/nixos/workspaces/{}/terminal?session=t-2&readonly=1",
        Action.WATCH_TERMINAL,
        Part(TERMINAL.kind, "t-2"),
    ),
    "a tunnel": ("/api/nixos/workspaces/{}/tunnel?port=3000", Action.OPEN_TUNNEL, None),
}


def closing(who: Person, path: str) -> tuple[int, str]:
    """Return the close code of a socket, or the status of its refusal, with all that it said."""
    headers = {"Authorization": f"Bearer {who.token}"} if who.token else {}
    said: list[str] = []
    try:
        with connect(who.web.url.replace("http", "ws") + path, additional_headers=headers, proxy=None) as opened:
            try:
                while True:
                    said.append(str(opened.recv(10)))
            except ConnectionClosed as closed:
                code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
                return code, "".join([*said, reason])
    except InvalidStatus as refused:
        return refused.response.status_code, ""


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_sockets(place: Place, attempt: str) -> None:
    path, action, part = ATTEMPTS[attempt]
    for who, one in place.people.items():
        expected = verdict(place, one, action, place.workspace, part)
        code, said = closing(one, path.format(place.workspace))
        if expected is None:
            assert code not in {4401, 4403}, (who, code, said)
            assert "workspace_not_found" not in said, who
        else:
            assert code == 4000 + expected, (who, code, said)
            assert expected == FORBIDDEN or "no workspace" in said or "no such workspace" in said, (who, said)
            assert CANARY not in said.lower(), who
    for who, one in place.nobody.items():
        assert closing(one, path.format(place.workspace))[0] == UNAUTHENTICATED, who


STRANGERS = (
    *("stranger", "who has knocked", "of an expired share", "of a revoked share", "guest of another"),
    "owner of another only",
)


def test_events_reach_nobody_else(place: Place) -> None:
    """Everything that happens to a workspace, while strangers listen and ask for more."""
    owner, at = place.people["owner"], place.workspace
    url = place.web.url.replace("http", "ws") + "/ws/nixos/events"
    for who in STRANGERS:
        headers = {"Authorization": f"Bearer {place.people[who].token}"}
        with connect(url, additional_headers=headers, proxy=None) as opened:
            assert json.loads(opened.recv(10)) == {"type": "hello"}
            opened.send(json.dumps({"type": "watch", "usage": [at], "terminals": [at], "ports": [at]}))
            owner.ask("PATCH", f"/workspaces/{at}", json={"name": f"{NAME}-now"})
            owner.ask("PATCH", f"/workspaces/{at}", json={"name": NAME})
            owner.ask("POST", f"/workspaces/{at}/start")
            owner.ask("POST", f"/workspaces/{at}/stop")
            owner.ask("PUT", f"/workspaces/{at}/network", json={"mode": "none"})
            owner.ask("PUT", f"/workspaces/{at}/ports/3000", json={"visibility": "private"})
            gone = owner.ask("POST", f"/workspaces/{at}/shares", json={"with": "link"}).json()["share"]["id"]
            owner.ask("DELETE", f"/workspaces/{at}/shares/{gone}")
            opened.send('{"type": "ping"}')
            assert json.loads(opened.recv(10)) == {"type": "pong"}, who
    for who in NOBODY:
        assert closing(place.nobody[who], "/ws/nixos/events")[0] == UNAUTHENTICATED, who


# ---- what is betrayed


def test_lists_counts_and_searches_tell_nothing(place: Place) -> None:
    """Of what one may not know of there is no trace in anything that may be read without naming it."""
    reads = [
        "/templates",
        "/packages?query=canary",
        "/health",
        "/capacity",
        "/session",
        "/profile",
        "/secrets",
        "/ssh-keys",
    ]
    reads += [f"/workspaces?q={CANARY}", "/workspaces?limit=1", "/workspaces?template=minimal", "/workspaces?limit=200"]
    reads += [f"/workspaces?sort={sort}" for sort in ("name", "-name", "created_at", "-last_accessed")]
    reads += [f"/workspaces?status={status}" for status in ("stopped", "running", "error")]
    for who in STRANGERS[:-1]:
        for path in reads:
            answer = place.people[who].ask("GET", path)
            assert answer.status_code in {200, 403}, (who, path)
            assert CANARY not in answer.text.lower(), (who, path)
            assert place.workspace not in answer.text, (who, path)
            if path.startswith("/workspaces?"):
                listed = answer.json()
                own = [one for one in listed["workspaces"] if one["owner"] == place.people[who].id]
                assert listed["workspaces"] == own, who
                assert not listed["next_cursor"] or own, who
    other = place.people["owner of another only"].ask("GET", "/workspaces?limit=200").json()["workspaces"]
    assert [one["id"] for one in other] == [OTHER_ID]


def test_a_name_is_taken_for_its_owner_only(place: Place) -> None:
    """A stranger makes a workspace of the same name, and a request with the same Idempotency-Key."""
    wanted = {"name": NAME, "cpu": 0.25, "memory": 0.25, "storage": 0.25, "template": "minimal", "packages": []}
    headers = {"Idempotency-Key": "canary-key"}
    mine = place.people["owner"].ask(
        "POST", "/workspaces/create", json=wanted | {"name": f"{CANARY}-keyed"}, headers=headers
    )
    assert mine.status_code == 202, mine.text
    theirs = place.people["stranger"].ask("POST", "/workspaces/create", json=wanted, headers=headers)
    assert theirs.status_code == 202, theirs.text
    assert theirs.json()["workspace"]["owner"] == "stranger"
    named = place.people["stranger"].ask("DELETE", f"/workspaces/{NAME}")
    assert named.json()["workspace"]["id"] == theirs.json()["workspace"]["id"]


def test_what_is_not_mine_is_told_as_what_is_not(place: Place, routes: dict[str, tuple[str, str]]) -> None:
    """The answer for another's workspace is, to the letter, that for one that there never was."""
    for operation in sorted(set(OPERATIONS) - SOCKETS):
        method, path = routes[operation]
        if "{workspace_id}" not in path:
            continue
        answers = []
        for at in (place.workspace, "ws-00000000none"):
            _, path, content = request_of(operation, routes, place, at)
            answer = ask(place.people["stranger"], method, path, content)
            body = answer.json()["error"] if answer.content and method != "HEAD" else {}
            told = {key: str(value).replace(at, "ID") for key, value in body.items() if key != "request_id"}
            answers.append((answer.status_code, told, sorted(set(answer.headers) - {"date", "x-request-id"})))
        assert answers[0] == answers[1], operation


WITHIN_ONES_OWN = {"workspace_id", "name", "number", "port", "file_path"}
"""Parts of paths that name something of the workspace or the person whose path it is, and nobody else's."""


def test_ids_of_others_in_ones_own_workspace(place: Place, routes: dict[str, tuple[str, str]]) -> None:
    """Every id of every path of the document: that of another's thing, where one's own is meant, is none."""
    stranger, owner, at = place.people["stranger"], place.people["owner"], place.workspace
    own = place.web.run(_own(place, stranger))
    watched = [f"/workspaces/{at}/shares", f"/workspaces/{at}/network/proposals", "/ssh-keys", "/secrets"]
    watched += [f"/workspaces/{at}/secrets", f"/workspaces/{at}", "/sessions"]
    before = [owner.ask("GET", path).json() for path in watched]
    tried = 0
    for operation in sorted(set(OPERATIONS) - SOCKETS):
        method, path, content = request_of(operation, routes, place, own)
        parameters = {part for part in place.victims if f"{{{part}}}" in routes[operation][1]}
        if not parameters - WITHIN_ONES_OWN:
            continue
        tried += 1
        answer = ask(stranger, method, path, content)
        # A stopped workspace has neither terminals nor uploads, of anybody.
        assert answer.status_code in {403, 404, 409}, (operation, answer.text)
        assert CANARY not in answer.text.lower(), operation
    assert tried >= 30
    assert [owner.ask("GET", path).json() for path in watched] == before


async def _own(place: Place, who: Person) -> str:
    principal = await place.web.services.tokens.authenticate(who.token)
    from nixos_workspaces.schemas.workspaces import CreateRequest

    wanted = CreateRequest.model_validate(BODY["create_workspace"]["json"] | {"name": "own-of-stranger"})
    made = await place.web.services.orchestrator.create_workspace(wanted.to_model(), principal=principal)
    try:
        await place.web.services.orchestrator.stop_workspace(made.id, principal=principal)
    except WorkspacesError as failed:
        raise AssertionError(failed.message) from failed
    return made.id


def test_the_parts_of_paths_are_known(place: Place, routes: dict[str, tuple[str, str]]) -> None:
    """An id that is new in the document has to be tried with another's."""
    named = {part.partition("}")[0] for _, path in routes.values() for part in path.split("{")[1:]}
    assert named == set(place.victims)
    assert port_part(3000) == PORT
