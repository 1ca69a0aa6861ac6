"""The kernel passes a body on from one socket to another (splice(2)): its bytes are copied nowhere on the way.

Reading and writing them takes a core for a gigabyte a second; a machine of two, on which the program and the browser
run too, has none to spare. The calls are made by threads, in turns: while one is in the kernel, the event loop serves
the others, and a body that is fast needs no turn of the loop for each of its megabytes. What has to be waited for
longer than a moment is waited for by the loop, so that slow browsers and programs hold no thread.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

PIPE_BYTES = 1 << 20
UNREAD_SECONDS = 120.0
"""Time that a browser may take nothing of a body that is under way."""
TURN_SECONDS = 0.05
"""How long a thread serves one body before it is another one's turn."""
FAST_BYTES = 1 << 18
"""Bytes of a turn from which on a body counts as fast: the thread waits a moment for more."""
MOMENT_MS = 2
_NONBLOCK = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
_THREADS = ThreadPoolExecutor(4, "splice")


class EndedEarlyError(Exception):
    """The program ended before the whole body came."""


async def splice(source: int, sink: int, count: int) -> None:
    """Pass so many bytes on between two sockets that do not block; the caller must leave both alone meanwhile.

    Raises ``EndedEarlyError``, ``OSError`` where the reader has gone and ``TimeoutError`` where it reads nothing.
    """
    loop = asyncio.get_running_loop()
    flow = _Flow(source, sink, count)
    turn: Future[int] | None = None
    try:
        while flow.is_under_way:
            turn = _THREADS.submit(flow.turn)
            awaited = await asyncio.wrap_future(turn)
            if awaited == select.POLLIN:
                await _ready(loop.add_reader, loop.remove_reader, flow.source)
            elif awaited == select.POLLOUT:
                async with asyncio.timeout(UNREAD_SECONDS):
                    await _ready(loop.add_writer, loop.remove_writer, flow.sink)
    finally:
        flow.stops = True
        if turn is None or turn.done():
            flow.close()
        else:  # its numbers are in use until the thread has seen that it is to stop
            turn.add_done_callback(lambda _: flow.close())


class _Flow:
    """A body on its way through a pipe."""

    def __init__(self, source: int, sink: int, count: int) -> None:
        self._left = count
        """Bytes that are not in the pipe yet."""
        self._held = 0
        """Bytes in the pipe."""
        self.stops = False
        """Set to have a turn end soon, from another thread."""
        with ExitStack() as closing:
            self._reads, self._writes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            closing.callback(os.close, self._reads)
            closing.callback(os.close, self._writes)
            self._room = _widen(self._writes)
            # Of their own numbers: the event loop watches the transports' ones itself.
            self.source = os.dup(source)
            closing.callback(os.close, self.source)
            self.sink = os.dup(sink)
            closing.callback(os.close, self.sink)
            self._open = closing.pop_all()
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(self.source, select.POLLIN)
        self._writable.register(self.sink, select.POLLOUT)

    @property
    def is_under_way(self) -> bool:
        """Whether anything is left to be passed on."""
        return bool(self._left or self._held)

    def close(self) -> None:
        """Give the pipe and the numbers free."""
        self._open.close()

    def turn(self) -> int:
        """Pass on what can be; returns what has to be waited for, 0 if nothing. For a thread."""
        ends, moved = time.monotonic() + TURN_SECONDS, 0
        while self.is_under_way and not self.stops and time.monotonic() < ends:
            is_reading = not self._held
            try:
                moved += self._fill() if is_reading else self._empty()
            except BlockingIOError:
                poll, awaited = (self._readable, select.POLLIN) if is_reading else (self._writable, select.POLLOUT)
                if moved < FAST_BYTES or not poll.poll(MOMENT_MS):
                    return awaited
        return 0

    def _fill(self) -> int:
        self._held = os.splice(self.source, self._writes, min(self._left, self._room), flags=_NONBLOCK)
        if not self._held:
            raise EndedEarlyError
        self._left -= self._held
        return self._held

    def _empty(self) -> int:
        gone = os.splice(self._reads, self.sink, self._held, flags=_NONBLOCK)
        self._held -= gone
        return gone


def _widen(pipe: int) -> int:
    """Make a pipe as large as it may be; return how much it takes."""
    try:
        return fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:  # a user may have a bounded number of large pipes (pipe(7))
        return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)


async def _ready(
    add: Callable[[int, Callable[[], object]], None], remove: Callable[[int], object], descriptor: int
) -> None:
    ready = asyncio.Event()
    add(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        remove(descriptor)
