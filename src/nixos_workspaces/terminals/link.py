"""One stream to a workspace's terminal holder: a channel of an SSH connection, or a socket where the engine has one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import asyncssh
from typing_extensions import override

from nixos_workspaces.errors import Conflict, LimitExceeded, NotFound, RuntimeFailed, Unavailable, WorkspacesError
from nixos_workspaces.model.terminals import Terminal
from nixos_workspaces.ssh.connections import Connections
from nixos_workspaces.ssh.transport import FastClientConnection
from nixos_workspaces.terminals import protocol

HOLDER_SOCKET = "/run/nixws-terminals/holder.sock"
ConnectHolder = Callable[[str], Awaitable[socket.socket | None]]
WINDOW_BYTES = 1 << 19
"""The SSH channel's window: more than the holder's credit, so that it never stalls the channel."""


@dataclass(frozen=True, slots=True)
class LinkOwner:
    """The callbacks of a link; called from the event loop."""

    on_data: Callable[[bytes], None]
    """Takes output of the terminal."""
    on_frame: Callable[[protocol.Frame], None]
    """Takes any other frame."""
    on_lost: Callable[[WorkspacesError], None]
    """Called when the link is lost, not after ``close``."""


class Link:
    """A stream to the holder, made by ``open_link``."""

    def __init__(self, owner: LinkOwner, on_end: Callable[[], None] | None = None) -> None:
        """``on_end`` is called once, when the link has ended for any reason."""
        self._owner: LinkOwner | None = owner
        self._on_end = on_end
        self._reader = protocol.FrameReader(owner.on_data, owner.on_frame)
        self._stream: _Stream | None = None

    def begin(self, stream: _Stream) -> None:
        """Take the stream that was opened."""
        self._stream = stream

    def write(self, data: bytes) -> None:
        """Send frames; after the link was lost this does nothing."""
        if self._stream is not None:
            self._stream.write(data)

    def close(self) -> None:
        """Close the stream; the owner's callbacks are not called any more."""
        self.end(None)

    def feed(self, data: bytes) -> None:
        """Cut received bytes into frames."""
        if self._owner is None:
            return
        try:
            self._reader.feed(data)
        except WorkspacesError as wrong:
            self.end(wrong)

    def end(self, error: WorkspacesError | None) -> None:
        """Close the stream, and tell the owner of the error if there is one."""
        owner, self._owner = self._owner, None
        stream, self._stream = self._stream, None
        on_end, self._on_end = self._on_end, None
        if stream is not None:
            stream.close()
        if on_end is not None:
            on_end()
        if owner is not None and error is not None:
            owner.on_lost(error)


_LOST = Unavailable("The connection to the workspace was lost; attach again.", code="connection_lost")


class _Stream(Protocol):
    """The stream that a link writes to."""

    def write(self, data: bytes) -> object:
        """Send bytes in order; never waits."""

    def close(self) -> object:
        """End the stream once all written bytes have left."""


class _Channel(asyncssh.SSHUNIXSession[bytes]):
    """A link's stream as a channel of a pooled SSH connection."""

    def __init__(self, link: Link, ssh: FastClientConnection) -> None:
        self._link = link
        self._ssh = ssh

    @override
    def connection_made(self, chan: asyncssh.SSHUNIXChannel[bytes]) -> None:
        """Keep the channel."""
        self._chan = chan
        self._link.begin(self)

    def write(self, data: bytes) -> None:
        """See ``_Stream``."""
        self._ssh.send_data(self._chan, data)

    def close(self) -> None:
        """See ``_Stream``."""
        self._chan.close()

    @override
    def data_received(self, data: bytes, datatype: Any) -> None:
        """Pass it on."""
        self._link.feed(data)

    @override
    def eof_received(self) -> bool:
        """Treat the end of the holder's side as the end of the link."""
        self._link.end(_LOST)
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner."""
        self._link.end(_LOST)


class _Socket(asyncio.Protocol):
    """A link's stream as a socket of its own."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @override
    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]
        """Give the socket to the link."""
        self._link.begin(transport)

    @override
    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        self._link.feed(data)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner."""
        self._link.end(_LOST)


@dataclass(frozen=True, slots=True)
class Route:
    """How the holders of all workspaces are reached."""

    connections: Connections
    holder: str
    """Path of the holder's socket, for SSH."""
    connect_holder: ConnectHolder | None
    """Opens a socket to a workspace's holder, or returns None where only SSH leads there."""


async def open_link(route: Route, workspace_id: str, owner: LinkOwner, *, first: bytes) -> Link:
    """Open a stream to the workspace's holder and send the greeting and the frames ``first`` in one go.

    Raises the errors of ``Connections.take``, and ``Unavailable`` (``holder_unavailable``) when no holder listens.
    """
    # Also where SSH is not the way: nothing is sent to a workspace that has not the pinned host key.
    pooled = await route.connections.take(workspace_id)
    give_back = partial(route.connections.give_back, pooled)
    try:
        sock = await _socket(route, workspace_id)
    except BaseException:
        give_back()
        raise
    opening: Awaitable[object]
    if sock is None:
        link = Link(owner, give_back)
        opening = pooled.ssh.create_unix_connection(
            partial(_Channel, link, pooled.ssh), route.holder, window=WINDOW_BYTES
        )
    else:
        give_back()
        link = Link(owner)
        opening = asyncio.get_running_loop().create_unix_connection(partial(_Socket, link), sock=sock)
    try:
        async with asyncio.timeout(route.connections.answer_seconds):
            with route.connections.doubting(pooled):
                await opening
    except BaseException as wrong:
        link.close()
        if isinstance(wrong, TimeoutError | OSError | asyncssh.Error):
            raise Unavailable(
                "The workspace's terminal service does not answer; it may still be starting. Try again.",
                code="holder_unavailable",
            ) from wrong
        raise
    link.write(protocol.greeting() + first)
    return link


async def _socket(route: Route, workspace_id: str) -> socket.socket | None:
    """Return a socket to the holder; None where it cannot be had now; SSH then finds out why."""
    if route.connect_holder is None:
        return None
    try:
        async with asyncio.timeout(route.connections.answer_seconds):
            return await route.connect_holder(workspace_id)
    except (Unavailable, TimeoutError):
        return None


def error_of(refused: protocol.Refused) -> WorkspacesError:
    """Translate the holder's refusal."""
    match refused.reason:
        case protocol.Refusal.NO_TERMINAL:
            return NotFound("There is no such terminal; it was closed or its shell ended.", code="terminal_not_found")
        case protocol.Refusal.LIMIT:
            return LimitExceeded("The workspace has too many terminals; close some.", code="too_many_terminals")
        case protocol.Refusal.START:
            return Conflict(f"The terminal's program could not be started: {refused.message}.", code="terminal_start")
        case protocol.Refusal.OFFSET:
            return Conflict("The terminal has not printed as much as the offset says; attach at 0.", code="bad_offset")
        case protocol.Refusal.REPLACED:
            return Conflict("The terminal was attached again elsewhere.", code="replaced")
        case _:
            return RuntimeFailed(
                f"The workspace's terminal service refused: {refused.message} Rebuild the workspace if it stays so.",
                code="terminal_protocol",
            )


async def ask(route: Route, workspace_id: str, request: bytes) -> list[Terminal]:
    """Send one request over a link of its own and return the terminals that the answer lists, if it lists any.

    Raises the errors of ``open_link`` and ``error_of``.
    """
    answer: asyncio.Future[list[Terminal]] = asyncio.get_running_loop().create_future()
    terminals: list[Terminal] = []

    def on_frame(frame: protocol.Frame) -> None:
        match frame:
            case Terminal():
                terminals.append(frame)
            case protocol.ListEnd() | protocol.Done() if not answer.done():
                answer.set_result(terminals)
            case protocol.Refused():
                on_lost(error_of(frame))
            case _:
                pass

    def on_lost(error: WorkspacesError) -> None:
        if not answer.done():
            answer.set_exception(error)

    owner = LinkOwner(lambda _: None, on_frame, on_lost)
    link = await open_link(route, workspace_id, owner, first=request)
    try:
        async with asyncio.timeout(route.connections.answer_seconds):
            return await answer
    except TimeoutError as silent:
        raise Unavailable("The workspace's terminal service gave no answer.", code="holder_unavailable") from silent
    finally:
        link.close()
