"""The history of figures: under way in memory, stored together every few minutes, thinned out with age.

What a service that was killed had not stored is missing, five minutes at most. Coarser rows are stored seldom; they
are made again of the finer ones when the service starts.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from nixos_workspaces.database import Database
from nixos_workspaces.database.metering.metrics import StoredRows
from nixos_workspaces.metering.metrics.encoding import decode, decode_grouped, encode
from nixos_workspaces.metering.metrics.pending import Pending
from nixos_workspaces.model.machine import Metrics
from nixos_workspaces.model.metering.figures import FIGURES, LEVELS, Kind, Level, Row, grouped, level_for
from nixos_workspaces.model.usage import Sample, Span

STORE_SECONDS = 10.0
"""Least time between two transactions."""
GONE_SECONDS = 90.0
"""Time without a sample after which the rows of a workspace that does not run are complete."""
EXPIRE_SECONDS = 300.0
ROWS_AT_ONCE = 20
"""Stored rows that one transaction removes: it takes some milliseconds."""
PAUSE_SECONDS = 0.01
"""Time between two of these, for others to write."""
_WORKSPACES_AT_ONCE = 20
_PERCENTS = ("cpu_usage", "memory_usage", "storage_usage")


class History:
    """The figures of every workspace. Its methods are for the event loop, but for ``take_in``."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Keep the rows in ``database``."""
        self._database = database
        self._clock = clock
        self._pending: dict[str, Pending] = {}
        self._seen: dict[str, float] = {}
        """When a workspace was last measured."""
        self._lock = threading.Lock()
        """Guards the rows: samples are taken in by another thread than the loop's."""
        self._is_recovered = False
        self._stored_at = 0.0

    def take_in(self, rows: Mapping[str, Row], at: float) -> None:
        """Take a sample of each of these workspaces in; for any thread."""
        with self._lock:
            for workspace_id, row in rows.items():
                self._pending.setdefault(workspace_id, Pending()).add(row)
                self._seen[workspace_id] = at

    async def rows(self, workspace_id: str, begin: int, end: int, step: int) -> tuple[int, list[Row]]:
        """Return the rows from ``begin`` until before ``end``, and their step; those without a sample are missing.

        The step is the one that is wanted, or a wider one where the beginning is too long ago for it.
        """
        level = level_for(step, self._clock().timestamp() - begin)
        step = -(-max(step, level.step) // level.step) * level.step
        begin -= begin % step
        async with self._database.reading(once=True) as tx:
            stored = await tx.metrics.read(workspace_id, level.step, begin, end)
        return step, await asyncio.to_thread(self._together, workspace_id, stored, level, (begin, end, step))

    async def read(self, workspace_id: str, span: Span) -> tuple[Sample, ...]:
        """Return the samples of ``span`` until now, oldest first; none for a workspace that was never measured."""
        end = self._clock().timestamp()
        begin, step = end - span.length.total_seconds(), int(span.step.total_seconds())
        _, rows = await self.rows(workspace_id, int(begin), int(end) + 1, step)
        return tuple(
            Sample(datetime.fromtimestamp(row.begin, UTC), Metrics(*means(row)[: len(_PERCENTS)]))  # type: ignore[arg-type]
            for row in rows
            if row.begin >= begin
        )

    async def recover(self) -> None:
        """Make the coarser rows that were not stored when the service ended, once; before the first sample."""
        if self._is_recovered:
            return
        async with self._database.reading(once=True) as tx:
            ends = await tx.metrics.throughs()
        for finer, coarser in pairwise(range(len(LEVELS))):
            behind = {}
            for (workspace_id, step), (last, _) in ends.items():
                through = ends.get((workspace_id, LEVELS[coarser].step), (0, 0))[1]
                if step == LEVELS[finer].step and last > through:
                    behind[workspace_id] = through
            waiting = sorted(behind)
            for at in range(0, len(waiting), _WORKSPACES_AT_ONCE):
                await self._recover(waiting[at : at + _WORKSPACES_AT_ONCE], behind, coarser)
        self._is_recovered = True

    async def store(self, *, everything: bool = False) -> None:
        """Store what is complete, in one transaction, and at most one in ten seconds; ``everything``: at the end.

        Raises ``Unavailable`` where the database cannot take it; then it is kept for the next time.
        """
        now = self._clock().timestamp()
        if not everything and abs(now - self._stored_at) < STORE_SECONDS:
            return
        self._stored_at = now
        taken, encoded = await asyncio.to_thread(self._collect, now, everything=everything)
        if not encoded:
            return
        async with self._database.transaction() as tx:
            await tx.metrics.add(encoded)
        await asyncio.to_thread(self._drop, taken)

    async def expire(self) -> None:
        """Remove what is too old, and the rows of workspaces that are gone, a few in each transaction."""
        now = int(self._clock().timestamp())
        async with self._database.reading() as tx:
            gone = await tx.metrics.workspaces() - (await tx.summaries.statuses()).keys()
        for level in LEVELS:
            await self._remove(lambda tx, level=level: tx.metrics.expire(level.step, now - level.kept, ROWS_AT_ONCE))
        for workspace_id in gone:
            with self._lock:
                self._pending.pop(workspace_id, None)
            await self._remove(lambda tx, one=workspace_id: tx.metrics.forget(one, ROWS_AT_ONCE))

    async def _remove(self, remove: Callable[..., object]) -> None:
        while True:
            async with self._database.transaction() as tx:
                removed: int = await remove(tx)  # type: ignore[misc]
            if removed < ROWS_AT_ONCE:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _recover(self, ids: Sequence[str], behind: Mapping[str, int], coarser: int) -> None:
        finer = LEVELS[coarser - 1]
        oldest = int(self._clock().timestamp()) - finer.kept
        stored = {}
        async with self._database.reading() as tx:
            for one in ids:
                stored[one] = await tx.metrics.read(one, finer.step, max(behind[one], oldest), 1 << 62)

        def take_up() -> None:
            with self._lock:
                for one, chunks in stored.items():
                    pending = self._pending.setdefault(one, Pending())
                    for row in sorted((row for chunk in chunks for row in decode(chunk)), key=lambda row: row.begin):
                        if row.begin > behind[one]:
                            pending.add(row, coarser)

        await asyncio.to_thread(take_up)

    def _together(
        self, workspace_id: str, stored: Iterable[bytes], level: Level, wanted: tuple[int, int, int]
    ) -> list[Row]:
        begin, end, step = wanted
        found = decode_grouped(stored, begin, end, step)
        with self._lock:
            pending = self._pending.get(workspace_id)
            # Copies: those that grow go on growing.
            fresh = [] if pending is None else [row.at(row.begin) for row in pending.rows(LEVELS.index(level))]
        return grouped((*found, *(row for row in fresh if begin <= row.begin < end)), step)

    def _collect(self, now: float, *, everything: bool) -> tuple[dict[str, list[int]], list[StoredRows]]:
        """Return how many rows of each workspace and level are complete and due, and their stored form."""
        taken, encoded = {}, []
        with self._lock:
            for workspace_id, pending in self._pending.items():
                gone = now - self._seen.get(workspace_id, 0.0) > GONE_SECONDS
                if gone:
                    pending.finish()
                elif everything:
                    pending.finish(1)  # the coarser ones are made again of it
                if gone or everything or pending.due:
                    taken[workspace_id] = [len(done) for done in pending.done]
            due = {one: [[*done] for done in self._pending[one].done] for one in taken}
        for workspace_id, levels in due.items():
            for level, rows in zip(LEVELS, levels, strict=True):
                encoded += [
                    stored_rows(workspace_id, level, rows[at : at + level.together])
                    for at in range(0, len(rows), level.together)
                ]
        return taken, encoded

    def _drop(self, taken: Mapping[str, Collection[int]]) -> None:
        """Forget rows that are stored."""
        with self._lock:
            for workspace_id, counts in taken.items():
                pending = self._pending.get(workspace_id)
                if pending is None:
                    continue
                for done, count in zip(pending.done, counts, strict=True):
                    del done[:count]
                if pending.idle:
                    del self._pending[workspace_id]
                    self._seen.pop(workspace_id, None)


def stored_rows(workspace_id: str, level: Level, rows: Sequence[Row]) -> StoredRows:
    """Return rows in the form that is stored."""
    begins = [row.begin for row in rows]
    through = max(row.through for row in rows)
    return StoredRows(workspace_id, level.step, min(begins), max(begins), through, encode(rows))


def means(row: Row) -> list[float | None]:
    """Return the mean of each figure in the unit that is told; None where it was not told."""
    found: list[float | None] = []
    for figure, total, high in zip(FIGURES, row.sums, row.highs, strict=True):
        if high < 0:
            found.append(None)
            continue
        seconds = row.milliseconds if figure.kind is Kind.LEVEL else row.milliseconds / 1000
        found.append(total * figure.scale / seconds)
    return found
