"""Figures of running workspaces over time: kept in memory, bounded for each, in steps that widen with age."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from nixos_workspaces.database import Database
from nixos_workspaces.metering.gauges import Gauges
from nixos_workspaces.model.machine import Metrics
from nixos_workspaces.model.usage import Sample, Span
from nixos_workspaces.model.workspace import Status, Workspace

_AT_ONCE = 8
_ROWS_AT_ONCE = 50


_WIDTH = 4
"""Numbers of a sample: its time and three figures."""


@dataclass(slots=True)
class _Level:
    """The samples of one step, oldest first, and the mean that is not complete yet."""

    step: float
    most: int
    kept: array[float] = field(default_factory=lambda: array("d"))
    sums: list[float] = field(default_factory=lambda: [0.0] * _WIDTH)
    """When its step began, and the sums of the figures."""
    count: int = 0

    def add(self, at: float, figures: tuple[float, ...]) -> None:
        """Take a sample in; a mean is kept once a sample of a later step comes."""
        begin = at - at % self.step
        if self.count and begin != self.sums[0]:
            self.kept.extend(self.mean())
            del self.kept[: -self.most * _WIDTH]
            self.count = 0
        if not self.count:
            self.sums = [begin, 0.0, 0.0, 0.0]
        self.count += 1
        for index, figure in enumerate(figures, 1):
            self.sums[index] += figure

    def mean(self) -> tuple[float, ...]:
        """Return the mean of the step under way."""
        return (self.sums[0], *(total / self.count for total in self.sums[1:]))

    def since(self, begin: float) -> list[tuple[float, ...]]:
        """Return the samples from ``begin`` on."""
        kept = self.kept
        found = [tuple(kept[at : at + _WIDTH]) for at in range(0, len(kept), _WIDTH) if kept[at] >= begin]
        return [*found, self.mean()] if self.count and self.sums[0] >= begin else found


def _levels() -> dict[timedelta, _Level]:
    """Return empty levels, one for each step, each as long as the longest span that is made of it."""
    longest = {span.step: span.length for span in sorted(Span, key=lambda span: span.length)}
    return {step: _Level(step.total_seconds(), length // step) for step, length in longest.items()}


class History:
    """The figures of every workspace over the last week; begins anew with the process.

    A workspace costs at most 32 KB; times when it did not run, or the engine did not answer, are missing.
    """

    def __init__(
        self, database: Database, gauges: Gauges, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Sample the workspaces that run according to ``database``, through ``gauges``."""
        self._database = database
        self._gauges = gauges
        self._clock = clock
        self._levels: dict[str, dict[timedelta, _Level]] = {}
        self._last: dict[str, Metrics] = {}

    def read(self, workspace_id: str, span: Span) -> tuple[Sample, ...]:
        """Return the samples of ``span`` until now, oldest first; none for a workspace that was never measured."""
        levels = self._levels.get(workspace_id)
        if levels is None:
            return ()
        begin = (self._clock() - span.length).timestamp()
        return tuple(
            Sample(datetime.fromtimestamp(at, UTC), Metrics(*figures))
            for at, *figures in levels[span.step].since(begin)
        )

    def last(self, workspace_id: str) -> Metrics | None:
        """Return the figures of the last sampling; None for a workspace that it could not measure."""
        return self._last.get(workspace_id)

    async def sample(self) -> None:
        """Measure every running workspace once, and forget those that are gone."""
        async with self._database.reading(once=True) as tx:
            statuses = await tx.summaries.statuses()
        for gone in self._levels.keys() - statuses.keys():
            del self._levels[gone]
        running = [one for one, status in statuses.items() if status == Status.RUNNING]
        # What was measured before the last stop says nothing of the present run.
        self._last = {one: self._last[one] for one in running if one in self._last}
        turns = asyncio.Semaphore(_AT_ONCE)
        for begin in range(0, len(running), _ROWS_AT_ONCE):
            async with self._database.reading(once=True) as tx:
                workspaces = await tx.workspaces.several(running[begin : begin + _ROWS_AT_ONCE])
            await asyncio.gather(*(self._measure(one, turns) for one in workspaces))

    async def _measure(self, workspace: Workspace, turns: asyncio.Semaphore) -> None:
        async with turns:
            metrics = await self._gauges.read(workspace)
        if metrics is None:
            self._last.pop(workspace.id, None)
            return
        self._last[workspace.id] = metrics
        levels = self._levels.setdefault(workspace.id, _levels())
        at = self._clock().timestamp()
        for level in levels.values():
            level.add(at, (metrics.cpu_usage, metrics.memory_usage, metrics.storage_usage))
