"""Who types: what floods make room for."""

from __future__ import annotations

import asyncio

TYPING_SECONDS = 0.3
"""How long somebody counts as typing after a key: longer than between two keys of a word."""


class InputActivity:
    """Who typed last at any terminal of the service. Call it from the event loop's thread only.

    All terminals share one event loop, and on a small machine its processors: it is not only the terminals on the same
    SSH connection that wait while the output of a flood is handled.
    """

    def __init__(self) -> None:
        self._last: object = None
        self._typed_at = self._others_typed_at = float("-inf")

    def note(self, who: object) -> None:
        """Remember that ``who`` types now."""
        if who is not self._last:
            self._last, self._others_typed_at = who, self._typed_at
        self._typed_at = asyncio.get_running_loop().time()

    def others_than(self, who: object) -> bool:
        """Tell whether anybody else typed within the last ``TYPING_SECONDS``."""
        at = self._others_typed_at if who is self._last else self._typed_at
        return asyncio.get_running_loop().time() - at < TYPING_SECONDS
