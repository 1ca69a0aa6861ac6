"""The evidence of work in a machine: what it has, and that nothing its root does makes it wrong, slow or fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from node_fixture import Node
from waiting import until

from nixos_workspaces.model.automation.activity import Activity, Inhibitor, UnitActivity
from nixos_workspaces.model.machine import MachineSpec


@pytest.fixture
async def workspace(node: Node) -> AsyncIterator[MachineSpec]:
    async with node.running() as spec:
        yield spec


def unit(activity: Activity, name: str) -> UnitActivity | None:
    return next((one for one in activity.units if one.name == name), None)


async def test_units_programs_and_terminals_are_told(node: Node, workspace: MachineSpec) -> None:
    """CPU and disks by unit, names of programs, a terminal that was read from; also while it is paused."""
    name = workspace.workspace_id
    address = (await node.runtime.observe(name)).address
    assert (await node.runtime.activity(name)).last_input is None
    work = "while :; do head -c 4M /dev/zero > /var/tmp/work; sync /var/tmp/work; done"
    node.as_root(workspace, f"systemd-run --quiet --unit=burner bash -c '{work}'")

    def burned() -> bool:
        found = unit(asyncio.run(node.runtime.activity(name)), "burner.service")
        return found is not None and found.cpu_seconds > 0.2 and found.io_bytes > 0

    await asyncio.to_thread(until, "the unit's work is counted", burned)
    seen = await node.runtime.activity(name)
    assert "bash" in seen.programs
    assert "systemd" in seen.programs
    assert seen.cpu_seconds >= sum(one.cpu_seconds for one in seen.units) * 0.9
    node.as_root(workspace, "systemctl stop burner.service")
    node.ssh(address, "printf 'x\\n' | script --quiet --command 'read line; echo $line' /dev/null", check=False)
    await node.runtime.pause(name)
    before = time.monotonic()
    paused = await node.runtime.activity(name)
    assert time.monotonic() - before < 5
    assert paused.run == seen.run
    await node.runtime.resume(name)


async def test_a_hostile_root_neither_misleads_nor_stops_it(node: Node, workspace: MachineSpec) -> None:
    """Links, pipes, endless files and thousands of groups in the places that are looked at."""
    name = workspace.workspace_id
    node.as_root(
        workspace,
        "mkdir -p /run/systemd/inhibit && cd /run/systemd/inhibit && mkfifo pipe && ln -s /etc/passwd link && "
        "ln -s /proc/kmsg kernel && head -c 100000 /dev/zero > endless && for i in $(seq 500); do : > empty$i; done; "
        r"printf 'WHAT=sleep\nWHO=a\nWHY=b\nMODE=delay\n' > delay; rm -f empty*; "
        r"printf 'WHAT=idle:sleep\nWHO=\033[31mbackup\nWHY=nightly\nMODE=block\n' > 7",
    )
    assert (await node.runtime.activity(name)).inhibitors == (Inhibitor("?[31mbackup", "nightly"),)
    node.as_root(
        workspace,
        "rm -rf /run/systemd/inhibit; ln -s /etc /run/systemd/inhibit; "
        "for i in $(seq 1500); do mkdir /sys/fs/cgroup/$(printf '\\001')x$i.slice; done",
        check=False,
    )
    seen = await node.runtime.activity(name)
    assert seen.inhibitors == ()
    assert seen.cpu_seconds > 0
    node.as_root(workspace, "rmdir /sys/fs/cgroup/*x*.slice", check=False)
