"""Looks at the workspaces that rest by themselves, tells before one is paused or stopped, and does it.

It acts through the verbs that people have, as a principal of its own. Whether the workspace still is as it was looked
at, and whether nobody has asked that it be left running, is looked at in the transaction that records the verb.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from nixos_workspaces.auth.policy import Principal, Role
from nixos_workspaces.automation.idle import (
    Due,
    Look,
    Plan,
    Verdict,
    Warned,
    Working,
    WorkList,
    due,
    following,
    look_at,
    planned,
    times_at,
    with_work,
)
from nixos_workspaces.automation.idle import Quiet as QuietVerdict
from nixos_workspaces.automation.timers import Timer, work_ahead
from nixos_workspaces.database import Database, Transaction
from nixos_workspaces.errors import Conflict, WorkspacesError
from nixos_workspaces.events import Event, Events
from nixos_workspaces.model.automation.activity import Activity
from nixos_workspaces.model.automation.idle import IdlePolicy, RestStep, StoredIdle, UsualPolicies
from nixos_workspaces.model.automation.reasons import StoppedBy, StopReason
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Status, Workspace
from nixos_workspaces.runtimes.base import MachineFigures
from nixos_workspaces.workspaces.nixos_sandbox_orchestrator import NixOSSandboxOrchestrator
from nixos_workspaces.workspaces.resting.causes import Cause

log = logging.getLogger(__name__)

IDLE = Principal("system:idle", "idle", Role.ADMIN)
"""The principal that pauses and stops workspaces in which nothing works."""
LOOK_SECONDS = 20.0
_SHORTEST_SECONDS = 1.0
"""Looks that follow each other sooner count as one."""
_AT_ONCE = 8
_MOST_BLIND = 3
"""So often timers may not be told before a workspace is taken to have none: it is not awake for ever by that."""

TimersOf = Callable[[str], Awaitable[Sequence[Timer]]]
"""Asks a running workspace for its timers; raises one of our errors where it does not answer."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The watch's knowledge of one workspace."""

    at: float
    """``time.monotonic()`` of the last look."""
    activity: Activity | None
    verdict: Verdict | None
    warned: Warned | None = None
    plan: Plan | None = None
    blind: int = 0
    """How often in a row its timers could not be told."""


class IdleWatch:
    """Looks at workspaces every ``LOOK_SECONDS``. Call it from one event loop."""

    def __init__(  # noqa: PLR0913  each is a part that is handed in
        self,
        database: Database,
        runtime: MachineFigures,
        orchestrator: NixOSSandboxOrchestrator,
        events: Events,
        *,
        timers: TimersOf,
        usual: UsualPolicies,
        known: Callable[[], WorkList],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        seconds: float = LOOK_SECONDS,
        typed: Callable[[str], float | None] = lambda _: None,
    ) -> None:
        """``usual`` are the policies of workspaces that have none of their own.

        ``typed`` tells when a person last typed by a way through the service; None where nobody has.
        """
        self._typed = typed
        self._usual = usual
        self._database = database
        self._runtime = runtime
        self._orchestrator = orchestrator
        self._events = events
        self._timers = timers
        self._known = known
        self._clock = clock
        self._monotonic = monotonic
        self._seconds = seconds
        self._seen: dict[str, Seen] = {}
        self._woken = asyncio.Event()

    def seen(self, workspace_id: str) -> Seen | None:
        """Return what is known of a workspace; None where it is not looked at."""
        return self._seen.get(workspace_id)

    def wake(self) -> None:
        """Look at once: a policy or a hold has changed."""
        self._woken.set()

    async def follow(self, succeeded: Callable[[], None]) -> None:
        """Look for ever."""
        while True:
            self._woken.clear()
            await self.turn()
            succeeded()
            try:
                async with asyncio.timeout(self._seconds):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def turn(self) -> None:
        """Look at every workspace that rests by itself, and do what is due."""
        async with self._database.reading() as tx:
            statuses, stored = await tx.summaries.statuses(), await tx.idle.all()
        up = [one for one, status in statuses.items() if status in {Status.RUNNING.value, Status.PAUSED.value}]
        watched = [one for one in up if not self._never_rests(stored.get(one))]
        self._seen = {one: seen for one, seen in self._seen.items() if one in watched}
        for begin in range(0, len(watched), _AT_ONCE):
            async with self._database.reading(once=True) as tx:
                found = await tx.workspaces.several(watched[begin : begin + _AT_ONCE])
            await asyncio.gather(*(self._look(one, stored.get(one.id, StoredIdle())) for one in found))

    def policy_of(self, workspace: Workspace, stored: StoredIdle) -> IdlePolicy:
        """Return the policy in force: the workspace's own, or that of the settings."""
        return self._usual.of(workspace.environment.template) if stored.policy is None else stored.policy

    def _never_rests(self, stored: StoredIdle | None) -> bool:
        """Tell whether a workspace of any template would not rest."""
        own = None if stored is None else stored.policy
        return self._usual.is_off if own is None else own.is_off

    async def _look(self, workspace: Workspace, stored: StoredIdle) -> None:
        """Look at one workspace; one that cannot be looked at begins anew, and stays as it is."""
        policy = self.policy_of(workspace, stored)
        if policy.is_off:
            self._seen.pop(workspace.id, None)
            return
        try:
            seen = await self._fold(workspace, policy)
            if seen is None:
                self._seen.pop(workspace.id, None)
                return
            self._seen[workspace.id] = await self._decide(workspace, policy, stored, seen)
        except WorkspacesError as problem:
            self._seen.pop(workspace.id, None)
            log.info("Workspace %s is not judged idle for now: %s", workspace.id, problem)

    async def _fold(self, workspace: Workspace, policy: IdlePolicy) -> Seen | None:
        """Return what is known after one more look; None for a workspace that is not judged."""
        before = self._seen.get(workspace.id)
        now = self._monotonic()
        is_awake = workspace.status is Status.RUNNING and workspace.stop_reason is None
        if is_awake and before is not None and now - before.at < min(_SHORTEST_SECONDS, self._seconds / 2):
            return before  # a moment tells no rates
        if is_awake:
            after = await self._runtime.activity(workspace.id)
            activity = None if before is None else before.activity
            if activity is None or activity.run != after.run or before is None:
                before = activity = None
            look = replace(look_at(activity, after, policy, self._known()), at=now)
            typed = self._typed(workspace.id)
            if typed is not None and before is not None and typed >= before.at:
                look = with_work(look, [Sentence("idle.input", {"seconds": f"{now - typed:.0f}"})])
            if before is None:
                return Seen(now, after, following(None, now, look))
            return replace(before, at=now, activity=after, verdict=following(before.verdict, before.at, look))
        reason = workspace.stop_reason
        if workspace.status is not Status.PAUSED or reason is None or reason.by is not StoppedBy.SYSTEM:
            return None  # a person's own pause lasts until they end it
        if before is not None and isinstance(before.verdict, QuietVerdict):
            return replace(before, at=now, activity=None)
        rested = max(0.0, (self._clock() - reason.at).total_seconds())
        quiet_before = (times_at(policy, self._clock()).pause_after or timedelta()).total_seconds()
        return Seen(now, None, QuietVerdict(now - rested - quiet_before, reason.seen))

    async def _decide(self, workspace: Workspace, policy: IdlePolicy, stored: StoredIdle, seen: Seen) -> Seen:
        """Tell or do what is due, and return what is known then."""
        now = self._clock()
        is_paused = workspace.status is Status.PAUSED
        held = stored.held_at(now) is not None
        times, warn = times_at(policy, now), policy.warn.total_seconds()
        plan = planned(times, warn, seen.verdict, is_paused=is_paused, is_held=held)
        what = due(plan, seen.verdict, seen.warned, seen.at)
        seen = replace(seen, plan=plan)
        if plan is None or not (what.warn or what.act):
            return seen
        if not is_paused:
            seen = await self._look_ahead(workspace, policy, seen, plan)
            if isinstance(seen.verdict, Working):
                return seen
        assert isinstance(seen.verdict, QuietVerdict)
        if what.warn:
            self._tell(workspace, plan, seen)
            return replace(seen, warned=Warned(plan.step, seen.verdict.since, seen.at))
        await self._rest(workspace, policy, plan, what, seen.verdict)
        return seen

    async def _look_ahead(self, workspace: Workspace, policy: IdlePolicy, seen: Seen, plan: Plan) -> Seen:
        """Return what is known with the timers that are due soon: they are work."""
        try:
            timers = await self._timers(workspace.id)
        except WorkspacesError:
            if seen.blind + 1 < _MOST_BLIND:
                return replace(seen, blind=seen.blind + 1, verdict=Working((Sentence("idle.unseen", {}),)), plan=None)
            return seen
        horizon = self._clock() + policy.timer_within + timedelta(seconds=max(0.0, plan.at - seen.at))
        found = work_ahead(timers, self._clock(), horizon, self._known())
        if not found:
            # The question itself has cost CPU time, which is no work: what follows is counted from here on.
            return replace(seen, blind=0, activity=await self._runtime.activity(workspace.id))
        look = with_work(Look(seen.at, ()), found)
        return replace(seen, blind=0, verdict=following(seen.verdict, seen.at, look), plan=None)

    def _tell(self, workspace: Workspace, plan: Plan, seen: Seen) -> None:
        """Publish that a workspace is to be paused or stopped soon."""
        left = max(plan.at, seen.at + plan.lead) - seen.at
        at = self._clock() + timedelta(seconds=left)
        told = {"owner_id": workspace.owner_id, "name": workspace.name, "step": plan.step.value, "at": at.isoformat()}
        self._events.publish(Event("workspace.idle", workspace.id, told))

    async def _rest(
        self, workspace: Workspace, policy: IdlePolicy, plan: Plan, what: Due, verdict: QuietVerdict
    ) -> None:
        """Pause or stop a workspace, if it is as it was looked at."""
        minutes = f"{(self._monotonic() - verdict.since) / 60:.0f}"
        code = "stop.pause_idle" if plan.step is RestStep.PAUSE else "stop.idle"
        said = Sentence(code, {"minutes": minutes})
        reason = StopReason(StoppedBy.SYSTEM, said, self._clock(), IDLE.id, what.seen)

        async def require(tx: Transaction, now: Workspace) -> None:
            stored = await tx.idle.find(now.id)
            is_same = (now.intent, now.status) == (workspace.intent, workspace.status)
            if not is_same or stored.held_at(self._clock()) is not None or self.policy_of(now, stored) != policy:
                raise Conflict("The workspace has been used or asked to be left running.", code="not_idle")

        verb = self._orchestrator.pause_workspace
        if plan.step is RestStep.STOP:
            verb = self._orchestrator.stop_workspace
        await verb(workspace.id, principal=IDLE, cause=Cause(reason, require))
