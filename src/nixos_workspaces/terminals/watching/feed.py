"""One stream from a terminal for all who only watch it, so that they cost its typist nothing.

An observer attaches with a stream of its own, for what is older; once that has come as far as the feed, it is let go.
One that reads too slowly for the feed gets a stream of its own again. Output that comes faster than all can be served,
or that many are too slow for, is skipped: they go on at the newest place.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.terminals import protocol
from nixos_workspaces.terminals.link import Link, LinkOwner
from nixos_workspaces.terminals.watching.turns import AT_ONCE, Turns

SPREAD_SECONDS = 0.001
"""Output waits so long before observers get it: the typist's own is on its way by then."""
ROUND_BYTES = 1 << 15
"""Output that each observer is handed in one round, and before the newest place where they go on after a gap."""
SMALL_BYTES = 1 << 12
PAUSES = 2.0
"""A round of more bytes is followed by a pause of so many times as long as it took, for all else."""
LEAST_OBSERVERS = 2
"""A single one keeps its own stream."""
FEED_CREDIT_BYTES = 1 << 17
REST_SECONDS = 5.0
"""Time for which nobody joins who was too slow, and after which a stream is opened again that was lost."""
MOST_SLOW = 4
"""Observers that may read on their own what they were too slow for; with more, output is skipped for the others."""
SKIP_SECONDS = 0.5
"""Time after which a feed that is behind all the while goes on at the newest output."""

OpenLink = Callable[[LinkOwner, bytes], Awaitable[Link]]
_Frame = protocol.Gap | protocol.Exited | protocol.Resized


class Observer(Protocol):
    """A session that only watches."""

    def try_feed(self, *, skip: bool = False) -> None:
        """Join the feed if that has come exactly as far; with ``skip``, go on with it at once, by a gap."""

    def take_feed(self, data: bytes, start: int) -> None:
        """Take output that begins at offset ``start``; what is known of it already is skipped."""

    def take_feed_frame(self, frame: protocol.Frame) -> None:
        """Take any other frame, in its place among the output."""

    def lose_feed(self, error: WorkspacesError) -> None:
        """Go on with a stream of its own."""


class Feed:
    """The observers of one terminal. Call it from the event loop's thread only."""

    def __init__(self, open_link: OpenLink, terminal_id: str, turns: Turns) -> None:
        self.turns = turns
        self.offset: int | None = None
        """The output that the feed has received; None while it has no stream."""
        self._open_link = open_link
        self._terminal_id = terminal_id
        self._observers: set[Observer] = set()
        self._joined: dict[Observer, None] = {}
        self._slow: set[Observer] = set()
        """The observers that were let go of as they are too slow."""
        self._link: Link | None = None
        self._opening: asyncio.Task[None] | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._pending: deque[bytes | _Frame | WorkspacesError] = deque()
        self._start = 0
        """Offset of the first pending byte."""
        self._is_spreading = False
        self._began = 0.0
        """Loop time at which the present round began."""
        self._behind_since: float | None = None
        """Loop time since which no round has handed out all there was."""
        self._skip_from: int | None = None
        """The offset from which on output is about to be skipped."""
        self._is_gathering = False
        """Once the stream has begun, all observers go on with it."""
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
        """Serve an observer that has received as much as the feed, or more."""
        self._slow.discard(observer)
        self._joined[observer] = None
        if self._pending:
            self._spread_soon()

    def part(self, observer: Observer) -> None:
        """Serve an observer no more."""
        self._joined.pop(observer, None)
        self._slow.discard(observer)

    def let_go(self, observer: Observer) -> bool:
        """Tell whether an observer that is too slow may go on with a stream of its own, and serve it no more then."""
        if len(self._slow) >= MOST_SLOW:
            return False
        self.part(observer)
        self._slow.add(observer)
        return True

    def _begin(self) -> None:
        """Open the stream where there are enough observers, and none."""
        is_idle = self._link is None and self._opening is None and self._resting is None
        if is_idle and len(self._observers) >= LEAST_OBSERVERS:
            self._opening = asyncio.get_running_loop().create_task(self._open(protocol.FROM_NOW_ON))

    def _rest(self) -> None:
        """Have no stream for a while."""
        self._close()
        self._resting = asyncio.get_running_loop().call_later(REST_SECONDS, self._wake)

    def _wake(self) -> None:
        self._resting = None
        self._begin()

    async def _open(self, offset: int) -> None:
        owner = LinkOwner(self._on_data, self._on_frame, self._on_lost)
        wanted = protocol.Attach(self._terminal_id, offset, 80, 24, readonly=True)
        try:
            first = protocol.attach_terminal(wanted, token=0, credit=FEED_CREDIT_BYTES)
            self._link = await self._open_link(owner, first)
        except WorkspacesError as error:
            if self._observers:
                self._lose(error)  # observers go on with their own streams
            return
        finally:
            self._opening = None
        if not self._observers:
            self._close()

    def _close(self) -> None:
        link, self._link = self._link, None
        self.offset = None
        self._behind_since = None
        self._pending.clear()
        if link is not None:
            link.close()

    def _skip(self) -> None:
        """Go on near the newest output with a new stream, whose beginning tells where that is."""
        self._skip_from = self._start
        self._reopen(protocol.FROM_NOW_ON)

    def _reopen(self, offset: int) -> None:
        self._close()
        self._opening = asyncio.get_running_loop().create_task(self._open(offset))

    def _on_attached(self, offset: int) -> None:
        skip_from, self._skip_from = self._skip_from, None
        if skip_from is not None and offset > skip_from:
            # What has come last must not be missed: nothing may follow it.
            self._is_gathering = True
            self._reopen(max(skip_from, offset - ROUND_BYTES))
            return
        self.offset = self._start = self._reported = offset
        if self._is_gathering:
            self._is_gathering = False
            for observer in [*self._observers]:
                observer.try_feed(skip=True)
        self._invite()

    def _on_data(self, data: bytes) -> None:
        if self.offset is None:
            return
        self._pending.append(data)
        self.offset += len(data)
        self._invite()
        self._spread_soon()

    def _on_frame(self, frame: protocol.Frame) -> None:
        match frame:
            case protocol.Attached():
                self._on_attached(frame.offset)
            case protocol.Refused():
                self._lose(WorkspacesError("The feed was refused."))
            case protocol.News():
                for observer in [*self._joined]:
                    observer.take_feed_frame(frame)
            case protocol.Gap() | protocol.Exited() | protocol.Resized():
                if isinstance(frame, protocol.Gap):
                    self.offset = frame.end
                self._pending.append(frame)
                self._spread_soon()
            case _:
                pass

    def _on_lost(self, error: WorkspacesError) -> None:
        if self._joined and self._pending:
            self._pending.append(error)
        else:
            self._lose(error)

    def _lose(self, error: WorkspacesError) -> None:
        self._skip_from, self._is_gathering = None, False
        self._rest()
        joined, self._joined = self._joined, {}
        for observer in joined:
            observer.lose_feed(error)

    def _spread_soon(self) -> None:
        """Begin a round soon; while nobody has joined, the stream stands still for want of credit."""
        if not self._is_spreading and self._joined:
            self._is_spreading = True
            asyncio.get_running_loop().call_later(SPREAD_SECONDS, self._spread)

    def _spread(self) -> None:
        """Hand out the next of what is pending, to a few observers at a time."""
        self._began = asyncio.get_running_loop().time()
        if not (self._pending and self._joined):
            self._is_spreading = False
            return
        first = self._pending[0]
        if isinstance(first, bytes):
            start, data = self._start, self._take_round()
            self._spread_to([*self._joined], len(data), lambda observer: observer.take_feed(data, start))
            return
        self._pending.popleft()
        if isinstance(first, WorkspacesError):
            self._is_spreading = False
            self._lose(first)
            return
        if isinstance(first, protocol.Gap):
            self._start = self._reported = first.end
        self._spread_to([*self._joined], 0, lambda observer: observer.take_feed_frame(first))

    def _take_round(self) -> bytes:
        """Take output from the front of what is pending, and let the holder go on."""
        parts: list[bytes] = []
        left = ROUND_BYTES
        while left and self._pending and isinstance(part := self._pending[0], bytes):
            self._pending.popleft()
            if len(part) > left:
                self._pending.appendleft(part[left:])
            parts.append(part[:left])
            left -= len(parts[-1])
        self._start += ROUND_BYTES - left
        if self._link is not None and self._start - self._reported >= FEED_CREDIT_BYTES // 2:
            self._reported = self._start
            self._link.write(protocol.acknowledge(self._start))
        return b"".join(parts)

    def _spread_to(self, left: list[Observer], size: int, hand: Callable[[Observer], None]) -> None:
        for observer in left[:AT_ONCE]:
            if observer in self._joined:
                hand(observer)
        if left := left[AT_ONCE:]:
            asyncio.get_running_loop().call_soon(self._spread_to, left, size, hand)
        else:
            self._end_round(size)

    def _end_round(self, size: int) -> None:
        """Begin the next round later, or skip what cannot be handed out in time."""
        loop = asyncio.get_running_loop()
        if not (self._pending and self._joined):
            self._is_spreading = False
            self._behind_since = None
            return
        now = loop.time()
        self._behind_since = now if self._behind_since is None else self._behind_since
        if now - self._behind_since > SKIP_SECONDS and all(isinstance(one, bytes) for one in self._pending):
            self._is_spreading = False
            self._skip()
            return
        loop.call_later(max(SPREAD_SECONDS, PAUSES * (now - self._began) if size > SMALL_BYTES else 0), self._spread)

    def _invite(self) -> None:
        """Let those join who have received as much."""
        if len(self._joined) < len(self._observers):
            for observer in self._observers - self._joined.keys():
                observer.try_feed()
