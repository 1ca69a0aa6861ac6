"""Leases: one control plane at a time works on a workspace, and keeps its lease through a moment without a database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from fakes import FAST, FakeEnvironments, World, eventually, fake_services
from migrated_database import open_migrated
from typing_extensions import override

from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.database import Database, Transaction
from nixos_workspaces.errors import Unavailable
from nixos_workspaces.model.environment import Generation, environment
from nixos_workspaces.model.machine import BYTES_PER_GB, Resources
from nixos_workspaces.model.workspace import Status, WorkspaceConfig
from nixos_workspaces.workspaces.reconciling.leases import LeaseLost, Leases

LENGTH = timedelta(seconds=30)


class FullDatabase(Database):
    """A database that refuses to write while its disk is full."""

    is_full = False

    @override
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        if self.is_full:
            raise Unavailable("The disk is full.", code="database_unavailable")
        async with super().transaction() as tx:
            yield tx


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[FullDatabase]:
    opened = await open_migrated(tmp_path / "nixws.db")
    opened.__class__ = FullDatabase
    assert isinstance(opened, FullDatabase)
    yield opened
    opened.is_full = False
    await opened.close()


async def test_a_refused_renewal_is_tried_again_until_the_lease_has_run_out(database: FullDatabase) -> None:
    clock = Clock()
    leases = Leases(database, LENGTH, clock)
    await leases.hold("ws-1")
    database.is_full = True
    for _ in range(2):
        clock.move(12)
        await leases.hold("ws-1")
    clock.move(12)
    with pytest.raises(Unavailable):
        await leases.hold("ws-1")


async def test_a_renewal_that_succeeds_later_counts_from_then(database: FullDatabase) -> None:
    clock = Clock()
    leases, others = Leases(database, LENGTH, clock), Leases(database, LENGTH, clock)
    await leases.hold("ws-1")
    database.is_full = True
    clock.move(25)
    await leases.hold("ws-1")
    database.is_full = False
    await leases.hold("ws-1")
    clock.move(25)
    with pytest.raises(LeaseLost):
        await others.hold("ws-1")


async def test_a_first_lease_is_never_taken_for_granted(database: FullDatabase) -> None:
    database.is_full = True
    with pytest.raises(Unavailable):
        await Leases(database, LENGTH, Clock()).hold("ws-1")


async def test_a_build_goes_on_while_the_database_cannot_be_written(tmp_path: Path) -> None:
    """An hour of building is not lost to a moment of a full disk."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    class SlowEnvironments(FakeEnvironments):
        @override
        async def build(self, *arguments: Any, **named: Any) -> Generation:
            begun.set()
            await go_on.wait()
            return await super().build(*arguments, **named)

    world = World()
    async with fake_services(tmp_path, world=world, environments=SlowEnvironments(world)) as services:
        database = services.database
        database.__class__ = FullDatabase
        assert isinstance(database, FullDatabase)
        made = await services.orchestrator.create_workspace(
            WorkspaceConfig("one", Resources(1, BYTES_PER_GB, BYTES_PER_GB), environment("minimal")), principal=ADMIN
        )
        await begun.wait()
        begun.clear()
        database.is_full = True
        for _ in range(3):  # each makes the reconciler look after the step, as its timer does
            services.reconciler.wake(made.id)
            await asyncio.sleep(FAST.look)
        database.is_full = False
        go_on.set()

        async def runs() -> bool:
            return (await services.workspaces.get("one", principal=ADMIN)).status is Status.RUNNING

        await eventually(runs)
    assert not begun.is_set()
