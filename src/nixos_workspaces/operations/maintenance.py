"""Upkeep of the service: garbage collection, and stopping machines at its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from nixos_workspaces.audit.entries import ACCEPTED, SYSTEM
from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.errors import Conflict, WorkspacesError
from nixos_workspaces.model.machine import MachineState
from nixos_workspaces.nix.base import Environments
from nixos_workspaces.runtimes.base import Runtime

log = logging.getLogger(__name__)

GARBAGE_PERIOD = timedelta(days=1)
PRESSED_PERIOD = timedelta(hours=1)
GARBAGE_PATIENCE = 2 * 3600.0
"""Seconds that one collection may take; the store's own limit ends it sooner."""
_UP = frozenset({MachineState.BOOTING, MachineState.RUNNING, MachineState.PAUSED})


class Maintenance:
    """Keeps the store small and stops machines at the end."""

    def __init__(
        self,
        database: Database,
        environments: Environments,
        runtime: Runtime,
        *,
        short_of_room: Callable[[], bool] = lambda: False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Work on these parts."""
        self._database = database
        self._environments = environments
        self._runtime = runtime
        self._short_of_room = short_of_room
        self._clock = clock
        self._collected_at = clock()

    async def collect_garbage(self, *, principal: Principal, request_id: str = "") -> int:
        """Remove store paths that no workspace needs; return the bytes that were freed. For administrators."""
        authorise(principal, Action.COLLECT_GARBAGE)
        entry = AuditEntry(self._clock(), principal.id, Action.COLLECT_GARBAGE, "", "accepted", request_id)
        async with self._database.transaction() as tx:
            await tx.audit.append(entry)
        return await self._environments.collect_garbage()

    async def collect_when_due(self) -> None:
        """Collect garbage once a day, and every hour while a disk is short of room; call it every minute.

        A build that runs, or that begins meanwhile, goes first: then the next call tries again.
        """
        now = self._clock()
        short = await asyncio.to_thread(self._short_of_room)
        if timedelta() <= now - self._collected_at < (PRESSED_PERIOD if short else GARBAGE_PERIOD):
            return
        try:
            freed = await self._environments.collect_garbage()
        except Conflict:
            return
        entry = AuditEntry(now, SYSTEM, Action.COLLECT_GARBAGE, "", ACCEPTED, detail={"freed_bytes": freed})
        async with self._database.transaction() as tx:
            await tx.audit.append(entry)
        self._collected_at = now
        log.info("Garbage collected: %d bytes freed.", freed)

    async def running(self) -> list[str]:
        """Return the workspaces that run; none if the engine cannot be asked."""
        with suppress(WorkspacesError):
            return [one.workspace_id for one in await self._runtime.list() if one.state is MachineState.RUNNING]
        return []

    async def stop_workspaces(self) -> None:
        """Shut every machine down; the desires stay as they are, so that the next start boots them."""
        with suppress(WorkspacesError):
            up = [machine.workspace_id for machine in await self._runtime.list() if machine.state in _UP]
            for outcome in await asyncio.gather(*(self._runtime.stop(one) for one in up), return_exceptions=True):
                if isinstance(outcome, Exception):
                    log.warning("A workspace could not be stopped: %s", outcome)
