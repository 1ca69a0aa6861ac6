"""The event socket: who may open it, what it says, how it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import websockets.exceptions
from waiting import until
from web_service import Web, running_web
from websockets.sync.client import ClientConnection, connect

from nixos_workspaces.auth.policy import ADMIN


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running


def opened(web: Web, **headers: str) -> ClientConnection:
    url = web.url.replace("http", "ws") + "/ws/nixos/events"
    return connect(url, additional_headers=headers, proxy=None, open_timeout=5)


def closing_code(socket: ClientConnection) -> int:
    """Read until the service closes the socket; return its close code."""
    with suppress(websockets.exceptions.ConnectionClosed):
        while True:
            socket.recv(5)
    assert socket.close_code is not None
    return socket.close_code


def session(web: Web) -> str:
    code = web.run(web.services.tokens.login_code())
    secret, _ = web.run(web.services.tokens.redeem(code))
    return f"nixws_session={secret}"


def refusal(web: Web, **headers: str) -> tuple[int, Any]:
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        opened(web, **headers)
    response = refused.value.response
    body = json.loads(response.body or b"")
    assert body["error"]["request_id"] == response.headers["x-request-id"]
    return response.status_code, body["error"]["code"]


ORIGINS = [
    "https://evil.example",
    "null",
    "{url}.evil.example",
    "http://evil.example#{url}",
    "http://127.0.0.1:1",
    "http://127.0.0.1",
    "https{rest}",
    "",
]


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("by_cookie", [True, False])
def test_other_sites_pages_cannot_open_it(web: Web, origin: str, *, by_cookie: bool) -> None:
    """The handshake is refused before the upgrade, whatever credential comes along."""
    given = origin.format(url=web.url, rest=web.url.removeprefix("http"))
    headers = {"Cookie": session(web)} if by_cookie else web.headers
    assert refusal(web, Origin=given, **headers) == (403, "foreign_origin")


def test_our_own_page_can_open_it(web: Web) -> None:
    with opened(web, Origin=web.url, Cookie=session(web)) as socket:
        assert json.loads(socket.recv(5)) == {"type": "hello"}


def test_a_cookie_without_origin_is_refused_but_a_token_is_not(web: Web) -> None:
    assert refusal(web, Cookie=session(web)) == (403, "foreign_origin")
    with opened(web, **web.headers) as socket:
        assert json.loads(socket.recv(5)) == {"type": "hello"}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nope"}, {"Cookie": "nixws_session=nope"}])
def test_strangers_are_refused(web: Web, headers: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """And that is no error of the service: its log says nothing worse than that it was refused."""
    caplog.set_level("INFO")
    assert refusal(web, Origin=web.url, **headers) == (401, "unauthenticated")
    until("the refusal is logged", lambda: "/ws/nixos/events" in caplog.text)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


def test_changes_are_told_as_they_happen(web: Web) -> None:
    with opened(web, **web.headers) as socket:
        assert json.loads(socket.recv(5))["type"] == "hello"
        made = web.create("told")
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1].get("workspace", {}).get("status") != "running":
            seen.append(json.loads(socket.recv(10)))
        assert {one["workspace_id"] for one in seen} == {made["id"]}
        assert {one["type"] for one in seen} <= {"workspace.status", "workspace.progress"}
        with web.http() as http:
            assert http.delete(f"/api/nixos/workspaces/{made['id']}").status_code == 202
        while seen[-1]["type"] != "workspace.deleted":
            seen.append(json.loads(socket.recv(10)))


def test_pings_are_answered_and_anything_else_is_ignored(web: Web) -> None:
    with opened(web, **web.headers) as socket:
        socket.recv(5)
        for odd in ("", "{", "[]", '{"type": "subscribe"}', "\x00", "a" * 100_000):
            socket.send(odd)
        socket.send(b"\xff\x00")
        socket.send('{"type": "ping"}')
        assert json.loads(socket.recv(5)) == {"type": "pong"}


def test_a_huge_message_ends_the_socket(web: Web) -> None:
    with opened(web, **web.headers) as socket:
        socket.recv(5)
        with suppress(websockets.exceptions.ConnectionClosed):  # the service may close before all of it was sent
            socket.send("a" * 2_000_000)
        assert closing_code(socket) == 1009


def test_a_revoked_credential_ends_the_socket(web: Web) -> None:
    secret, token = web.run(web.services.tokens.create("events", principal=ADMIN))
    with opened(web, Authorization=f"Bearer {secret}") as socket:
        socket.recv(5)
        web.run(web.services.tokens.revoke(token.id, principal=ADMIN))
        assert closing_code(socket) == 4401


def test_too_many_sockets_are_refused(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.server._fastapi.state.event_sockets, "most_of_one", 1)
    with opened(web, **web.headers) as first:
        first.recv(5)
        with opened(web, **web.headers) as second:
            assert closing_code(second) == 4429


def test_the_socket_is_closed_when_the_service_stops(tmp_path: Path) -> None:
    """Event sockets end with 1012 and followed logs end, all within a few seconds of SIGTERM."""
    with running_web(tmp_path) as web:
        made = web.create("stopping")
        path = f"/api/nixos/workspaces/{made['id']}/logs"
        with opened(web, **web.headers) as socket, web.http() as http:
            socket.recv(5)
            with http.stream("GET", path, params={"follow": "1"}, timeout=30) as answer:
                started = time.monotonic()
                web.server.should_exit = True
                for _ in answer.iter_lines():
                    pass
            assert closing_code(socket) == 1012
    assert time.monotonic() - started < 5
