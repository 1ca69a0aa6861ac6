"""The stall detector sees what holds an event loop, and nothing else."""

from __future__ import annotations

import asyncio
import gc
import time

import pytest
from stalls import LONGEST, watched


def work(seconds: float) -> None:
    """Use so much processor time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def test_a_callback_that_holds_the_loop_fails() -> None:
    def hold() -> None:
        work(LONGEST * 1.5)

    asyncio.get_running_loop().call_soon(hold)
    with pytest.raises(pytest.fail.Exception, match=r"held.*\n.*hold"), watched():
        await asyncio.sleep(0)


async def test_a_task_that_holds_the_loop_fails() -> None:
    async def hold() -> None:
        work(LONGEST * 1.5)

    with pytest.raises(pytest.fail.Exception, match="hold"), watched():
        await asyncio.create_task(hold())


async def test_a_loop_of_another_thread_is_seen() -> None:
    async def hold() -> None:
        work(LONGEST * 1.5)

    with pytest.raises(pytest.fail.Exception, match="hold"), watched():
        await asyncio.to_thread(asyncio.run, hold())


async def test_waiting_threads_and_collections_are_no_stalls() -> None:
    with watched():
        await asyncio.to_thread(work, LONGEST * 1.5)
        await asyncio.sleep(0)
        begin = time.thread_time()
        while time.thread_time() - begin < LONGEST * 1.5:  # noqa: ASYNC110 - many short turns are the point
            await asyncio.sleep(0)

    async def collects() -> None:
        begin = time.thread_time()
        while time.thread_time() - begin < LONGEST * 1.5:
            gc.collect()

    with watched():
        await asyncio.create_task(collects())
