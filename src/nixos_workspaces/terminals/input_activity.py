"""Input activity of all terminals, which floods of output make room for."""

from __future__ import annotations

import asyncio

TYPING_SECONDS = 0.3
"""Time after a key for which a client counts as typing: longer than between two keys of a word."""


class InputActivity:
    """The latest input at all terminals of the service. Call it from the event loop's thread only.

    All terminals share one event loop, and on a small machine its processors: it is not only the terminals on the same
    SSH connection that wait while the output of a flood is handled.
    """

    def __init__(self) -> None:
        self._last: object = None
        self._typed_at = self._others_typed_at = float("-inf")

    def note(self, who: object) -> None:
        """Note input from ``who`` now."""
        if who is not self._last:
            self._last, self._others_typed_at = who, self._typed_at
        self._typed_at = asyncio.get_running_loop().time()

    def others_than(self, who: object) -> bool:
        """Tell whether any other client typed within the last ``TYPING_SECONDS``."""
        at = self._others_typed_at if who is self._last else self._typed_at
        return asyncio.get_running_loop().time() - at < TYPING_SECONDS
