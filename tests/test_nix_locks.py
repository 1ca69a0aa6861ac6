"""Locks between tasks and processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from nixos_workspaces.nix.locks import Sharing, hold

HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


async def test_shared_holders_exclude_only_an_exclusive_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    async with hold(path, Sharing.SHARED), hold(path, Sharing.SHARED):
        with pytest.raises(TimeoutError):
            async with hold(path, Sharing.EXCLUSIVE, timeout=0.1):
                raise AssertionError
    async with hold(path, Sharing.EXCLUSIVE, timeout=0.1):
        with pytest.raises(TimeoutError):
            async with hold(path, Sharing.SHARED, timeout=0.1):
                raise AssertionError


async def test_killed_holder_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE)  # noqa: ASYNC220 - returns at once
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(TimeoutError):
        async with hold(path, timeout=0.1):
            raise AssertionError
    holder.kill()
    async with hold(path, timeout=5):
        pass
    holder.wait()
    holder.stdout.close()


async def test_removed_lock_is_taken_anew_by_those_who_wait(tmp_path: Path) -> None:
    """Never two holders, although one removes the file that the other waits for."""
    path = tmp_path / "lock"
    inside = 0

    async def enter() -> None:
        nonlocal inside
        async with hold(path):
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            path.unlink()
            inside -= 1

    async with asyncio.timeout(20):
        await asyncio.gather(*(enter() for _ in range(8)))


async def test_waiting_can_be_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    async with hold(path):
        waiting = asyncio.create_task(hold(path).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
