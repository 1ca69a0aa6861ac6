"""The verbs, over real services with a fake engine and a fake Nix."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from fakes import (
    FAST,
    BrokenRuntime,
    FakeRuntime,
    SlowEnvironments,
    SlowRuntime,
    World,
    eventually,
    fake_services,
)
from typing_extensions import override

from nixos_workspaces.auth.policy import ADMIN, Principal
from nixos_workspaces.errors import (
    Conflict,
    Forbidden,
    InsufficientResources,
    InvalidInput,
    NotFound,
    RuntimeFailed,
    Unavailable,
)
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import BYTES_PER_GB, MachineSpec, MachineState, Resources
from nixos_workspaces.model.plans import Losses, Plan, RestartReason
from nixos_workspaces.model.service import HealthItem, Sentence
from nixos_workspaces.model.workspace import (
    MAX_PAGE,
    Status,
    Workspace,
    WorkspaceChange,
    WorkspaceConfig,
    WorkspaceQuery,
)
from nixos_workspaces.services import Services
from nixos_workspaces.settings import Settings
from nixos_workspaces.workspaces import lifecycle

GB = BYTES_PER_GB
ANN, BOB = Principal("ann", "Ann"), Principal("bob", "Bob")

PATIENT = replace(FAST, lease=30.0)
"""Leases that outlast any pause of a loaded machine: here a second plane takes over only what was let go."""


def config(name: str = "one", packages: tuple[str, ...] = ("git",), storage: int = 10 * GB) -> WorkspaceConfig:
    return WorkspaceConfig(name, Resources(2.0, 4 * GB, storage), Environment("development", packages, (8080,)))


async def until(services: Services, reference: str, status: Status, principal: Principal = ANN) -> Workspace:
    """Wait until a workspace shows ``status`` with nothing under way."""

    async def there() -> bool:
        return (await services.workspaces.get(reference, principal=principal)).status is status

    await eventually(there)
    return await services.workspaces.get(reference, principal=principal)


async def until_all(services: Services, made: Iterable[Workspace], status: Status) -> None:
    """Wait until each of many shows ``status``: one question for all, or the questions would be most of the work."""
    wanted = {one.id for one in made}

    async def there() -> bool:
        page = await services.workspaces.page(WorkspaceQuery(limit=MAX_PAGE), principal=ANN)
        return wanted <= {one.id for one in page.items if one.status is status}

    await eventually(there)


async def until_gone(services: Services, workspace_id: str) -> None:
    async def gone() -> bool:
        async with services.database.reading() as tx:
            return await tx.workspaces.get(workspace_id) is None

    await eventually(gone)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a twentieth as long between two tries; ``test_lifecycle`` has how long that is."""
    for name in ("RETRY_SECONDS", "PATIENT_SECONDS"):
        waits: tuple[float, ...] = getattr(lifecycle, name)
        monkeypatch.setattr(lifecycle, name, tuple(seconds / 20 for seconds in waits))


@pytest.fixture
async def services(tmp_path: Path, world: World) -> AsyncIterator[Services]:
    async with fake_services(tmp_path, world=world) as opened:
        yield opened


async def running(services: Services, name: str = "one", **given: object) -> Workspace:
    await services.orchestrator.create_workspace(config(name, **given), principal=ANN)  # type: ignore[arg-type]
    return await until(services, name, Status.RUNNING)


async def test_created_workspace_runs(tmp_path: Path, world: World) -> None:
    """A new workspace is shown as creating at once and ends up running what was asked for; no sweep has to come by."""
    async with fake_services(tmp_path, world=world, timing=replace(FAST, observe=3600.0)) as services:
        made = await services.orchestrator.create_workspace(config(), principal=ANN)
        assert (made.status, made.hostname, made.owner_id) == (Status.CREATING, "one", "ann")
        there = await until(services, made.id, Status.RUNNING)
        machine = world.machines[made.id]
        assert (machine.state, machine.toplevel, machine.resources) == (
            MachineState.RUNNING,
            there.toplevel,
            config().resources,
        )
        assert (there.generation, there.package_set, there.encryption) == (1, "fake packages", "fscrypt")
        assert (there.address, there.fault, there.progress) == (machine.address, None, None)
        assert there.host_key.startswith("ssh-ed25519 ")


async def test_status_has_percentages(services: Services) -> None:
    """CPU is counted against the workspace's own cores: half of them busy is 50 %."""
    await running(services)
    status = await services.orchestrator.get_workspace_status("one", principal=ANN)
    assert status.metrics is not None
    assert status.metrics.cpu_usage == pytest.approx(50, abs=1)
    assert (status.metrics.memory_usage, status.metrics.storage_usage) == (25.0, 10.0)


async def test_stop_start_restart(services: Services, world: World) -> None:
    """The volume and its key survive; restart boots once more."""
    made = await running(services)
    key = world.volume_keys[made.id]
    assert await services.orchestrator.stop_workspace("one", principal=ANN)
    stopped = await until(services, "one", Status.STOPPED)
    assert stopped.address is None
    assert await services.orchestrator.start_workspace("one", principal=ANN)
    assert (await services.workspaces.get("one", principal=ANN)).status in (Status.STARTING, Status.RUNNING)
    await until(services, "one", Status.RUNNING)
    assert world.volume_keys[made.id] == key
    before = world.calls.count(("start", made.id))
    assert await services.orchestrator.restart_workspace("one", principal=ANN)

    async def restarted() -> bool:
        now = await services.workspaces.get("one", principal=ANN)
        return now.status is Status.RUNNING and world.calls.count(("start", made.id)) == before + 1

    await eventually(restarted)


async def test_pause_and_resume(services: Services, world: World) -> None:
    """A paused machine keeps its boot."""
    made = await running(services)
    booted = world.machines[made.id].started_at
    await services.orchestrator.pause_workspace("one", principal=ANN)
    await until(services, "one", Status.PAUSED)
    await services.orchestrator.resume_workspace("one", principal=ANN)
    await until(services, "one", Status.RUNNING)
    assert world.machines[made.id].started_at == booted


async def test_wrong_state_says_what_to_do(services: Services) -> None:
    """A stopped workspace can neither be paused nor resumed."""
    await running(services)
    await services.orchestrator.stop_workspace("one", principal=ANN)
    await until(services, "one", Status.STOPPED)
    with pytest.raises(Conflict, match="start it") as refused:
        await services.orchestrator.pause_workspace("one", principal=ANN)
    assert refused.value.code == "wrong_state"
    with pytest.raises(Conflict, match="start it instead"):
        await services.orchestrator.resume_workspace("one", principal=ANN)


async def test_live_resize(services: Services, world: World) -> None:
    """CPU and memory change without a restart."""
    made = await running(services)
    booted = world.machines[made.id].started_at
    change = WorkspaceChange(cpu=1.5, memory_bytes=2 * GB)
    wanted = await services.orchestrator.resize_workspace("one", change, principal=ANN)
    assert (wanted.status, wanted.resources.cpu) == (Status.RUNNING, 1.5)

    async def resized() -> bool:
        return world.machines[made.id].resources == Resources(1.5, 2 * GB, 10 * GB)

    await eventually(resized)
    assert world.machines[made.id].started_at == booted


async def test_storage_grows_by_a_restart(services: Services, world: World) -> None:
    """An engine that cannot grow a volume in use gets it at rest; shrinking is refused."""
    made = await running(services)
    await services.orchestrator.resize_workspace("one", WorkspaceChange(storage_bytes=20 * GB), principal=ANN)

    async def grown() -> bool:
        machine = world.machines[made.id]
        return machine.resources == Resources(2.0, 4 * GB, 20 * GB) and machine.state is MachineState.RUNNING

    await eventually(grown)
    with pytest.raises(InvalidInput) as refused:
        await services.orchestrator.resize_workspace("one", WorkspaceChange(storage_bytes=5 * GB), principal=ANN)
    assert refused.value.field == "storage"


async def test_changed_packages_boot_the_new_system(services: Services, world: World) -> None:
    """A running workspace is built beside and restarted; an older generation can be chosen again."""
    made = await running(services)
    await services.orchestrator.resize_workspace("one", WorkspaceChange(packages=("jq", "git")), principal=ANN)

    async def booted() -> bool:
        now = await services.workspaces.get("one", principal=ANN)
        machine = world.machines[made.id]
        return now.status is Status.RUNNING and machine.generation == 2 and machine.toplevel == now.toplevel

    await eventually(booted)
    generations = await services.workspaces.generations("one", principal=ANN)
    assert [one.number for one in generations] == [2, 1]
    await services.orchestrator.rebuild_workspace("one", principal=ANN, generation=1)

    async def back() -> bool:
        now = await services.workspaces.get("one", principal=ANN)
        return now.status is Status.RUNNING and world.machines[made.id].toplevel == generations[1].toplevel

    await eventually(back)
    now = await services.workspaces.get("one", principal=ANN)
    assert (now.generation, now.environment.packages) == (1, ("git",))
    with pytest.raises(NotFound) as refused:
        await services.orchestrator.rebuild_workspace("one", principal=ANN, generation=9)
    assert refused.value.field == "generation"


async def test_failed_build_leaves_a_running_workspace_running(services: Services, world: World) -> None:
    """The last good generation runs on, the fault is shown, the next change heals it."""
    made = await running(services)
    booted = world.machines[made.id].started_at
    await services.orchestrator.resize_workspace("one", WorkspaceChange(packages=("broken",)), principal=ANN)

    async def refused() -> bool:
        return (await services.workspaces.get("one", principal=ANN)).fault is not None

    await eventually(refused)
    now = await services.workspaces.get("one", principal=ANN)
    assert now.fault is not None
    assert (now.status, now.fault.code, now.generation) == (Status.RUNNING, "build_failed", 1)
    assert world.machines[made.id].started_at == booted
    await services.orchestrator.resize_workspace("one", WorkspaceChange(packages=("jq",)), principal=ANN)

    async def healed() -> bool:
        now = await services.workspaces.get("one", principal=ANN)
        return now.generation == 2 and now.status is Status.RUNNING and now.fault is None

    await eventually(healed)


async def test_failed_first_build_is_an_error_that_a_change_leaves(services: Services) -> None:
    """Nothing was ever built: error, with the log; changing the packages gets it running."""
    await services.orchestrator.create_workspace(config(packages=("broken",)), principal=ANN)
    shown = await until(services, "one", Status.ERROR)
    assert shown.fault is not None
    assert shown.fault.message == "Package broken does not build."
    lines = [line async for line in services.workspaces.logs("one", principal=ANN)]
    assert [(line.source, line.text) for line in lines] == [
        ("build", "evaluating development"),
        ("build", "The build failed: Package broken does not build."),
    ]
    await services.orchestrator.resize_workspace("one", WorkspaceChange(packages=()), principal=ANN)
    await until(services, "one", Status.RUNNING)


async def test_logs_merge_build_and_boot(services: Services) -> None:
    """The build comes first, then the console."""
    await running(services)
    lines = [line async for line in services.workspaces.logs("one", principal=ANN)]
    assert [(line.source, line.text) for line in lines] == [
        ("build", "evaluating development"),
        ("build", "built"),
        ("boot", "Welcome to NixOS"),
        ("boot", "sshd is up"),
    ]


async def test_followed_log_ends_with_the_workspace(services: Services) -> None:
    """Lines of a later build come through; deletion ends the stream."""
    made = await running(services)
    seen: list[str] = []

    async def follow() -> None:
        async for line in services.workspaces.logs("one", principal=ANN, follow=True):
            seen.append(line.text)  # noqa: PERF401  the list is read while it grows

    reading = asyncio.create_task(follow())

    async def caught_up() -> bool:
        return "sshd is up" in seen

    await eventually(caught_up)
    await services.orchestrator.resize_workspace("one", WorkspaceChange(packages=("broken",)), principal=ANN)

    async def news() -> bool:
        return "The build failed: Package broken does not build." in seen

    await eventually(news)
    await services.orchestrator.delete_workspace("one", principal=ANN)
    await until_gone(services, made.id)
    await asyncio.wait_for(reading, 5)


@pytest.mark.usefixtures("hurried")
async def test_unbootable_system_ends_in_error_and_start_tries_again(services: Services, world: World) -> None:
    """Three boots, then error with the reason; start leaves it once the cause is gone."""
    made = await running(services)
    await services.orchestrator.stop_workspace("one", principal=ANN)
    await until(services, "one", Status.STOPPED)
    now = await services.workspaces.get("one", principal=ANN)
    world.unbootable.add(now.toplevel)
    await services.orchestrator.start_workspace("one", principal=ANN)
    shown = await until(services, "one", Status.ERROR)
    assert shown.fault is not None
    assert (shown.fault.code, world.calls.count(("start", made.id))) == ("boot_failed", 4)
    world.unbootable.clear()
    await services.orchestrator.start_workspace("one", principal=ANN)
    assert (await services.workspaces.get("one", principal=ANN)).status is not Status.ERROR
    healed = await until(services, "one", Status.RUNNING)
    assert healed.fault is None


async def test_dead_machine_is_started_again(services: Services, world: World) -> None:
    """A machine that dies is seen, its reason told, and it is booted again."""
    made = await running(services)
    world.kill(made.id, "out of memory")

    async def seen() -> bool:
        now = await services.workspaces.get("one", principal=ANN)
        return now.fault is not None and now.fault.code == "machine_died" and "out of memory" in now.fault.message

    await eventually(seen)
    await until(services, "one", Status.RUNNING)


async def test_lost_volume_is_an_error_and_never_made_anew(services: Services, world: World) -> None:
    """A volume that held a user's work is not silently replaced by an empty one."""
    made = await running(services)
    await services.orchestrator.stop_workspace("one", principal=ANN)
    await until(services, "one", Status.STOPPED)
    held = world.machines.pop(made.id)
    shown = await until(services, "one", Status.ERROR)
    assert shown.fault is not None
    assert shown.fault.code == "volume_lost"
    await services.orchestrator.start_workspace("one", principal=ANN)
    await until(services, "one", Status.ERROR)
    assert made.id not in world.machines
    world.machines[made.id] = held
    await services.orchestrator.start_workspace("one", principal=ANN)
    await until(services, "one", Status.RUNNING)


async def test_delete_destroys_the_keys_first(services: Services, world: World, tmp_path: Path) -> None:
    """Nothing is left, and the keys go before anything else."""
    made = await running(services)
    begun = len(world.calls)
    assert (tmp_path / "keys" / made.id).is_dir()
    await services.orchestrator.delete_workspace("one", principal=ANN)
    await until_gone(services, made.id)
    assert not (tmp_path / "keys" / made.id).exists()
    assert not (tmp_path / "logs" / made.id).exists()
    assert made.id not in world.machines
    assert made.id not in world.generations
    # Rules and keys of what still runs may be told to the engine meanwhile, as often as it likes.
    apart = {"observe", "set_egress", "authorise"}
    done = [what for what, one in world.calls[begun:] if one == made.id and what not in apart]
    assert done == ["delete", "forget"]
    with pytest.raises(NotFound):
        await services.workspaces.get(made.id, principal=ANN)


async def test_name_is_free_as_soon_as_deletion_is_wanted(services: Services) -> None:
    """A name belongs to one living workspace per owner."""
    made = await running(services)
    with pytest.raises(Conflict) as refused:
        await services.orchestrator.create_workspace(config(), principal=ANN)
    assert (refused.value.code, refused.value.field) == ("name_taken", "name")
    await services.orchestrator.create_workspace(config(), principal=BOB)
    await services.orchestrator.delete_workspace("one", principal=ANN)
    again = await services.orchestrator.create_workspace(config(), principal=ANN)
    assert again.id != made.id
    await until(services, again.id, Status.RUNNING)


async def test_deletion_during_a_build_cancels_it(tmp_path: Path) -> None:
    """Nobody waits for a build that nobody wants."""
    world = World()
    slow = SlowEnvironments(world)
    async with fake_services(tmp_path, world=world, environments=slow) as services:
        made = await services.orchestrator.create_workspace(config(), principal=ANN)
        await asyncio.wait_for(slow.entered.wait(), 5)
        await services.orchestrator.delete_workspace(made.id, principal=ANN)
        await until_gone(services, made.id)
    assert slow.cancelled == 1
    assert made.id not in world.machines


async def test_changed_environment_cancels_the_build_of_the_old_one(tmp_path: Path) -> None:
    """Only what is wanted now is built to the end."""
    world = World()
    slow = SlowEnvironments(world)
    async with fake_services(tmp_path, world=world, environments=slow) as services:
        made = await services.orchestrator.create_workspace(config(), principal=ANN)
        await asyncio.wait_for(slow.entered.wait(), 5)
        await services.orchestrator.resize_workspace(made.id, WorkspaceChange(packages=("jq",)), principal=ANN)

        async def begun_again() -> bool:
            return world.calls.count(("build", made.id)) == 2

        await eventually(begun_again)
        slow.go_on.set()
        await until(services, made.id, Status.RUNNING)
    assert slow.cancelled == 1
    assert [one.environment.packages for one in world.generations[made.id]] == [("jq",)]


async def test_stop_during_a_build_leaves_it_stopped(tmp_path: Path) -> None:
    """Stopping what is being created cancels the build; starting begins it again."""
    world = World()
    slow = SlowEnvironments(world)
    async with fake_services(tmp_path, world=world, environments=slow) as services:
        made = await services.orchestrator.create_workspace(config(), principal=ANN)
        await asyncio.wait_for(slow.entered.wait(), 5)
        await services.orchestrator.stop_workspace(made.id, principal=ANN)
        await until(services, made.id, Status.STOPPED)
        slow.go_on.set()
        await services.orchestrator.start_workspace(made.id, principal=ANN)
        await until(services, made.id, Status.RUNNING)


async def test_delete_during_a_boot_that_never_ends(tmp_path: Path) -> None:
    """An engine that does not answer a start does not keep a workspace from being deleted."""
    world = World()
    silent = SlowRuntime(world, frozenset({"start"}))
    async with fake_services(tmp_path, world=world, runtime=silent) as services:
        made = await services.orchestrator.create_workspace(config(), principal=ANN)
        await asyncio.wait_for(silent.entered.wait(), 5)
        await services.orchestrator.delete_workspace(made.id, principal=ANN)
        await until_gone(services, made.id)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("step", ["observe", "create", "start", "stop", "delete", "list", "capabilities"])
async def test_absent_engine_is_waited_for(tmp_path: Path, step: str) -> None:
    """The engine may leave any call unanswered: the desire is kept and fulfilled later."""
    world = World()
    broken = BrokenRuntime(world, {})
    async with fake_services(tmp_path, world=world, runtime=broken) as services:
        made = await services.orchestrator.create_workspace(config(), principal=ANN)
        broken.faults[step] = (2, Unavailable("The node does not answer.", code="node_unavailable"))
        await until(services, made.id, Status.RUNNING)
        await services.orchestrator.stop_workspace(made.id, principal=ANN)
        await until(services, made.id, Status.STOPPED)
        await services.orchestrator.delete_workspace(made.id, principal=ANN)
        await until_gone(services, made.id)


@pytest.mark.usefixtures("hurried")
async def test_mistake_in_a_step_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    """An exception that nobody foresaw is shown, given up after three times, and left by start."""
    world = World()
    broken = BrokenRuntime(world, {"create": (3, ZeroDivisionError("a mistake"))})
    async with fake_services(tmp_path, world=world, runtime=broken) as services:
        made = await services.orchestrator.create_workspace(config(), principal=ANN)
        shown = await until(services, made.id, Status.ERROR)
        assert shown.fault is not None
        assert shown.fault.code == "internal"
        await services.orchestrator.start_workspace(made.id, principal=ANN)
        await until(services, made.id, Status.RUNNING)


async def test_failed_storage_is_final_until_asked_again(tmp_path: Path) -> None:
    """A failure that a retry cannot help is not retried."""
    world = World()
    broken = BrokenRuntime(world, {"create": (1, InsufficientResources("The disk is full."))})
    async with fake_services(tmp_path, world=world, runtime=broken) as services:
        made = await services.orchestrator.create_workspace(config(), principal=ANN)
        await until(services, made.id, Status.ERROR)
        assert world.calls.count(("create", made.id)) == 1
        await services.orchestrator.start_workspace(made.id, principal=ANN)
        await until(services, made.id, Status.RUNNING)


async def test_idempotency_key(services: Services) -> None:
    """The same key and body give the same workspace; another body is refused."""
    first = await services.orchestrator.create_workspace(config(), principal=ANN, idempotency_key="k1")
    again = await services.orchestrator.create_workspace(config(), principal=ANN, idempotency_key="k1")
    assert again.id == first.id
    with pytest.raises(Conflict) as refused:
        await services.orchestrator.create_workspace(config("two"), principal=ANN, idempotency_key="k1")
    assert refused.value.code == "idempotency_key_reused"
    other = await services.orchestrator.create_workspace(config("two"), principal=BOB, idempotency_key="k1")
    assert other.id != first.id
    with pytest.raises(InvalidInput):
        await services.orchestrator.create_workspace(config("three"), principal=ANN, idempotency_key="")


async def test_parallel_requests_with_one_key_make_one_workspace(services: Services, world: World) -> None:
    """Fifty at once: one workspace, one machine."""
    made = await asyncio.gather(
        *(services.orchestrator.create_workspace(config(), principal=ANN, idempotency_key="same") for _ in range(50))
    )
    assert len({one.id for one in made}) == 1
    await until(services, made[0].id, Status.RUNNING)
    assert list(world.machines) == [made[0].id]


async def test_fifty_in_parallel(services: Services, world: World) -> None:
    """Fifty are created, and while they start they are stopped, started and deleted in disorder."""
    made = await asyncio.gather(
        *(services.orchestrator.create_workspace(config(f"w{n}"), principal=ANN) for n in range(50))
    )
    await until_all(services, made, Status.RUNNING)
    verbs = services.orchestrator
    asked = [
        verb(one.id, principal=ANN)
        for n, one in enumerate(made)
        for verb in (
            (verbs.stop_workspace, verbs.start_workspace, verbs.delete_workspace)
            if n % 2
            else (verbs.stop_workspace, verbs.start_workspace)
        )
    ]
    await asyncio.gather(*asked, return_exceptions=True)
    kept = {one.id for n, one in enumerate(made) if n % 2 == 0}

    async def settled() -> bool:
        page = await services.workspaces.page(WorkspaceQuery(limit=200), principal=ANN)
        return {one.id for one in page.items} == kept == set(world.machines) and all(
            one.status in (Status.RUNNING, Status.STOPPED) for one in page.items
        )

    await eventually(settled)


async def test_fifty_of_one_name_make_one(services: Services) -> None:
    """A race for a name has one winner."""
    outcomes = await asyncio.gather(
        *(services.orchestrator.create_workspace(config(), principal=ANN) for _ in range(50)), return_exceptions=True
    )
    assert sum(isinstance(one, Workspace) for one in outcomes) == 1
    assert sum(isinstance(one, Conflict) and one.code == "name_taken" for one in outcomes) == 49


async def test_storage_is_never_promised_twice(tmp_path: Path) -> None:
    """Requests at the same time cannot together take more than there is; what is deleted is given back."""
    world = World(storage_bytes=100 * GB)
    async with fake_services(tmp_path, world=world) as services:
        outcomes = await asyncio.gather(
            *(
                services.orchestrator.create_workspace(config(f"w{n}", storage=30 * GB), principal=ANN)
                for n in range(8)
            ),
            return_exceptions=True,
        )
        made = [one for one in outcomes if isinstance(one, Workspace)]
        assert len(made) == 3
        assert all(isinstance(one, InsufficientResources) for one in outcomes if one not in made)
        await until(services, made[0].id, Status.RUNNING)
        change = WorkspaceChange(storage_bytes=50 * GB)
        with pytest.raises(InsufficientResources):
            await services.orchestrator.resize_workspace(made[0].id, change, principal=ANN)
        await services.orchestrator.delete_workspace(made[0].id, principal=ANN)
        await until_gone(services, made[0].id)

        async def given_back() -> bool:
            return (await services.workspaces.capacity()).storage_free_bytes == 40 * GB

        await eventually(given_back)


async def test_an_evaluation_or_a_node_that_takes_long_keeps_nobody_else(tmp_path: Path) -> None:
    """A check of packages that hangs, for a change; and a node that does not tell its capacity, for a creation."""
    world = World()
    environments = SlowEnvironments(world, frozenset({"check"}))
    environments.go_on.set()
    async with fake_services(tmp_path, world=world, environments=environments) as services:
        verbs = services.orchestrator
        made = await verbs.create_workspace(config("one"), principal=ANN)
        await until(services, made.id, Status.RUNNING)
        environments.go_on.clear()
        environments.entered.clear()
        change = WorkspaceChange(packages=("jq",), cpu=1.0)
        slow = asyncio.create_task(verbs.resize_workspace(made.id, change, principal=ANN))
        await asyncio.wait_for(environments.entered.wait(), 20)
        async with asyncio.timeout(20):
            await verbs.resize_workspace(made.id, WorkspaceChange(storage_bytes=30 * GB), principal=ANN)
        environments.go_on.set()
        await slow


async def test_requests_at_the_limit_wait_for_each_others_outcome(tmp_path: Path) -> None:
    """As many as there is room for are admitted, however they overlap, and each failure gives its room back."""
    world = World(storage_bytes=100 * GB)
    async with fake_services(tmp_path, world=world) as services:

        async def create(number: int) -> Workspace:
            name = "taken" if number % 2 else f"w{number}"
            return await services.orchestrator.create_workspace(config(name, storage=30 * GB), principal=ANN)

        outcomes = await asyncio.gather(*(create(number) for number in range(12)), return_exceptions=True)
        made = [one for one in outcomes if isinstance(one, Workspace)]
        assert len(made) == 3


class SlowToAnswer(FakeRuntime):
    """An engine whose volumes are made long before it says so."""

    def __init__(self, world: World) -> None:
        """Answer no creation until ``go_on`` is set."""
        super().__init__(world)
        self.made = asyncio.Event()
        self.go_on = asyncio.Event()

    @override
    async def create(self, spec: MachineSpec) -> None:
        """Make the volume and keep silent about it."""
        await super().create(spec)
        self.made.set()
        await self.go_on.wait()


async def test_a_volume_that_is_not_yet_noted_is_counted_once(tmp_path: Path) -> None:
    """Between the making of a volume and its note nobody is refused for want of storage that there is."""
    world = World(storage_bytes=100 * GB)
    runtime = SlowToAnswer(world)
    async with fake_services(tmp_path, world=world, runtime=runtime) as services:
        verbs = services.orchestrator
        await verbs.create_workspace(config("one", storage=60 * GB), principal=ANN)
        await asyncio.wait_for(runtime.made.wait(), 20)
        await verbs.create_workspace(config("two", storage=40 * GB), principal=ANN)
        with pytest.raises(InsufficientResources):
            await verbs.create_workspace(config("three", storage=10 * GB), principal=ANN)
        runtime.go_on.set()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (config(""), "name"),
        (config("Capital"), "name"),
        (config("-a"), "name"),
        (config("a" * 64), "name"),
        (config("12"), "name"),
        (config("ws-abc"), "name"),
        (config("a\n"), "name"),
        (config("\ud800"), "name"),
        (replace(config(), resources=Resources(0.1, GB, GB)), "cpu"),
        (replace(config(), resources=Resources(float("nan"), GB, GB)), "cpu"),
        (replace(config(), resources=Resources(17, GB, GB)), "cpu"),
        (replace(config(), resources=Resources(1, 1, GB)), "memory"),
        (replace(config(), resources=Resources(1, 65 * GB, GB)), "memory"),
        (replace(config(), resources=Resources(1, GB, -1)), "storage"),
        (replace(config(), resources=Resources(1, GB, 10**18)), "storage"),
        (replace(config(), environment=Environment("none")), "template"),
        (replace(config(), environment=Environment("minimal", ("none",))), "packages"),
        (replace(config(), environment=Environment("minimal", (), (0,))), "ports"),
        (replace(config(), environment=Environment("minimal", (), (65536,))), "ports"),
    ],
)
async def test_bad_wishes_name_the_field_and_make_nothing(
    services: Services, world: World, wrong: WorkspaceConfig, field: str
) -> None:
    """Nothing is stored but an audit entry of the attempt."""
    with pytest.raises(InvalidInput) as refused:
        await services.orchestrator.create_workspace(wrong, principal=ANN, request_id="r1")
    assert refused.value.field == field
    assert (await services.workspaces.page(WorkspaceQuery(), principal=ANN)).items == ()
    assert not world.machines
    async with services.database.reading() as tx:
        [entry] = [one for _, one in await tx.audit.entries() if one.actor == "ann"]
    assert (entry.action, entry.request_id) == ("create", "r1")
    assert entry.outcome == refused.value.code


async def test_strangers_see_nothing(services: Services) -> None:
    """A principal cannot tell another's workspace from none; the attempt is kept."""
    made = await running(services)
    for verb in (
        services.orchestrator.start_workspace,
        services.orchestrator.stop_workspace,
        services.orchestrator.delete_workspace,
    ):
        with pytest.raises(NotFound):
            await verb(made.id, principal=BOB)
        with pytest.raises(NotFound):
            await verb("one", principal=BOB)
    with pytest.raises(NotFound):
        await services.workspaces.get(made.id, principal=BOB)
    with pytest.raises(NotFound):
        await services.workspaces.ssh_key(made.id, principal=BOB)
    assert (await services.workspaces.page(WorkspaceQuery(), principal=BOB)).items == ()
    assert (await services.workspaces.get(made.id, principal=ADMIN)).id == made.id
    with pytest.raises(Forbidden):
        await services.workspaces.ssh_key(made.id, principal=ADMIN)
    async with services.database.reading() as tx:
        entries = [entry for _, entry in await tx.audit.entries()]
    refused = [entry for entry in entries if entry.actor == "bob"]
    assert {entry.outcome for entry in refused} == {"workspace_not_found"}
    assert len([entry for entry in refused if entry.action in ("start", "stop", "delete")]) == 6


async def test_every_verb_is_audited(services: Services) -> None:
    """An entry has actor, action, workspace, outcome and request."""
    made = await running(services)
    await services.orchestrator.resize_workspace(made.id, WorkspaceChange(cpu=1.0), principal=ANN, request_id="r2")
    await services.orchestrator.delete_workspace(made.id, principal=ANN, request_id="r3")
    async with services.database.reading() as tx:
        entries = [entry for _, entry in await tx.audit.entries(made.id)]
    assert [(one.action, one.outcome, one.request_id) for one in entries] == [
        ("create", "accepted", ""),
        ("resize", "accepted", "r2"),
        ("delete", "accepted", "r3"),
    ]
    detail = entries[1].detail
    assert detail is not None
    assert (detail["old"]["resources"]["cpu"], detail["new"]["resources"]["cpu"]) == (2.0, 1.0)


async def test_deleting_workspace_takes_no_other_verb(tmp_path: Path) -> None:
    """A deletion cannot be taken back; wanting it again is fine."""
    world = World()
    silent = SlowRuntime(world, frozenset({"delete"}))
    async with fake_services(tmp_path, world=world, runtime=silent) as services:
        made = await running(services)
        await services.orchestrator.delete_workspace(made.id, principal=ANN)
        with pytest.raises(Conflict) as refused:
            await services.orchestrator.start_workspace(made.id, principal=ANN)
        assert refused.value.code == "being_deleted"
        assert await services.orchestrator.delete_workspace(made.id, principal=ANN)
        silent.go_on.set()
        await until_gone(services, made.id)


async def test_events_reach_only_those_who_may_see(services: Services) -> None:
    """Ann hears of her workspace, Bob of nothing, and no owner is told to clients."""
    heard: dict[str, list[str]] = {"ann": [], "bob": []}

    async def listen(principal: Principal) -> None:
        async for event in services.workspaces.events(principal=principal):
            assert "owner_id" not in event.data
            heard[principal.id].append(str(event.data.get("status", event.kind)))

    listening = [asyncio.create_task(listen(one)) for one in (ANN, BOB)]
    await asyncio.sleep(0)
    await running(services)
    await services.orchestrator.delete_workspace("one", principal=ANN)

    async def told() -> bool:
        return "workspace.deleted" in heard["ann"]

    await eventually(told)
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    assert heard["bob"] == []
    shown = [one for one in heard["ann"] if not one.startswith("workspace.")]
    assert shown[0] == "creating"
    assert shown[-2:] == ["running", "deleting"]


async def test_strange_machine_is_reported_and_left_alone(services: Services, world: World) -> None:
    """A machine without a record may hold the work of a database that is being restored."""
    made = await running(services)
    world.machines["ws-unknown"] = replace(world.machines[made.id], workspace_id="ws-unknown")

    async def reported() -> bool:
        return any(not item.ok and "ws-unknown" in item.message for item in await services.health.items())

    await eventually(reported)
    assert "ws-unknown" in world.machines


async def test_machine_of_a_deleted_workspace_is_removed(services: Services, world: World) -> None:
    """A machine that comes back after its deletion goes again."""
    made = await running(services)
    ghost = world.machines[made.id]
    await services.orchestrator.delete_workspace(made.id, principal=ANN)
    await until_gone(services, made.id)
    world.machines[made.id] = ghost

    async def removed() -> bool:
        return made.id not in world.machines

    await eventually(removed)


async def test_memory_kills_are_told(services: Services, world: World) -> None:
    """A workspace that runs on after a memory kill says so."""
    made = await running(services)
    world.machines[made.id] = replace(world.machines[made.id], oom_kills=2)

    async def told() -> bool:
        now = await services.workspaces.get(made.id, principal=ANN)
        return now.status is Status.RUNNING and now.notice == Sentence("notice.memory", {"count": "2"})

    await eventually(told)


async def test_workspaces_outlive_the_service(tmp_path: Path) -> None:
    """Closing leaves machines running; the next start finds them again without touching them."""
    world = World()
    async with fake_services(tmp_path, world=world) as services:
        made = await running(services)
    assert world.machines[made.id].state is MachineState.RUNNING
    booted = world.machines[made.id].started_at
    async with fake_services(tmp_path, world=world) as services:
        assert (await until(services, "one", Status.RUNNING)).started_at == booted
        assert services.first_login_code is not None
    assert world.machines[made.id].started_at == booted


async def test_stop_workspaces_on_close(tmp_path: Path) -> None:
    """With the setting they are shut down, and booted again by the next start."""
    world = World()
    settings = Settings(data=tmp_path, stop_workspaces=True)
    async with fake_services(tmp_path, world=world, settings=settings) as services:
        made = await running(services)
    assert world.machines[made.id].state is MachineState.STOPPED
    async with fake_services(tmp_path, world=world) as services:

        async def told() -> bool:
            fault = (await services.workspaces.get("one", principal=ANN)).fault
            return fault is not None and fault.code == "machine_stopped"

        await eventually(told)
        await until(services, "one", Status.RUNNING)
        assert world.machines[made.id].state is MachineState.RUNNING


async def test_rebooted_host_starts_what_ran(tmp_path: Path) -> None:
    """After a power cut everything that was wanted running is booted again."""
    world = World()
    async with fake_services(tmp_path, world=world) as services:
        made = await running(services)
    world.kill(made.id, "")
    async with fake_services(tmp_path, world=world) as services:
        await until(services, "one", Status.RUNNING)

        async def booted() -> bool:
            return world.machines[made.id].state is MachineState.RUNNING

        await eventually(booted)


async def test_two_control_planes_share_the_work(tmp_path: Path) -> None:
    """Two services over one database: every machine is made once, and each sees what the other was asked."""
    world = World()
    async with (
        fake_services(tmp_path, world=world, timing=PATIENT) as one,
        fake_services(tmp_path, world=world, timing=PATIENT) as two,
    ):
        made = await asyncio.gather(
            *(
                services.orchestrator.create_workspace(config(f"w{n}"), principal=ANN)
                for n, services in enumerate([one, two] * 10)
            )
        )
        await until_all(two, made, Status.RUNNING)
        for workspace in made:
            assert world.calls.count(("start", workspace.id)) == 1
            assert world.calls.count(("build", workspace.id)) == 1
        await asyncio.gather(*(two.orchestrator.delete_workspace(workspace.id, principal=ANN) for workspace in made))
        await asyncio.gather(*(until_gone(one, workspace.id) for workspace in made))
        assert not world.machines


async def test_retries_carry_the_reason(tmp_path: Path) -> None:
    """While a step is retried, the workspace says why it takes so long."""
    world = World()
    broken = BrokenRuntime(world, {"create": (1, RuntimeFailed("mkfs failed.", code="mkfs"))})
    async with fake_services(tmp_path, world=world, runtime=broken) as services:
        made = await services.orchestrator.create_workspace(config(), principal=ANN)

        async def told() -> bool:
            fault = (await services.workspaces.get(made.id, principal=ANN)).fault
            return fault is not None and fault.code == "mkfs"

        await eventually(told)
        await until(services, made.id, Status.RUNNING)


async def test_a_machine_that_cannot_be_removed_keeps_no_other_back(
    services: Services, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two machines of deleted workspaces one fails for ever: the other goes, and what lives is looked after."""
    made = [await running(services, name) for name in ("stuck", "other")]
    ghosts = {one.id: world.machines[one.id] for one in made}
    for one in made:
        await services.orchestrator.delete_workspace(one.id, principal=ANN)
        await until_gone(services, one.id)
    delete = services.runtime.delete

    async def stubborn(workspace_id: str) -> None:
        if workspace_id == made[0].id:
            raise RuntimeFailed("It does not go.")
        await delete(workspace_id)

    monkeypatch.setattr(services.runtime, "delete", stubborn)
    for order in (made, made[::-1]):
        for one in order:
            world.machines.pop(one.id, None)
        for one in order:
            world.machines[one.id] = ghosts[one.id]

        async def removed() -> bool:
            return made[1].id not in world.machines

        await eventually(removed)
        assert made[0].id in world.machines


async def test_health_says_why_workspaces_do_not_see_their_limits(services: Services, world: World) -> None:
    async def finding() -> HealthItem:
        return next(item for item in await services.health.items() if item.code == "limits_seen")

    assert (await finding()).ok
    world.limits_unseen = "there is no program lxcfs"
    told = await finding()
    assert not told.ok
    assert "there is no program lxcfs" in told.message
    assert "lxcfs" in told.remedy


async def test_a_machine_in_quarantine_is_told_with_its_reason(services: Services, world: World) -> None:
    made = await running(services)

    async def finding() -> HealthItem:
        return next(item for item in await services.health.items() if item.code == "quarantine")

    assert (await finding()).ok
    world.machines[made.id] = replace(world.machines[made.id], quarantine="its record is damaged")
    found = await finding()
    assert not found.ok
    assert made.id in found.message
    assert "its record is damaged" in found.message


async def test_ports_change_live_and_build_nothing(services: Services, world: World) -> None:
    """Only the firewall learns of them; the declaration of the present generation names them."""
    made = await running(services)
    booted = world.machines[made.id]
    assert booted.ports == (8080,)
    world.calls.clear()
    changed = await services.orchestrator.resize_workspace("one", WorkspaceChange(ports=(80, 443)), principal=ANN)
    assert (changed.status, changed.environment.ports, changed.revision) == (Status.RUNNING, (80, 443), made.revision)

    async def open_now() -> bool:
        return (await services.workspaces.get("one", principal=ANN)).open_ports == (80, 443)

    await eventually(open_now)
    assert world.machines[made.id] == replace(booted, ports=(80, 443))
    assert {what for what, _ in world.calls}.isdisjoint({"build", "stop", "start"})
    [generation] = await services.workspaces.generations("one", principal=ANN)
    assert generation.environment.ports == (80, 443)
    await services.orchestrator.restart_workspace("one", principal=ANN)

    async def restarted() -> bool:
        return ("start", made.id) in world.calls and world.machines[made.id].state is MachineState.RUNNING

    await eventually(restarted)
    assert world.machines[made.id].ports == (80, 443)


async def test_ports_of_a_stopped_workspace_are_open_when_it_starts(services: Services, world: World) -> None:
    made = await running(services)
    await services.orchestrator.stop_workspace("one", principal=ANN)
    await until(services, "one", Status.STOPPED)
    await services.orchestrator.resize_workspace("one", WorkspaceChange(ports=()), principal=ANN)
    await services.orchestrator.start_workspace("one", principal=ANN)
    await until(services, "one", Status.RUNNING)
    assert world.machines[made.id].ports == ()
    [generation] = await services.workspaces.generations("one", principal=ANN)
    assert generation.environment.ports == ()


@pytest.mark.usefixtures("hurried")
async def test_ports_that_cannot_be_opened_are_a_fault_of_a_workspace_that_runs_on(tmp_path: Path) -> None:
    world = World()
    refusal = RuntimeFailed("Its firewall was removed inside.", code="ports_refused")
    runtime = BrokenRuntime(world, {"open_ports": (3, refusal)})
    async with fake_services(tmp_path, world=world, runtime=runtime) as services:
        made = await running(services)
        booted = world.machines[made.id].started_at
        await services.orchestrator.resize_workspace("one", WorkspaceChange(ports=(80,)), principal=ANN)

        async def given_up() -> bool:
            now = await services.workspaces.get("one", principal=ANN)
            return now.step_failure is not None and now.step_failure.retry_at is None

        await eventually(given_up)
        now = await services.workspaces.get("one", principal=ANN)
        assert (now.status, now.fault and now.fault.code) == (Status.RUNNING, "ports_refused")
        assert world.machines[made.id].started_at == booted
        await services.orchestrator.resize_workspace("one", WorkspaceChange(ports=(81,)), principal=ANN)

        async def open_now() -> bool:
            return world.machines[made.id].ports == (81,)

        await eventually(open_now)


async def test_another_name_is_taken_at_once_and_by_the_machine_when_it_starts(
    services: Services, world: World
) -> None:
    """Nothing is done to what runs; the old name is free; every rule of a new workspace's name holds."""
    made = await running(services)
    await running(services, "other")
    events = services.workspaces.events(principal=ANN)
    first = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    rename = partial(services.orchestrator.resize_workspace, principal=ANN)
    with pytest.raises(Conflict) as taken:
        await rename("one", WorkspaceChange(name="other"))
    assert (taken.value.code, taken.value.field) == ("name_taken", "name")
    for wrong in ("create", "ws-abc", "Upper", "12345", "a" * 64):
        with pytest.raises(InvalidInput) as refused:
            await rename("one", WorkspaceChange(name=wrong))
        assert refused.value.field == "name"
    world.calls.clear()
    for reference in ("one", "renamed"):
        changed = await rename(reference, WorkspaceChange(name="renamed"))
        assert (changed.id, changed.name, changed.hostname, changed.intent) == (
            made.id,
            "renamed",
            "renamed",
            made.intent,
        )
    assert (await first).data["name"] == "renamed"
    with pytest.raises(NotFound):
        await services.workspaces.get("one", principal=ANN)
    assert (await services.workspaces.get("renamed", principal=ANN)).status is Status.RUNNING
    again = await running(services, "one")
    assert again.id != made.id
    async with services.database.reading() as tx:
        entries = [entry for _, entry in await tx.audit.entries() if entry.action == "rename"]
    assert [(entry.outcome, entry.detail) for entry in entries][-2:] == [
        ("accepted", {"old": {"name": "one"}, "new": {"name": "renamed"}}),
        ("accepted", {}),
    ]
    assert "name_taken" in {entry.outcome for entry in entries}


async def test_a_plan_says_what_restarts_and_what_ends(tmp_path: Path) -> None:
    world = World()
    environments = SlowEnvironments(world, frozenset())
    async with fake_services(tmp_path, world=world, environments=environments) as services:
        await running(services)
        plan = partial(services.plans.change, "one", principal=ANN)
        for live in (
            WorkspaceChange(cpu=1.0, memory_bytes=GB),
            WorkspaceChange(ports=(1, 2)),
            WorkspaceChange(name="two"),
            WorkspaceChange(packages=("git",)),
        ):
            assert await plan(live) == Plan((), None)
        for change, reasons in (
            (WorkspaceChange(packages=("jq",)), (RestartReason.PACKAGES,)),
            (WorkspaceChange(template="minimal", cpu=1.0), (RestartReason.TEMPLATE,)),
            (WorkspaceChange(storage_bytes=20 * GB), (RestartReason.STORAGE,)),
            (
                WorkspaceChange(packages=("jq",), storage_bytes=20 * GB, ports=()),
                (RestartReason.PACKAGES, RestartReason.STORAGE),
            ),
        ):
            # No terminal holder answers in a fake machine: that is said instead of that there is none.
            assert await plan(change) == Plan(reasons, Losses(None, 9))
        rebuilt = await plan(WorkspaceChange(), rebuild=True)
        assert rebuilt == Plan((RestartReason.REBUILD,), Losses(None, 9))
        with pytest.raises(InvalidInput):
            await plan(WorkspaceChange(packages=("none-such",)))
        with pytest.raises(NotFound):
            await services.plans.change("one", WorkspaceChange(cpu=1.0), principal=BOB)
        # A build that failed is tried again with the next change, whatever that is.
        await services.orchestrator.resize_workspace("one", WorkspaceChange(packages=("broken",)), principal=ANN)

        async def failed() -> bool:
            return (await services.workspaces.get("one", principal=ANN)).build_failure is not None

        await eventually(failed)
        assert await plan(WorkspaceChange(cpu=1.0)) == Plan((RestartReason.PENDING,), Losses(None, 9))
        assert await plan(WorkspaceChange(name="two")) == Plan((), None)
        await services.orchestrator.stop_workspace("one", principal=ANN)
        await until(services, "one", Status.STOPPED)
        assert await plan(WorkspaceChange(packages=("jq",))) == Plan((), None)
