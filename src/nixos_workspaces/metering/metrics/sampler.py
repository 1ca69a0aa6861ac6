"""One pass over all running workspaces, for everybody who wants figures: history, lists, those who watch, Prometheus.

All that is made of the engine's answer is made in a thread: the event loop carries keystrokes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from nixos_workspaces.database import Database
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.metering.gauges import Gauges
from nixos_workspaces.metering.metrics.history import History
from nixos_workspaces.metering.metrics.rates import APART_SECONDS, comparable, metrics_between, row_between
from nixos_workspaces.model.machine import Metrics, Resources, Usage
from nixos_workspaces.model.metering.figures import Row
from nixos_workspaces.model.usage import PERIOD
from nixos_workspaces.runtimes.base import Runtime

PATIENCE_SECONDS = 5.0
LIMITS_SECONDS = 10.0
"""Age up to which the limits of workspaces are used again."""
_ROWS_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Pass:
    """The outcome of one pass."""

    at: datetime
    metrics: Mapping[str, Metrics] = field(default_factory=lambda: MappingProxyType({}))
    """Of the workspaces that run or are paused, and were read twice."""
    usages: Mapping[str, Usage] = field(default_factory=lambda: MappingProxyType({}))
    has_new: bool = False
    """Whether one was read for the first time: a rate takes two readings."""


class Sampler:
    """Reads all machines at once. Call it from one event loop."""

    def __init__(
        self,
        database: Database,
        runtime: Runtime,
        gauges: Gauges,
        history: History,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read from ``runtime`` and tell ``gauges`` and ``history``; the limits are those in ``database``."""
        self._database = database
        self._runtime = runtime
        self._gauges = gauges
        self._history = history
        self._clock = clock
        self._monotonic = monotonic
        self._limits: dict[str, Resources] = {}
        self._limits_at = -LIMITS_SECONDS
        self._runs: dict[str, str] = {}
        self._told: Mapping[str, Metrics] = {}
        self._passing: asyncio.Task[Pass] | None = None
        self._last: Pass | None = None
        self._last_at = 0.0

    def last(self, workspace_id: str) -> Metrics | None:
        """Return the figures of the last sampling; None for a workspace that it could not measure."""
        return self._told.get(workspace_id)

    @property
    def latest(self) -> Pass | None:
        """The last pass; None before the first."""
        return self._last

    async def sample(self) -> None:
        """Measure every running workspace once, store what is due; for once in a ``PERIOD``."""
        await self._history.recover()
        # Where somebody watches there is a pass each second: it does.
        found = await self.measure(within=PERIOD.total_seconds() / 2)
        self._told = found.metrics
        await self._history.store()

    async def measure(self, within: float = 0.0) -> Pass:
        """Return the pass that is under way, one that is not older than ``within`` seconds, or a new one.

        Raises ``Unavailable`` or ``TimeoutError`` when the engine does not answer.
        """
        if self._last is not None and self._monotonic() - self._last_at < within:
            return self._last
        if self._passing is None or self._passing.done():
            self._passing = asyncio.create_task(self._measure(), name="figures")
        return await asyncio.shield(self._passing)

    async def close(self) -> None:
        """Store everything that is not stored yet; what the database cannot take is lost."""
        if self._passing is not None:
            self._passing.cancel()
        with suppress(WorkspacesError):
            await self._history.store(everything=True)

    async def _measure(self) -> Pass:
        found = await self._pass()
        if found.has_new:
            await asyncio.sleep(APART_SECONDS)
            found = await self._pass()
        return found

    async def _pass(self) -> Pass:
        async with asyncio.timeout(PATIENCE_SECONDS):
            usages = await self._runtime.usage_all()
        at = self._clock()
        await self._read_limits(usages)
        found = await asyncio.to_thread(self._digest, usages, at)
        self._last, self._last_at = found, self._monotonic()
        return found

    async def _read_limits(self, usages: Mapping[str, Usage]) -> None:
        """Read the limits of the workspaces again, if they are old or of others, some of them at a time."""
        now = self._monotonic()
        wanted = sorted(usages if now - self._limits_at >= LIMITS_SECONDS else usages.keys() - self._limits.keys())
        for begin in range(0, len(wanted), _ROWS_AT_ONCE):
            async with self._database.reading(once=True) as tx:
                rows = await tx.workspaces.several(wanted[begin : begin + _ROWS_AT_ONCE])
            self._limits |= {one.id: one.limits for one in rows}
        if len(wanted) == len(usages):
            self._limits = {one: self._limits[one] for one in wanted if one in self._limits}
            self._limits_at = now

    def _digest(self, usages: Mapping[str, Usage], at: datetime) -> Pass:
        metrics: dict[str, Metrics] = {}
        rows: dict[str, Row] = {}
        moment, has_new = at.timestamp(), False
        for workspace_id, usage in usages.items():
            limits = self._limits.get(workspace_id)
            before = self._gauges.last(workspace_id)
            if limits is None:
                continue
            if before is None or not comparable(before, usage):
                has_new |= before is None
                if before is None or before.run != usage.run or usage.taken_at - before.taken_at > APART_SECONDS:
                    self._gauges.keep(workspace_id, usage)
                elif self._last is not None and workspace_id in self._last.metrics:
                    metrics[workspace_id] = self._last.metrics[workspace_id]  # too soon after the last one
                continue
            seen = metrics[workspace_id] = metrics_between(before, usage, limits)
            known = self._runs.get(workspace_id, usage.run)
            rows[workspace_id] = row_between(before, usage, seen, moment, started=known != usage.run)
            self._runs[workspace_id] = usage.run
            self._gauges.keep(workspace_id, usage)
        self._gauges.retain(usages.keys())
        self._history.take_in(rows, moment)
        return Pass(at, metrics, usages, has_new)
