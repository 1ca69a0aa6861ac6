"""Two connections joined: what comes on one goes out on the other, as fast as that is read.

A WebSocket of a preview is passed on so, frame by frame as it was sent: compression, pings and close codes are between
the browser and the program.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from typing_extensions import override


class _Half(asyncio.Protocol):
    """One of the two connections."""

    def __init__(self, transport: Any, tunnel: Tunnel) -> None:
        self.transport = transport
        self.other: _Half | None = None
        self._tunnel = tunnel
        self.is_ended = False
        """It sends no more."""

    @override
    def data_received(self, data: bytes) -> None:
        self._tunnel.has_moved = True
        if self.other is not None:
            self.other.transport.write(data)

    @override
    def eof_received(self) -> bool:
        self.is_ended = True
        if self.other is None or self.other.is_ended or not self.other.transport.can_write_eof():
            return False  # closes this one, and thereby the other
        with suppress(OSError, RuntimeError):
            self.other.transport.write_eof()
        return True

    @override
    def pause_writing(self) -> None:
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    @override
    def resume_writing(self) -> None:
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None:
            self.other.transport.close()  # what is on its way is sent first
        self._tunnel.half_ended()


class Tunnel:
    """Two joined connections, as one of the server's connections."""

    def __init__(self, browser: Any, program: Any, client: tuple[str, int] | None) -> None:
        """Join two transports whose reading is paused or that have nothing to read yet."""
        self.client = client
        self.has_moved = False
        """A byte has passed since this was last set to false."""
        self._ended = asyncio.Event()
        self._left = 2
        self._browser, self._program = _Half(browser, self), _Half(program, self)
        self._browser.other, self._program.other = self._program, self._browser

    def start(self, to_browser: bytes, to_program: bytes) -> None:
        """Send what was read already, and begin."""
        for half, first in ((self._browser, to_browser), (self._program, to_program)):
            half.transport.set_protocol(half)
            if first:
                half.transport.write(first)
        for half in (self._browser, self._program):
            half.transport.resume_reading()

    def half_ended(self) -> None:
        """Take notice that one of the connections has ended."""
        self._left -= 1
        if not self._left:
            self._ended.set()

    def abort(self) -> None:
        """End both now."""
        self._browser.transport.abort()
        self._program.transport.abort()

    def shutdown(self) -> None:
        """End because the service stops (uvicorn calls it)."""
        self.abort()

    async def ended(self) -> None:
        """Wait until both connections have ended."""
        await self._ended.wait()
