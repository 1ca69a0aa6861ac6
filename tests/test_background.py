"""Background tasks: whatever ends one, it is started again, and health tells of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from fakes import eventually, fake_services

from nixos_workspaces.auth.counted import CountedAudit
from nixos_workspaces.auth.sharing.shares import Shares
from nixos_workspaces.automation.scaling.watching import Autoscale
from nixos_workspaces.automation.schedules import Schedules
from nixos_workspaces.automation.watching import IdleWatch
from nixos_workspaces.database import Ballast
from nixos_workspaces.database.uses import Uses
from nixos_workspaces.errors import Unavailable
from nixos_workspaces.gateway.authorised import AuthorisedKeys
from nixos_workspaces.gateway.open_connections import OpenConnections
from nixos_workspaces.metering.listening import LivePorts
from nixos_workspaces.metering.live import Live
from nixos_workspaces.metering.metrics.history import History
from nixos_workspaces.metering.metrics.sampler import Sampler
from nixos_workspaces.metering.opening import Metering
from nixos_workspaces.metering.usage.recording import Ledger
from nixos_workspaces.network.enforcing import Enforcer
from nixos_workspaces.operations import background as module
from nixos_workspaces.operations.audit import Checking, Retention, Signing, Witness
from nixos_workspaces.operations.background import BackgroundTasks, TaskReport
from nixos_workspaces.operations.logins import Logins
from nixos_workspaces.operations.maintenance import Maintenance
from nixos_workspaces.repositories.cloning import Repositories
from nixos_workspaces.secrets.delivery import Delivery
from nixos_workspaces.services import Services
from nixos_workspaces.terminals.ends import Ends
from nixos_workspaces.terminals.recording.recorder import Recorder
from nixos_workspaces.terminals.recording.recordings import Recordings
from nixos_workspaces.workspaces.reconciler import Reconciler
from nixos_workspaces.workspaces.resting.waking import Waking

TASKS = {
    "machines": (Reconciler, "sweep"),
    "figures": (Sampler, "sample"),
    "figures_expiry": (History, "expire"),
    "scaling": (Autoscale, "watched"),
    "terminal_ends": (Ends, "look"),
    "networks": (Enforcer, "_turn"),
    "live_figures": (Live, "_measure_all"),
    "live_terminals": (Live, "_ask_due"),
    "live_ports": (LivePorts, "_look"),
    "secrets": (Delivery, "_deliver_due"),
    "repositories": (Repositories, "_begin_due"),
    "idle": (IdleWatch, "turn"),
    "schedules": (Schedules, "turn"),
    "waking": (Waking, "_reload"),
    "uses": (Uses, "store"),
    "counted_audit": (CountedAudit, "store"),
    "audit_checkpoint": (Signing, "sign"),
    "audit_witness": (Witness, "send"),
    "audit_verification": (Checking, "turn"),
    "audit_retention": (Retention, "expire"),
    "usage": (Metering, "turn"),
    "usage_seals": (Ledger, "seal"),
    "shares": (Shares, "expire"),
    "garbage": (Maintenance, "collect_when_due"),
    "logins": (Logins, "take_turn"),
    "ssh_keys": (AuthorisedKeys, "_all_are_due"),
    "ssh_connections": (OpenConnections, "_end_all_dead"),
    "recording": (Recorder, "look"),
    "recordings": (Recordings, "expire"),
    "ballast": (Ballast, "restore"),
    "temporary_files": (Maintenance, "running"),
}
"""Every background task of the service, with the method that is made to fail."""


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESTART_SECONDS", (0.01,))


@pytest.fixture
async def tasks() -> AsyncIterator[BackgroundTasks]:
    opened = BackgroundTasks()
    yield opened
    await opened.close()


def task_named(name: str) -> asyncio.Task[object]:
    return next(one for one in asyncio.all_tasks() if one.get_name() == name)


async def told(tasks: BackgroundTasks, is_so: Callable[[TaskReport], bool]) -> TaskReport:
    async def probe() -> bool:
        return is_so(tasks.reports()[0])

    await eventually(probe)
    return tasks.reports()[0]


@pytest.mark.parametrize("problem", [Unavailable("The node is away."), ZeroDivisionError(), SystemError(), None])
async def test_a_task_that_ends_is_started_again(tasks: BackgroundTasks, problem: Exception | None) -> None:
    turns = 0

    async def work(succeeded: Callable[[], None]) -> None:
        nonlocal turns
        turns += 1
        if turns > 3:
            succeeded()
            await asyncio.Event().wait()
        if problem is not None:
            raise problem

    tasks.keep("one", work)
    failing = await told(tasks, lambda one: one.restarts > 0)
    assert failing.last_success is None
    assert failing.error
    well = await told(tasks, lambda one: one.error == "")
    assert (well.alive, well.restarts) == (True, 3)
    assert well.last_success is not None


async def test_a_cancelled_task_is_started_again(tasks: BackgroundTasks) -> None:
    async def work(succeeded: Callable[[], None]) -> None:
        succeeded()
        await asyncio.Event().wait()

    tasks.keep("one", work)
    await told(tasks, lambda one: one.last_success is not None)
    task_named("one").cancel()
    await told(tasks, lambda one: one.error == "It was cancelled.")
    assert (await told(tasks, lambda one: one.error == "")).restarts == 1


async def test_a_turn_that_hangs_is_begun_anew(tasks: BackgroundTasks) -> None:
    turns = 0

    async def once() -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            await asyncio.Event().wait()

    tasks.repeat("one", once, 3600, patience=0.01)
    await told(tasks, lambda one: "too long" in one.error)
    assert (await told(tasks, lambda one: one.error == "")).restarts == 1


async def test_waits_grow_and_begin_anew_after_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked at through the loop's own timers: nothing is waited for."""
    monkeypatch.setattr(module, "RESTART_SECONDS", (1.0, 5.0, 60.0))
    waits: list[float] = []
    starts: list[Callable[[], None]] = []

    def call_later(delay: float, start: Callable[[], None]) -> None:
        waits.append(delay)
        starts.append(start)

    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", call_later)
    tasks = BackgroundTasks()

    async def work(succeeded: Callable[[], None]) -> None:
        if len(waits) == 4:
            succeeded()

    tasks.keep("one", work)
    for number in range(1, 6):
        while len(starts) < number:  # noqa: ASYNC110 - the loop's turns are what is waited for
            await asyncio.sleep(0)
        starts[-1]()
    assert waits[:5] == [1.0, 5.0, 60.0, 60.0, 1.0]


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with fake_services(tmp_path) as opened:
        yield opened


async def finding(services: Services, name: str) -> tuple[bool, str]:
    items = await services.health.items()
    return next((item.ok, item.message) for item in items if item.code == f"background_{name}")


async def test_health_knows_every_task(services: Services) -> None:
    assert [one.name for one in services.background.reports()] == list(TASKS)
    for name in TASKS:

        async def well(name: str = name) -> bool:
            return "last succeeded" in (await finding(services, name))[1]

        await eventually(well)


@pytest.mark.parametrize("name", TASKS)
async def test_each_task_that_is_killed_is_told_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Made to fail from its first turn, then whole again; and cancelled from outside."""
    owner, method = TASKS[name]
    whole = getattr(owner, method)
    broken = True

    async def half_broken(self: object, *given: object) -> object:
        if broken:
            raise ZeroDivisionError
        return await whole(self, *given)

    def half_broken_in_a_thread(self: object) -> object:
        if broken:
            raise ZeroDivisionError
        return whole(self)

    breaking = half_broken if asyncio.iscoroutinefunction(whole) else half_broken_in_a_thread
    monkeypatch.setattr(owner, method, breaking)
    async with fake_services(tmp_path) as services:

        async def bad() -> bool:
            ok, message = await finding(services, name)
            return not ok and "ZeroDivisionError" in message

        async def well() -> bool:
            return (await finding(services, name))[0]

        await eventually(bad)
        broken = False
        await eventually(well)
        restarts = {one.name: one.restarts for one in services.background.reports()}[name]
        task_named(name).cancel()

        async def restarted() -> bool:
            now = {one.name: one for one in services.background.reports()}[name]
            return now.restarts > restarts and now.alive and not now.error

        await eventually(restarted)


async def test_tasks_end_with_the_service(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with fake_services(tmp_path):
        assert {one.get_name() for one in asyncio.all_tasks()} >= set(TASKS)
    assert {one.get_name() for one in asyncio.all_tasks() - before} & set(TASKS) == set()
