"""Locks between tasks and between processes: ``flock`` on small files.

The kernel lets go of a lock when its holder dies, whatever killed it. Waiting polls, so that it can be cancelled and
never keeps a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator
from enum import IntEnum
from pathlib import Path

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
