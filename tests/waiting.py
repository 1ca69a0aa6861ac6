"""Waiting for what comes by itself, in tests of real parts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(what: str, probe: Callable[[], T | None], seconds: float = 60.0, pause: float = 0.05) -> T:
    """Return the first true answer of ``probe``; fail after ``seconds``.

    An empty text or list is no answer: it is what most probes find before what they wait for has come.
    """
    deadline = time.monotonic() + seconds
    while True:
        if answer := probe():
            return answer
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(pause)
