"""The progress of a step under way, and what is left of it when nothing is left to do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

from nixos_workspaces.model.workspace import Progress, Status, Workspace


class Work:
    """A step under way: its workspace as it began and as it is stored, and the progress since."""

    def __init__(self, begun: Workspace) -> None:
        self.begun = begun
        self.stored = begun
        self.entered = asyncio.Event()
        """Another phase has begun."""
        self._progress = begun.progress
        self._phases = begun.phases
        self._told: Progress | None = None

    def note(self, progress: Progress, at: datetime) -> bool:
        """Take progress of the step; tell whether it says anything new."""
        before, self._told = self._told, progress
        if progress == before:
            return False
        self._progress = progress
        if before is None or before.phase is not progress.phase:
            self._phases = self._phases.entered(progress.phase, at)
            self.entered.set()
        return True

    def now(self) -> Workspace:
        """Return the workspace with the progress there is."""
        return replace(self.stored, progress=self._progress, phases=self._phases)


def settled(seen: Workspace, status: Status, now: datetime) -> Workspace:
    """Return a workspace for which nothing is left to do."""
    is_up = status in (Status.RUNNING, Status.PAUSED)
    phases = seen.phases.ready(now) if is_up else seen.phases.closed(now)
    return replace(seen, status=status, progress=None, phases=phases)
