"""Hits in fixed windows of time, counted in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

_SWEEP_SECONDS = 1.0
"""Least time between two searches for windows that are over."""


@dataclass(frozen=True, slots=True)
class Rate:
    """The hits of one key that a window allows; it begins with the first of them."""

    most: int
    seconds: float = 60.0


@dataclass(slots=True)
class _Window:
    ends: float
    hits: int = 0


class Windows:
    """The windows that are open, by rate and key. ``clock`` never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[tuple[Rate, str], _Window] = {}
        self._swept = clock()

    def __len__(self) -> int:
        """Return how many windows are open."""
        self._sweep()
        return len(self._open)

    def hit(self, rate: Rate, key: str) -> bool:
        """Count a hit; tell whether it is within the rate. One beyond it is not counted."""
        self._sweep()
        now = self._clock()
        window = self._open.get((rate, key))
        if window is None or window.ends <= now:
            window = self._open[rate, key] = _Window(now + rate.seconds)
        if window.hits >= rate.most:
            return False
        window.hits += 1
        return True

    def count(self, rate: Rate, key: str) -> int:
        """Return the hits that count."""
        window = self._open.get((rate, key))
        return window.hits if window is not None and window.ends > self._clock() else 0

    def test(self, rate: Rate, key: str) -> bool:
        """Tell whether another hit would be within the rate."""
        return self.count(rate, key) < rate.most

    def give_back(self, rate: Rate, key: str) -> None:
        """Count a hit no more."""
        if self.count(rate, key) > 1:
            self._open[rate, key].hits -= 1
        else:
            self._open.pop((rate, key), None)

    def seconds_left(self, rate: Rate, key: str) -> float:
        """Return the time until the window is over; 0 where none is open."""
        window = self._open.get((rate, key))
        return max(0.0, window.ends - self._clock()) if window is not None else 0.0

    def _sweep(self) -> None:
        """Forget windows that are over, now and then."""
        now = self._clock()
        if now - self._swept >= _SWEEP_SECONDS:
            self._swept = now
            self._open = {key: window for key, window in self._open.items() if window.ends > now}
