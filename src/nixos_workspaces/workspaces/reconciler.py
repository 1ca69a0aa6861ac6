"""Brings workspaces to their desired state, from observations (design section 3, rule 1).

One task per workspace that has something to do, one holder per task (a lease in the database), one step at a time. A
verb wakes it; every few seconds it looks at everything, so that nothing depends on having been woken: neither after a
crash, nor when a machine dies, nor when another control plane has recorded a verb.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from nixos_workspaces.audit.entries import ACCEPTED, SYSTEM
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.errors import RuntimeFailed, Unavailable, WorkspacesError
from nixos_workspaces.events import Event, Events
from nixos_workspaces.logs.context import note_task, note_workspace
from nixos_workspaces.logs.tracing import span
from nixos_workspaces.model.environment import Generation
from nixos_workspaces.model.workspace import Progress, Workspace
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.workspaces import lifecycle
from nixos_workspaces.workspaces.changes import progress_event, status_event
from nixos_workspaces.workspaces.lifecycle import Done, Step, StepKind, Wait
from nixos_workspaces.workspaces.reconciling.leases import LeaseLost, Leases
from nixos_workspaces.workspaces.reconciling.noting import note_phases, noted
from nixos_workspaces.workspaces.reconciling.steps import Steps
from nixos_workspaces.workspaces.reconciling.survey import Survey
from nixos_workspaces.workspaces.reconciling.work import Work, settled

log = logging.getLogger(__name__)


_NO_EFFECT = 3
"""So often a step may succeed without changing anything before that counts as its failure."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The periods of a reconciler, in seconds."""

    observe: float = 5.0
    """Between two looks at everything."""
    look: float = 1.0
    """Between two looks at whether a step under way is still wanted."""
    lease: float = 10.0
    """How long a control plane that has vanished keeps others from its workspaces."""


class Reconciler:
    """The only one that changes a runtime. Call it from one event loop."""

    def __init__(
        self,
        database: Database,
        runtime: Runtime,
        steps: Steps,
        events: Events,
        package_set: str = "",
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        timing: Timing = Timing(),
    ) -> None:
        """Work through these parts; nothing happens before ``start``."""
        self._database = database
        self._runtime = runtime
        self._steps = steps
        self._events = events
        self._package_set = package_set
        self._clock = clock
        self._timing = timing
        self._leases = Leases(database, timedelta(seconds=timing.lease), clock)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wakes: dict[str, asyncio.Event] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._removals: dict[str, asyncio.Task[None]] = {}
        self._survey = Survey(database, clock)
        self._open = False
        self.unknown_machines: frozenset[str] = frozenset()
        """Machines that no record knows of; reported, never touched: they hold users' work."""

    async def start(self) -> None:
        """Take over from control planes that died here; call ``sweep`` again and again from now on."""
        await self._leases.take_over()
        self._open = True

    async def close(self) -> None:
        """Stop working at once; machines stay as they are and work under way is taken up again later."""
        tasks = [*self._tasks.values(), *self._removals.values()]
        self._open = False
        for timer in self._timers.values():
            timer.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(WorkspacesError):
            await self._leases.release_all()

    def wake(self, workspace_id: str) -> None:
        """Look at this workspace now: its desired state has changed."""
        if workspace_id in self._tasks:
            self._wakes[workspace_id].set()
            return
        if timer := self._timers.pop(workspace_id, None):
            timer.cancel()
        self._wakes[workspace_id] = asyncio.Event()
        task = asyncio.create_task(self._work(workspace_id), name=f"reconcile {workspace_id}")
        self._tasks[workspace_id] = task
        task.add_done_callback(lambda done: self._ended(workspace_id, done))

    def _ended(self, workspace_id: str, task: asyncio.Task[None]) -> None:
        """Forget a task, and begin anew if it was woken after its last look."""
        self._tasks.pop(workspace_id, None)
        self._leases.forget(workspace_id)
        woken = self._wakes.pop(workspace_id).is_set()
        if task.cancelled() or not self._open:
            return
        if problem := task.exception():
            log.error("Work on workspace %s broke off; it is taken up again.", workspace_id, exc_info=problem)
            self._wake_later(workspace_id, self._timing.look)
        elif woken:
            self.wake(workspace_id)

    def _wake_later(self, workspace_id: str, seconds: float) -> None:
        """Look at this workspace again after a while."""
        if timer := self._timers.pop(workspace_id, None):
            timer.cancel()
        self._timers[workspace_id] = asyncio.get_running_loop().call_later(max(seconds, 0.01), self.wake, workspace_id)

    # -- looking at everything ----------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Compare all machines with all records, both ways, and wake every workspace with something to do."""
        found = await self._survey.look(await self._runtime.list(), self._tasks)
        for workspace_id in found.due:
            if workspace_id not in self._tasks:
                self.wake(workspace_id)
        for workspace_id in found.unknown - self.unknown_machines:
            log.warning("A machine of workspace %s exists that no record knows of; it is left alone.", workspace_id)
        self.unknown_machines = found.unknown
        for workspace_id in found.tombstoned - self._removals.keys():
            log.warning("The machine of deleted workspace %s is still there; it is removed.", workspace_id)
            self._removals[workspace_id] = asyncio.create_task(self._remove(workspace_id))

    async def _remove(self, workspace_id: str) -> None:
        """Remove the machine of a deleted workspace; where that fails or hangs, only this one stays for now."""
        try:
            await self._runtime.delete(workspace_id)
        except Exception as problem:  # noqa: BLE001 - the next look finds it again
            log.warning("The machine of deleted workspace %s stays for now: %s", workspace_id, problem)
        finally:
            self._removals.pop(workspace_id, None)

    # -- one workspace ------------------------------------------------------------------------------------------------

    async def _work(self, workspace_id: str) -> None:
        """Do step after step until nothing is left to do."""
        note_workspace(workspace_id)
        note_task("reconcile")
        try:
            await self._leases.hold(workspace_id)
            try:
                with span("reconcile"):
                    await self._settle(workspace_id)
            finally:
                await self._leases.release(workspace_id)
        except LeaseLost:
            log.debug("Workspace %s is worked on elsewhere.", workspace_id)
        except WorkspacesError as problem:
            log.warning("Work on workspace %s waits: %s", workspace_id, problem)
            self._wake_later(workspace_id, self._timing.look)

    async def _settle(self, workspace_id: str) -> None:
        """Ask for the next step and do it, until there is none."""
        before: tuple[StepKind, int] | None = None
        repeats, began = 0, self._clock()
        while True:
            self._wakes[workspace_id].clear()
            workspace = await self._read(workspace_id)
            if workspace is None:
                return
            decision, workspace, seen = await self._decide(workspace)
            match decision:
                case Done(status):
                    after = settled(seen, status, self._clock())
                    await self._save(workspace, after)
                    note_phases(after.phases, began)
                    return
                case Wait(until, status):
                    await self._save(workspace, replace(seen, status=status))
                    self._wake_later(workspace_id, (until - self._clock()).total_seconds())
                    return
                case Step(kind):
                    repeats = repeats + 1 if before == (kind, workspace.intent) else 0
                    before = (kind, workspace.intent)
                    begun = lifecycle.begun(seen, decision)
                    if begun.progress is None:
                        begun = replace(begun, phases=begun.phases.closed(self._clock()))
                    await self._save(workspace, begun)
                    if await self._do(begun, kind, useless=repeats >= _NO_EFFECT):
                        return

    async def _decide(self, workspace: Workspace) -> tuple[lifecycle.Decision, Workspace, Workspace]:
        """Observe; return the decision, the workspace as it is stored, and the same with the observation folded in."""
        try:
            observation = await self._steps.observe(workspace.id)
        except Exception as problem:  # noqa: BLE001  whatever it is, it is shown and tried again
            error = _reported(problem, workspace.id, lifecycle.OBSERVE)
            now = self._clock()
            blamed = lifecycle.failed(workspace, lifecycle.OBSERVE, error, now)
            failure = blamed.step_failure
            again = (failure.retry_at if failure else None) or now + timedelta(seconds=self._timing.observe)
            return Wait(again, workspace.status), workspace, blamed
        now = self._clock()
        seen = lifecycle.seen_now(workspace, observation, now)
        return lifecycle.next_step(seen, observation, now), workspace, seen

    async def _do(self, workspace: Workspace, kind: StepKind, *, useless: bool) -> bool:
        """Do one step and store its outcome; True if the workspace is gone with it."""
        if kind is StepKind.DELETE_RECORD:
            await self._bury(workspace)
            return True
        work = Work(workspace)
        try:
            with noted(workspace.id, kind):
                if useless:
                    raise RuntimeFailed(f"The step {kind} succeeds without any effect.", code="no_effect")  # noqa: TRY301
                built = await self._perform(work, kind)
        except _Superseded:
            return False
        except LeaseLost:
            raise
        except Exception as problem:  # noqa: BLE001  whatever it is, it is shown and tried again
            error = _reported(problem, workspace.id, kind)
            now = self._clock()
            blamed = lifecycle.failed(work.now(), kind, error, now)
            await self._save(work.stored, replace(blamed, phases=blamed.phases.closed(now)))
            return False
        after = lifecycle.succeeded(work.now(), kind, built)
        if built is not None:
            after = replace(after, package_set=self._package_set)
        await self._save(work.stored, after)
        return False

    async def _perform(self, work: Work, kind: StepKind) -> Generation | None:
        """Do one step, keeping the lease, storing its progress, and breaking it off when it has lost its point.

        A change of phase is stored at once, other progress at the next look.
        """
        workspace = work.begun

        def on_progress(progress: Progress) -> None:
            if work.note(progress, self._clock()):
                self._events.publish(progress_event(work.now(), progress))

        wake = self._wakes[workspace.id]
        step = asyncio.create_task(self._steps.perform(workspace, kind, on_progress))
        try:
            while True:
                waits = [asyncio.create_task(one.wait()) for one in (wake, work.entered)]
                try:
                    await asyncio.wait({step, *waits}, timeout=self._timing.look, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for one in waits:
                        one.cancel()
                if step.done():
                    return step.result()
                wake.clear()
                work.entered.clear()
                await self._leases.hold(workspace.id)
                await self._look_after(work, kind)
        finally:
            if not step.done():
                step.cancel()
                await asyncio.wait({step})
            if not step.cancelled():
                step.exception()

    async def _look_after(self, work: Work, kind: StepKind) -> None:
        """Store a step's progress; raise ``_Superseded`` if the step has lost its point."""
        try:
            now = await self._read(work.begun.id)
            if now is None or lifecycle.superseded(kind, work.begun, now):
                raise _Superseded
            shown = work.now()
            await self._save(work.stored, shown)
        except Unavailable as problem:
            # A step needs no database; the lease says how long it may go on without one.
            log.warning("Work on workspace %s goes on without the database: %s", work.begun.id, problem)
            return
        work.stored = shown

    # -- what is kept -------------------------------------------------------------------------------------------------

    async def _read(self, workspace_id: str) -> Workspace | None:
        """Return the workspace as it is stored now."""
        async with self._database.reading() as tx:
            return await tx.workspaces.get(workspace_id)

    async def _save(self, before: Workspace, after: Workspace) -> None:
        """Store the observed half, if it changed and the lease is still ours, then publish its events."""
        if after == before:
            return
        async with self._database.transaction() as tx:
            now = await self._leases.renew(tx, after.id)
            told = await tx.workspaces.save_seen(after)
            if told and after.fault is not None and after.fault != before.fault:
                detail = {"status": after.status.value}
                await tx.audit.append(AuditEntry(now, SYSTEM, "fail", after.id, after.fault.code, detail=detail))
        self._leases.renewed(after.id, now)
        if told and (after.status, after.fault, after.generation) != (before.status, before.fault, before.generation):
            self._events.publish(status_event(after))
        if told and after.progress != before.progress and after.progress is not None:
            self._events.publish(progress_event(after, after.progress))

    async def _bury(self, workspace: Workspace) -> None:
        """Turn the record into its tombstone, last of a deletion, and publish the event."""
        async with self._database.transaction() as tx:
            now = await self._leases.require(tx, workspace.id)
            await tx.tombstones.add(workspace.id, now)
            await tx.audit.append(AuditEntry(now, SYSTEM, "end-delete", workspace.id, ACCEPTED))
        self._events.publish(Event("workspace.deleted", workspace.id, {"owner_id": workspace.owner_id}))


class _Superseded(Exception):
    """The step under way has lost its point."""


def _reported(problem: Exception, workspace_id: str, step: str) -> WorkspacesError:
    """Return a failure as one of ours; any other is a mistake, logged with its trace."""
    if not isinstance(problem, WorkspacesError):
        log.error("Step %s of workspace %s failed unexpectedly.", step, workspace_id, exc_info=problem)
    return lifecycle.as_error(problem)
