"""The present figures of running workspaces, out of two readings of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.metering.metrics.rates import APART_SECONDS, comparable, metrics_between
from nixos_workspaces.model.machine import Metrics, Usage
from nixos_workspaces.model.workspace import Status, Workspace
from nixos_workspaces.runtimes.base import Runtime

_PATIENCE_SECONDS = 2.0


class Gauges:
    """Remembers the last reading of each workspace, for rates."""

    def __init__(self, runtime: Runtime) -> None:
        """Read from ``runtime``."""
        self._runtime = runtime
        self._last: dict[str, Usage] = {}

    async def read(self, workspace: Workspace) -> Metrics | None:
        """Return the figures now; None when it does not run or the engine cannot tell in time."""
        if workspace.status not in (Status.RUNNING, Status.PAUSED):
            return None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                usage = await self._runtime.usage(workspace.id)
                before = self._last.get(workspace.id)
                if before is None or not comparable(before, usage):
                    before = usage
                    await asyncio.sleep(APART_SECONDS)
                    usage = await self._runtime.usage(workspace.id)
        except (WorkspacesError, TimeoutError):
            return None
        return metrics_between(before, usage, workspace.limits)

    def last(self, workspace_id: str) -> Usage | None:
        """Return the last reading of the passes over all."""
        return self._last.get(workspace_id)

    def keep(self, workspace_id: str, usage: Usage) -> None:
        """Remember a reading of a pass over all; those for one alone would leave its history with gaps."""
        self._last[workspace_id] = usage

    def retain(self, running: Collection[str]) -> None:
        """Forget the readings of workspaces that do not run."""
        for gone in self._last.keys() - set(running):
            del self._last[gone]
