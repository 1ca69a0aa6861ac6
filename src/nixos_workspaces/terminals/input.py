"""A client's input on its way to the program: numbered, windowed, repeated after a lost connection."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from nixos_workspaces.terminals import protocol

QUEUE_BYTES = 1 << 18
"""Unsent input at which the client is asked to wait."""


class Input:
    """Bytes typed but not yet confirmed by the holder.

    Every byte has a number, and the holder counts what came with this session's ``token``: after a lost connection it
    tells its count, and everything behind it is sent again, so that nothing is lost or doubled.
    """

    def __init__(self, token: int = 0) -> None:
        """``token``: the client's own, so that the holder's count goes on where the client's last session ended."""
        self.token = token or secrets.randbits(63) + 1
        self._bytes = bytearray()
        self._start = 0
        """Number of the first byte held."""
        self._sent = 0
        """Number of the first byte that is not under way."""
        self._limit = 0
        """Number up to which the holder takes input."""
        self._room: asyncio.Event | None = None

    @property
    def unsent(self) -> int:
        """Bytes that the holder has not been sent."""
        return self._start + len(self._bytes) - self._sent

    def push(self, data: bytes) -> None:
        """Queue typed bytes."""
        self._bytes += data

    def send(self, write: Callable[[bytes], None]) -> None:
        """Send as far as the holder's window reaches; sent bytes are kept until they are confirmed."""
        while (size := min(protocol.INPUT_MAX, self._limit - self._sent, self.unsent)) > 0:
            at = self._sent - self._start
            self._sent += size
            write(protocol.input_bytes(self._sent - size, bytes(self._bytes[at : at + size])))

    def confirm(self, received: int, limit: int) -> None:
        """Drop input that the holder has received."""
        del self._bytes[: received - self._start]
        self._start = received
        self._limit = limit

    def resume(self, received: int, limit: int) -> None:
        """Go on where the holder's count stands."""
        if self._start <= received <= self._sent:
            del self._bytes[: received - self._start]
        else:  # the holder has forgotten this session: what was under way cannot be told, so it is not repeated
            del self._bytes[: self._sent - self._start]
        self._start = self._sent = received
        self._limit = limit

    def hold(self) -> bool:
        """Tell whether the client is to wait for ``room``."""
        if self._room is None and self.unsent > QUEUE_BYTES:
            self._room = asyncio.Event()
        return self._room is not None

    def release(self, *, ended: bool = False) -> bool:
        """Let the client go on once half the queue is free; tell whether it need not wait."""
        if self._room is not None and (ended or self.unsent <= QUEUE_BYTES // 2):
            self._room.set()
            self._room = None
        return self._room is None

    async def room(self) -> None:
        """Wait until more may be typed."""
        if self._room is not None:
            await self._room.wait()
