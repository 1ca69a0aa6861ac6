"""Frames of a WebSocket arrive in any pieces; messages come out whole, in order, once."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from nixos_workspaces.web.http.sockets import direct_socket
from nixos_workspaces.web.http.sockets.direct_socket import EXTENSION, DirectProtocol

MOST_BYTES = 1000
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Wire(asyncio.Transport):
    """A transport that keeps what is written and notes whether it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.reads = True
        self.closed = asyncio.Event()

    @override
    def write(self, data: Any) -> None:
        self.written += data

    @override
    def pause_reading(self) -> None:
        self.reads = False

    @override
    def resume_reading(self) -> None:
        self.reads = True

    @override
    def is_closing(self) -> bool:
        return self.closed.is_set()

    @override
    def close(self) -> None:
        self.closed.set()


@dataclass
class User:
    """An application that keeps what it gets and holds reading after some messages."""

    line: DirectProtocol
    holds_after: frozenset[int] = frozenset()
    messages: list[str | bytes] = field(default_factory=list)
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_lost(self) -> bool:
        return self.lost.is_set()

    def message_received(self, message: str | bytes) -> None:
        assert not self.is_lost
        self.messages.append(message)
        if len(self.messages) in self.holds_after:
            self.line.hold_reading()

    def pause_writing(self) -> None:
        raise AssertionError

    def resume_writing(self) -> None:
        raise AssertionError

    def connection_lost(self) -> None:
        assert not self.is_lost
        self.lost.set()


async def opened(wire: Wire, early: bytes = b"") -> DirectProtocol:
    """Return a connection that an application has accepted; ``early`` arrives before anybody takes it over."""
    accepted: asyncio.Future[DirectProtocol] = asyncio.get_running_loop().create_future()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        accepted.set_result(scope["extensions"][EXTENSION])
        await asyncio.Event().wait()

    config = uvicorn.Config(app, ws_max_size=MOST_BYTES, log_config=None, ws_per_message_deflate=False)
    config.load()
    state = ServerState()
    protocol = DirectProtocol(config, state, {})
    protocol.connection_made(wire)
    protocol.data_received(HANDSHAKE)
    line = await accepted
    if early:
        line.data_received(early)
    return line


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def ended() -> None:
        await scenario()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    asyncio.run(ended())


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


@st.composite
def message(draw: st.DrawFn) -> tuple[str | bytes, bytes]:
    """Return a message and its frames: whole or in fragments, with pings in between."""
    content: str | bytes = draw(st.text(max_size=100) | st.binary(max_size=300))
    data, opcode = (content.encode(), Opcode.TEXT) if isinstance(content, str) else (content, Opcode.BINARY)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    wire = b""
    for index, piece in enumerate(pieces):
        wire += frame(Opcode.CONT if index else opcode, piece, fin=index == len(pieces) - 1)
        wire += frame(Opcode.PING, b"p") if draw(st.booleans()) else b""
    return content, wire


@given(
    st.lists(message(), max_size=8),
    st.lists(st.integers(0, 4000), max_size=12),
    st.integers(0, 3),
    st.frozensets(st.integers(1, 8)),
    st.integers(1, 20),
)
def test_messages_come_out_whole_in_order_and_once(
    sent: list[tuple[str | bytes, bytes]], cuts: list[int], early: int, holds_after: frozenset[int], a_turn: int
) -> None:
    async def scenario() -> None:
        wire = Wire()
        before = b"".join(frames for _, frames in sent[:early])
        data = b"".join(frames for _, frames in sent[early:])
        line = await opened(wire, before)
        user = User(line, holds_after)
        line.take_over(user)
        at = 0
        for cut in [*sorted(cuts), len(data)]:
            line.data_received(data[at:cut])
            at = max(at, min(cut, len(data)))
        for _ in range(2 * sum(len(frames) for _, frames in sent) + 2):
            line.release_reading()
            await asyncio.sleep(0)
        assert user.messages == [content for content, _ in sent]
        assert not user.is_lost
        assert wire.reads

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct_socket, "FRAMES_A_TURN", a_turn)
        run(scenario)


def test_many_messages_in_one_read_leave_the_event_loop_to_others() -> None:
    """Nothing is read meanwhile; what comes all the same stays in its place."""

    async def scenario() -> None:
        wire = Wire()
        line = await opened(wire)
        user = User(line)
        line.take_over(user)
        line.data_received(b"".join(frame(Opcode.TEXT, b"%d" % at) for at in range(1000)))
        line.data_received(frame(Opcode.TEXT, b"late"))
        turns = []
        while not wire.reads:
            turns.append(len(user.messages))
            await asyncio.sleep(0)
        assert turns == list(range(direct_socket.FRAMES_A_TURN, 1001, direct_socket.FRAMES_A_TURN))
        assert user.messages == [*map(str, range(1000)), "late"]

    run(scenario)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x01x", 1002),  # not masked
        (b"\xc1\x81\0\0\0\0x", 1002),  # a reserved bit
        (b"\x83\x80\0\0\0\0", 1002),  # an opcode that there is not
        (b"\x80\x80\0\0\0\0", 1002),  # a continuation of nothing
        (b"\x89\xfe\0\x7e\0\0\0\0" + bytes(126), 1002),  # a ping that is too long
        (b"\x09\x80\0\0\0\0", 1002),  # a ping in pieces
        (b"\x01\x80\0\0\0\0\x81\x80\0\0\0\0", 1002),  # a message within a message
        (b"\x81\x81\0\0\0\0\xff", 1007),
        (b"\x01\x81\0\0\0\0\xe2\x80\x81\0\0\0\0\x82", 1007),
        (b"\x82\xfe" + struct.pack("!H", MOST_BYTES + 1), 1009),
        (b"\x82\xff" + struct.pack("!Q", 1 << 63), 1009),
        (b"\x82\xff" + struct.pack("!Q", (1 << 64) - 1), 1009),
        ((b"\x02\xfe\x02\x58\0\0\0\0" + bytes(600) + b"\x80\xfe\x02\x58\0\0\0\0" + bytes(600)), 1009),
        (b"\x88\x82\0\0\0\0\x03\xe8", 1000),
    ],
)
@pytest.mark.parametrize("step", [1, 3, 10_000])
def test_what_is_no_frame_ends_the_connection_with_its_code(
    sent: bytes, code: int, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Further data is read without an effect until the reason has had its time to arrive."""
    monkeypatch.setattr(direct_socket, "LINGER_SECONDS", 0.01)

    async def scenario() -> None:
        wire = Wire()
        line = await opened(wire)
        user = User(line)
        line.take_over(user)
        answered = len(wire.written)
        for at in range(0, len(sent), step):
            line.data_received(sent[at : at + step])
        assert user.is_lost
        assert wire.written[answered] == 0x88
        assert int.from_bytes(wire.written[answered + 2 : answered + 4], "big") == code
        said = len(wire.written)
        if code != 1000:
            assert not wire.is_closing()
            assert wire.reads
            line.data_received(frame(Opcode.TEXT, b"more") + frame(Opcode.PING, b"p"))
        async with asyncio.timeout(5):
            await wire.closed.wait()
        assert (user.messages, len(wire.written)) == ([], said)

    run(scenario)


def test_a_message_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether its frame stops in the middle or its fragments never end."""
    monkeypatch.setattr(direct_socket, "MESSAGE_SECONDS", 0.02)
    monkeypatch.setattr(direct_socket, "LINGER_SECONDS", 0.01)

    async def scenario() -> None:
        for beginning in (b"\x81", b"\x81\xfe\x01", frame(Opcode.TEXT, b"x", fin=False)):
            wire = Wire()
            line = await opened(wire)
            user = User(line)
            line.take_over(user)
            line.data_received(frame(Opcode.TEXT, b"whole") + beginning)
            async with asyncio.timeout(5):
                await user.lost.wait()
                await wire.closed.wait()
            assert user.messages == ["whole"]
            assert direct_socket.TOO_SLOW.to_bytes(2, "big") + b"the message took too long" in wire.written

    run(scenario)


@given(st.binary(max_size=200_000), st.booleans())
def test_what_is_sent_is_one_frame(content: bytes, text: bool) -> None:  # noqa: FBT001 - drawn
    async def scenario() -> None:
        wire = Wire()
        line = await opened(wire)
        before = len(wire.written)
        line.send_message(content[:5], content[5:], text=text)
        assert wire.written[before:] == Frame(Opcode.TEXT if text else Opcode.BINARY, content).serialize(mask=False)
        wire.close()
        line.send_message(b"late", text=text)
        assert len(wire.written) - before < len(content) + 11

    run(scenario)
