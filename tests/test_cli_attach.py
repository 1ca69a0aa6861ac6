"""``nixws terminal attach``: the detach key, and what is still to be read when the service has closed already."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import websockets.asyncio.client
import websockets.asyncio.server
from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.cli import attach
from nixos_workspaces.cli.attach import PREFIX, Attachment, Keys
from nixos_workspaces.schemas.terminals import TerminalInfo

NOW = datetime.now(UTC)
TERMINAL = TerminalInfo(
    id="0123456789abcdef",
    name="",
    title="",
    command="",
    cwd="/",
    process="sh",
    created_at=NOW,
    active_at=NOW,
    start=0,
    end=0,
    cols=80,
    rows=24,
    attached=0,
    exit_status=None,
)


@given(st.lists(st.sampled_from([b"a", b"d", b"D", bytes((PREFIX,)), b"\xff"]), max_size=12), st.data())
def test_the_detach_key_is_found_wherever_what_is_typed_is_cut(typed: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(typed)
    at_once, in_pieces = Keys(), Keys()
    place = data.draw(st.integers(0, len(whole)))
    sent = in_pieces.typed(whole[:place])
    if not in_pieces.detached:
        sent += in_pieces.typed(whole[place:])
    assert sent == at_once.typed(whole)
    assert in_pieces.detached == at_once.detached


def test_the_detach_key_and_its_prefix() -> None:
    prefix = bytes((PREFIX,))
    for typed, sent, detached in (
        (prefix + b"d", b"", True),
        (b"ab" + prefix + b"D", b"ab", True),
        (prefix * 2 + b"d", prefix + b"d", False),
        (prefix + b"x", prefix + b"x", False),
    ):
        keys = Keys()
        assert (keys.typed(typed), keys.detached) == (sent, detached)


class Hasty:
    """A service that says all it has to say and closes before anybody could have answered."""

    def __init__(self, *said: str | bytes) -> None:
        self._said = said

    def ticket(self) -> str:
        return "ticket"

    @asynccontextmanager
    async def attached(self, *_: object, **__: object) -> AsyncIterator[websockets.asyncio.client.ClientConnection]:
        async def say(socket: websockets.asyncio.server.ServerConnection) -> None:
            for message in self._said:
                await socket.send(message)
            await socket.close(1000, "the program has ended")

        async with websockets.asyncio.server.serve(say, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with websockets.asyncio.client.connect(f"ws://127.0.0.1:{port}", proxy=None) as socket:
                yield socket


async def test_the_exit_code_is_read_behind_output_that_can_no_longer_be_acknowledged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = bytearray()
    monkeypatch.setattr(attach, "window_size", lambda: os.terminal_size((80, 24)))
    monkeypatch.setattr(attach, "_write", shown.extend)
    output = [number.to_bytes(8, "big") + b"x" for number in range(1, 11)]
    calls: Any = Hasty(*output, '{"type":"exit","code":9,"offset":10}')
    attachment = Attachment(calls, TERMINAL, readonly=False)
    assert await attachment._once()
    assert attachment._exit == 9
    assert shown == b"x" * 10
