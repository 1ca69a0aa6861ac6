"""Everything that is open in previews: it ends within a second when it may not be seen any more.

One task looks at all visits that have something open, in one query, while any has.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nixos_workspaces.errors import LimitExceeded, WorkspacesError
from nixos_workspaces.previews.visits import Outcome, Verdict, Visit, Visits

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.3
MOST_OPEN = 256
"""Requests and WebSockets of one visit at the same time."""
MOST_OF_WORKSPACE = 512
"""The same of all visits of one workspace's port."""

End = Callable[[], None]
"""Ends one open thing; neither waits nor raises."""


class OpenPreviews:
    """Knows what is open for which visit. Call it from the event loop's thread only."""

    def __init__(self, visits: Visits) -> None:
        """Look at visits through ``visits``."""
        self._visits = visits
        self._open: dict[Visit, dict[object, tuple[str, End]]] = {}
        self._counts: dict[tuple[str, int], int] = {}
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def entered(self, visit: Visit, workspace_id: str, end: End) -> Iterator[None]:
        """Have ``end`` called if the visit may not see the port any more while the block runs.

        Raises ``LimitExceeded`` when the visit, or the port, has too much open.
        """
        mark, key = object(), (workspace_id, visit.port)
        ends = self._open.setdefault(visit, {})
        if len(ends) >= MOST_OPEN or self._counts.get(key, 0) >= MOST_OF_WORKSPACE:
            raise LimitExceeded(f"Port {visit.port} has too many open requests; close some.")
        ends[mark] = workspace_id, end
        self._counts[key] = self._counts.get(key, 0) + 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            del ends[mark]
            if not ends:
                self._open.pop(visit, None)
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key]

    async def _look(self) -> None:
        """Look until nothing is open any more."""
        try:
            while self._open:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._visits.changed.wait()
                self._visits.changed.clear()
                try:
                    found = await self._visits.verdicts([*self._open])
                except WorkspacesError:
                    continue  # a database that cannot be read ends nobody's work; the next look may succeed
                for visit, verdict in found.items():
                    self._end(visit, verdict)
        finally:
            self._looking = None

    def _end(self, visit: Visit, verdict: Verdict) -> None:
        """End what is open for a visit that is not allowed any more, or is allowed another workspace of that name."""
        allowed = verdict.workspace.id if verdict.outcome is Outcome.ALLOWED and verdict.workspace else None
        for workspace_id, end in [*self._open.get(visit, {}).values()]:
            if workspace_id != allowed:
                try:
                    end()
                except Exception:
                    log.exception("something that was open in a preview cannot be ended")
