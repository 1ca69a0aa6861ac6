"""The response times of each route in bounded memory: counts in fixed steps, over the last ten to twenty minutes.

A route is known by its template, so that what clients write into paths makes no entries.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_SECONDS = 600.0
"""Counts are kept for the present window and the one before."""
_STEPS = tuple(0.1 * 2 ** (step / 4) for step in range(80))
"""Upper ends of the steps in ms, from 0.1 ms to about 88 s: each is a fifth wider than the one before."""
_MOST_ROUTES = 512

Route = tuple[str, str]
"""Method and template."""


@dataclass(frozen=True, slots=True)
class ResponseTime:
    """The response times of one route."""

    method: str
    route: str
    count: int
    p50_ms: float
    p95_ms: float


class ResponseTimes:
    """Counts answers by route and time. Call it from one event loop."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin with none; ``monotonic`` tells the time that windows are parted by."""
        self._monotonic = monotonic
        self._present: dict[Route, list[int]] = {}
        self._before: dict[Route, list[int]] = {}
        self._begun = monotonic()

    def note(self, method: str, route: str, seconds: float) -> None:
        """Count one answer, by the time until it began."""
        self._turn()
        counts = self._present.get((method, route))
        if counts is None:
            if len(self._present) >= _MOST_ROUTES:
                return
            counts = self._present[method, route] = [0] * (len(_STEPS) + 1)
        counts[bisect_left(_STEPS, seconds * 1000)] += 1

    def told(self) -> list[ResponseTime]:
        """Return the times of each route that was asked lately, the slowest first."""
        self._turn()
        found = []
        for method, route in self._present.keys() | self._before.keys():
            windows = [one[method, route] for one in (self._present, self._before) if (method, route) in one]
            counts = [sum(column) for column in zip(*windows, strict=True)]
            p50, p95 = (_quantile(counts, part) for part in (0.5, 0.95))
            found.append(ResponseTime(method, route, sum(counts), p50, p95))
        return sorted(found, key=lambda one: (-one.p95_ms, one.route, one.method))

    def _turn(self) -> None:
        """Begin a new window where the present one is over."""
        over = self._monotonic() - self._begun
        if over >= WINDOW_SECONDS:
            self._before = self._present if over < 2 * WINDOW_SECONDS else {}
            self._present = {}
            self._begun = self._monotonic()


def _quantile(counts: list[int], part: float) -> float:
    """Return the upper end of the step that the quantile lies in, in ms: at most a fifth too much."""
    wanted, passed = part * sum(counts), 0
    for step, count in zip((*_STEPS, _STEPS[-1]), counts, strict=True):
        passed += count
        if passed >= wanted:
            return round(step, 2)
    return round(_STEPS[-1], 2)
