"""Waiting for what comes by itself, in tests of real parts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


LONGER = 1.15
"""Each pause by the one before it: what has not come at once is asked for less often, for a probe costs too."""
MOST_PAUSES = 4
"""The longest pause by the first one."""


def until(what: str, probe: Callable[[], T | None], seconds: float = 60.0, pause: float = 0.05) -> T:
    """Return the first true answer of ``probe``; fail after ``seconds``.

    An empty text or list is no answer: it is what most probes find before what they wait for has come.
    """
    deadline, longest = time.monotonic() + seconds, MOST_PAUSES * pause
    while True:
        if answer := probe():
            return answer
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(pause)
        pause = min(pause * LONGER, longest)
