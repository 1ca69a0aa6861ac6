"""HTTP/1.1 to programs in workspaces: connections that are used again, and answers read piece by piece.

The program is not trusted: its heads are bounded, and what it sends waits in the kernel once 256 KiB are here.
"""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httptools
from typing_extensions import override

from nixos_workspaces.web.http.protocol import send_unpaced

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 200
IDLE_SECONDS = 10.0
"""How long an unused connection is kept; programs usually keep theirs longer."""
MOST_IDLE = 32
"""Unused connections to one port."""
_HIGH_BYTES = 256 * 1024
SWITCHING = 101
"""The status of an answer that changes the protocol (RFC 9110, section 15.2.2)."""

Key = tuple[str, int]
"""A workspace's id and a port of it."""
Connect = Callable[[str, int], Awaitable[socket.socket]]


class BadAnswerError(Exception):
    """The program's answer is not HTTP, too large, or breaks off."""


class StaleError(BadAnswerError):
    """The connection had ended before a byte of an answer came: another one may serve."""


@dataclass(slots=True)
class Head:
    """The head of an answer."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    length: int | None = None
    """The length of the body; None where only its end tells."""


class _Answer:
    """One answer as it comes; the callbacks of httptools' parser."""

    def __init__(self, *, is_head: bool) -> None:
        self.head = Head()
        self.has_head = self.is_done = self.is_any = self.keeps = False
        self.body: list[bytes] = []
        self.size = 0
        """Bytes in ``body``."""
        self.rest = b""
        """Bytes behind the head of an answer that changes the protocol."""
        self._is_head = is_head
        self._is_framed = True
        self._head_bytes = 0
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take the next bytes; raises ``BadAnswerError``."""
        self.is_any = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgraded:
            self.rest = data[upgraded.args[0] :]
        except httptools.HttpParserError as wrong:
            if not self.is_done:
                raise BadAnswerError(f"The program's answer is not HTTP: {wrong}.") from wrong
        self._head_bytes += 0 if self.has_head else len(data)
        if self._head_bytes > 2 * MAX_HEAD_BYTES or not self._is_small():
            raise BadAnswerError("The head of the program's answer is too large.")

    def _is_small(self) -> bool:
        headers = self.head.headers
        size = sum(len(name) + len(value) + 4 for name, value in headers) if len(headers) <= MAX_HEADERS else None
        return size is not None and size <= MAX_HEAD_BYTES

    def end(self) -> None:
        """Take notice that the program has ended the connection."""
        if self.has_head and not self._is_framed:
            self.is_done = True

    def on_message_begin(self) -> None:
        """See httptools."""
        if not self.has_head:
            self.head = Head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools."""
        if not self.has_head:
            self.head.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """See httptools."""
        status = self._parser.get_status_code()
        if status in range(100, 200) and status != SWITCHING:
            return  # interim: the answer follows
        head, self.has_head = self.head, True
        head.status = status
        is_bodyless = self._is_head or status in {SWITCHING, 204, 304}
        is_chunked = any(name == b"transfer-encoding" for name, _ in head.headers)
        lengths = [value for name, value in head.headers if name == b"content-length"]
        head.length = 0 if is_bodyless else int(lengths[0]) if lengths and not is_chunked else None
        self._is_framed = is_bodyless or is_chunked or bool(lengths)
        self.is_done = self._is_head  # the parser waits for a body: this connection is not used again

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        if self.has_head and not self.is_done:
            self.body.append(body)
            self.size += len(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        if self.has_head and not self._is_head:
            self.is_done = True
            self.keeps = self._is_framed and self._parser.should_keep_alive()


class Upstream(asyncio.Protocol):
    """One connection to a program; carries one request at a time."""

    def __init__(self) -> None:
        """Wait for ``connection_made``."""
        self.transport: Any = None
        self.is_reused = False
        self.idle_timer: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._error: BadAnswerError | None = None
        self._lost = False
        self._answer = _Answer(is_head=False)

    # ---- a request

    def begin(self, *, is_head: bool) -> None:
        """Be ready for the answer to the next request; ``is_head``: one without a body, whatever its head says."""
        self._answer = _Answer(is_head=is_head)
        self._resume()

    async def send(self, data: bytes) -> None:
        """Send a piece of a request; waits while the program does not take it."""
        if self._lost:
            return  # the answer, if one came, tells
        self.transport.write(data)
        await self._writable.wait()

    async def head(self) -> Head:
        """Return the head of the answer; raises ``BadAnswerError``, ``StaleError`` for a used-up connection."""
        while not self._answer.has_head or self._error is not None:
            await self._more()
        return self._answer.head

    async def read(self) -> bytes:
        """Return the next piece of the body, all that is here; empty at its end."""
        while not self._answer.body and not self._answer.is_done:
            await self._more()
        piece = self.taken()
        if not self._answer.is_done:
            self._resume()
        return piece

    def taken(self) -> bytes:
        """Return what is here of the body, perhaps nothing, and read no more for it."""
        answer = self._answer
        piece = answer.body[0] if len(answer.body) == 1 else b"".join(answer.body)
        answer.body.clear()
        answer.size = 0
        return piece

    @property
    def is_done(self) -> bool:
        """Whether all of the answer has been read."""
        return self._answer.is_done and not self._answer.body

    @property
    def has_ended(self) -> bool:
        """Whether all of the answer is here, be it read or not."""
        return self._answer.is_done

    @property
    def can_be_reused(self) -> bool:
        """Whether the connection can carry another request."""
        return self.is_done and self._answer.keeps and not self._lost and self._error is None

    @property
    def rest(self) -> bytes:
        """Bytes behind the head of an answer that changes the protocol."""
        return self._answer.rest

    def hold(self) -> int:
        """Read nothing here until ``spliced``: the kernel is to pass the body on. Returns the socket's number."""
        self.transport.pause_reading()
        return int(self.transport.get_extra_info("socket").fileno())

    def spliced(self) -> None:
        """Take notice that the rest of the body was passed on past this connection."""
        self._answer.is_done = self._answer.keeps = True

    def close(self) -> None:
        """End the connection."""
        if self.transport is not None:
            self.transport.abort()

    async def _more(self) -> None:
        """Wait until more has come; raises the reason why nothing will."""
        if self._error is not None:
            raise self._error
        if self._lost:
            is_broken = self._answer.is_any or not self.is_reused
            raise BadAnswerError("The connection broke off.") if is_broken else StaleError
        self._wake.clear()
        await self._wake.wait()

    def _resume(self) -> None:
        if not self._lost and not self.transport.is_closing():
            self.transport.resume_reading()

    # ---- from the transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self._answer.end()
        self._lost = True
        self._wake.set()
        self._writable.set()

    @override
    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer.is_done:  # more than an answer: nothing was asked
            self.transport.abort()
            return
        try:
            answer.feed(data)
        except BadAnswerError as wrong:
            self._error = wrong
            self.transport.abort()
        if answer.size > _HIGH_BYTES or answer.head.status == SWITCHING:
            self.transport.pause_reading()
        self._wake.set()

    @override
    def pause_writing(self) -> None:
        self._writable.clear()

    @override
    def resume_writing(self) -> None:
        self._writable.set()


class Pool:
    """The connections to all programs. For the event loop's thread only."""

    def __init__(self, connect: Connect) -> None:
        """Make connections with ``connect``."""
        self._connect = connect
        self._idle: dict[Key, list[Upstream]] = defaultdict(list)

    async def get(self, key: Key, *, fresh: bool, is_head: bool) -> Upstream:
        """Return a connection for one request; ``fresh``: one that was never used. Raises as ``connect`` does."""
        idle = self._idle.get(key, [])
        while idle and not fresh:
            one = idle.pop()
            if one.idle_timer is not None:
                one.idle_timer.cancel()
            if one.can_be_reused:
                one.is_reused = True
                one.begin(is_head=is_head)
                return one
        sock = await self._connect(*key)
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        send_unpaced(sock)
        try:
            _, one = await asyncio.get_running_loop().create_connection(Upstream, sock=sock)
        except BaseException:
            sock.close()
            raise
        one.begin(is_head=is_head)
        return one

    def put(self, key: Key, one: Upstream) -> None:
        """Take a connection back; one that cannot be used again is ended."""
        idle = self._idle[key]
        if not one.can_be_reused or len(idle) >= MOST_IDLE:
            one.close()
            return
        idle.append(one)
        one.idle_timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._drop, key, one)

    def _drop(self, key: Key, one: Upstream) -> None:
        one.close()
        idle = self._idle.get(key, [])
        if one in idle:
            idle.remove(one)
        if not idle:
            self._idle.pop(key, None)

    def close(self) -> None:
        """End all unused connections."""
        for key, idle in [*self._idle.items()]:
            for one in [*idle]:
                if one.idle_timer is not None:
                    one.idle_timer.cancel()
                self._drop(key, one)
