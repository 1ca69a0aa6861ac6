"""A real workspace grows under a ramp of memory before the kernel kills, and is small again in the time told."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from fakes import eventually
from migrated_database import put_migrated
from node_fixture import MIB, Node
from test_scaling import a_workspace

from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.automation.scaling.policies import ScalingPolicies
from nixos_workspaces.automation.scaling.watching import LOOK_SECONDS, Around, Autoscale
from nixos_workspaces.database import open_database
from nixos_workspaces.model.automation.scaling import AutoscalePolicy, ScalingKind, Size
from nixos_workspaces.model.machine import Resources
from nixos_workspaces.model.workspace import Workspace
from nixos_workspaces.operations.background import BackgroundTasks
from nixos_workspaces.workspaces.admission import within_quotas

SIZES = Resources(cpu=1.0, memory_bytes=256 * MIB, storage_bytes=256 * MIB)
POLICY = AutoscalePolicy(Size(1.0, 256 * MIB), Size(1.0, 512 * MIB), timedelta(seconds=10))
RAMP = "import time\nx = []\nfor _ in range(60):\n x.append(bytearray(5 * 2**20)); time.sleep(0.2)\nprint(len(x))"
"""300 MiB in 12 s: with what runs besides, 90 MiB more than it has in the beginning."""


async def test_a_ramp_of_memory_kills_nothing_and_the_size_comes_back(node: Node, tmp_path: Path) -> None:
    put_migrated(tmp_path / "nixws.db")
    database, background, runtime = await open_database(tmp_path / "nixws.db"), BackgroundTasks(), node.runtime
    changed: list[Workspace] = []
    async with node.running(resources=SIZES) as spec:
        name = spec.workspace_id
        async with database.transaction() as tx:
            await tx.workspaces.add(a_workspace(id=name, resources=SIZES))
        autoscale = Autoscale(database, runtime, Around(within_quotas, changed.append))
        policies = ScalingPolicies(database, runtime, autoscale)

        async def look() -> None:
            await autoscale.look(await runtime.usage_all())

        async def has(memory_bytes: int) -> bool:
            resources = (await runtime.observe(name)).resources
            return resources is not None and resources.memory_bytes == memory_bytes

        async def is_told() -> bool:
            return changed[-1].limits == SIZES

        async def all_killed() -> int:
            return (await runtime.observe(name)).oom_kills

        try:
            within = (await policies.change(name, POLICY, principal=ADMIN)).down_within
            assert within is not None
            background.repeat("scaling", look, LOOK_SECONDS)
            ramp = asyncio.create_task(asyncio.to_thread(node.as_root, spec, f"python3 -c '{RAMP}'", check=False))
            await eventually(lambda: has(512 * MIB), 20)
            assert await ramp == "60"
            assert await all_killed() == 0
            await eventually(lambda: has(256 * MIB), within.total_seconds() + 15)
            await eventually(is_told)
            assert await all_killed() == 0
        finally:
            await background.close()
        decisions = (await policies.read(name, principal=ADMIN)).decisions
        assert {one.kind for one in decisions} == {ScalingKind.UP, ScalingKind.DOWN}
        assert decisions[-1].reason.code == "scaling.memory_risk"
    await database.close()
