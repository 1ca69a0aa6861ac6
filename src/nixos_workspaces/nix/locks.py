"""Locks between processes (``flock`` on small files), and turns that tasks of this process take.

The kernel lets go of a lock when its holder dies, whatever killed it. Waiting for one polls, so that it can be
cancelled and never keeps a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_FIRST_WAIT = 0.01
_LONGEST_WAIT = 0.25


class Sharing(IntEnum):
    """How many may hold a lock at the same time."""

    EXCLUSIVE = fcntl.LOCK_EX
    SHARED = fcntl.LOCK_SH


@contextlib.asynccontextmanager
async def hold(path: Path, sharing: Sharing = Sharing.EXCLUSIVE, timeout: float | None = None) -> AsyncIterator[None]:
    """Hold the lock at ``path`` within the block.

    Waits ``timeout`` seconds at most (None: as long as it takes) and raises ``TimeoutError``. The holder of an
    exclusive lock may remove the file: those who waited for it notice and take the new one.
    """
    async with asyncio.timeout(timeout):
        descriptor = await _acquire(path, sharing)
    try:
        yield
    finally:
        os.close(descriptor)


async def _acquire(path: Path, sharing: Sharing) -> int:
    """Return a descriptor that carries the lock."""
    wait = _FIRST_WAIT
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, sharing | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                return descriptor
        except BlockingIOError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT)


def _is_at(descriptor: int, path: Path) -> bool:
    """Tell whether the locked file is still the one that others will find."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A task that waits for its turn."""

    turn: asyncio.Future[None]
    told: Callable[[int], None]


class Turns:
    """A number of turns that are taken at the same time; whoever comes later waits, in the order of coming."""

    def __init__(self, most: int) -> None:
        """Let ``most`` tasks have a turn at the same time."""
        self._free = most
        self._waiting: deque[_Waiting] = deque()

    @contextlib.asynccontextmanager
    async def taken(self, on_wait: Callable[[int], None] = lambda _: None) -> AsyncIterator[Callable[[], None]]:
        """Have a turn within the block, which may give it back before its end by calling the value it is given.

        ``on_wait`` is told how many turns have to end first, whenever that changes; never where there is no wait.
        """
        await self._take(on_wait)
        is_held = True

        def give_back() -> None:
            nonlocal is_held
            if is_held:
                is_held = False
                self._pass_on()

        try:
            yield give_back
        finally:
            give_back()

    async def _take(self, on_wait: Callable[[int], None]) -> None:
        if self._free:
            self._free -= 1
            return
        waiting = _Waiting(asyncio.get_running_loop().create_future(), on_wait)
        self._waiting.append(waiting)
        on_wait(len(self._waiting))
        try:
            await waiting.turn
        except BaseException:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self._tell()
            else:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Let the first one go that waits."""
        if not self._waiting:
            self._free += 1
            return
        waiting = self._waiting.popleft()
        # One that is being cancelled at this moment passes it on itself.
        if not waiting.turn.done():
            waiting.turn.set_result(None)
        self._tell()

    def _tell(self) -> None:
        for before, waiting in enumerate(self._waiting, 1):
            waiting.told(before)


class SingleFlight(Generic[T]):
    """Shares work between callers who ask for the same at the same time."""

    def __init__(self) -> None:
        """Begin without work."""
        self._under_way: dict[object, tuple[asyncio.Task[T], list[None]]] = {}

    async def do(self, key: object, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of ``work()``, or of the one under way for ``key``; cancelled once nobody waits for it."""
        if key not in self._under_way:
            self._under_way[key] = asyncio.create_task(work()), []
        task, callers = flight = self._under_way[key]
        callers.append(None)
        try:
            return await asyncio.shield(task)
        finally:
            callers.pop()
            if (task.done() or not callers) and self._under_way.get(key) is flight:
                del self._under_way[key]
            if not callers:
                task.cancel()
