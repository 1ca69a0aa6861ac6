"""Workspaces that change size by themselves: up at once, down slowly, never beyond quota, machine or what is in use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from clock import NOW, Clock
from fakes import FakeRuntime, World
from migrated_database import put_migrated
from typing_extensions import override

from nixos_workspaces.audit.entries import AuditQuery
from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.automation.scaling.policies import ScalingPolicies, ScalingStatus
from nixos_workspaces.automation.scaling.watching import AUTOSCALE, Around, Autoscale
from nixos_workspaces.database import Database, open_database
from nixos_workspaces.errors import Conflict, InsufficientResources, InvalidInput, Unavailable
from nixos_workspaces.model.access.people import Amounts, QuotaSubject
from nixos_workspaces.model.automation.scaling import AutoscalePolicy, ScalingKind, Size
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import BYTES_PER_GB, Capabilities, MachineState, Observed, Resources, Usage
from nixos_workspaces.model.workspace import Desire, Status, Workspace, WorkspaceChange
from nixos_workspaces.workspaces import desired, lifecycle
from nixos_workspaces.workspaces.admission import within_quotas

MIB = 1 << 20
CHOSEN = Resources(1.0, 256 * MIB, BYTES_PER_GB)
POLICY = AutoscalePolicy(Size(1.0, 256 * MIB), Size(4.0, 1024 * MIB), timedelta(seconds=20))
ID = "ws-000000000000"


class Engine(FakeRuntime):
    """An engine that takes no memory away which is in use."""

    used: int = 0

    @override
    async def resize(self, workspace_id: str, resources: Resources) -> None:
        if resources.memory_bytes < self.used:
            raise Conflict("in use", code="memory_in_use", field="memory")
        await super().resize(workspace_id, resources)


@dataclass
class Place:
    """A workspace that runs, and all that watches it, moved by hand."""

    database: Database
    engine: Engine
    world: World
    clock: Clock
    changed: list[Workspace] = field(default_factory=list)
    cpu_seconds: float = 0.0
    oom_kills: int = 0
    now: float = 1000.0
    spends: bool = True

    def __post_init__(self) -> None:
        async def may_spend(_owner: str, _workspace: str) -> bool:
            return self.spends

        around = Around(within_quotas, self.changed.append, may_spend)
        self.autoscale = Autoscale(self.database, self.engine, around, clock=self.clock, monotonic=lambda: self.now)
        self.policies = ScalingPolicies(self.database, self.engine, self.autoscale, clock=self.clock)

    async def look(self, memory: int, cores: float = 0.0, seconds: float = 2.0, times: int = 1) -> Size:
        """Let it use so much for a while, looking every ``seconds``; return the size that the machine has then."""
        for _ in range(times):
            self.now += seconds
            self.clock.move(seconds)
            self.cpu_seconds += cores * seconds
            self.engine.used = memory
            usage = Usage(self.cpu_seconds, memory, 0, 1, 9, 0, 0, self.now, "run", oom_kills=self.oom_kills)
            await self.autoscale.look({ID: usage})
        return await self.size()

    async def size(self) -> Size:
        """Return the size in force; the record and the machine have the same."""
        workspace, machine = await self.workspace(), self.world.machines[ID].resources
        assert machine is not None
        assert (machine.cpu, machine.memory_bytes) == (workspace.limits.cpu, workspace.limits.memory_bytes)
        return Size(machine.cpu, machine.memory_bytes)

    async def workspace(self) -> Workspace:
        async with self.database.reading() as tx:
            found = await tx.workspaces.get(ID)
        assert found is not None
        return found

    async def status(self) -> ScalingStatus:
        return await self.policies.read(ID, principal=ADMIN)

    async def reasons(self) -> list[tuple[ScalingKind, str]]:
        """Return the decisions, oldest first."""
        return [(one.kind, one.reason.code) for one in reversed((await self.status()).decisions)]


def a_workspace(**changes: object) -> Workspace:
    made = Workspace(
        id=ID,
        name="one",
        owner_id="admin",
        hostname="one",
        created_at=NOW,
        last_accessed=NOW,
        desire=Desire.RUNNING,
        resources=CHOSEN,
        environment=Environment("minimal", (), ()),
        status=Status.RUNNING,
        toplevel="/nix/store/one",
        built_revision=1,
        ready_at=NOW,
        volume_bytes=BYTES_PER_GB,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    put_migrated(tmp_path / "nixws.db")
    clock, world = Clock(), World()
    database = await open_database(tmp_path / "nixws.db", clock=clock)
    async with database.transaction() as tx:
        await tx.workspaces.add(a_workspace())
    world.machines[ID] = Observed(ID, MachineState.RUNNING, toplevel="/nix/store/one", resources=CHOSEN, ports=())
    yield Place(database, Engine(world), world, clock)
    await database.close()


async def test_a_ramp_of_memory_is_met_before_it_ends_and_taken_back_after_it(place: Place) -> None:
    """It never comes near the limit; and it is back within the time that is told."""
    status = await place.policies.change(ID, POLICY, principal=ADMIN)
    used = 60 * MIB
    while used < 900 * MIB:
        size = await place.look(used)
        assert used < size.memory_bytes
        used += 30 * MIB
        assert used < size.memory_bytes, "the kernel would have killed it before the next look"
    assert size == Size(1.0, 1024 * MIB)
    assert (ScalingKind.UP, "scaling.memory_risk") in await place.reasons()
    seconds, within = 0.0, status.down_within
    assert within is not None
    while (size := await place.look(60 * MIB)) != Size(1.0, 256 * MIB):
        seconds += 2
        assert size.memory_bytes > 80 * MIB
    assert POLICY.down_after.total_seconds() <= seconds <= within.total_seconds() + 2
    downs = [one for one in (await place.status()).decisions if one.kind is ScalingKind.DOWN]
    assert all(one.after.memory_bytes >= one.before.memory_bytes * 0.74 for one in downs)
    assert all(one.evidence["memory_bytes"] == 60 * MIB for one in downs)
    assert (await place.workspace()).scaled_memory_bytes is None
    assert (await place.workspace()).resources == CHOSEN


async def test_a_build_is_given_cores_within_ten_seconds_and_gives_them_back(place: Place) -> None:
    await place.policies.change(ID, POLICY, principal=ADMIN)
    await place.look(60 * MIB)
    assert (await place.look(60 * MIB, cores=0.99, times=4)).cpu == 2.0
    assert (await place.look(60 * MIB, cores=1.99, times=4)).cpu == 4.0
    assert (await place.look(60 * MIB, cores=3.9, times=30)).cpu == 4.0
    assert (await place.look(60 * MIB, cores=0.1, times=40)).cpu == 1.0
    assert {code for _, code in await place.reasons()} == {"scaling.cpu_short", "scaling.cpu_idle"}


async def test_a_process_that_was_killed_raises_the_limit_at_once(place: Place) -> None:
    await place.policies.change(ID, POLICY, principal=ADMIN)
    await place.look(100 * MIB)
    place.oom_kills = 1
    assert (await place.look(100 * MIB)).memory_bytes == 384 * MIB
    assert await place.reasons() == [(ScalingKind.UP, "scaling.oom_kill")]


async def test_a_quota_is_filled_and_never_exceeded(place: Place) -> None:
    """As much as there is left is given; then the refusal is told, once."""
    allowed = Amounts(cpu=2.0, memory_bytes=400 * MIB)
    async with place.database.transaction() as tx:
        await tx.quotas.replace(QuotaSubject.USER, "admin", allowed)
    await place.policies.change(ID, POLICY, principal=ADMIN)
    assert await place.look(100 * MIB) == Size(1.0, 256 * MIB)
    assert await place.look(250 * MIB, cores=1.0, times=6) == Size(2.0, 384 * MIB)
    async with place.database.reading() as tx:
        used = await tx.quotas.used_by(["admin"])
    assert (used.cpu, used.memory_bytes) == (2.0, 384 * MIB)
    await place.look(370 * MIB, cores=2.0, times=20)
    assert (await place.reasons()).count((ScalingKind.REFUSED, "scaling.no_room")) == 1
    with pytest.raises(InsufficientResources) as refused:
        await place.policies.boost(ID, (4.0, None), timedelta(hours=1), principal=ADMIN)
    assert refused.value.code == "quota_exceeded"


async def test_neither_machine_nor_budget_is_exceeded(place: Place) -> None:
    with pytest.raises(InvalidInput) as refused:
        await place.policies.change(ID, replace(POLICY, most=Size(17.0, 1024 * MIB)), principal=ADMIN)
    assert (refused.value.code, refused.value.field) == ("exceeds_machine", "cpu")
    other = Resources(1.0, 64 * BYTES_PER_GB - 300 * MIB, BYTES_PER_GB)
    async with place.database.transaction() as tx:
        await tx.workspaces.add(a_workspace(id="ws-000000000001", name="two", resources=other))
    await place.policies.change(ID, POLICY, principal=ADMIN)
    place.oom_kills = 0
    assert (await place.look(255 * MIB, times=3)).memory_bytes == 300 * MIB
    with pytest.raises(InsufficientResources) as full:
        await place.policies.boost(ID, (None, 1024 * MIB), timedelta(hours=1), principal=ADMIN)
    assert full.value.code == "beyond_machine"
    place.spends = False
    assert (await place.look(100 * MIB, cores=1.0, times=6)).cpu == 1.0
    assert (ScalingKind.REFUSED, "scaling.budget") in await place.reasons()


async def test_changing_by_itself_is_ended_while_the_engine_is_away(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> Capabilities:
        raise Unavailable("The node does not answer.")

    await place.policies.change(ID, POLICY, principal=ADMIN)
    monkeypatch.setattr(place.engine, "capabilities", away)
    assert (await place.policies.change(ID, None, principal=ADMIN)).policy is None


async def test_memory_in_use_is_not_taken_away(place: Place) -> None:
    """Neither by a step down, nor when there are to be no changes any more: the choice comes back once it is free."""
    await place.policies.change(ID, POLICY, principal=ADMIN)
    await place.look(100 * MIB)
    assert (await place.look(500 * MIB, times=2)).memory_bytes == 1024 * MIB
    assert (await place.look(500 * MIB, times=40)).memory_bytes == 704 * MIB
    status = await place.policies.change(ID, None, principal=ADMIN)
    assert status.policy is None
    assert (await place.look(500 * MIB, times=40)).memory_bytes == 576 * MIB
    assert await place.look(60 * MIB, times=20) == Size(1.0, 256 * MIB)
    assert (await place.workspace()).fault is None
    assert not await place.autoscale.watched()


async def test_a_boost_ends_by_itself_also_while_nobody_watched(place: Place) -> None:
    status = await place.policies.boost(ID, (3.0, 512 * MIB), timedelta(minutes=1), principal=ADMIN)
    assert status.boost is not None
    assert (status.boost.until - place.clock()).total_seconds() == 60
    assert place.changed[-1].limits == Resources(3.0, 512 * MIB, BYTES_PER_GB)
    # The reconciler gives what was promised.
    await place.engine.resize(ID, place.changed[-1].limits)
    assert await place.look(60 * MIB, times=10) == Size(3.0, 512 * MIB)
    place.clock.move(3600)
    # Another process: what is known stands in the database.
    again = Place(place.database, place.engine, place.world, place.clock, now=5.0)
    assert await again.look(60 * MIB, times=12) == Size(1.0, 256 * MIB)
    assert (await again.status()).boost is None
    async with place.database.reading() as tx:
        entries = {(one.actor, one.action) for _, one in await tx.audit.page(AuditQuery(), 20)}
    assert {(AUTOSCALE, "end-boost"), (AUTOSCALE, "scale-down"), ("admin", "boost")} <= entries


async def test_a_boost_makes_larger_and_is_ended(place: Place) -> None:
    for size, by in (((0.5, None), "cpu"), ((None, None), "memory"), ((2.0, 128 * MIB), "memory")):
        with pytest.raises(InvalidInput) as refused:
            await place.policies.boost(ID, size, timedelta(hours=1), principal=ADMIN)
        assert (refused.value.code, refused.value.field) == ("boost_not_larger", by)
    with pytest.raises(InvalidInput):
        await place.policies.boost(ID, (2.0, None), timedelta(seconds=1), principal=ADMIN)
    await place.policies.boost(ID, (2.0, None), timedelta(hours=1), principal=ADMIN)
    await place.engine.resize(ID, place.changed[-1].limits)
    await place.policies.end_boost(ID, principal=ADMIN)
    assert await place.look(60 * MIB, times=2) == Size(1.0, 256 * MIB)


async def test_a_stopped_workspace_has_its_chosen_size_when_it_starts(place: Place) -> None:
    await place.policies.change(ID, POLICY, principal=ADMIN)
    await place.look(100 * MIB)
    await place.look(500 * MIB)
    async with place.database.transaction() as tx:
        await tx.workspaces.save_desired(replace(await place.workspace(), desire=Desire.STOPPED))
    await place.autoscale.look({})
    assert (await place.workspace()).limits == CHOSEN
    with pytest.raises(Conflict) as refused:
        await place.policies.boost(ID, (2.0, None), timedelta(hours=1), principal=ADMIN)
    assert refused.value.code == "wrong_state"


def test_what_a_person_chooses_takes_the_place_of_what_it_had_by_itself() -> None:
    """Of that part alone; a machine of the size in force is as wanted, another one is changed."""
    scaled = a_workspace(scaled_cpu=3.0, scaled_memory_bytes=512 * MIB)
    assert scaled.limits == Resources(3.0, 512 * MIB, BYTES_PER_GB)
    after = desired.changed(scaled, WorkspaceChange(memory_bytes=300 * MIB))
    assert after.limits == Resources(3.0, 300 * MIB, BYTES_PER_GB)
    for resources, step in ((scaled.limits, None), (CHOSEN, lifecycle.StepKind.RESIZE)):
        machine = Observed(ID, MachineState.RUNNING, toplevel="/nix/store/one", resources=resources, ports=())
        decision = lifecycle.next_step(scaled, lifecycle.Observation(machine, has_keys=True), NOW)
        assert (decision.kind if isinstance(decision, lifecycle.Step) else None) is step


def test_bounds_are_checked() -> None:
    for wrong in (
        replace(POLICY, least=Size(5.0, 256 * MIB)),
        replace(POLICY, least=Size(1.0, 2048 * MIB)),
        replace(POLICY, down_after=timedelta(seconds=1)),
    ):
        with pytest.raises(InvalidInput):
            wrong.check()
