"""One request and its answer between a browser and a program, both streamed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from nixos_workspaces.errors import Unavailable
from nixos_workspaces.previews.addresses import PreviewHost
from nixos_workspaces.web.http.access.open_request import EXTENSION
from nixos_workspaces.web.http.errors import Refusal
from nixos_workspaces.web.previews import headers as rules
from nixos_workspaces.web.previews.splicing import EndedEarlyError, splice
from nixos_workspaces.web.previews.tunnel import Tunnel
from nixos_workspaces.web.previews.upstream import SWITCHING, BadAnswerError, Head, Key, Pool, StaleError, Upstream

PIECE_SECONDS = 60.0
"""Time that a browser may take for the next piece of a request."""
HEAD_SECONDS = 300.0
"""Time that a program has to begin its answer; one that compiles first takes long."""
LEAST_SPLICED = 256 * 1024
"""Bytes from which on the kernel passes a body on: fewer are not worth the pipe."""
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})


class Exchange:
    """One exchange. For the event loop's thread only."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, pool: Pool, host: PreviewHost) -> None:
        """Answer one request of a browser to ``host``, over a connection of ``pool``."""
        self._host = host
        self._scope = scope
        self._receive = receive
        self._send = send
        self._pool = pool
        self._line: Any = scope.get("extensions", {}).get(EXTENSION)
        self._task: asyncio.Task[Any] | None = None
        self._upstream: Upstream | None = None
        self._tunnel: Tunnel | None = None
        self._is_over = False
        """The browser has gone, or is to see no more."""
        self._fault: Exception | None = None
        """Why the request itself cannot go on."""
        self.status = 0
        """Of the answer; 0 until it has begun."""

    def end(self) -> None:
        """Cut everything off: the browser is to see no more."""
        if self._tunnel is not None:
            self._tunnel.abort()
        self.abort()
        self._stop()

    def abort(self) -> None:
        """End the connections, unless nothing was answered yet."""
        if self._upstream is not None:
            self._upstream.close()
        if self.status and self._line is not None:
            self._line.abort()

    async def run(self, key: Key, headers: rules.Headers) -> None:
        """Pass the request on with these headers, and its answer back.

        Raises as ``Pool.get`` does, and ``BadAnswerError``; what happens after the answer has begun cuts it off.
        """
        self._task = asyncio.current_task()
        try:
            await self._run(key, headers)
        except asyncio.CancelledError:
            if not self._is_over:
                raise
            assert self._task is not None
            self._task.uncancel()
            if self._fault is not None and not self.status:
                raise self._fault from None
            if not self.status and self._line is not None:
                self._line.abort()

    async def _run(self, key: Key, headers: rules.Headers) -> None:
        framing, has_body = self._framing()
        head = self._request(headers, framing, is_upgrade=self._is_upgrade)
        fresh = self._scope["method"] not in _REPEATABLE or has_body or self._is_upgrade
        while True:
            upstream = self._upstream = await self._pool.get(key, fresh=fresh, is_head=self._scope["method"] == "HEAD")
            try:
                await upstream.send(head)
                with self._watching(upstream, framing if has_body else None) as pump:
                    await self._attempt(upstream)
                if self._tunnel is None and (pump is None or pump.done()):
                    self._pool.put(key, upstream)
                    self._upstream = None
            except StaleError:
                if self.status:
                    raise
                fresh = True
            else:
                return
            finally:
                if self._upstream is not None:
                    self._upstream.close()

    @contextmanager
    def _watching(self, upstream: Upstream, framing: str | None) -> Iterator[asyncio.Task[None] | None]:
        """Pass the request's body on beside the block, if it has any, and leave ``run`` when the browser goes."""
        if self._line is not None:
            self._line.on_lost(self._stop)
        if framing is None and self._line is not None:
            yield None
            return
        pump = asyncio.create_task(self._pump(upstream, framing))
        try:
            yield pump
        finally:
            if not pump.done():
                pump.cancel()

    async def _attempt(self, upstream: Upstream) -> None:
        """Pass the answer on."""
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await upstream.head()
        except TimeoutError as late:
            message = f"The program has not answered for {HEAD_SECONDS:g} s."
            raise Unavailable(message, code="port_timeout") from late
        if head.status == SWITCHING:
            await self._switch(upstream, head)
        else:
            await self._answer(upstream, head)

    @cached_property
    def _is_upgrade(self) -> bool:
        """Whether the browser asks for a WebSocket."""
        asked = {name: value.lower() for name, value in self._scope["headers"] if name in {b"upgrade", b"connection"}}
        return asked.get(b"upgrade") == b"websocket" and b"upgrade" in asked.get(b"connection", b"")

    def _framing(self) -> tuple[str, bool]:
        """Return how the request's body is framed for the program, and whether there is one."""
        for name, value in self._scope["headers"]:
            if name == b"transfer-encoding":
                return "chunked", True
            if name == b"content-length":
                return value.decode("ascii"), value.strip(b"0") != b""
        return "", False

    def _request(self, headers: rules.Headers, framing: str, *, is_upgrade: bool) -> bytes:
        """Return the head of the request as the program gets it."""
        target: bytes = self._scope["raw_path"].removeprefix(self._host.base.encode()) or b"/"
        if self._scope["query_string"]:
            target += b"?" + self._scope["query_string"]
        lines = [b"%s %s HTTP/1.1" % (self._scope["method"].encode(), target)]
        lines += [name + b": " + value for name, value in headers]
        if framing:
            lines.append(
                b"transfer-encoding: chunked" if framing == "chunked" else b"content-length: " + framing.encode()
            )
        if is_upgrade:
            lines += [b"connection: Upgrade", b"upgrade: websocket"]
        return b"\r\n".join((*lines, b"", b""))

    async def _pump(self, upstream: Upstream, framing: str | None) -> None:
        """Pass the request's body on, framed so; then watch whether the browser goes away."""
        has_body, chunked = framing is not None, framing == "chunked"
        while True:
            try:
                async with asyncio.timeout(PIECE_SECONDS if has_body else None):
                    message = await self._receive()
            except TimeoutError:
                self._fault = Refusal("request_timeout", f"The next piece of the body took over {PIECE_SECONDS:g} s.")
                self._stop()
                return
            if message["type"] == "http.disconnect":
                self._stop()
                return
            piece, more = message.get("body", b""), message.get("more_body", False)
            if not has_body:
                continue
            if piece:
                await upstream.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            if not more:
                has_body = False
                if chunked:
                    await upstream.send(b"0\r\n\r\n")
                if self._line is not None:
                    return  # the connection itself tells that the browser has gone

    def _stop(self) -> None:
        """Leave ``run`` because the browser has gone or is to see no more."""
        if not self._is_over and self._task is not None and not self._task.done():
            self._is_over = True
            self._task.cancel()

    async def _answer(self, upstream: Upstream, head: Head) -> None:
        """Pass the answer on."""
        headers = rules.to_browser(head.headers, host=self._host.host, base=self._host.base)
        if head.length is not None and not any(name == b"content-length" for name, _ in headers):
            headers.append((b"content-length", b"0"))
        if self._is_upgrade:
            headers.append((b"connection", b"close"))
        self.status = head.status
        start: Message = {"type": "http.response.start", "status": head.status, "headers": headers}
        if upstream.has_ended and self._line is not None:  # a small answer, which came in one piece
            with self._line.as_one():
                await self._send(start)
                await self._send({"type": "http.response.body", "body": upstream.taken(), "more_body": False})
            return
        await self._send(start)
        await self._pieces(upstream, head)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pieces(self, upstream: Upstream, head: Head) -> None:
        """Pass the answer's body on as it comes."""
        count = 0
        is_long = head.length is not None and head.length >= LEAST_SPLICED and self._scope["method"] != "HEAD"
        can_splice = is_long and self._line is not None and self._line.descriptor() is not None
        while not upstream.is_done:
            if can_splice and head.length is not None and head.length - count >= LEAST_SPLICED:
                source, piece = upstream.hold(), upstream.taken()
                await self._body(piece)
                await self._splice(upstream, source, head.length - count - len(piece))
                break
            piece = await upstream.read()
            count += len(piece)
            if piece:
                await self._body(piece)

    async def _body(self, piece: bytes) -> None:
        message: Message = {"type": "http.response.body", "body": piece, "more_body": True}
        await self._send(message)

    async def _splice(self, upstream: Upstream, source: int, left: int) -> None:
        """Let the kernel pass the rest of a body on."""
        await self._line.flushed()
        sink = self._line.descriptor()
        if sink is None:
            raise BadAnswerError("The browser has gone.")
        try:
            await splice(source, sink, left)
        except EndedEarlyError as early:
            raise BadAnswerError("The connection broke off in the answer.") from early
        except (OSError, TimeoutError) as gone:
            raise BadAnswerError("The browser has gone.") from gone
        upstream.spliced()
        self._line.passed(left)

    async def _switch(self, upstream: Upstream, head: Head) -> None:
        """Join the two connections: the program has agreed to another protocol."""
        if not self._is_upgrade or self._line is None:
            raise BadAnswerError("The program changes the protocol unasked.")
        transport, early, client = self._line.take_over()
        self.status = SWITCHING
        tunnel = self._tunnel = Tunnel(transport, upstream.transport, client)
        lines = [b"HTTP/1.1 101 Switching Protocols", b"connection: Upgrade", b"upgrade: websocket"]
        headers = rules.to_browser(head.headers, host=self._host.host, base=self._host.base)
        lines += [name + b": " + value for name, value in headers]
        with self._line.adopted(tunnel), _aborted_at_last(tunnel):
            tunnel.start(b"\r\n".join((*lines, b"", b"")) + upstream.rest, early)
            await tunnel.ended()


@contextmanager
def _aborted_at_last(tunnel: Tunnel) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(Exception):
            tunnel.abort()
