"""What a request could bring along to become another's: fields, sessions, cookies, tickets, and times that tell."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from people_fixture import person
from test_policy_matrix import BODY
from test_web_errors import BODIES
from web_service import Web, running_web
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from nixos_workspaces.auth.operations import OPEN_OPERATIONS
from nixos_workspaces.auth.people.passwords import Passwords
from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.web.http.access.forgery import HEADER
from nixos_workspaces.web.http.tickets import Tickets

FORGED = {
    "owner_id": "admin",
    "owner": "admin",
    "is_admin": True,
    "role": "admin",
    "principal_id": "admin",
    "user_id": "admin",
    "created_by": "admin",
    "state": "active",
    "id": "ws-000000000001",
    "parent_id": "tok-1",
    "relation": "owner",
}
"""Fields by which a careless service would give more than was asked for."""
EVENTS = "/ws/nixos/events"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        running.create("existing")
        yield running


@pytest.fixture(scope="module")
def document(web: Web) -> dict[str, Any]:
    with web.http() as http:
        return dict(http.get("/api/openapi.json").json())


def bodies(document: Mapping[str, Any]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return the schema of every JSON body by method, path and operation."""
    return {
        (method.upper(), path, operation["operationId"]): operation["requestBody"]["content"]["application/json"][
            "schema"
        ]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }


def objects(schema: Any, document: Mapping[str, Any], seen: set[str]) -> Iterator[dict[str, Any]]:
    """Yield every object with named fields that a schema has, at any depth."""
    match schema:
        case {"$ref": str(reference)}:
            name = reference.rsplit("/", 1)[-1]
            if name not in seen:
                seen.add(name)
                yield from objects(document["components"]["schemas"][name], document, seen)
        case dict():
            if schema.get("type") == "object" and "properties" in schema:
                yield schema
            for inner in schema.values():
                yield from objects(inner, document, seen)
        case list():
            for inner in schema:
                yield from objects(inner, document, seen)
        case _:
            pass


def test_no_body_takes_fields_that_it_does_not_name(document: dict[str, Any]) -> None:
    """At no depth of any request's body."""
    found = bodies(document)
    assert len(found) > 25
    for (_, _, operation), schema in found.items():
        for one in objects(schema, document, set()):
            assert one.get("additionalProperties") is False, (operation, one.get("title"))


def test_forged_fields_are_refused_by_every_operation(web: Web, document: dict[str, Any]) -> None:
    """Beside a body that is right, and as an administrator: nothing else can be the reason."""
    tried, wrong = 0, []
    with web.http() as http:
        for (method, path, operation), schema in bodies(document).items():
            known = {name for one in objects(schema, document, set()) for name in one["properties"]}
            last = path.rsplit("/", 1)[-1].replace("{workspace_id}", "ws-000000000000").replace("{port}", "3000")
            content = BODY.get(operation, BODIES.get((method, last.replace("{name}", "NAME")), {})).get("json", {})
            url = path.format_map(_Existing())
            for name in FORGED.keys() - known:
                answer = http.request(method, url, json={**content, name: FORGED[name]})
                tried += 1
                error = answer.json()["error"] if answer.status_code >= 400 else {}
                if (answer.status_code, error.get("field")) != (422, name):
                    wrong.append((operation, name, answer.status_code, error))
    assert wrong == []
    assert tried > 250


class _Existing(dict[str, str]):
    """Parts of paths: those of the workspace that there is, and ids that nothing has."""

    def __missing__(self, name: str) -> str:
        return {"workspace_id": "existing", "port": "3000", "name": "NAME", "user_code": "AAAA-AAAA"}.get(name, "none")


# ---- sessions


def test_a_planted_session_is_not_the_one_that_signing_in_gives(web: Web) -> None:
    """Neither a made-up one nor another person's, which stays that person's."""
    mallory = person(web, "mallory")
    with mallory.http() as http:
        theirs = http.post("/api/nixos/login", json={"token": mallory.token}).json()["token"]
    for planted in ("nixws_" + "x" * 43, theirs):
        with httpx2.Client(base_url=web.url, trust_env=False, headers={"Origin": web.url}, verify=False) as browser:
            browser.cookies.set("nixws_session", planted)
            given = browser.post("/api/nixos/login", json={"token": web.token})
            assert given.status_code == 200
            secret = given.json()["token"]
            assert secret not in {planted, web.token}
            own = {"Cookie": f"nixws_session={secret}"}
        with httpx2.Client(base_url=web.url, trust_env=False, verify=False) as fresh:
            assert fresh.get("/api/nixos/session", headers=own).json()["name"] == "admin"
            after = fresh.get("/api/nixos/session", headers={"Authorization": f"Bearer {planted}"})
        if planted == theirs:
            assert after.json()["name"] == "mallory"
        else:
            assert after.status_code == 401


def test_an_unsafe_request_by_cookie_brings_the_word_of_its_session(web: Web) -> None:
    """Every operation that there is; a missing word, a wrong one, that of another session, and two change nothing."""
    origin = {"Origin": web.url}
    secrets, words = list[str](), list[str]()
    with httpx2.Client(base_url=web.url, trust_env=False, headers=origin, verify=False) as http:
        for _ in range(2):
            secrets.append(http.post("/api/nixos/login", json={"token": web.token}).json()["token"])
            words.append(http.get("/api/nixos/session").json()["csrf_token"])
        http.cookies.clear()
        cookie = {"Cookie": f"nixws_session={secrets[0]}"}
        own, other = words
        assert len({own, other, *secrets}) == 4
        unsafe = [
            (method.upper(), path.format_map(_Existing()), operation["operationId"])
            for path, methods in http.get("/api/openapi.json", headers=cookie).json()["paths"].items()
            for method, operation in methods.items()
            if method not in {"get", "head", "options"}
        ]
        before = http.get("/api/nixos/workspaces", headers=cookie).json()
        for method, path, operation in unsafe:
            if operation in OPEN_OPERATIONS:
                continue
            answer = http.request(method, path, headers=cookie)
            assert (answer.status_code, _code(answer)) == (403, "csrf_token_wrong"), operation
        given = [(HEADER, wrong) for wrong in ("", "x", other, own[:-1], f"{own}, {own}")]
        for headers in ([], *([one] for one in given), [(HEADER, own), (HEADER, own)]):
            answer = http.put("/api/nixos/secrets/FORGED", headers=[*cookie.items(), *headers], json={"value": "x"})
            assert (answer.status_code, _code(answer)) == (403, "csrf_token_wrong"), headers
        assert http.get("/api/nixos/secrets", headers=cookie).json()["secrets"] == []
        assert http.get("/api/nixos/workspaces", headers=cookie).json() == before
        right = {**cookie, HEADER: own}
        assert http.post("/api/nixos/workspaces/none/start", headers=right).status_code == 404
        # Nor is the word told to a page of another origin, and tokens need none.
        foreign = {**cookie, "Sec-Fetch-Site": "same-site"}
        assert http.get("/api/nixos/session", headers=foreign).json()["csrf_token"] == ""
        bearer = {"Authorization": f"Bearer {secrets[0]}"}
        assert http.get("/api/nixos/session", headers=bearer).json()["csrf_token"] == ""
        assert http.post("/api/nixos/workspaces/none/start", headers=bearer).status_code == 404
        assert http.post("/api/nixos/logout", headers=right).status_code == 204
        assert http.post("/api/nixos/logout", headers=right).status_code == 401


def _code(answer: httpx2.Response) -> str:
    return str(answer.json()["error"]["code"])


@pytest.mark.parametrize("first", [True, False])
def test_a_second_session_that_another_host_has_set_is_not_taken(web: Web, *, first: bool) -> None:
    """A program of a sister host may set cookies for ours: its session must not become the visitor's."""
    mallory = person(web, "tosser")
    own, tossed = ({"Authorization": f"Bearer {one}"} for one in (web.token, mallory.token))
    with httpx2.Client(base_url=web.url, trust_env=False, headers={"Origin": web.url}, verify=False) as http:
        mine, theirs = (
            http.post("/api/nixos/login", json={"token": one}).json()["token"] for one in (web.token, mallory.token)
        )
        http.cookies.clear()
        pair = (theirs, mine) if first else (mine, theirs)
        cookie = "; ".join(f"nixws_session={one}" for one in pair)
        for headers in ({"Cookie": cookie}, {"Cookie": cookie.replace("; ", ";")}, {"Cookie": f"a=b; {cookie}; c=d"}):
            assert http.get("/api/nixos/session", headers=headers).status_code == 401
            assert http.post("/api/nixos/workspaces/none/start", headers=headers).status_code == 401
            with pytest.raises(InvalidStatus) as refused:
                connect(
                    web.url.replace("http", "ws") + EVENTS,
                    additional_headers={**headers, "Origin": web.url},
                    proxy=None,
                ).close()
            assert refused.value.response.status_code == 401
        same = {"Cookie": f"nixws_session={mine}; nixws_session={mine}"}
        assert http.get("/api/nixos/session", headers=same).json()["name"] == "admin"
        for name, headers in (("admin", own), ("tosser", tossed)):
            assert http.get("/api/nixos/session", headers=headers).json()["name"] == name


def test_a_ticket_opens_one_socket_once(web: Web) -> None:
    """Also where the first attempt failed, and nowhere else."""
    tickets: Tickets = web.server._fastapi.state.tickets

    def attempt(secret: str, path: str = EVENTS) -> int:
        protocols: Any = [f"nixws.ticket.{secret}", "nixws.events.v1"]
        try:
            with connect(web.url.replace("http", "ws") + path, subprotocols=protocols, proxy=None) as opened:
                opened.recv(10)
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    async def issue(path: str) -> str:
        return tickets.issue(ADMIN, web.token, path)

    secret = web.run(issue(EVENTS))
    assert [attempt(secret) for _ in range(3)] == [101, 401, 401]
    elsewhere = web.run(issue(EVENTS))
    path = "/ws/nixos/workspaces/existing/terminal"
    assert [attempt(elsewhere, path), attempt(elsewhere)] == [401, 401]
    assert attempt("x" * 43) == 401


async def test_known_and_unknown_users_take_as_long() -> None:
    """By the processor's time, of hashes as they are: what differs is less than one check differs from the next."""
    passwords = Passwords()
    hashed = await passwords.hash("eleven blue umbrellas")
    known, unknown = list[float](), list[float]()
    for _ in range(9):
        for hash_of, times in ((hashed, known), ("", unknown)):
            began = time.process_time()
            assert not await passwords.matches(hash_of, "another password")
            times.append(time.process_time() - began)
    of_known, of_unknown = statistics.median(known), statistics.median(unknown)
    spread = max(known) - min(known) + max(unknown) - min(unknown)
    assert abs(of_known - of_unknown) <= max(spread, 0.1 * of_known)
