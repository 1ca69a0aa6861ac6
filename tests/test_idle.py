"""A workspace in which nothing works is told of, paused and stopped; a person's wish meanwhile wins; waking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes import World, fake_services

from nixos_workspaces.auth.policy import ADMIN, Principal, Role
from nixos_workspaces.automation.idle import Working, work_list
from nixos_workspaces.automation.schedules import SCHEDULE, Schedules
from nixos_workspaces.automation.timers import Timer
from nixos_workspaces.automation.watching import IdleWatch
from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.automation.activity import Activity, UnitActivity
from nixos_workspaces.model.automation.idle import Hold, IdlePolicy, RestTimes, StoredIdle, UsualPolicies
from nixos_workspaces.model.automation.reasons import StoppedBy
from nixos_workspaces.model.automation.schedules import ScheduledAction, ScheduledRun
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import MachineState, Resources
from nixos_workspaces.model.workspace import Desire, Status, Workspace, WorkspaceConfig
from nixos_workspaces.services import Services

POLICY = IdlePolicy(RestTimes(timedelta(minutes=10), timedelta(minutes=30)), warn=timedelta(minutes=2))
GB = 1 << 30


@dataclass
class Place:
    """A service with one running workspace, and a watch with clocks of the test's own."""

    services: Services
    world: World
    id: str
    at: float = 1000.0
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    timers: list[Timer] = field(default_factory=list)
    typed_at: float | None = None
    told: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        async def timers(_: str) -> list[Timer]:
            return self.timers

        services = self.services
        self.watch = IdleWatch(
            *(services.database, services.runtime, services.orchestrator, services.events),
            timers=timers,
            usual=UsualPolicies(POLICY, {"nodejs": IdlePolicy()}),
            known=work_list,
            clock=self.now,
            monotonic=lambda: self.at,
            typed=lambda _: self.typed_at,
        )

    def now(self) -> datetime:
        return self.begun + timedelta(seconds=self.at - 1000)

    async def workspace(self) -> Workspace:
        async with self.services.database.reading() as tx:
            found = await tx.workspaces.get(self.id)
        assert found is not None
        return found

    async def reaches(self, status: Status) -> Workspace:
        async with asyncio.timeout(20):
            with self.services.events.subscribe() as events:
                while (found := await self.workspace()).status is not status:
                    await anext(events)
        return found

    def works(self, cpu: float) -> None:
        self.world.activities[self.id] = Activity(0, "run", cpu, 0, (UnitActivity("job.service", cpu, 0, 1),))

    async def later(self, minutes: float) -> None:
        """Let time pass, and look."""
        self.at += minutes * 60
        with self.services.events.subscribe() as events:
            await self.watch.turn()
            while not events._queue.empty():
                event = await anext(events)
                if event.kind == "workspace.idle":
                    self.told.append(dict(event.data))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    world = World()
    async with fake_services(tmp_path, world=world) as services:
        config = WorkspaceConfig("one", Resources(1, GB, GB), Environment("minimal"))
        made = await services.orchestrator.create_workspace(config, principal=ADMIN)
        found = Place(services, world, made.id)
        await found.reaches(Status.RUNNING)
        yield found


async def test_it_is_told_paused_and_stopped_with_the_reason(place: Place) -> None:
    place.works(0.0)
    await place.later(0)
    place.works(60.0)
    await place.later(1)
    seen = place.watch.seen(place.id)
    assert seen is not None
    assert isinstance(seen.verdict, Working)
    assert [one.code for one in seen.verdict.because] == ["idle.cpu"]
    for _ in range(7):
        await place.later(1)
    assert place.told == []
    await place.later(1)  # two minutes before its pause
    assert [one["step"] for one in place.told] == ["pause"]
    await place.later(2)
    paused = await place.reaches(Status.PAUSED)
    reason = paused.stop_reason
    assert reason is not None
    assert (reason.by, reason.said.code, reason.said.values["minutes"]) == (StoppedBy.SYSTEM, "stop.pause_idle", "10")
    assert [one.code for one in reason.seen] == ["idle.cpu", "idle.most"]
    await place.later(18)
    assert [one["step"] for one in place.told] == ["pause", "stop"]
    await place.later(2)
    stopped = await place.reaches(Status.STOPPED)
    assert stopped.stop_reason is not None
    assert stopped.stop_reason.said.code == "stop.idle"
    await place.services.orchestrator.start_workspace(place.id, principal=ADMIN)
    assert (await place.reaches(Status.RUNNING)).stop_reason is None


async def told(place: Place) -> None:
    await place.later(0)
    await place.later(8.5)
    assert len(place.told) == 1


async def test_a_template_has_times_of_its_own(place: Place) -> None:
    config = WorkspaceConfig("two", Resources(1, GB, GB), Environment("nodejs"))
    made = await place.services.orchestrator.create_workspace(config, principal=ADMIN)
    two = replace(place, id=made.id)
    await two.reaches(Status.RUNNING)
    for one in (place, two):
        one.works(0.0)
    for _ in range(12):
        await place.later(1)
    await place.reaches(Status.PAUSED)
    assert place.watch.seen(two.id) is None
    assert (await two.workspace()).status is Status.RUNNING


async def test_work_a_timer_and_a_hold_each_put_it_off(place: Place) -> None:
    await told(place)
    place.works(90.0)
    await place.later(2)
    assert isinstance((place.watch.seen(place.id) or pytest.fail("unseen")).verdict, Working)
    place.typed_at = place.at + 30
    await place.later(2)
    verdict = (place.watch.seen(place.id) or pytest.fail("unseen")).verdict
    assert isinstance(verdict, Working)
    assert [one.code for one in verdict.because] == ["idle.input"]
    place.timers = [Timer("backup.timer", place.now() + timedelta(minutes=14))]
    await place.later(8.5)
    verdict = (place.watch.seen(place.id) or pytest.fail("unseen")).verdict
    assert isinstance(verdict, Working)
    assert verdict.because[0].values["timer"] == "backup.timer"
    place.timers = []
    hold = Hold(place.now() + timedelta(hours=1), "demo", "admin")
    async with place.services.database.transaction() as tx:
        await tx.idle.replace(place.id, StoredIdle(None, hold))
    for _ in range(5):
        await place.later(10)
    assert (await place.workspace()).status is Status.RUNNING
    assert len(place.told) == 1
    await place.later(15)  # the hold is over; it was not told yet
    assert len(place.told) == 2
    await place.later(2)
    await place.reaches(Status.PAUSED)


async def test_a_persons_intent_between_look_and_step_wins(place: Place) -> None:
    """The verb of the watch looks at intent and hold in its own transaction."""
    await told(place)
    workspace = await place.workspace()
    before = place.services.orchestrator.pause_workspace

    async def meddled(*args: object, **named: object) -> bool:
        async with place.services.database.transaction() as tx:
            await tx.idle.replace(place.id, StoredIdle(None, Hold(place.now() + timedelta(hours=1), "", "admin")))
        return await before(*args, **named)  # type: ignore[arg-type]

    place.services.orchestrator.pause_workspace = meddled  # type: ignore[method-assign]
    await place.later(2)
    after = await place.workspace()
    assert (after.status, after.intent, after.stop_reason) == (Status.RUNNING, workspace.intent, None)


async def test_what_the_service_has_paused_wakes_by_intent_and_a_persons_pause_does_not(place: Place) -> None:
    await told(place)
    await place.later(2)
    paused = await place.reaches(Status.PAUSED)
    waking = place.services.automation.waking
    stranger = Principal("u-eve", "eve", Role.MEMBER)
    assert (await waking.woken(paused, stranger)).status is Status.PAUSED
    assert (await waking.woken(paused, ADMIN)).status is Status.RUNNING
    await place.services.orchestrator.pause_workspace(place.id, principal=ADMIN)
    own = await place.reaches(Status.PAUSED)
    assert own.stop_reason is not None
    assert own.stop_reason.said.text == "admin paused it."
    assert (await waking.woken(own, ADMIN)).status is Status.PAUSED
    await place.later(60)
    assert (await place.workspace()).status is Status.PAUSED
    assert place.watch.seen(place.id) is None


async def test_a_keystroke_wakes_it(place: Place) -> None:
    await told(place)
    await place.later(2)
    await place.reaches(Status.PAUSED)
    waking = place.services.automation.waking
    async with asyncio.timeout(20):
        while (await place.workspace()).status is not Status.RUNNING:
            waking.typed(place.id, ADMIN)  # until the event of the pause has reached it
            await asyncio.sleep(0.01)


async def test_what_is_woken_is_thawed_with_the_intent(place: Place) -> None:
    """Not only by the reconciler: somebody waits for an echo."""
    await told(place)
    await place.later(2)
    paused = await place.reaches(Status.PAUSED)
    assert await place.services.automation.waking.begin(paused, ADMIN)
    assert place.world.machines[place.id].state is MachineState.RUNNING
    assert (await place.workspace()).desire is Desire.RUNNING
    await place.reaches(Status.RUNNING)


async def test_a_schedule_stops_and_starts_and_a_hold_wins(place: Place) -> None:
    begun = datetime(2026, 11, 27, 17, 59, tzinfo=UTC)  # a Friday
    clock = [begun]
    schedules = Schedules(place.services.database, place.services.orchestrator, clock=lambda: clock[0])
    runs = (
        ScheduledRun(ScheduledAction.STOP, "0 19 * * *", "Europe/Berlin"),
        ScheduledRun(ScheduledAction.START, "30 8 * * 1-5", "Europe/Berlin"),
    )
    status = await schedules.change(place.id, runs, principal=ADMIN)
    assert [one.at.isoformat() for one in status.next][:2] == ["2026-11-27T18:00:00+00:00", "2026-11-28T18:00:00+00:00"]
    with pytest.raises(InvalidInput) as wrong:
        await schedules.change(place.id, (replace(runs[0], cron="61 * * * *"),), principal=ADMIN)
    assert wrong.value.field == "/runs/0/cron"
    await schedules.turn()
    assert (await place.workspace()).status is Status.RUNNING
    clock[0] = begun + timedelta(hours=3)  # the service was down at seven
    await schedules.turn()
    stopped = await place.reaches(Status.STOPPED)
    assert stopped.stop_reason is not None
    assert (stopped.stop_reason.by, stopped.stop_reason.actor) == (StoppedBy.SCHEDULE, SCHEDULE.id)
    clock[0] = datetime(2026, 11, 30, 9, 31, tzinfo=UTC)  # two hours after Monday's start, which is missed
    await schedules.turn()
    assert (await place.workspace()).status is Status.STOPPED
    clock[0] = datetime(2026, 12, 1, 7, 45, tzinfo=UTC)
    await schedules.turn()
    await place.reaches(Status.RUNNING)
    hold = Hold(datetime.now(UTC) + timedelta(days=1000), "", "admin")
    async with place.services.database.transaction() as tx:
        await tx.idle.replace(place.id, StoredIdle(None, hold))
    clock[0] = datetime(2026, 12, 1, 18, 0, 5, tzinfo=UTC)
    await schedules.turn()
    assert (await place.workspace()).status is Status.RUNNING
