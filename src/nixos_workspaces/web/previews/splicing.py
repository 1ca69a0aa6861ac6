"""The kernel passes a body on from one socket to another (splice(2)): its bytes are copied nowhere on the way.

Reading and writing them takes a core for a gigabyte a second; a machine of two, on which the program and the browser
run too, has none to spare.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from contextlib import ExitStack

PIPE_BYTES = 1 << 20
UNREAD_SECONDS = 120.0
"""Time that a browser may take nothing of a body that is under way."""
_NONBLOCK = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK


class EndedEarlyError(Exception):
    """The program ended before the whole body came."""


async def splice(source: int, sink: int, count: int) -> None:
    """Pass so many bytes on between two sockets that do not block; the caller must leave both alone meanwhile.

    Raises ``EndedEarlyError``, ``OSError`` where the reader has gone and ``TimeoutError`` where it reads nothing.
    """
    with ExitStack() as closing:
        reads, writes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        closing.callback(os.close, reads)
        closing.callback(os.close, writes)
        room = _widen(writes)
        # Of their own numbers: the event loop watches the transports' ones itself.
        source, sink = os.dup(source), os.dup(sink)
        closing.callback(os.close, source)
        closing.callback(os.close, sink)
        while count:
            moved = await _step(source, writes, min(count, room), None)
            if not moved:
                raise EndedEarlyError
            count -= moved
            while moved:
                moved -= await _step(reads, sink, moved, UNREAD_SECONDS)
            await asyncio.sleep(0)


def _widen(pipe: int) -> int:
    """Make a pipe as large as it may be; return how much it takes."""
    try:
        return fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:  # a user may have a bounded number of large pipes (pipe(7))
        return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)


async def _step(source: int, sink: int, count: int, seconds: float | None) -> int:
    """Move what can be moved now; waits for the source without ``seconds``, for the sink with them."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return os.splice(source, sink, count, flags=_NONBLOCK)
        except BlockingIOError:
            pass
        if seconds is None:
            await _ready(loop.add_reader, loop.remove_reader, source)
        else:
            async with asyncio.timeout(seconds):
                await _ready(loop.add_writer, loop.remove_writer, sink)


async def _ready(
    add: Callable[[int, Callable[[], object]], None], remove: Callable[[int], object], descriptor: int
) -> None:
    ready = asyncio.Event()
    add(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        remove(descriptor)
