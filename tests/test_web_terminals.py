"""Terminals over the wire: a real service, sshd and holder; what clients may do and what they may not."""

from __future__ import annotations

import asyncio
import json
import os
import socket as sockets
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets.exceptions
from terminal_web import BINARY, RAW_CAT, Viewer, raw_viewer, terminal_web, viewer
from waiting import until
from web_service import Web
from websockets.sync.client import connect

from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.web.http.sockets import direct_socket
from nixos_workspaces.web.routes.terminals import socket as terminal_socket


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with terminal_web(tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture(scope="module")
def workspace(web: Web) -> str:
    return str(web.create("terminals")["id"])


def opened(web: Web, workspace: str, **options: Any) -> AbstractContextManager[Viewer]:
    return viewer(web.url, workspace, web.headers, **options)


def asked(web: Web, method: str, path: str, body: object = None) -> httpx2.Response:
    with web.http() as http:
        return http.request(method, f"/api/nixos/workspaces/{path}", json=body)


def made(web: Web, workspace: str, command: str = RAW_CAT, **wanted: object) -> str:
    answer = asked(web, "POST", f"{workspace}/terminals", {"command": command, **wanted})
    assert answer.status_code == 201, answer.text
    terminal = str(answer.json()["terminal"]["id"])
    if command == RAW_CAT:  # before that, the terminal itself would echo what is typed
        until("it is ready", lambda: listed(web, workspace)[terminal]["end"] >= len("ready\n"))
    return terminal


def listed(web: Web, workspace: str) -> dict[str, dict[str, Any]]:
    """Return the workspace's terminals by id."""
    return {one["id"]: one for one in asked(web, "GET", f"{workspace}/terminals").json()["terminals"]}


def test_the_specified_session(web: Web, workspace: str) -> None:
    """Connect, get a session, type, read, resize, end: as the specification writes the messages."""
    with opened(web, workspace, cols=100, rows=30) as client:
        assert client.session == {
            "type": "session",
            "id": client.session["id"],
            "offset": 0,
            "end": client.session["end"],
            "input_received": 0,
            "cols": 100,
            "rows": 30,
        }
        client.say(type="resize", cols=91, rows=17)
        client.type("stty size; echo caf\u00e9 \U0001f600\n")
        client.until_output("17 91")
        client.until_output("caf\u00e9 \U0001f600\r\n")
        client.say(type="ping")
        client.until_said("pong")
        client.type("exit 7\n")
        assert client.until_said("exit")["code"] == 7
        assert client.close_code() == 1000


def test_the_specification_word_for_word(web: Web, workspace: str) -> None:
    """As `wscat -H "Authorization: Bearer …" -c ws://…` does: no subprotocol, no query, the messages as printed."""
    with raw_viewer(web, workspace, {}) as client:
        assert client.socket.subprotocol is None
        client.socket.send('{"type": "resize", "cols": 80, "rows": 24}')
        client.socket.send('{"type": "input", "data": "ls -la\\n"}')
        client.until_output("total ")
        assert all(said.keys() == {"type", "data", "offset"} for said in client.said if said["type"] == "output")


def test_access_is_told_as_specified(web: Web, workspace: str) -> None:
    terminal = made(web, workspace)
    answer = asked(web, "GET", f"{workspace}/terminal").json()
    host = web.url.removeprefix("http://")
    connection = answer["terminal"]
    assert connection["websocket_url"] == f"ws://{host}/ws/nixos/workspaces/{workspace}/terminal"
    assert (connection["ssh_host"], connection["ssh_port"], connection["username"]) == ("127.0.0.1", 2222, "nixos")
    assert terminal in [one["id"] for one in answer["terminals"]]


def test_terminals_are_opened_listed_named_and_closed(web: Web, workspace: str) -> None:
    terminal = made(web, workspace, cols=93, rows=19, name="one", cwd="/tmp")
    shown = listed(web, workspace)[terminal]
    assert (shown["name"], shown["cols"], shown["rows"], shown["command"]) == ("one", 93, 19, RAW_CAT)
    assert (shown["exit_status"], shown["cwd"]) == (None, "/tmp")
    renamed = asked(web, "PATCH", f"{workspace}/terminals/{terminal}", {"name": "zw\u00f6lf"})
    assert renamed.json()["terminal"]["name"] == "zw\u00f6lf"
    assert asked(web, "DELETE", f"{workspace}/terminals/{terminal}").status_code == 204
    until("it has ended", lambda: asked(web, "DELETE", f"{workspace}/terminals/{terminal}").status_code == 404)
    for path in (terminal, "nonsense", "%2e%2e"):
        assert asked(web, "PATCH", f"{workspace}/terminals/{path}", {"name": "x"}).status_code == 404


@pytest.mark.parametrize(
    "wanted",
    [
        {"cols": 0},
        {"rows": 4097},
        {"cols": 80.5},
        {"cols": True},
        {"name": "n" * 65},
        {"name": "\u00e9" * 33},
        {"cwd": "relative"},
        {"command": "a\0b"},
        {"command": "x" * 5000},
        {"shell": "zsh"},
    ],
)
def test_what_cannot_be_opened_is_refused(web: Web, workspace: str, wanted: dict[str, object]) -> None:
    assert asked(web, "POST", f"{workspace}/terminals", wanted).status_code == 422


def test_a_directory_that_is_not_there_is_a_conflict(web: Web, workspace: str) -> None:
    answer = asked(web, "POST", f"{workspace}/terminals", {"cwd": "/not/there"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "terminal_start")


def test_every_byte_passes_in_both_directions(web: Web, workspace: str) -> None:
    """Binary frames of all sizes; what is printed is what was typed."""
    typed = bytes(range(256)) * 40 + os.urandom(200_000) + b"\xe2\x82"  # ends within a character
    with opened(web, workspace, binary=True, session=made(web, workspace), acknowledges=True) as client:
        assert client.socket.subprotocol == BINARY
        client.until_output("ready\n")
        at, size = 0, 1
        while at < len(typed):
            client.type(typed[at : at + size])
            at, size = at + size, size * 3 % 40_000 + 1
        client.until(lambda: len(client.output) >= len(typed) + 6)
        assert client.output == b"ready\n" + typed


def test_reattaching_goes_on_at_the_offset(web: Web, workspace: str) -> None:
    terminal = made(web, workspace)
    with opened(web, workspace, session=terminal) as client:
        client.type("one ")
        client.until_output("ready\none ")
        at = client.end
    with opened(web, workspace, session=terminal, offset=at) as client:
        assert client.session["offset"] == at
        client.type("two")
        client.until_output("two")
        assert client.output == b"two"
    with opened(web, workspace, session=terminal) as client:
        client.until_output("ready\none two")


def test_a_client_with_a_number_repeats_what_was_not_received(web: Web, workspace: str) -> None:
    """The count of received input goes on from connection to connection, and a new one takes the place of the old."""
    terminal = made(web, workspace)
    typed = os.urandom(150_000)
    with opened(web, workspace, binary=True, session=terminal, client=77, acknowledges=True) as client:
        assert client.session["input_received"] == 0
        client.until_output("ready\n")
        client.type(typed[:100_000])
        client.until(lambda: len(client.output) >= 100_000 + 6)
        assert any(said["type"] == "received" and said["input"] > 0 for said in client.said)
        with opened(web, workspace, binary=True, session=terminal, client=77, acknowledges=True) as again:
            assert again.session["input_received"] == 100_000
            assert client.close_code() == 4409
            again.type(typed[100_000:])
            again.until(lambda: len(again.output) >= len(typed) + 6)
            assert again.output == b"ready\n" + typed
    with opened(web, workspace, binary=True, session=terminal, client=78) as other:
        assert other.session["input_received"] == 0


def test_what_is_no_longer_kept_is_a_gap(web: Web, workspace: str) -> None:
    terminal = made(web, workspace, "head -c 9000000 /dev/zero | tr '\\0' x; echo; echo end; cat")
    with opened(web, workspace, session=terminal, binary=True, acknowledges=True) as client:
        client.until_output("end\r\n")
        end = client.end
    with opened(web, workspace, session=terminal, binary=True, acknowledges=True) as client:
        client.until_output("end\r\n")
        gaps = [said for said in client.said if said["type"] == "gap"]
        assert len(gaps) == 1
        assert gaps[0]["from"] == 0
        assert len(client.output) == end - gaps[0]["to"]
        assert client.end == end
        assert len(client.output) > 2 << 20


def test_who_shares_a_terminal_sees_the_same(web: Web, workspace: str) -> None:
    terminal = made(web, workspace)
    with (
        opened(web, workspace, session=terminal) as one,
        opened(web, workspace, session=terminal, binary=True, cols=70, rows=20) as two,
        opened(web, workspace, session=terminal, readonly=1, cols=10, rows=10) as watching,
    ):
        assert one.until_said("resized") == {"type": "resized", "cols": 70, "rows": 20}
        one.type("from one;")
        two.until_output("from one;")
        two.type(b"from two;")
        watching.type("from the watcher;")
        assert watching.until_said("error")["code"] == "readonly"
        one.type("last")
        for client in (one, two, watching):
            client.until_output("last")
            assert client.output == b"ready\nfrom one;from two;last"
        assert not any(said.get("cols") == 10 for said in one.said)


def test_the_size_is_that_of_the_client_which_was_active_last(web: Web, workspace: str) -> None:
    """Attaching, resizing and typing count; watching does not; who leaves hands over to the one before."""
    terminal = made(web, workspace)

    def is_size(cols: int, rows: int) -> bool:
        found = listed(web, workspace)[terminal]
        return (found["cols"], found["rows"]) == (cols, rows)

    with opened(web, workspace, session=terminal, cols=50, rows=20) as one:
        with opened(web, workspace, session=terminal, cols=60, rows=30) as two:
            assert is_size(60, 30)
            one.type("x")
            until("who typed last has its size", lambda: is_size(50, 20))
            two.say(type="resize", cols=61, rows=31)
            until("who resized last has its size", lambda: is_size(61, 31))
            with opened(web, workspace, session=terminal, readonly=1, cols=9, rows=9) as watching:
                watching.say(type="resize", cols=8, rows=8)
                watching.say(type="ping")
                watching.until_said("pong")
                assert is_size(61, 31)
            assert is_size(61, 31)
        until("who was active before has its size again", lambda: is_size(50, 20))
        sizes = [(said["cols"], said["rows"]) for said in one.said if said["type"] == "resized"]
        while sizes[-2:] != [(61, 31), (50, 20)]:
            said = one.until_said("resized")
            sizes.append((said["cols"], said["rows"]))
        assert (8, 8) not in sizes
        assert (9, 9) not in sizes


def test_what_runs_is_told_to_who_asks_for_it(web: Web, workspace: str) -> None:
    terminal = made(web, workspace, command="")
    with (
        opened(web, workspace, session=terminal, news=1) as told,
        opened(web, workspace, session=terminal, cols=99) as untold,
    ):
        untold.type("cd /usr/lib && sleep 1000\n")
        while (news := told.until_said("news"))["process"] != "sleep" or news["sizes"]:
            pass
        assert news == {
            "type": "news",
            "sizes": False,
            "attached": 2,
            "name": "",
            "title": news["title"],
            "cwd": "/usr/lib",
            "process": "sleep",
        }
        told.type("\x03")
        while (news := told.until_said("news"))["process"] == "sleep":
            pass
        assert news["sizes"]
        untold.say(type="ping")
        untold.until_said("pong")
        assert all(said["type"] != "news" for said in untold.said)


def test_a_layout_is_kept_and_overwritten_only_by_who_has_seen_it(web: Web, workspace: str) -> None:
    path = f"{workspace}/terminal-layout"
    assert asked(web, "GET", path).json()["version"] == 0
    one, two = "0" * 16, "1" * 16
    column = {
        "direction": "column",
        "share": 1.0,
        "parts": [{"terminal": one, "share": 2.5}, {"terminal": two, "share": 1.0}],
    }
    remembered = {"name": "build", "process": "make", "cwd": "/srv", "ended": True}
    layout = {"tabs": [column], "front": two, "terminals": {one: remembered}, "boot": "2026-01-01T00:00:00.000Z"}
    stored = asked(web, "PUT", path, {"version": 0, "layout": layout})
    assert (stored.status_code, stored.json()) == (200, {"version": 1, "layout": layout})
    assert asked(web, "GET", path).json() == {"version": 1, "layout": layout}
    late = asked(web, "PUT", path, {"version": 0, "layout": {}})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "layout_changed")
    address = web.url.replace("http", "ws") + "/ws/nixos/events"
    with connect(address, additional_headers=web.headers, proxy=None) as events:
        assert json.loads(events.recv(20))["type"] == "hello"
        assert asked(web, "PUT", path, {"version": 1, "layout": {}}).json()["version"] == 2
        told = json.loads(events.recv(20))
        assert (told["type"], told["workspace_id"]) == ("workspace.layout", workspace)
    assert asked(web, "GET", path).json()["layout"]["tabs"] == []


MALFORMED: list[str | bytes] = [
    "",
    "ls\n",
    "[]",
    "null",
    "{",
    "{}",
    '{"type": "nonsense"}',
    '{"type": 1}',
    '{"type": ["input"]}',
    '{"type": "input"}',
    '{"type": "input", "data": 1}',
    '{"type": "input", "data": null}',
    '{"type": "input", "data": "x", "more": 1}',
    '{"type": "input", "data": "\\ud800"}',
    '{"type": "resize", "cols": 0, "rows": 24}',
    '{"type": "resize", "cols": 80, "rows": 4097}',
    '{"type": "resize", "cols": 80.5, "rows": 24}',
    '{"type": "resize", "cols": "80", "rows": 24}',
    '{"type": "resize", "cols": true, "rows": 24}',
    '{"type": "resize", "cols": 1e999, "rows": 24}',
    '{"type": "resize", "cols": 80}',
    '{"type": "ack", "frames": -1}',
    '{"type": "ack", "frames": 1000}',
    '{"type": "ack", "frames": 99999999999999999999}',
    '{"type": "session", "id": "x", "offset": 0}',
    '{"type": "output", "data": "forged", "offset": 1}',
    "[" * 100_000,
    b"binary where text is due",
    b"",
]


@pytest.mark.parametrize("message", MALFORMED, ids=range(len(MALFORMED)))
def test_what_no_client_may_send_closes_its_socket_and_nothing_else(
    web: Web, workspace: str, message: str | bytes
) -> None:
    terminal = made(web, workspace)
    with opened(web, workspace, session=terminal) as other:
        with opened(web, workspace, session=terminal) as client:
            client.until_output("ready\n")
            client.socket.send(message)
            assert client.close_code() == 4400
            assert client.said[-1]["code"] == "malformed_message"
        other.type("untouched")
        other.until_output("untouched")
        assert other.output == b"ready\nuntouched"
    asked(web, "DELETE", f"{workspace}/terminals/{terminal}")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"session": "0123456789abcdef"}, 4404),
        ({"session": "../../etc"}, 4404),
        ({"session": "0123456789ABCDEF"}, 4404),
        ({"session": ""}, 4400),
        ({"offset": 5}, 4400),
        ({"readonly": 1}, 4400),
        ({"session": "0123456789abcdef", "offset": "-1"}, 4400),
        ({"session": "0123456789abcdef", "offset": "1_0"}, 4400),
        ({"session": "0123456789abcdef", "offset": 10**30}, 4400),
        ({"cols": 0}, 4400),
        ({"rows": "\u0663"}, 4400),
        ({"unknown": 1}, 4400),
        ({"client": "x"}, 4400),
        ({"client": 1 << 63}, 4400),
    ],
)
def test_queries_that_lead_nowhere(web: Web, workspace: str, query: dict[str, object], code: int) -> None:
    with opened(web, workspace, **query) as client:
        assert client.close_code() == code
        assert client.said[0]["type"] == "error"


def test_an_offset_that_is_not_reached_is_a_conflict(web: Web, workspace: str) -> None:
    with opened(web, workspace, session=made(web, workspace), offset=10**9) as client:
        assert client.close_code() == 4409
        assert client.said[0]["code"] == "bad_offset"


def test_workspaces_that_are_not_there_or_do_not_run(web: Web) -> None:
    for name in ("nobody", "ws-0", "No%20Name", "a" * 64):
        with opened(web, name) as client:
            assert client.close_code() == 4404
    stopped = web.create("stopped")["id"]
    asked(web, "POST", f"{stopped}/stop")
    web.reaches(stopped, "stopped")
    assert asked(web, "GET", f"{stopped}/terminal").status_code == 409


def test_a_flood_of_small_messages_is_refused(web: Web, workspace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service lingers for as long as a busy client may need to read why, between all that it still sends."""
    for name in ("LINGER_SECONDS", "ANSWER_SECONDS"):
        monkeypatch.setattr(direct_socket, name, 60.0)
    terminal = made(web, workspace, "sleep 1000")
    with opened(web, workspace, session=terminal) as other, opened(web, workspace, session=terminal) as client:
        with suppress(websockets.exceptions.ConnectionClosed):
            for _ in range(100_000):
                client.type("x")
        assert client.close_code() == 4429
        other.say(type="ping")
        other.until_said("pong")


def test_too_large_messages_are_refused(web: Web, workspace: str) -> None:
    terminal = made(web, workspace)
    with opened(web, workspace, session=terminal, binary=True) as client:
        client.socket.send(b"x" * ((1 << 20) + 1))
        assert client.close_code() == 1009
    with opened(web, workspace, session=terminal) as client:
        client.until_output("ready\n")
        client.type("fine")
        client.until_output("fine")
        assert client.output == b"ready\nfine"


def test_one_user_may_have_so_many_sockets(web: Web, workspace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.server._fastapi.state.terminal_sockets, "most_of_one", 2)
    terminal = made(web, workspace)
    with (
        opened(web, workspace, session=terminal),
        opened(web, workspace, session=terminal),
        opened(web, workspace, session=terminal) as third,
    ):
        assert third.close_code() == 4429
    until("there is room again", lambda: _is_welcome(web, workspace, terminal))


def _is_welcome(web: Web, workspace: str, terminal: str) -> bool:
    with opened(web, workspace, session=terminal) as client:
        return bool(client.session)


def test_input_that_its_program_does_not_read_waits(web: Web, workspace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte typed into a program that does not read yet: the socket lives, and in the end every byte arrives."""
    monkeypatch.setattr(terminal_socket, "HELD_SECONDS", 0.1)
    typed = os.urandom((1 << 20) - 1) + b"\xf0"
    gate = Path(f"/tmp/nixws-gate-{os.getpid()}")
    gate.unlink(missing_ok=True)
    waits = f"stty raw -echo; echo ready; while [ ! -e {gate} ]; do sleep 0.05; done; exec cat"
    with opened(web, workspace, session=made(web, workspace, waits), binary=True, acknowledges=True) as client:
        client.until_output("ready\n")
        for at in range(0, len(typed), 32_768):
            client.type(typed[at : at + 32_768])
        client.until_said("pong")
        gate.touch()
        client.until(lambda: len(client.output) == len(typed) + 6)
        assert client.output == b"ready\n" + typed
    gate.unlink()


def test_who_never_reads_delays_nobody_and_costs_little(web: Web, workspace: str) -> None:
    terminal = made(web, workspace, "while :; do seq 1 100000; done")
    before = _resident_bytes()
    deaf = _deaf_client(web, workspace, terminal)
    try:
        with opened(web, workspace, session=terminal, binary=True, acknowledges=True) as client:
            client.until(lambda: len(client.output) > 20 << 20)
            client.type(b"\x03")
        assert _resident_bytes() - before < 64 << 20  # the test's own client holds the 20 MiB it read
    finally:
        deaf.close()
        asked(web, "DELETE", f"{workspace}/terminals/{terminal}")


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _deaf_client(web: Web, workspace: str, terminal: str) -> sockets.socket:
    """Shake hands and never read again."""
    sock = sockets.create_connection(web.address)
    sock.sendall(
        (
            f"GET /ws/nixos/workspaces/{workspace}/terminal?session={terminal} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {web.token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ).encode()
    )
    assert sock.recv(12) == b"HTTP/1.1 101"
    return sock


# ---- credentials


def _by_ticket(address: str, ticket: str, **headers: str) -> Any:
    protocols: Any = ["nixws.terminal.json", f"nixws.ticket.{ticket}"]
    return connect(address, subprotocols=protocols, additional_headers=headers, proxy=None, open_timeout=20)


def _status(address: str, ticket: str, **headers: str) -> int:
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        _by_ticket(address, ticket, **headers)
    return refused.value.response.status_code


def test_a_ticket_opens_its_terminal_once(web: Web, workspace: str) -> None:
    connection = asked(web, "GET", f"{workspace}/terminal").json()["terminal"]
    with _by_ticket(connection["websocket_url"], connection["ticket"], Origin=web.url) as socket:
        assert socket.subprotocol == "nixws.terminal.json"
        assert json.loads(socket.recv(20))["type"] == "session"
    assert _status(connection["websocket_url"], connection["ticket"]) == 401


def test_a_ticket_opens_nothing_else(web: Web, workspace: str) -> None:
    other = web.create("other")["id"]
    for path in (f"workspaces/{other}/terminal", "events"):
        ticket = asked(web, "GET", f"{workspace}/terminal").json()["terminal"]["ticket"]
        address = f"{web.url.replace('http', 'ws')}/ws/nixos/{path}"
        assert _status(address, ticket) == 401
        connection = f"{web.url.replace('http', 'ws')}/ws/nixos/workspaces/{workspace}/terminal"
        assert _status(connection, ticket) == 401, "a ticket that was tried is used"


def test_a_foreign_page_cannot_use_a_ticket(web: Web, workspace: str) -> None:
    connection = asked(web, "GET", f"{workspace}/terminal").json()["terminal"]
    assert _status(connection["websocket_url"], connection["ticket"], Origin="https://evil.example") == 403


def test_without_a_credential_there_is_no_terminal(web: Web, workspace: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        with (
            pytest.raises(websockets.exceptions.InvalidStatus) as refused,
            viewer(web.url, workspace, headers),
        ):
            pass
        assert refused.value.response.status_code == 401


def test_a_revoked_token_ends_its_terminals_sockets(web: Web, workspace: str) -> None:
    secret, token = web.run(web.services.tokens.create("short", principal=ADMIN))
    terminal = made(web, workspace)
    with viewer(web.url, workspace, {"Authorization": f"Bearer {secret}"}, session=terminal) as client:
        web.run(web.services.tokens.revoke(token.id, principal=ADMIN))
        assert client.close_code() == 4401
    assert terminal in [one["id"] for one in asked(web, "GET", f"{workspace}/terminals").json()["terminals"]]


def test_a_service_that_stops_says_so(tmp_path: Path) -> None:
    with terminal_web(tmp_path) as web:
        workspace = web.create("going")["id"]
        with opened(web, workspace) as client:
            web.server.should_exit = True
            assert client.close_code() == 1012


def test_closing_leaves_no_task_and_no_session(web: Web, workspace: str) -> None:
    terminal = made(web, workspace)
    for _ in range(10):
        with opened(web, workspace, session=terminal):
            pass
    until("no session is left", lambda: not web.services.bridge.sessions)

    async def tasks() -> list[str]:
        await asyncio.sleep(0)
        return [str(task.get_coro()) for task in asyncio.all_tasks() if "TerminalSocket" in str(task.get_coro())]

    until("no task is left", lambda: not web.run(tasks()))
