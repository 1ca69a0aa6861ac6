"""Crashes: the control plane is killed at every call it makes to the outside, and a new one takes over."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes import FakeEnvironments, FakeRuntime, World, eventually, fake_services
from migrated_database import open_migrated
from typing_extensions import override

from nixos_workspaces.auth.policy import Principal
from nixos_workspaces.database import Database, Transaction
from nixos_workspaces.errors import Conflict, NotFound
from nixos_workspaces.events import Events
from nixos_workspaces.keys.store import KeyStore, WorkspaceKeys, open_keys
from nixos_workspaces.metering.gauges import Gauges
from nixos_workspaces.model.environment import Environment, Generation
from nixos_workspaces.model.machine import BYTES_PER_GB, MachineState, Resources
from nixos_workspaces.model.workspace import (
    Desire,
    Phase,
    Progress,
    Status,
    Workspace,
    WorkspaceChange,
    WorkspaceConfig,
    WorkspaceQuery,
)
from nixos_workspaces.operations.background import BackgroundTasks
from nixos_workspaces.services import DATABASE
from nixos_workspaces.workspaces.build_logs import BuildLogs
from nixos_workspaces.workspaces.nixos_sandbox_orchestrator import NixOSSandboxOrchestrator
from nixos_workspaces.workspaces.reconciler import Reconciler, Timing
from nixos_workspaces.workspaces.reconciling.steps import Steps

ANN = Principal("ann", "Ann")
TIMING = Timing(observe=0.05, look=0.02, lease=0.4)
CONFIG = WorkspaceConfig("one", Resources(1.0, BYTES_PER_GB, BYTES_PER_GB), Environment("minimal", ("git",), (80,)))


class Killed(BaseException):
    """The process has ended."""


class Mortality:
    """Kills the process at its n-th call to the outside; a dead one makes no more calls."""

    def __init__(self, last: int) -> None:
        self.calls = 0
        self.last = last
        self.died = asyncio.Event()

    def breathe(self) -> None:
        self.calls += 1
        if self.calls >= self.last:
            self.died.set()
            raise Killed


class MortalRuntime(FakeRuntime):
    def __init__(self, world: World, mortality: Mortality) -> None:
        super().__init__(world)
        self._mortality = mortality

    @override
    async def _called(self, what: str, workspace_id: str = "") -> None:
        self._mortality.breathe()
        await super()._called(what, workspace_id)


class MortalEnvironments(FakeEnvironments):
    def __init__(self, world: World, mortality: Mortality) -> None:
        super().__init__(world)
        self._mortality = mortality

    @override
    async def _called(self, what: str, workspace_id: str = "") -> None:
        self._mortality.breathe()
        await super()._called(what, workspace_id)


class MortalKeys(KeyStore):
    mortality: Mortality

    @override
    def ensure(self, workspace_id: str) -> WorkspaceKeys:
        self.mortality.breathe()
        return super().ensure(workspace_id)

    @override
    def destroy(self, workspace_id: str) -> None:
        self.mortality.breathe()
        super().destroy(workspace_id)


class MortalDatabase(Database):
    mortality: Mortality

    @override
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Die before the transaction, or at the end of it before the commit."""
        self.mortality.breathe()
        async with super().transaction() as tx:
            yield tx
            self.mortality.breathe()


async def live(data: Path, world: World, mortality: Mortality) -> Workspace | None:
    """Live one whole life of a workspace until it ends or the process is killed; return what was last acknowledged."""
    alive = await open_migrated(data / DATABASE)
    database = MortalDatabase(alive._engine)
    database.mortality = mortality
    keys = open_keys(data)
    keys.__class__ = MortalKeys
    assert isinstance(keys, MortalKeys)
    keys.mortality = mortality
    runtime, environments = MortalRuntime(world, mortality), MortalEnvironments(world, mortality)
    steps = Steps(runtime, environments, keys, BuildLogs(data / "logs"))
    reconciler = Reconciler(database, runtime, steps, Events(), timing=TIMING)
    verbs = NixOSSandboxOrchestrator(
        database,
        environments,
        runtime,
        figures=Gauges(runtime).read,
        changed=lambda workspace: reconciler.wake(workspace.id),
    )
    acknowledged: Workspace | None = None

    async def read() -> Workspace | None:
        async with alive.reading() as tx:
            return None if acknowledged is None else await tx.workspaces.get(acknowledged.id)

    async def shown(status: Status) -> None:
        async def there() -> bool:
            now = await read()
            settled = now is not None and now.status is status and now.generation is not None
            return mortality.died.is_set() or (settled and _is_what_it_shows(now, world))

        await eventually(there)
        if mortality.died.is_set():
            raise Killed

    background = BackgroundTasks()
    try:
        await reconciler.start()
        background.repeat("machines", reconciler.sweep, TIMING.observe)
        acknowledged = await verbs.create_workspace(CONFIG, principal=ANN, idempotency_key="life")
        await verbs.start_workspace("one", principal=ANN)
        await shown(Status.RUNNING)
        acknowledged = await verbs.resize_workspace("one", WorkspaceChange(packages=("jq",), cpu=2.0), principal=ANN)
        await shown(Status.RUNNING)
        acknowledged = await verbs.resize_workspace("one", WorkspaceChange(ports=(80, 443)), principal=ANN)
        await shown(Status.RUNNING)
        for verb, status in (
            (verbs.stop_workspace, Status.STOPPED),
            (verbs.start_workspace, Status.RUNNING),
            (verbs.restart_workspace, Status.RUNNING),
            (verbs.pause_workspace, Status.PAUSED),
            (verbs.resume_workspace, Status.RUNNING),
        ):
            await verb("one", principal=ANN)
            acknowledged = await read()
            await shown(status)
        await verbs.delete_workspace("one", principal=ANN)
        acknowledged = await read() or acknowledged

        async def gone() -> bool:
            return mortality.died.is_set() or await read() is None

        await eventually(gone)
    except (Killed, Conflict, NotFound):
        # A conflict: an earlier control plane died when the workspace was being deleted.
        pass
    finally:
        mortality.last = 0
        await background.close()
        with suppress(Killed):
            await reconciler.close()
        await alive.close()
    return acknowledged


def _is_what_it_shows(workspace: Workspace | None, world: World) -> bool:
    """Tell whether the machine is what its status, its environment and its limits say."""
    assert workspace is not None
    machine = world.machines[workspace.id]
    return workspace.status is Status.STOPPED or (
        machine.resources == workspace.resources
        and machine.ports == workspace.environment.ports
        and workspace.built_revision == workspace.revision
        and machine.toplevel == workspace.toplevel
        and workspace.restarts == workspace.restarts_done
    )


REACHED = {
    Desire.RUNNING: MachineState.RUNNING,
    Desire.PAUSED: MachineState.PAUSED,
    Desire.STOPPED: MachineState.STOPPED,
}


async def takes_over(data: Path, world: World, acknowledged: Workspace | None) -> None:
    """Check that a new control plane does what the dead one had acknowledged, and leaves nothing when it deletes."""
    async with fake_services(data, world=world, timing=TIMING) as services:
        async with services.database.reading() as tx:
            stored = (await tx.workspaces.page(WorkspaceQuery())).items
        if acknowledged is not None and stored:
            assert stored[0].intent >= acknowledged.intent, "an acknowledged desire was lost"
        for workspace in stored:

            async def settled(workspace_id: str = workspace.id) -> bool:
                async with services.database.reading() as tx:
                    now = await tx.workspaces.get(workspace_id)
                if now is None or now.desire is Desire.DELETED:
                    return now is None
                machine = world.machines.get(now.id)
                there = machine is not None and machine.state is REACHED[now.desire]
                return there and now.status.value == REACHED[now.desire].value and _is_what_it_shows(now, world)

            await eventually(settled, 20)
            with suppress(NotFound):
                await services.orchestrator.delete_workspace(workspace.id, principal=ANN)

        async def nothing_left() -> bool:
            async with services.database.reading() as tx:
                return not (await tx.workspaces.page(WorkspaceQuery())).items

        await eventually(nothing_left, 20)
    assert (world.machines, world.volume_keys, world.generations) == ({}, {}, {})
    kept = {path.name for path in (data / "keys").iterdir()}
    assert "check" in kept
    assert {name for name in kept if name.startswith("ws-")} == set()
    assert list((data / "logs").glob("*")) == []


STRIDE = 3
SEED = int(os.environ.get("NIXWS_TEST_SEED", random.randrange(1 << 32)))
"""Decides which third of the calls a run plays; named by the directories of a failure, so that it can be repeated."""


async def test_killed_at_every_call(tmp_path: Path) -> None:
    """Before and after every effect: what was acknowledged is done by the next control plane, nothing is left over.

    A run plays a third of the calls, another run other ones: each takes half a second of processor time.
    """
    whole = Mortality(10**9)
    await live(tmp_path / "whole", World(), whole)
    assert whole.calls > 100
    turns = asyncio.Semaphore(8)

    async def one(last: int) -> None:
        async with turns:
            data, world = tmp_path / str(last), World()
            acknowledged = await live(data, world, Mortality(last))
            await takes_over(data, world, acknowledged)

    await asyncio.gather(*(one(last) for last in range(1 + SEED % STRIDE, whole.calls, STRIDE)))


async def test_killed_again_and_again(tmp_path: Path) -> None:
    """Ten control planes die one after the other at odd moments; the eleventh converges."""
    world = World()
    acknowledged: Workspace | None = None
    for last in (30, 7, 41, 3, 22, 60, 12, 5, 33, 18):
        acknowledged = await live(tmp_path, world, Mortality(last)) or acknowledged
    await takes_over(tmp_path, world, acknowledged)


async def test_lease_of_a_dead_process_is_taken_over_at_once(tmp_path: Path) -> None:
    """Nobody waits for a lease whose holder died on this machine."""
    database = await open_migrated(tmp_path / DATABASE)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()  # noqa: ASYNC240
    end = datetime.now(UTC) + timedelta(hours=1)
    async with database.transaction() as tx:
        assert await tx.leases.acquire("ws-dead", f"{boot}/1/0/x", datetime.now(UTC), end)
        assert await tx.leases.acquire("ws-elsewhere", "other-machine/1/0/x", datetime.now(UTC), end)
    await database.close()
    async with fake_services(tmp_path) as services, services.database.reading() as tx:
        assert await tx.leases.holders() == ("other-machine/1/0/x",)


async def test_lease_of_another_plane_is_respected(tmp_path: Path) -> None:
    """While another control plane holds the lease nothing is done; as soon as it has run out, it is."""
    world = World()
    async with fake_services(tmp_path, world=world, timing=TIMING) as services:
        end = datetime.now(UTC) + timedelta(seconds=1)
        async with services.database.transaction() as tx:
            assert await tx.leases.acquire("ws-held", "other-machine/1/0/x", datetime.now(UTC), end)
        services.orchestrator._make_id = lambda: "ws-held"
        await services.orchestrator.create_workspace(CONFIG, principal=ANN)

        async def running() -> bool:
            return "ws-held" in world.machines and world.machines["ws-held"].state is MachineState.RUNNING

        await eventually(running)
        assert datetime.now(UTC) >= end


@pytest.mark.parametrize("plane", ["first", "second"])
async def test_canary_is_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture, plane: str) -> None:
    """No secret is in any file but its own wrapped one, nor in what is logged or shown."""
    caplog.set_level(0)
    world = World()
    async with fake_services(tmp_path, world=world) as services:
        secret, _ = await services.tokens.create("ci", principal=ANN)
        code = await services.tokens.login_code()
        await services.orchestrator.create_workspace(CONFIG, principal=ANN)

        async def running() -> bool:
            return (await services.workspaces.get("one", principal=ANN)).status is Status.RUNNING

        await eventually(running)
        key = await services.workspaces.ssh_key("one", principal=ANN)
        [volume_key], [host_key] = world.volume_keys.values(), world.host_keys.values()
        shown = repr((services, key, await services.workspaces.get("one", principal=ANN)))
        if plane == "second":
            async with fake_services(tmp_path, world=world) as other:
                shown += repr(await other.health.items())
        files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}  # noqa: ASYNC240
    assert len(files) > 5
    body = key.private_key.splitlines()[3].encode()
    canaries = [secret.encode(), code.encode(), volume_key, volume_key.hex().encode(), body]
    canaries.append(host_key.splitlines()[3].encode())
    for canary in canaries:
        for path, content in files.items():
            assert canary not in content, path
        assert canary.decode(errors="replace") not in shown + caplog.text


class SteppedEnvironments(FakeEnvironments):
    """Nix that goes on to the next phase when it is told to."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.steps: asyncio.Queue[Phase] = asyncio.Queue()

    @override
    async def build(
        self,
        workspace_id: str,
        environment: Environment,
        on_progress: Callable[[Progress], None],
        on_log: Callable[[str], None],
    ) -> Generation:
        while (phase := await self.steps.get()) is not Phase.VOLUME:
            on_progress(Progress(phase))
        return await FakeEnvironments.build(self, workspace_id, environment, on_progress, on_log)


async def test_a_change_of_phase_is_stored_at_once_and_all_times_are_kept(tmp_path: Path) -> None:
    """Also where nothing else looks: a phase shorter than the period of looks is seen and timed like any other."""
    environments = SteppedEnvironments(World())
    slow_looks = Timing(observe=3600, look=3600, lease=7200)
    async with fake_services(tmp_path, environments=environments, timing=slow_looks) as services:
        made = await services.orchestrator.create_workspace(CONFIG, principal=ANN)

        async def shown() -> Workspace:
            return await services.workspaces.get(made.id, principal=ANN)

        for phase in (Phase.EVALUATE, Phase.FETCH, Phase.BUILD):
            environments.steps.put_nowait(phase)

            async def is_shown(wanted: Phase = phase) -> bool:
                progress = (await shown()).progress
                return progress is not None and progress.phase is wanted

            await eventually(is_shown)
        environments.steps.put_nowait(Phase.VOLUME)

        async def runs() -> bool:
            return (await shown()).status is Status.RUNNING

        await eventually(runs)
        there = await shown()
        times = there.phases.times
        assert [one.phase for one in times] == list(Phase)
        assert there.progress is None
        ends = [one.ended_at for one in times]
        assert all(end is not None and one.started_at <= end for one, end in zip(times, ends, strict=True))
        assert [one.started_at for one in times[1:]] == ends[:-1]
        await services.orchestrator.stop_workspace(made.id, principal=ANN)

        async def stands() -> bool:
            return (await shown()).status is Status.STOPPED

        await eventually(stands)
        assert (await shown()).phases.times == times
        await services.orchestrator.start_workspace(made.id, principal=ANN)
        await eventually(runs)
        assert [one.phase for one in (await shown()).phases.times] == [Phase.BOOT, Phase.READY]


async def test_a_phase_that_fails_has_an_end(tmp_path: Path) -> None:
    async with fake_services(tmp_path) as services:
        broken = replace(CONFIG, environment=Environment("minimal", ("broken",)))
        made = await services.orchestrator.create_workspace(broken, principal=ANN)

        async def failed() -> bool:
            return (await services.workspaces.get(made.id, principal=ANN)).status is Status.ERROR

        await eventually(failed)
        (time,) = (await services.workspaces.get(made.id, principal=ANN)).phases.times
        assert time.phase is Phase.EVALUATE
        assert time.ended_at is not None
