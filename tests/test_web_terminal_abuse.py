"""Any message of a client to a terminal's WebSocket: a documented close code, the shell untouched, others unharmed."""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from raw_socket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FINAL,
    PING,
    PONG,
    TEXT,
    Closed,
    RawSocket,
    frame_header,
    handshake,
)
from terminal_web import RAW_CAT, Viewer, raw_viewer, terminal_web
from waiting import until
from web_service import Web

from nixos_workspaces.web.http import protocol
from nixos_workspaces.web.http.sockets import direct_socket
from nixos_workspaces.web.routes.terminals import socket as terminal_socket
from nixos_workspaces.web.routes.terminals import terminals

DOCUMENTED = {int(word) for word in (terminals.__doc__ or "").replace(",", " ").split() if word.isdigit()}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with terminal_web(tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture(scope="module")
def workspace(web: Web) -> str:
    return str(web.create("abused")["id"])


def listed(web: Web, workspace: str) -> dict[str, dict[str, object]]:
    with web.http() as http:
        found = http.get(f"/api/nixos/workspaces/{workspace}/terminals").json()["terminals"]
    return {one["id"]: one for one in found}


def made(web: Web, workspace: str, command: str = RAW_CAT) -> str:
    with web.http() as http:
        answer = http.post(f"/api/nixos/workspaces/{workspace}/terminals", json={"command": command})
    return str(answer.json()["terminal"]["id"])


@pytest.fixture(scope="module")
def terminal(web: Web, workspace: str) -> str:
    """One shell that has to outlive everything."""
    return made(web, workspace)


@contextmanager
def abused(
    web: Web, workspace: str, terminal: str, *, binary: bool = False, receive_bytes: int = 0
) -> Iterator[RawSocket]:
    """Yield a connection to a terminal with another user, who has to notice nothing."""
    with raw_viewer(web, workspace, {"session": terminal}) as other:
        other.until_output("ready\n")
        with raw_viewer(web, workspace, {"session": terminal}, binary=binary, receive_bytes=receive_bytes) as client:
            client.until_output("ready\n")
            assert isinstance(client.socket, RawSocket)
            before = other.end
            yield client.socket
        word = os.urandom(8).hex()
        other.type(word)
        other.until_output(word)
        assert other.end == before + len(word), "nothing of what the other one sent was typed"


def end_of(connection: RawSocket) -> int:
    """Read to the end; returns the close code."""
    while connection.close_code is None:
        with suppress(Closed):
            connection.recv()
    return connection.close_code


def frame(first: int, payload: bytes = b"", *, mask: bool = True) -> bytes:
    return frame_header(first, len(payload), mask=mask) + payload


INPUT = b'{"type":"input","data":"evil"}'
BAD_FRAMES: dict[str, tuple[bytes, int]] = {
    "not masked": (frame(FINAL | TEXT, INPUT, mask=False), 1002),
    "reserved bit 1": (frame(FINAL | 0x40 | TEXT, INPUT), 1002),
    "reserved bit 2": (frame(FINAL | 0x20 | TEXT, INPUT), 1002),
    "reserved bit 3": (frame(FINAL | 0x10 | TEXT, INPUT), 1002),
    "unknown data opcode": (frame(FINAL | 0x3, INPUT), 1002),
    "unknown control opcode": (frame(FINAL | 0xB), 1002),
    "continuation of nothing": (frame(FINAL | CONTINUATION, INPUT), 1002),
    "message within a message": (frame(TEXT, b"{") + frame(FINAL | TEXT, INPUT), 1002),
    "binary within text": (frame(TEXT, b"{") + frame(FINAL | BINARY, INPUT), 1002),
    "ping in pieces": (frame(PING, b"x"), 1002),
    "close in pieces": (frame(CLOSE, b"\x03\xe8"), 1002),
    "long ping": (frame(FINAL | PING, bytes(126)), 1002),
    "long close": (frame(FINAL | CLOSE, b"\x03\xe8" + bytes(124)), 1002),
    "close of one byte": (frame(FINAL | CLOSE, b"\x03"), 1002),
    "close code that nobody may send": (frame(FINAL | CLOSE, struct.pack("!H", 1006)), 1002),
    "close code that there is not": (frame(FINAL | CLOSE, struct.pack("!H", 65535)), 1002),
    "close reason that is no text": (frame(FINAL | CLOSE, b"\x03\xe8\xff\xff"), 1007),
    "text that is no text": (frame(FINAL | TEXT, b'{"type":"input","data":"\xff"}'), 1007),
    "half a character in the last piece": (frame(TEXT, b"\xe2\x82") + frame(FINAL | CONTINUATION), 1007),
    "surrogates": (frame(FINAL | TEXT, b'{"type":"input","data":"\xed\xa0\x80"}'), 1007),
    "length beyond the bound": (frame_header(FINAL | TEXT, (1 << 20) + 1), 1009),
    "length of 2^62": (frame_header(FINAL | TEXT, 1 << 62), 1009),
    "length of 2^64 - 1": (bytes((FINAL | TEXT, 0xFF)) + b"\xff" * 8 + bytes(4), 1009),
    "pieces beyond the bound": (
        frame(TEXT, bytes(1 << 19)) + frame(CONTINUATION, bytes(1 << 19)) + frame(0, b"x"),
        1009,
    ),
}


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("name", BAD_FRAMES)
def test_bad_frames_end_their_connection_only(
    web: Web, workspace: str, terminal: str, name: str, *, binary: bool
) -> None:
    sent, code = BAD_FRAMES[name]
    assert code in DOCUMENTED
    with abused(web, workspace, terminal, binary=binary) as connection:
        connection.send_raw(sent)
        assert end_of(connection) == code


BAD_MESSAGES = [
    b"",
    b"[]",
    b"null",
    b"\0",
    b'{"type":"input","data":"\\ud800"}',
    b'{"type":"input","data":"a","data":"b"}',
    b'{"type":"input","data":"a"}{"type":"ping"}',
    b'{"type":"resize","cols":NaN,"rows":24}',
    b'{"type":"resize","cols":-0,"rows":24}',
    b'{"type":"resize","cols":80.0,"rows":24}',
    b'{"type":"resize","cols":1' + b"0" * 5000 + b',"rows":24}',
    b'{"type":"ack","frames":0}',
    b'{"type":"ack","frames":1048577}',
    b'{"type":"auth","token":"x"}',
    b'{"a":' * 5000,
]


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("message", BAD_MESSAGES, ids=range(len(BAD_MESSAGES)))
def test_bad_messages_end_their_connection_only(
    web: Web, workspace: str, terminal: str, message: bytes, *, binary: bool
) -> None:
    with abused(web, workspace, terminal, binary=binary) as connection:
        connection.send_raw(frame(FINAL | TEXT, message))
        assert end_of(connection) == 4400


def test_what_nobody_asked_for_is_harmless(web: Web, workspace: str, terminal: str) -> None:
    """Pongs, empty pieces and pings within a message are within the rules."""
    with abused(web, workspace, terminal) as connection:
        for piece in (frame(FINAL | PONG, b"unasked"), frame(TEXT, b'{"type":'), frame(CONTINUATION)):
            connection.send_raw(piece)
        connection.send_raw(frame(FINAL | PING, b"now?"))
        assert connection.frame() == (PONG, b"now?")
        connection.send_raw(frame(FINAL | CONTINUATION, b'"ping"}'))
        assert connection.recv() == '{"type":"pong"}'


# ---- messages that do not end, and clients that do not read


@pytest.mark.parametrize(
    "beginning",
    [b"\x81", b"\x81\xfe\x01", frame_header(FINAL | TEXT, 1000) + b"{", frame(TEXT, b'{"type":'), frame(TEXT)],
    ids=["a byte", "half a header", "half a frame", "a fragment", "an empty fragment"],
)
def test_half_a_message_and_then_silence_is_given_up(
    web: Web, workspace: str, terminal: str, monkeypatch: pytest.MonkeyPatch, beginning: bytes
) -> None:
    monkeypatch.setattr(direct_socket, "MESSAGE_SECONDS", 0.2)
    with abused(web, workspace, terminal) as connection:
        connection.send_raw(beginning)
        assert end_of(connection) == 4408


def test_a_message_that_drips_is_given_up(
    web: Web, workspace: str, terminal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the whole message that has a time, not the wait for its next byte."""
    monkeypatch.setattr(direct_socket, "MESSAGE_SECONDS", 0.5)
    with abused(web, workspace, terminal) as connection:
        connection.send_raw(frame_header(FINAL | TEXT, 100_000))
        while not select.select([connection], [], [], 0.01)[0]:
            connection.send_raw(b" ")
        assert end_of(connection) == 4408


def test_a_handshake_that_drips_is_given_up(
    web: Web, workspace: str, terminal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.5)
    request = handshake(f"/ws/nixos/workspaces/{workspace}/terminal?session={terminal}", web.headers)
    with socket.create_connection(web.address) as dripping, abused(web, workspace, terminal):
        for byte in request[:-4]:
            if select.select([dripping], [], [], 0.01)[0]:
                break
            dripping.sendall(bytes((byte,)))
        assert dripping.recv(12) == b"HTTP/1.1 408"


def flood(connection: RawSocket, frames: bytes) -> None:
    """Send until the service ends the connection, reading nothing."""
    with suppress(ConnectionError):
        while True:
            connection.send_raw(frames)


@pytest.mark.parametrize("kind", [FINAL | PING, FINAL | PONG, CONTINUATION], ids=["pings", "pongs", "empty pieces"])
def test_a_flood_of_frames_that_say_nothing_is_refused(web: Web, workspace: str, terminal: str, kind: int) -> None:
    """Nor do answers to pings pile up for a client that does not read them."""
    payload = b"" if kind == CONTINUATION else bytes(125)
    with abused(web, workspace, terminal, receive_bytes=4096) as connection:
        before = resident_bytes()
        if kind == CONTINUATION:
            connection.send_raw(frame(TEXT))
        flood(connection, frame(kind, payload) * 200)
        assert resident_bytes() - before < 8 << 20


@pytest.mark.parametrize("message", [b'{"type":"resize","cols":80,"rows":24}', b'{"type":"ping"}'])
def test_ten_thousand_small_messages_a_second_are_refused(
    web: Web, workspace: str, terminal: str, message: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or, where each wants an answer that the client does not read, not even taken from it."""
    monkeypatch.setattr(terminal_socket, "SEND_SECONDS", 0.5)
    monkeypatch.setattr(terminal_socket, "CLOSE_SECONDS", 0.5)
    with abused(web, workspace, terminal, receive_bytes=4096) as connection:
        before = resident_bytes()
        flood(connection, frame(FINAL | TEXT, message) * 100)
        assert resident_bytes() - before < 8 << 20


def test_who_is_refused_for_a_flood_is_told(web: Web, workspace: str, terminal: str) -> None:
    """A client that reads gets the code before the connection ends."""
    resize = frame(FINAL | TEXT, b'{"type":"resize","cols":80,"rows":24}')
    for sent in (frame(FINAL | PONG) * 10_000, resize * 20_000):
        with abused(web, workspace, terminal) as connection:
            connection.send_raw(sent)
            assert end_of(connection) == 4429


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# ---- many


def test_who_types_before_the_session_is_told_loses_nothing(web: Web, workspace: str, terminal: str) -> None:
    """Order: input may come before the answer to the handshake was read."""
    path = f"/ws/nixos/workspaces/{workspace}/terminal?session={terminal}"
    word = os.urandom(8).hex()
    with RawSocket(web.address, path, web.headers) as connection:
        connection.send_raw(frame(FINAL | TEXT, b'{"type":"input","data":"%s"}' % word[:8].encode()))
        connection.send_raw(frame(FINAL | TEXT, b'{"type":"input","data":"%s"}' % word[8:].encode()))
        client = Viewer(connection)
        client.until_output(word)


def test_two_hundred_sockets_of_one_user_work_and_so_many_more_are_refused(web: Web, workspace: str) -> None:
    """The bound is 512. All see the same; none costs more than 150 KB; the shells stay."""
    shells = [made(web, workspace) for _ in range(20)]
    with ExitStack() as stack:
        before = resident_bytes()
        clients = [
            stack.enter_context(raw_viewer(web, workspace, {"session": shells[number % 20]}, binary=number % 2 == 0))
            for number in range(200)
        ]
        for client in clients[:20]:
            client.until_output("ready\n")
            client.type(b"to all" if client.binary else "to all")
        for client in clients:
            client.until_output("to all")
            assert client.output == b"ready\nto all"
        assert resident_bytes() - before < 200 * 150_000
        clients += [
            stack.enter_context(raw_viewer(web, workspace, {"session": shells[number % 20]}))
            for number in range(200, 512)
        ]
        with raw_viewer(web, workspace, {"session": shells[0]}) as refused:
            assert refused.said[0]["code"] == "limit_exceeded"
            assert refused.close_code() == 4429
        clients[0].type(b"!")
        clients[20].until_output("to all!")
    until("all are gone", lambda: not web.services.bridge.sessions)
    after = listed(web, workspace)
    assert all(after[shell]["exit_status"] is None for shell in shells)
