"""The present figures of running workspaces, out of two readings of the engine."""

from __future__ import annotations

import asyncio

from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.model.machine import Metrics, Usage
from nixos_workspaces.model.workspace import Status, Workspace
from nixos_workspaces.runtimes.base import Runtime

_APART_SECONDS = 0.1
"""Least time between the two readings of a rate."""
_FRESH_SECONDS = 60.0
"""Most time between the two readings of a rate: an older one would give too long an average."""
_PATIENCE_SECONDS = 2.0


class Gauges:
    """Remembers the last reading of each workspace, for the rate of CPU use."""

    def __init__(self, runtime: Runtime) -> None:
        """Read from ``runtime``."""
        self._runtime = runtime
        self._last: dict[str, Usage] = {}

    async def read(self, workspace: Workspace) -> Metrics | None:
        """Return the figures in percent of the limits; None when it does not run or the engine cannot tell in time."""
        if workspace.status not in (Status.RUNNING, Status.PAUSED):
            self._last.pop(workspace.id, None)
            return None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                usage = await self._runtime.usage(workspace.id)
                before = self._last.get(workspace.id)
                if before is None or not _comparable(before, usage):
                    before = usage
                    await asyncio.sleep(_APART_SECONDS)
                    usage = await self._runtime.usage(workspace.id)
        except (WorkspacesError, TimeoutError):
            return None
        if usage.taken_at - before.taken_at >= _APART_SECONDS or workspace.id not in self._last:
            self._last[workspace.id] = usage
        return _metrics(before, usage, workspace)


def _comparable(before: Usage, after: Usage) -> bool:
    """Tell whether two readings are of one boot and far enough, but not too far, apart."""
    apart = after.taken_at - before.taken_at
    return _APART_SECONDS <= apart <= _FRESH_SECONDS and after.cpu_seconds >= before.cpu_seconds


def _metrics(before: Usage, after: Usage, workspace: Workspace) -> Metrics:
    """Return percentages out of two readings."""
    seconds = max(after.taken_at - before.taken_at, 1e-3)
    limits = workspace.resources
    return Metrics(
        cpu_usage=_percent((after.cpu_seconds - before.cpu_seconds) / seconds, limits.cpu),
        memory_usage=_percent(after.memory_bytes, limits.memory_bytes),
        storage_usage=_percent(after.storage_bytes, after.storage_capacity_bytes),
    )


def _percent(part: float, whole: float) -> float:
    """Return ``part`` of ``whole`` in percent, within 0 and 100, to a tenth."""
    return round(min(max(part / whole * 100, 0.0), 100.0), 1) if whole > 0 else 0.0
