"""Starting a workspace that rests because somebody means to use it, and waiting until it can be used.

Only what the service itself has paused or stopped is woken: a person's own stop lasts until it is ended, a budget's as
long as the budget says. A page that merely stays open, or connects again by itself, wakes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from nixos_workspaces.auth.policy import Action, Principal, may
from nixos_workspaces.database import Database
from nixos_workspaces.errors import Unavailable, WorkspacesError
from nixos_workspaces.events import LAGGED, Events
from nixos_workspaces.model.workspace import Status, Workspace
from nixos_workspaces.runtimes.base import Machines
from nixos_workspaces.workspaces.nixos_sandbox_orchestrator import NixOSSandboxOrchestrator

log = logging.getLogger(__name__)

WAKE_SECONDS = 90.0
"""Longest wait for a workspace to start."""
_LOOK_SECONDS = 1.0
"""Between two looks where no event comes, as of another control plane's work."""
_RESTING = frozenset({Status.PAUSED, Status.STOPPED, Status.STOPPING})
_ENDS = frozenset({Status.RUNNING, Status.ERROR, Status.DELETING})


class Waking:
    """Wakes workspaces. Call it from one event loop."""

    def __init__(
        self, database: Database, machines: Machines, orchestrator: NixOSSandboxOrchestrator, events: Events
    ) -> None:
        """Act through ``orchestrator``, and thaw what is paused in ``machines`` at once."""
        self._database = database
        self._machines = machines
        self._orchestrator = orchestrator
        self._events = events
        self._paused: set[str] = set()
        self._typed: dict[str, asyncio.Task[None]] = {}
        self._last_typed: dict[str, float] = {}

    def may_wake(self, workspace: Workspace, principal: Principal) -> bool:
        """Tell whether an intent of this principal starts a workspace, as it was read."""
        reason = workspace.stop_reason
        rests = reason is not None and reason.wakes and workspace.status in _RESTING
        return rests and may(principal, Action.START, workspace)

    async def woken(self, workspace: Workspace, principal: Principal, request_id: str = "") -> Workspace:
        """Return a workspace as it is once it runs; the same where it is not woken. Raises ``Unavailable``."""
        if not self.may_wake(workspace, principal):
            return workspace
        return await self.started(workspace, principal, request_id)

    async def begin(self, workspace: Workspace, principal: Principal, request_id: str = "") -> bool:
        """Start a workspace that rests, without waiting; tell whether it was to be woken."""
        if not self.may_wake(workspace, principal):
            return False
        await self._start(workspace, principal, request_id)
        return True

    async def started(self, workspace: Workspace, principal: Principal, request_id: str = "") -> Workspace:
        """Start a workspace, and return it once it runs or cannot. Raises as the verb does, and ``Unavailable``."""
        with self._events.subscribe() as events:
            if workspace.status in _RESTING:
                await self._start(workspace, principal, request_id)
            try:
                async with asyncio.timeout(WAKE_SECONDS):
                    while True:
                        async with self._database.reading(once=True) as tx:
                            found = await tx.workspaces.get(workspace.id)
                        if found is None or found.status in _ENDS:
                            return workspace if found is None else found
                        with suppress(TimeoutError):
                            async with asyncio.timeout(_LOOK_SECONDS):
                                async for event in events:
                                    if event == LAGGED or event.workspace_id == workspace.id:
                                        break
            except TimeoutError as late:
                raise Unavailable("The workspace does not start; look at its log.", code="start_timeout") from late

    async def _start(self, workspace: Workspace, principal: Principal, request_id: str) -> None:
        await self._orchestrator.start_workspace(workspace.id, principal=principal, request_id=request_id)
        if workspace.status is Status.PAUSED:
            # The intent is stored; what is left to the reconciler takes it three transactions, and somebody waits for
            # the echo of a key. A pause that came in between finds the machine running, and is done again.
            with suppress(WorkspacesError):
                await self._machines.resume(workspace.id)

    def last_typed(self, workspace_id: str) -> float | None:
        """Return the ``time.monotonic()`` of the last input of a person that passed the service; None where none did.

        Programs that read whole lines leave no trace of a key in the machine.
        """
        return self._last_typed.get(workspace_id)

    def typed(self, workspace_id: str, principal: Principal, request_id: str = "") -> None:
        """Note input of a person, and wake a paused workspace by it; costs next to nothing for others."""
        self._last_typed[workspace_id] = time.monotonic()
        if workspace_id in self._paused and workspace_id not in self._typed:
            task = asyncio.create_task(self._wake_typed(workspace_id, principal, request_id))
            self._typed[workspace_id] = task
            task.add_done_callback(lambda _: self._typed.pop(workspace_id, None))

    async def follow(self, succeeded: Callable[[], None]) -> None:
        """Know for ever which workspaces are paused."""
        with self._events.subscribe() as events:
            await self._reload()
            succeeded()
            async for event in events:
                if event == LAGGED:
                    await self._reload()
                elif event.kind == "workspace.status" and event.data.get("status") == Status.PAUSED.value:
                    self._paused.add(event.workspace_id)
                elif event.kind in {"workspace.status", "workspace.deleted"}:
                    self._paused.discard(event.workspace_id)
                if event.kind == "workspace.deleted":
                    self._last_typed.pop(event.workspace_id, None)
                succeeded()

    async def _reload(self) -> None:
        async with self._database.reading(once=True) as tx:
            statuses = await tx.summaries.statuses()
        self._paused = {one for one, status in statuses.items() if status == Status.PAUSED.value}

    async def _wake_typed(self, workspace_id: str, principal: Principal, request_id: str) -> None:
        async with self._database.reading(once=True) as tx:
            workspace = await tx.workspaces.get(workspace_id)
        try:
            if workspace is not None:
                await self.begin(workspace, principal, request_id)
        except WorkspacesError as problem:
            log.info("Workspace %s was not woken by a keystroke: %s", workspace_id, problem)
