"""A terminal's output on its way to one client: order, batching and flow control."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.terminals import protocol
from nixos_workspaces.terminals.people.company import PresenceOf
from nixos_workspaces.terminals.text import whole_characters

CREDIT_BYTES = 1 << 17
"""Output that the holder may send ahead of the output sent to the client: a replay takes the more round trips, and a
flood the more acknowledgements, the less it is; a slow reader waits the longer for what follows a Ctrl-C, the more it
is. The holder grants it: its rings are at least twice as large."""
OBSERVER_CREDIT_BYTES = 1 << 14
"""The same for one that only watches: there may be a hundred, whose output comes in one turn of the event loop."""
COURTEOUS_CREDIT_BYTES = 1 << 12
"""The same while input arrives at another terminal, whose echo waits behind that much of this one's flood."""
CLIENT_BYTES = 3 << 15
"""Output that a client which acknowledges may have unacknowledged, at least."""
MOST_CLIENT_BYTES = 1 << 20
CLIENT_SECONDS = 0.05
"""So much of its output a faster client may have unacknowledged: what follows a Ctrl-C waits behind it."""
FRAME_BYTES = 1 << 15
_ALL = 1 << 30
COUNTED_FRAMES = 512
"""Frames after which a client that has acknowledged nothing is taken for one that never will."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The session has ended; the terminal may live on."""

    error: WorkspacesError


@dataclass(frozen=True, slots=True)
class Received:
    """The terminal has the client's input up to byte ``count``: it need not be kept to be repeated."""

    count: int


Control = (
    protocol.Attached
    | protocol.Gap
    | protocol.Resized
    | protocol.News
    | protocol.Exited
    | PresenceOf
    | Received
    | Failed
)


class TerminalClient(Protocol):
    """The far end of a session, such as a WebSocket. Called from the event loop; neither call may wait or raise.

    The first call is ``send_control(Attached)``. After ``Exited`` or ``Failed`` nothing follows.
    """

    def send_output(self, data: bytes, end_offset: int) -> None:
        """Send output that ends at byte ``end_offset`` of the terminal's output; at most ``FRAME_BYTES``."""

    def send_control(self, message: Control) -> None:
        """Send anything else, in its place among the output."""


class ClientWindow:
    """How much a client may have unacknowledged.

    With a fixed bound a browser next door, which answers between two frames only, would wait for output more than half
    of the time; with a larger one, a client behind a slow line would wait for seconds after a Ctrl-C.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Measure with a clock that tells seconds."""
        self.size = CLIENT_BYTES
        """In bytes: what was consumed in ``CLIENT_SECONDS`` lately, within the bounds."""
        self._clock = clock
        self._began = clock()
        self._consumed = 0

    def begin(self) -> None:
        """Note that output is sent to a client that has nothing to do: time without output does not count."""
        self._began = self._clock()
        self._consumed = 0

    def consumed(self, size: int) -> None:
        """Note that the client has consumed so many bytes."""
        self._consumed += size
        seconds = self._clock() - self._began
        if seconds >= CLIENT_SECONDS:
            lately = int(self._consumed / seconds * CLIENT_SECONDS)
            self.size = min(MOST_CLIENT_BYTES, max(CLIENT_BYTES, lately))
            self.begin()


class Output:
    """The output of a terminal and the messages among it, sent in order as far as the client has room.

    Holds at most ``CREDIT_BYTES``: the holder is told to go on (``on_progress``) when bytes are handed to the client,
    not when the client acknowledges them. The first bytes of a turn of the event loop go at once, the rest together.
    """

    def __init__(
        self,
        client: TerminalClient,
        on_progress: Callable[[int], None],
        *,
        text: bool,
        acknowledges: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.offset = 0
        """The offset at which the sent output ends."""
        self.received = 0
        """The offset at which the output ends that was pushed."""
        self.held = 0
        """Bytes of output that were pushed and not sent."""
        self.credit_bytes = CREDIT_BYTES
        """How far the holder may be ahead; ``on_progress`` is called whenever half of it is used up."""
        self.input_is_held = False
        """The client was asked not to send: its acknowledgements cannot come, so its transport alone is the limit."""
        self._client = client
        self._on_progress = on_progress
        self._text = text
        self._acknowledges = acknowledges
        self._pending: deque[bytes | Control] = deque()
        self._reported = 0
        self._paused = False
        self._flush_is_due = False
        self._unacknowledged: deque[int] | None = deque()
        self._in_flight = 0
        self._window = ClientWindow(clock)

    @property
    def is_empty(self) -> bool:
        """Whether all that was pushed has been sent."""
        return not self._pending

    def restart(self, offset: int) -> None:
        """Drop pending output: the holder begins again at ``offset``."""
        self._pending.clear()
        self.held = 0
        self.offset = self._reported = self.received = offset

    def push_data(self, data: bytes) -> None:
        """Take the next bytes of output."""
        self.received += len(data)
        self.held += len(data)
        self._pending.append(data)
        if not self._flush_is_due:
            self._flush_is_due = True
            self.flush()
            asyncio.get_running_loop().call_soon(self._flush_later)

    def push_control(self, control: Control) -> None:
        """Queue a message behind the output so far."""
        if isinstance(control, protocol.Gap):
            self.received = control.end
        self._pending.append(control)
        self.flush()

    def skip(self, kept: int) -> None:
        """Drop output that was not sent, but for the last ``kept`` bytes or a little less: they follow a gap."""
        position = self.offset
        others: list[Control] = []
        while self.held > kept:
            first = self._pending.popleft()
            if isinstance(first, bytes):
                position += len(first)
                self.held -= len(first)
            elif isinstance(first, protocol.Gap):
                position = first.end
            else:
                others.append(first)
        self._pending.extendleft(reversed([protocol.Gap(self.offset, position), *others]))

    def notice(self, data: bytes) -> None:
        """Send text that the terminal did not print, at this place among the output."""
        for at in range(0, len(data), FRAME_BYTES):
            piece = data[at : at + FRAME_BYTES]
            self._count_frame(len(piece))
            self._client.send_output(piece, self.offset)

    def acknowledge(self, frames: int) -> None:
        """Note that the client has consumed ``frames`` more frames; ``flush`` sends as many more."""
        if self._unacknowledged is None:
            return
        self._acknowledges = True
        consumed = sum(self._unacknowledged.popleft() for _ in range(min(frames, len(self._unacknowledged))))
        self._in_flight -= consumed
        self._window.consumed(consumed)

    def pause(self) -> None:
        """Send nothing more until ``resume``."""
        self._paused = True

    def resume(self) -> None:
        """Let ``flush`` go on."""
        self._paused = False

    def flush(self, most: int = _ALL) -> bool:
        """Send as much as the client has room for, in order, and ``most`` frames; tell whether more could be sent."""
        while self._pending and not self._is_blocked():
            if most <= 0:
                return True
            first = self._pending[0]
            if not isinstance(first, bytes):
                self._pending.popleft()
                if isinstance(first, protocol.Gap):
                    self.offset = self._reported = first.end
                self._client.send_control(first)
                continue
            data = self._take_frame()
            if not data:
                if not self._let_resized_pass():
                    return False
                continue
            most -= 1
            self.offset += len(data)
            self.held -= len(data)
            self._count_frame(len(data))
            self._client.send_output(data, self.offset)
            if self.offset - self._reported >= self.credit_bytes // 2:
                self._reported = self.offset
                self._on_progress(self.offset)
        return False

    def _flush_later(self) -> None:
        self._flush_is_due = False
        self.flush()

    def _is_blocked(self) -> bool:
        return self._paused or (self._acknowledges and self._in_flight >= self._window.size and not self.input_is_held)

    def _take_frame(self) -> bytes:
        """Take one frame's bytes from the front; none when there is but the beginning of a character."""
        parts: list[bytes] = []
        size = 0
        while self._pending and size < FRAME_BYTES and isinstance(self._pending[0], bytes):
            part = self._pending[0]
            self._pending.popleft()
            parts.append(part)
            size += len(part)
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        end = min(size, FRAME_BYTES)
        is_last = end == size and bool(self._pending) and isinstance(self._pending[0], protocol.Gap | protocol.Exited)
        if self._text and not is_last:  # what these follow is never completed
            end = whole_characters(data, end)
        if end < size:
            self._pending.appendleft(data[end:])
        return data[:end]

    def _let_resized_pass(self) -> bool:
        """Send a new size that came within a character before it; tells whether there was one."""
        if len(self._pending) < 2 or not isinstance(resized := self._pending[1], protocol.Resized):  # noqa: PLR2004
            return False
        del self._pending[1]
        self._client.send_control(resized)
        return True

    def _count_frame(self, size: int) -> None:
        if self._unacknowledged is None:
            return
        if not self._unacknowledged:
            self._window.begin()
        self._unacknowledged.append(size)
        self._in_flight += size
        if not self._acknowledges and len(self._unacknowledged) > COUNTED_FRAMES:
            self._unacknowledged = None
