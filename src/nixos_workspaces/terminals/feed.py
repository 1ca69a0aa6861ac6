"""One stream from a terminal for all who only watch it, so that they cost its typist nothing.

An observer attaches with a stream of its own, for what is older; once that has come as far as the feed, it is let go.
One that reads too slowly for the feed gets a stream of its own again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.terminals import protocol
from nixos_workspaces.terminals.link import Link, LinkOwner

SPREAD_SECONDS = 0.001
"""Output waits so long before observers get it: the typist's own is on its way by then."""
AT_ONCE = 8
"""Observers that are served in one turn of the event loop."""
LEAST_OBSERVERS = 2
"""A single one keeps its own stream."""
FEED_CREDIT_BYTES = 1 << 17
REST_SECONDS = 5.0
"""Time for which nobody joins who was too slow, and for which a feed rests that nobody could follow."""
UNFOLLOWED_BYTES = 1 << 19
"""Output after which a feed rests that nobody has joined: a flood is read for nobody."""

OpenLink = Callable[[LinkOwner, bytes], Awaitable[Link]]


class Observer(Protocol):
    """A session that only watches."""

    def try_feed(self) -> None:
        """Join the feed if that has come exactly as far."""

    def take_feed(self, data: bytes, start: int) -> None:
        """Take output that begins at offset ``start``; what is known of it already is skipped."""

    def take_feed_frame(self, frame: protocol.Frame) -> None:
        """Take any other frame, in its place among the output."""

    def lose_feed(self, error: WorkspacesError) -> None:
        """Go on with a stream of its own."""


class Feed:
    """The observers of one terminal. Call it from the event loop's thread only."""

    def __init__(self, open_link: OpenLink, terminal_id: str) -> None:
        self.offset: int | None = None
        """The output that the feed has received; None while it has no stream."""
        self._open_link = open_link
        self._terminal_id = terminal_id
        self._observers: set[Observer] = set()
        self._joined: dict[Observer, None] = {}
        self._link: Link | None = None
        self._opening: asyncio.Task[None] | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._unfollowed = 0
        self._pending: list[bytes] = []
        self._start = 0
        """Offset of the first pending byte."""
        self._is_spreading = False
        self._reported = 0

    @property
    def unseen(self) -> int:
        """The observers that the holder does not count, less the feed that it does."""
        return len(self._joined) - (self._link is not None)

    def enter(self, observer: Observer) -> None:
        """Add an observer, which keeps its own stream until it joins."""
        self._observers.add(observer)
        self._begin()

    def leave(self, observer: Observer) -> bool:
        """Remove an observer; tell whether it was the last."""
        self._observers.discard(observer)
        self.part(observer)
        if not self._observers:
            self._close()
            if self._resting is not None:
                self._resting.cancel()
        return not self._observers

    def join(self, observer: Observer) -> None:
        """Serve an observer that has received as much as the feed."""
        self._unfollowed = 0
        self._joined[observer] = None

    def part(self, observer: Observer) -> None:
        """Serve an observer no more, which goes on with its own stream."""
        self._joined.pop(observer, None)

    def _begin(self) -> None:
        """Open the stream where there are enough observers, and none."""
        is_idle = self._link is None and self._opening is None and self._resting is None
        if is_idle and len(self._observers) >= LEAST_OBSERVERS:
            self._opening = asyncio.get_running_loop().create_task(self._open())

    def _rest(self) -> None:
        """Let go of a stream that nobody follows, for a while."""
        self._close()
        self._resting = asyncio.get_running_loop().call_later(REST_SECONDS, self._wake)

    def _wake(self) -> None:
        self._resting = None
        self._begin()

    async def _open(self) -> None:
        owner = LinkOwner(self._on_data, self._on_frame, self._on_lost)
        wanted = protocol.Attach(self._terminal_id, protocol.FROM_NOW_ON, 80, 24, readonly=True)
        try:
            first = protocol.attach_terminal(wanted, token=0, credit=FEED_CREDIT_BYTES)
            self._link = await self._open_link(owner, first)
        except WorkspacesError:
            return  # observers keep their own streams
        finally:
            self._opening = None
        if not self._observers:
            self._close()

    def _close(self) -> None:
        link, self._link = self._link, None
        self.offset = None
        self._unfollowed = 0
        self._pending.clear()
        if link is not None:
            link.close()

    def _on_data(self, data: bytes) -> None:
        if self.offset is None:
            return
        if not self._pending:
            self._start = self.offset
        self._pending.append(data)
        self.offset += len(data)
        self._invite()
        if not self._joined:
            self._unfollowed += len(data)
            if self._unfollowed > UNFOLLOWED_BYTES:
                self._rest()
                return
        if not self._is_spreading:
            self._is_spreading = True
            asyncio.get_running_loop().call_later(SPREAD_SECONDS, self._spread)

    def _on_frame(self, frame: protocol.Frame) -> None:
        match frame:
            case protocol.Attached():
                self.offset = self._reported = frame.offset
                self._invite()
            case protocol.Refused():
                self._on_lost(WorkspacesError("The feed was refused."))
            case protocol.News():
                for observer in [*self._joined]:
                    observer.take_feed_frame(frame)
            case protocol.Gap() | protocol.Exited() | protocol.Resized():
                self._deliver()
                if isinstance(frame, protocol.Gap):
                    self.offset = self._reported = frame.end
                for observer in [*self._joined]:
                    observer.take_feed_frame(frame)
            case _:
                pass

    def _on_lost(self, error: WorkspacesError) -> None:
        self._close()
        joined, self._joined = self._joined, {}
        for observer in joined:
            observer.lose_feed(error)

    def _spread(self) -> None:
        """Hand out what is pending, to a few observers at a time."""
        data, start = b"".join(self._pending), self._start
        self._pending.clear()
        end = start + len(data)
        if self._link is not None and end - self._reported >= FEED_CREDIT_BYTES // 2:
            self._reported = end
            self._link.write(protocol.acknowledge(end))
        self._spread_to([*self._joined], data, start)

    def _spread_to(self, left: list[Observer], data: bytes, start: int) -> None:
        for observer in left[:AT_ONCE]:
            if observer in self._joined:
                observer.take_feed(data, start)
        loop = asyncio.get_running_loop()
        if left := left[AT_ONCE:]:
            loop.call_soon(self._spread_to, left, data, start)
        elif self._pending:
            loop.call_later(SPREAD_SECONDS, self._spread)
        else:
            self._is_spreading = False

    def _invite(self) -> None:
        """Let those join who have received as much."""
        if len(self._joined) < len(self._observers):
            for observer in self._observers - self._joined.keys():
                observer.try_feed()

    def _deliver(self) -> None:
        """Hand out all that is pending at once: a frame that is no output follows."""
        data, start = b"".join(self._pending), self._start
        self._pending.clear()
        if data:
            for observer in [*self._joined]:
                observer.take_feed(data, start)
