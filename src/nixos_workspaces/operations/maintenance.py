"""Background tasks of the service: garbage collection, and stopping machines at its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.events import Events
from nixos_workspaces.model.machine import MachineState
from nixos_workspaces.nix.base import Environments
from nixos_workspaces.runtimes.base import Runtime

log = logging.getLogger(__name__)

_GARBAGE_SECONDS = 24 * 3600.0
_GARBAGE_QUIET_SECONDS = 60.0
"""Wait after a deletion before collecting: deletions come in rows."""
_UP = frozenset({MachineState.BOOTING, MachineState.RUNNING, MachineState.PAUSED})


class Maintenance:
    """Keeps the store small and stops machines at the end."""

    def __init__(
        self,
        database: Database,
        environments: Environments,
        runtime: Runtime,
        events: Events,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Work on these parts."""
        self._database = database
        self._environments = environments
        self._runtime = runtime
        self._events = events
        self._clock = clock

    async def collect_garbage(self, *, principal: Principal, request_id: str = "") -> int:
        """Remove store paths that no workspace needs; return the bytes that were freed. For administrators."""
        authorise(principal, Action.COLLECT_GARBAGE)
        entry = AuditEntry(self._clock(), principal.id, Action.COLLECT_GARBAGE, "", "accepted", request_id)
        async with self._database.transaction() as tx:
            await tx.audit.append(entry)
        return await self._environments.collect_garbage()

    async def collect_for_ever(self) -> None:
        """Collect garbage once a day, and a while after workspaces have been deleted."""
        loop = asyncio.get_running_loop()
        with self._events.subscribe() as subscription:
            while True:
                due = loop.time() + _GARBAGE_SECONDS
                with suppress(TimeoutError):
                    while True:
                        async with asyncio.timeout_at(due):
                            event = await anext(subscription)
                        if event.kind == "workspace.deleted":
                            due = min(due, loop.time() + _GARBAGE_QUIET_SECONDS)
                try:
                    freed = await self._environments.collect_garbage()
                except WorkspacesError as problem:
                    log.warning("Garbage cannot be collected now: %s", problem)
                else:
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


async def cancel(task: asyncio.Task[None]) -> None:
    """End a task and wait until it has ended."""
    task.cancel()
    await asyncio.wait({task})
