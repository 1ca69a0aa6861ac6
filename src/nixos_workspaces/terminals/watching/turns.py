"""Turns for those who only watch terminals: a few at a time, so that a flood leaves time for all else."""

from __future__ import annotations

import asyncio
from typing import Protocol

AT_ONCE = 8
"""Observers that are served in one turn of the event loop."""
PERIOD_SECONDS = 0.002
"""So often as many are served: the work that they ask for takes about half of it."""


class Waiting(Protocol):
    """One that waits for its turn."""

    def take_turn(self) -> None:
        """Do as much as one turn may."""


class Turns:
    """The turns of all observers of the service. Call it from the event loop's thread only.

    An acknowledgement, to the holder or of a client, provokes work of a bounded size; with a hundred of them at once
    the event loop would do nothing else for a hundred times as long.
    """

    def __init__(self) -> None:
        self._waiting: dict[Waiting, None] = {}
        self._left = AT_ONCE
        """Turns left in the present period."""
        self._period: asyncio.TimerHandle | None = None

    def ask(self, one: Waiting) -> None:
        """Give one a turn: now where there is one left, else behind those who wait."""
        self._waiting[one] = None
        self._serve()

    def forget(self, one: Waiting) -> None:
        """Give one no turn any more."""
        self._waiting.pop(one, None)

    def _serve(self) -> None:
        while self._waiting and self._left:
            one = next(iter(self._waiting))
            del self._waiting[one]
            self._left -= 1
            if self._period is None:
                self._period = asyncio.get_running_loop().call_later(PERIOD_SECONDS, self._begin_period)
            one.take_turn()

    def _begin_period(self) -> None:
        self._left = AT_ONCE
        self._period = None
        self._serve()
