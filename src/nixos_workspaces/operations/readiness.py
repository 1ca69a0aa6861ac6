"""Whether the service can do its work now, for balancers and service managers: asked often, by anybody, so cheap."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from nixos_workspaces.model.service import HealthItem

FRESH_SECONDS = 1.0
"""Age up to which an answer is told again: however many ask, the parts are asked once a second."""

Ask = Callable[[], Awaitable[HealthItem]]


class Readiness:
    """The last answer of the parts without which nothing goes. Call it from one event loop."""

    def __init__(self, parts: Sequence[Ask], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Ask these parts."""
        self._parts = parts
        self._monotonic = monotonic
        self._asked_at = 0.0
        self._asking: asyncio.Task[tuple[str, ...]] | None = None

    async def lacking(self) -> tuple[str, ...]:
        """Return the codes of the parts that do not answer as they must, in order; empty when the service is ready."""
        now = self._monotonic()
        if self._asking is None or (self._asking.done() and now - self._asked_at >= FRESH_SECONDS):
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask(), name="readiness")
        return await asyncio.shield(self._asking)

    async def _ask(self) -> tuple[str, ...]:
        items = await asyncio.gather(*(ask() for ask in self._parts))
        return tuple(item.code for item in items if not item.ok)
