"""Starts and stops workspaces by the clock, through the verbs that people have."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from nixos_workspaces.auth.policy import Action, Principal, Role, authorise
from nixos_workspaces.automation.clock import Occurrence, check_cron, is_wanted, last_due, next_runs
from nixos_workspaces.automation.policies import audited
from nixos_workspaces.database import Database, Transaction
from nixos_workspaces.errors import Conflict, WorkspacesError
from nixos_workspaces.model.automation.reasons import StoppedBy, StopReason
from nixos_workspaces.model.automation.schedules import Schedule, ScheduledAction, ScheduledRun
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Desire, Workspace
from nixos_workspaces.workspaces.lookup import find
from nixos_workspaces.workspaces.nixos_sandbox_orchestrator import NixOSSandboxOrchestrator
from nixos_workspaces.workspaces.resting.causes import Cause

log = logging.getLogger(__name__)

SCHEDULE = Principal("system:schedule", "schedule", Role.ADMIN)
"""The principal that starts and stops by the clock."""
TURN_SECONDS = 15.0
SHOWN_RUNS = 5


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """The schedule of a workspace and its next runs."""

    schedule: Schedule
    next: Sequence[Occurrence]


class Schedules:
    """The schedules of workspaces. ``read`` and ``change`` raise ``NotFound`` as the verbs do."""

    def __init__(
        self,
        database: Database,
        orchestrator: NixOSSandboxOrchestrator,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Store in ``database``, act through ``orchestrator``."""
        self._database = database
        self._orchestrator = orchestrator
        self._clock = clock

    async def read(self, reference: str, *, principal: Principal) -> ScheduleStatus:
        """Return the schedule of a workspace."""
        async with self._database.reading() as tx:
            workspace = await find(tx, reference, principal)
            found = await tx.schedules.find(workspace.id)
        authorise(principal, Action.READ_USAGE, workspace)
        return self._status(found)

    async def change(
        self, reference: str, runs: tuple[ScheduledRun, ...], *, principal: Principal, request_id: str = ""
    ) -> ScheduleStatus:
        """Replace the schedule of a workspace; it holds from now on. Raises ``InvalidInput`` (``/runs/0/cron``)."""
        now = self._clock()
        args = self._database, self._clock, reference, principal, Action.CHANGE_SCHEDULE, request_id
        async with audited(*args) as act:
            for place, run in enumerate(runs):
                check_cron(run, now, f"/runs/{place}")
            before = await act.tx.schedules.find(act.workspace.id)
            await act.tx.schedules.replace(act.workspace.id, runs, now)
            told = [{"runs": [asdict(one) for one in schedule]} for schedule in (before.runs, runs)]
            await act.note(before=told[0], after=told[1])
        return self._status(Schedule(runs, now))

    async def turn(self) -> None:
        """Carry out all that has become due since the last turn, also by another control plane or before a restart."""
        now = self._clock()
        async with self._database.reading(once=True) as tx:
            schedules = await tx.schedules.all()
        for workspace_id, schedule in schedules.items():
            if schedule.done_until is None:
                continue
            due = last_due(schedule.runs, schedule.done_until, now)
            if due is None:
                continue
            try:
                await self._carry_out(workspace_id, schedule.done_until, due, now)
            except WorkspacesError as problem:
                log.info("The schedule of workspace %s did nothing: %s", workspace_id, problem)

    async def _carry_out(self, workspace_id: str, before: datetime, due: Occurrence, now: datetime) -> None:
        """Do one run, and note it as done: a stop in the transaction of its verb, a start before it."""
        async with self._database.reading() as tx:
            workspace = await tx.workspaces.get(workspace_id)
            stored = await tx.idle.find(workspace_id)
        if workspace is None:
            return
        is_stop = due.run.action is ScheduledAction.STOP
        if not is_wanted(due, now) or not _changes(workspace, due) or (is_stop and stored.held_at(now)):
            await self._done(workspace_id, before, due)
            return
        if not is_stop:
            if await self._done(workspace_id, before, due):
                await self._orchestrator.start_workspace(workspace_id, principal=SCHEDULE)
            return
        said = Sentence("stop.schedule", {"cron": due.run.cron, "zone": due.run.zone})

        async def require(tx: Transaction, found: Workspace) -> None:
            held = (await tx.idle.find(found.id)).held_at(self._clock()) is not None
            if held or not await tx.schedules.done(found.id, before, due.at):
                raise Conflict("The workspace is to be left running, or was stopped already.", code="not_idle")

        cause = Cause(StopReason(StoppedBy.SCHEDULE, said, now, SCHEDULE.id), require)
        await self._orchestrator.stop_workspace(workspace_id, principal=SCHEDULE, cause=cause)

    async def _done(self, workspace_id: str, before: datetime, due: Occurrence) -> bool:
        async with self._database.transaction() as tx:
            return await tx.schedules.done(workspace_id, before, due.at)

    def _status(self, schedule: Schedule) -> ScheduleStatus:
        return ScheduleStatus(schedule, next_runs(schedule.runs, self._clock(), SHOWN_RUNS))


def _changes(workspace: Workspace, due: Occurrence) -> bool:
    """Tell whether a run has anything to do; what a budget has stopped stays so."""
    if due.run.action is ScheduledAction.STOP:
        return workspace.desire in {Desire.RUNNING, Desire.PAUSED}
    reason = workspace.stop_reason
    is_of_budget = reason is not None and reason.by is StoppedBy.BUDGET
    return workspace.desire in {Desire.STOPPED, Desire.PAUSED} and not is_of_budget
