"""The look at everything: it finds what changed, reads nothing else, and no machine holds up another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from clock import NOW, Clock
from fakes import FakeRuntime, World, eventually, fake_services
from migrated_database import open_migrated
from sqlalchemy import event
from typing_extensions import override

from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.database import Database
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import BYTES_PER_GB, Address, MachineState, Observed, Resources
from nixos_workspaces.model.workspace import (
    Desire,
    Failure,
    Fault,
    Phase,
    Phases,
    PhaseTime,
    Progress,
    Status,
    Workspace,
    WorkspaceConfig,
)
from nixos_workspaces.workspaces.reconciling.survey import Findings, Survey

SIZES = Resources(1.0, BYTES_PER_GB, BYTES_PER_GB)
FAILURE = Failure("start", Fault("boot_failed", "It does not boot.", NOW), 1, NOW + timedelta(seconds=5), 1)
CHANGES: dict[str, Any] = {
    "desire": Desire.RUNNING,
    "resources": Resources(1.0, BYTES_PER_GB, 2 * BYTES_PER_GB),
    "intent": 2,
    "revision": 2,
    "pinned": 1,
    "restarts": 1,
    "scaled_cpu": 2.0,
    "scaled_memory_bytes": 2 * BYTES_PER_GB,
    "status": Status.ERROR,
    "progress": Progress(Phase.BOOT),
    "phases": Phases((PhaseTime(Phase.BOOT, NOW),)),
    "toplevel": "/nix/store/other",
    "built_revision": 0,
    "restarts_done": 2,
    "address": Address("10.0.0.1", 22),
    "encryption": "luks2",
    "volume_bytes": 5,
    "started_at": NOW,
    "ready_at": NOW,
    "oom_kills": 1,
    "open_ports": (80,),
    "forgotten": True,
    "build_failure": FAILURE,
    "step_failure": FAILURE,
}
"""Another value for every field that decides the next step."""
DECIDES_NOTHING = {
    *(
        "id",
        "name",
        "owner_id",
        "owner_name",
        "grants",
        "withholds_personal",
        "hostname",
        "created_at",
        "last_accessed",
        "environment",
        "package_set",
        "stop_reason",
    ),
    *("generation", "host_key"),
}


def workspace(number: int, **changed: Any) -> Workspace:
    """A stopped workspace whose machine is as it should be."""
    made = Workspace(
        id=f"ws-{number:012}",
        name=f"n{number}",
        owner_id="ann",
        hostname="n",
        created_at=NOW,
        last_accessed=NOW,
        desire=Desire.STOPPED,
        resources=SIZES,
        environment=Environment("minimal"),
        status=Status.STOPPED,
        built_revision=1,
        toplevel="/nix/store/one",
        encryption="fscrypt",
        volume_bytes=SIZES.storage_bytes,
    )
    return replace(made, **changed)


def machine(number: int, **changed: Any) -> Observed:
    seen = Observed(
        f"ws-{number:012}",
        MachineState.STOPPED,
        toplevel="/nix/store/one",
        resources=SIZES,
        encryption="fscrypt",
    )
    return replace(seen, **changed)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "test.db")
    yield opened
    await opened.close()


def statements_of(database: Database) -> list[str]:
    seen: list[str] = []
    event.listen(
        database._engine.sync_engine, "before_cursor_execute", lambda _c, _u, statement, *_: seen.append(statement)
    )
    return seen


async def add(database: Database, *workspaces: Workspace) -> None:
    async with database.transaction() as tx:
        for one in workspaces:
            await tx.workspaces.add(one)


async def test_a_quiet_look_is_one_statement_however_many_there_are(database: Database) -> None:
    await add(database, *(workspace(number) for number in range(120)))
    survey, machines = Survey(database, Clock()), [machine(number) for number in range(120)]
    assert (await survey.look(machines, {})).due == ()
    statements = statements_of(database)
    for _ in range(3):
        assert (await survey.look(machines, {})).due == ()
    assert len(statements) == 3


def test_every_field_decides_or_is_known_not_to() -> None:
    assert {one.name for one in fields(Workspace)} == CHANGES.keys() | DECIDES_NOTHING


@pytest.mark.parametrize("field", CHANGES)
async def test_whatever_decides_is_seen_to_change(database: Database, field: str) -> None:
    """After a change of any field that the lifecycle reads, the record is read again."""
    await add(database, workspace(1), workspace(2))
    survey, machines = Survey(database, Clock()), [machine(1), machine(2)]
    await survey.look(machines, {})
    changed = workspace(1, **{field: CHANGES[field]})
    async with database.transaction() as tx:
        await tx.workspaces.save_desired(changed)
        await tx.workspaces.save_seen(changed)
    statements = statements_of(database)
    await survey.look(machines, {})
    assert len(statements) == 2


async def test_a_machine_that_changes_is_seen(database: Database) -> None:
    await add(database, workspace(1), workspace(2, desire=Desire.RUNNING, status=Status.RUNNING, ready_at=NOW))
    up = machine(2, state=MachineState.RUNNING, address=Address("10.0.0.2", 22))
    survey = Survey(database, Clock())
    assert (await survey.look([machine(1), up], {})).due == (workspace(2).id,)
    async with database.transaction() as tx:
        await tx.workspaces.save_seen(
            workspace(2, desire=Desire.RUNNING, status=Status.RUNNING, ready_at=NOW, address=up.address)
        )
    assert (await survey.look([machine(1), up], {})).due == ()
    assert (await survey.look([machine(1), machine(2)], {})).due == (workspace(2).id,)
    assert (await survey.look([machine(1)], {})).due == (workspace(2).id,)
    assert (await survey.look([machine(1), up], {})).due == ()
    assert (await survey.look([machine(1, state=MachineState.RUNNING), up], {})).due == (workspace(1).id,)


async def test_the_end_of_a_wait_is_seen(database: Database) -> None:
    """Nothing but the time has changed."""
    waiting = workspace(1, desire=Desire.RUNNING, status=Status.STARTING, ready_at=NOW, step_failure=FAILURE)
    await add(database, waiting)
    clock = Clock()
    survey = Survey(database, clock)
    assert (await survey.look([machine(1)], {})).due == ()
    clock.move(6)
    assert (await survey.look([machine(1)], {})).due == (waiting.id,)


async def test_those_under_way_are_looked_at_again_later(database: Database) -> None:
    await add(database, workspace(1, desire=Desire.DELETED))
    survey = Survey(database, Clock())
    assert (await survey.look([machine(1)], {workspace(1).id})).due == ()
    assert (await survey.look([machine(1)], {})).due == (workspace(1).id,)


async def test_machines_without_a_record_are_told_apart(database: Database) -> None:
    await add(database, workspace(1), workspace(2))
    async with database.transaction() as tx:
        await tx.tombstones.add(workspace(2).id, NOW)
    found = await Survey(database, Clock()).look([machine(1), machine(2), machine(3)], {})
    assert found == Findings((), frozenset({machine(3).workspace_id}), frozenset({machine(2).workspace_id}))


async def test_what_is_gone_is_forgotten(database: Database) -> None:
    await add(database, workspace(1), workspace(2))
    survey = Survey(database, Clock())
    await survey.look([machine(1), machine(2)], {})
    async with database.transaction() as tx:
        await tx.tombstones.add(workspace(2).id, NOW)
    await survey.look([machine(1)], {})
    assert survey._marks.keys() == survey._machines.keys() == {workspace(1).id}


async def test_one_machine_that_cannot_be_removed_holds_up_no_other(tmp_path: Path) -> None:
    """Machines of deleted workspaces, the first of which never goes: the others do, and so does all other work."""
    never = asyncio.Event()

    class Stuck(FakeRuntime):
        @override
        async def delete(self, workspace_id: str) -> None:
            if workspace_id == machine(1).workspace_id:
                await never.wait()
            await super().delete(workspace_id)

    world = World()
    runtime = Stuck(world)
    async with fake_services(tmp_path, world=world, runtime=runtime) as services:
        for number in (1, 2, 3):
            await add(services.database, workspace(number))
            async with services.database.transaction() as tx:
                await tx.tombstones.add(workspace(number).id, NOW)
        world.machines |= {one.workspace_id: one for one in map(machine, (1, 2, 3))}

        async def others_are_gone() -> bool:
            return world.machines.keys() == {machine(1).workspace_id}

        await eventually(others_are_gone)
        config = WorkspaceConfig("late", SIZES, Environment("minimal"))
        made = await services.orchestrator.create_workspace(config, principal=ADMIN)

        async def runs() -> bool:
            return (await services.workspaces.get(made.id, principal=ADMIN)).status is Status.RUNNING

        await eventually(runs)
