"""Garbage is collected daily, sooner when a disk is short of room, and never in the way of a build."""

from __future__ import annotations

from pathlib import Path

import pytest
from clock import Clock
from fakes import FakeEnvironments, FakeRuntime, World
from migrated_database import open_migrated
from typing_extensions import override

from nixos_workspaces.errors import Conflict
from nixos_workspaces.operations.maintenance import Maintenance

HOUR = 3600.0


class Counted(FakeEnvironments):
    """Counts collections; a build keeps them away while there is one."""

    collected = 0
    building = False

    @override
    async def collect_garbage(self) -> int:
        if self.building:
            raise Conflict("Environments are being built.", code="build_running")
        self.collected += 1
        return 5


@pytest.mark.parametrize(("is_short", "after"), [(False, 24), (True, 1)])
async def test_it_is_collected_when_it_is_due(tmp_path: Path, is_short: bool, after: int) -> None:  # noqa: FBT001
    database, world, clock = await open_migrated(tmp_path / "test.db"), World(), Clock()
    environments = Counted(world)
    maintenance = Maintenance(database, environments, FakeRuntime(world), short_of_room=lambda: is_short, clock=clock)
    clock.move(after * HOUR - 1)
    await maintenance.collect_when_due()
    assert environments.collected == 0
    clock.move(1)
    environments.building = True
    await maintenance.collect_when_due()
    environments.building = False
    for _ in range(3):
        await maintenance.collect_when_due()
    assert environments.collected == 1
    clock.move(after * HOUR)
    await maintenance.collect_when_due()
    assert environments.collected == 2
    await database.close()
