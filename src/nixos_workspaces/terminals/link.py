"""One SSH channel to a workspace's terminal holder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncssh
from typing_extensions import override

from nixos_workspaces.errors import Conflict, LimitExceeded, NotFound, RuntimeFailed, Unavailable, WorkspacesError
from nixos_workspaces.terminals import protocol
from nixos_workspaces.terminals.connections import Connections, Pooled

HOLDER_SOCKET = "/run/nixws-terminals/holder.sock"
WINDOW_BYTES = 1 << 19
"""The SSH channel's window: more than the holder's credit, so that it never stalls the channel."""


@dataclass(frozen=True, slots=True)
class LinkOwner:
    """Who receives what comes over a link; called from the event loop."""

    on_data: Callable[[bytes], None]
    """Takes output of the terminal."""
    on_frame: Callable[[protocol.Frame], None]
    """Takes any other frame."""
    on_lost: Callable[[WorkspacesError], None]
    """Hears that the link is gone although ``close`` was not called."""


class Link(asyncssh.SSHUNIXSession[bytes]):
    """A channel to the holder, made by ``open_link``."""

    def __init__(self, owner: LinkOwner, pooled: Pooled, give_back: Callable[[], None]) -> None:
        self._owner: LinkOwner | None = owner
        self._pooled = pooled
        self._give_back: Callable[[], None] | None = give_back
        self._reader = protocol.FrameReader(owner.on_data, owner.on_frame)
        self._channel: asyncssh.SSHUNIXChannel[bytes] | None = None

    def write(self, data: bytes) -> None:
        """Send frames; after the link was lost this does nothing."""
        if self._channel is not None:
            self._pooled.ssh.send_data(self._channel, data)

    def close(self) -> None:
        """Let go of the channel; the owner hears no more of it."""
        self._end(None)

    @override
    def connection_made(self, chan: asyncssh.SSHUNIXChannel[bytes]) -> None:
        """Keep the channel."""
        self._channel = chan

    @override
    def data_received(self, data: bytes, datatype: Any) -> None:
        """Cut what arrived into frames."""
        if self._owner is None:
            return
        try:
            self._reader.feed(data)
        except WorkspacesError as wrong:
            self._end(wrong)

    @override
    def eof_received(self) -> bool:
        """Treat the end of the holder's side as the end of the link."""
        self._end(_LOST)
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner."""
        self._end(_LOST)

    def _end(self, error: WorkspacesError | None) -> None:
        owner, self._owner = self._owner, None
        channel, self._channel = self._channel, None
        give_back, self._give_back = self._give_back, None
        if channel is not None:
            channel.close()
        if give_back is not None:
            give_back()
        if owner is not None and error is not None:
            owner.on_lost(error)


_LOST = Unavailable("The connection to the workspace was lost; attach again.", code="connection_lost")


async def open_link(
    connections: Connections, workspace_id: str, owner: LinkOwner, *, holder: str = HOLDER_SOCKET, first: bytes
) -> Link:
    """Open a channel to the workspace's holder and send the greeting and the frames ``first`` in one go.

    Raises what ``Connections.take`` raises, and ``Unavailable`` (``holder_unavailable``) when no holder listens.
    """
    pooled = await connections.take(workspace_id)
    link = Link(owner, pooled, lambda: connections.give_back(pooled))
    try:
        async with asyncio.timeout(connections.answer_seconds):
            await _create(pooled, link, holder)
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


async def _create(pooled: Pooled, link: Link, holder: str) -> None:
    await pooled.ssh.create_unix_connection(lambda: link, holder, window=WINDOW_BYTES)


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


async def ask(connections: Connections, workspace_id: str, holder: str, request: bytes) -> list[protocol.Terminal]:
    """Send one request over a link of its own and return the terminals that the answer lists, if it lists any.

    Raises what ``open_link`` and ``error_of`` say.
    """
    answer: asyncio.Future[list[protocol.Terminal]] = asyncio.get_running_loop().create_future()
    terminals: list[protocol.Terminal] = []

    def on_frame(frame: protocol.Frame) -> None:
        match frame:
            case protocol.Terminal():
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
    link = await open_link(connections, workspace_id, owner, holder=holder, first=request)
    try:
        async with asyncio.timeout(connections.answer_seconds):
            return await answer
    except TimeoutError as silent:
        raise Unavailable("The workspace's terminal service gave no answer.", code="holder_unavailable") from silent
    finally:
        link.close()
