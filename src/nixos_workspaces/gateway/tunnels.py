"""Tunnels: byte streams from a client of the API to a port inside a workspace."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar, cast

from typing_extensions import override

from nixos_workspaces.errors import Unavailable
from nixos_workspaces.model.workspace import AuthorisedId

CONNECT_SECONDS = 10.0
WINDOW_BYTES = 1 << 16
"""Bytes that wait for one side before the other is no longer read."""

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)
Connect = Callable[[str, int], Awaitable[socket.socket]]


class TunnelClient(Protocol):
    """The client's side of a tunnel. No call may wait or raise."""

    def data_received(self, data: bytes) -> None:
        """Take bytes from the workspace."""

    def ended(self) -> None:
        """Take notice that the workspace's side sends no more; it may still receive."""

    def lost(self) -> None:
        """Take notice that the connection is gone in both directions."""

    def pause(self) -> None:
        """Send nothing for a while: the workspace does not read."""

    def resume(self) -> None:
        """Go on sending."""


class Upstream(asyncio.Protocol):
    """The workspace's side of a tunnel. Memory is bounded by ``WINDOW_BYTES`` and one read each way."""

    def __init__(self, client: TunnelClient) -> None:
        self._client = client
        self._transport: asyncio.Transport | None = None
        self._is_ended = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of asyncio's classes
        self._transport.set_write_buffer_limits(WINDOW_BYTES)

    @override
    def data_received(self, data: bytes) -> None:
        self._client.data_received(data)

    @override
    def eof_received(self) -> bool:
        self._client.ended()
        return True  # the other direction stays open

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._client.lost()

    @override
    def pause_writing(self) -> None:
        self._client.pause()

    @override
    def resume_writing(self) -> None:
        self._client.resume()

    def send(self, data: bytes) -> None:
        """Send bytes to the workspace; drops them once the connection is gone or ``end`` was called."""
        if self._transport is not None and not self._is_ended:
            self._transport.write(data)

    def end(self) -> None:
        """Send no more; what comes from the workspace is still received."""
        if self._transport is not None and not self._is_ended:
            self._is_ended = True
            self._transport.write_eof()

    def pause_reading(self) -> None:
        """Read nothing from the workspace until ``resume_reading``."""
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading."""
        if self._transport is not None and not self._transport.is_closing() and not self._transport.is_reading():
            self._transport.resume_reading()

    def close(self, *, at_once: bool) -> None:
        """End the connection: ``at_once``, or once the workspace has read what was sent."""
        if self._transport is None:
            return
        if at_once:
            self._transport.abort()
        else:
            self._transport.close()


class _Greeting(asyncio.Protocol):
    """Keeps what a server says before its connection is joined to the client's."""

    def __init__(self) -> None:
        self.said = bytearray()

    @override
    def data_received(self, data: bytes) -> None:
        self.said += data


class Tunnels:
    """Opens tunnels through the engine's way into a workspace, which firewalls and egress rules do not touch."""

    def __init__(self, connect: Connect) -> None:
        """Connect with ``connect`` (``MachineAccess.connect``)."""
        self._connect = connect

    async def open(self, workspace_id: AuthorisedId, port: int, client: TunnelClient) -> Upstream:
        """Return a connection to ``port`` inside; the engine's errors where there is none.

        Raises ``Unavailable`` with code ``port_closed`` where nothing listens, ``Conflict`` where it does not run.
        """
        _, upstream = await self._connected(workspace_id, port, lambda: Upstream(client))
        return upstream

    async def open_plain(self, workspace_id: AuthorisedId, port: int) -> tuple[asyncio.Transport, bytes]:
        """Return a connection that is not read, and what came from it already; raises as ``open`` does."""
        transport, greeting = await self._connected(workspace_id, port, _Greeting)
        if transport.is_closing():
            raise Unavailable(f"The program at port {port} closed the connection.", code="port_closed")
        transport.pause_reading()
        return transport, bytes(greeting.said)

    async def _connected(
        self, workspace_id: str, port: int, protocol: Callable[[], _Protocol]
    ) -> tuple[asyncio.Transport, _Protocol]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                sock = await self._connect(workspace_id, port)
        except TimeoutError as silent:
            raise Unavailable("The workspace gave no answer in time; try again.", code="no_answer") from silent
        try:
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            loop = asyncio.get_running_loop()
            connect = loop.create_unix_connection if sock.family == socket.AF_UNIX else loop.create_connection
            transport, made = await connect(protocol, sock=sock)
        except BaseException:
            sock.close()
            raise
        return transport, made
