"""The stall detector: a callback that holds an event loop of this process for long fails the test that it ran in.

Measured in processor time of the loop's thread, so that a busy machine does not matter; without the interpreter's
collection of garbage, which a process full of tests has much more of than the service. A test's own steps count as
little as those of a browser's driver. Callbacks of uvloop cannot be seen; tests that use it test processes, not the
service.
"""

from __future__ import annotations

import asyncio
import gc
import re
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

LONGEST = 0.1
"""Seconds of processor time."""
_FRESH = 0.001
"""Seconds for which a reading of what a thread has used serves the callbacks that begin then."""
_OF_A_TEST = re.compile(r"coro=<test_\w+\(\)|playwright")
_run = asyncio.Handle._run


class _Collecting(threading.local):
    """The processor time that collecting garbage has taken in a thread."""

    seconds = 0.0
    began = 0.0


_collecting = _Collecting()
_stalls: list[str] = []


def _note_collection(phase: str, _info: dict[str, int]) -> None:
    if phase == "start":
        _collecting.began = time.thread_time()
    else:
        _collecting.seconds += time.thread_time() - _collecting.began


class _Used(threading.local):
    """The use of a thread when it was last read; reading it takes as long as a short callback."""

    at = 0.0
    seconds = 0.0
    collecting = 0.0
    kernel = 0.0
    faults = 0

    def read(self, now: float) -> None:
        used = resource.getrusage(resource.RUSAGE_THREAD)
        self.at, self.seconds, self.collecting = now, time.thread_time(), _collecting.seconds
        self.kernel, self.faults = used.ru_stime, used.ru_minflt


_used = _Used()


def _measured(handle: asyncio.Handle) -> None:
    """Run a callback and note it if it has held its loop for too long.

    What takes less by the clock takes less of the processor; the clock is cheap to read.
    """
    began = time.monotonic()
    if began - _used.at > _FRESH:
        _used.read(began)
    _run(handle)
    if time.monotonic() - began > LONGEST:
        _note_long(handle)


def _note_long(handle: asyncio.Handle) -> None:
    """Note a callback that has just ended if it was the processor that it took; short ones before it count, too."""
    took = time.thread_time() - _used.seconds - (_collecting.seconds - _used.collecting)
    if took > LONGEST and not _is_of_a_test(handle):
        now = resource.getrusage(resource.RUSAGE_THREAD)
        kernel, faults = now.ru_stime - _used.kernel, now.ru_minflt - _used.faults
        split = f"{kernel * 1000:.0f} ms of it in the kernel, {faults} page faults"
        _stalls.append(f"{took * 1000:.0f} ms of processor time ({split}): {_named(handle)}")


def _is_of_a_test(handle: asyncio.Handle) -> bool:
    """Tell whether a callback goes on with a test itself, or with a browser that it drives."""
    name = _named(handle)
    return _OF_A_TEST.search(name) is not None


def _named(handle: asyncio.Handle) -> str:
    """Return what a callback was: a task's step hides its task from all but the collector."""
    behind = gc.get_referents(handle._callback)  # type: ignore[attr-defined]
    tasks = [repr(one) for one in behind if isinstance(one, asyncio.Task)]
    return tasks[0] if tasks else repr(handle)


@contextmanager
def watched() -> Iterator[None]:
    """Fail if an event loop is held within the block."""
    before = _stalls.copy()
    _stalls.clear()
    try:
        yield
        told = _stalls.copy()
    finally:
        _stalls[:] = before
    if told:
        pytest.fail("\n".join(["An event loop was held.", *told]), pytrace=False)


def pytest_configure() -> None:
    """Look at every callback from now on."""
    gc.callbacks.append(_note_collection)
    setattr(asyncio.Handle, "_run", _measured)  # noqa: B010 - there is no other way in


def pytest_unconfigure() -> None:
    """Leave asyncio as it was."""
    setattr(asyncio.Handle, "_run", _run)  # noqa: B010 - see above
    gc.callbacks.remove(_note_collection)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    """Look at fixtures."""
    with watched():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Look at the test."""
    with watched():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Look at the end of fixtures."""
    with watched():
        return (yield)
