"""A workspace gets its limits, neither more nor less, measured inside it and by its neighbours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from node_fixture import MIB, SMALL, Node
from waiting import until

from nixos_workspaces.errors import Conflict
from nixos_workspaces.model.machine import MachineSpec, MachineState
from nixos_workspaces.node.kernel.cgroups import hierarchies

_BURN = "for i in 1 2; do timeout {seconds} bash -c 'while :; do :; done' & done; wait"
_EAT = "python3 -c 'x = bytearray({mib} * 2**20); print(len(x))'"


@pytest.fixture
async def workspace(node: Node) -> AsyncIterator[MachineSpec]:
    async with node.running(resources=replace(SMALL, cpu=0.5)) as spec:
        yield spec


async def cpu_share(node: Node, spec: MachineSpec) -> float:
    """Return how many cores a workspace uses that wants two of them."""
    burn = asyncio.create_task(asyncio.to_thread(node.as_root, spec, _BURN.format(seconds=4.5), check=False))
    await asyncio.sleep(0.5)  # the first periods of the quota are not yet used up
    before = await node.runtime.usage(spec.workspace_id)
    await asyncio.sleep(3.5)
    after = await node.runtime.usage(spec.workspace_id)
    await burn
    return (after.cpu_seconds - before.cpu_seconds) / (after.taken_at - before.taken_at)


async def test_the_figures_of_all_machines_come_in_one_pass(node: Node, workspace: MachineSpec) -> None:
    """With those of one, and without the machines that do not run."""
    name = workspace.workspace_id
    async with node.running() as other:
        await node.runtime.stop(other.workspace_id)
        alone, together = await node.runtime.usage(name), await node.runtime.usage_all()
        assert other.workspace_id not in together
    assert (together[name].run, together[name].storage_capacity_bytes) == (alone.run, alone.storage_capacity_bytes)
    assert alone.run
    assert alone.cpu_seconds <= together[name].cpu_seconds
    assert 0 < together[name].inodes < together[name].inodes_capacity


_BURN_SECONDS = "python3 -c 'import time\nwhile time.process_time() < {seconds}: pass'"
_SEND = """python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range({packets}): s.sendto(bytes(100), ("192.0.2.1", 4000 + i))'"""


async def test_figures_are_those_of_known_loads(node: Node, workspace: MachineSpec) -> None:
    """Within a twentieth: CPU time, memory of programs, bytes written and read, bytes sent, packets denied."""
    name, usage = workspace.workspace_id, node.runtime.usage
    address = (await node.runtime.observe(name)).address
    before = await usage(name)
    node.as_root(workspace, _BURN_SECONDS.format(seconds=3))
    after = await usage(name)
    assert after.cpu_seconds - before.cpu_seconds == pytest.approx(3, rel=0.05)
    await node.runtime.resize(name, replace(workspace.resources, cpu=0.25))
    node.as_root(workspace, _BURN.format(seconds=2))
    await node.runtime.resize(name, workspace.resources)
    slow = await usage(name)
    assert slow.throttled_seconds > after.throttled_seconds

    eat = "x = bytearray(200 * 2**20); print(1, flush=True); import time; time.sleep(100)"
    node.as_root(workspace, f"cd /root; nohup python3 -c '{eat}' > held 2>&1 < /dev/null & echo")
    until("the memory is taken", lambda: node.as_root(workspace, "cat /root/held") == "1")
    full = await usage(name)
    assert full.memory_anon_bytes - slow.memory_anon_bytes == pytest.approx(200 * MIB, rel=0.05)
    assert full.memory_bytes >= full.memory_anon_bytes + full.memory_kernel_bytes - 4 * MIB
    node.as_root(workspace, "pkill -f bytearray", check=False)

    for attempt in range(5):
        before = await usage(name)
        assert before.disk_written_bytes < 64 * MIB * (attempt + 1)  # nothing of another run that had the device
        node.as_root(workspace, "dd if=/dev/zero of=/root/written bs=1M count=50 conv=fsync; sync -f /root")
        written = await usage(name)
        if written.disk_written_bytes - before.disk_written_bytes == pytest.approx(50 * MIB, rel=0.05):
            break  # else the kernel was still clearing the inodes of a new volume
        node.as_root(workspace, "rm /root/written; sync -f /root; sleep 1")
    else:
        pytest.fail(f"{written.disk_written_bytes - before.disk_written_bytes} bytes")
    assert written.storage_bytes - before.storage_bytes == pytest.approx(50 * MIB, rel=0.05)
    assert written.memory_cache_bytes > before.memory_cache_bytes
    node.as_root(workspace, "cd /root; dd if=written iflag=nocache count=0; dd if=written of=/dev/null bs=1M")
    read = await usage(name)
    assert read.disk_read_bytes - written.disk_read_bytes == pytest.approx(50 * MIB, rel=0.05)

    before = await usage(name)
    node.ssh(address, "head -c 20000000 /dev/zero")
    sent = await usage(name)
    assert sent.network_sent_bytes - before.network_sent_bytes == pytest.approx(20_000_000, rel=0.05)
    node.as_root(workspace, _SEND.format(packets=100))
    denied = (await usage(name)).denied_packets - sent.denied_packets
    assert 100 <= denied <= 105
    assert (sent.pressure is None) == (hierarchies().unified is None)


async def test_programs_are_told_by_unit(node: Node, workspace: MachineSpec) -> None:
    """Those that use the most CPU and memory; names that a workspace's root has made are told as far as they print."""
    name = workspace.workspace_id
    strange = "mkdir -p '/sys/fs/cgroup/system.slice/a\x1b[31m.service/b'; chmod 0 /sys/fs/cgroup/system.slice/a*"
    node.as_root(workspace, f"systemd-run --unit=burner bash -c 'while :; do :; done'; {strange}", check=False)
    busiest, *others = await node.runtime.programs(name)
    assert (busiest.name, busiest.processes) == ("burner.service", 1)
    assert 0.1 < busiest.cpu < 0.6
    assert "sshd.service" in {one.name for one in others}
    assert all(one.memory_bytes > 0 and one.name.isprintable() for one in others)
    await node.runtime.pause(name)
    assert len(await node.runtime.programs(name)) == len(others) + 1
    await node.runtime.resume(name)
    await node.runtime.stop(name)
    with pytest.raises(Conflict):
        await node.runtime.programs(name)


@pytest.mark.alone  # it measures how much of a core it gets
async def test_the_cpu_quota_is_exact_and_changes_at_once(node: Node, workspace: MachineSpec) -> None:
    """A busy machine may bring less for a while; it never brings more."""
    for quota in (0.5, 0.25):
        await node.runtime.resize(workspace.workspace_id, replace(SMALL, cpu=quota))
        for _ in range(3):
            share = await cpu_share(node, workspace)
            assert share < quota * 1.05
            if share > quota * 0.95:
                break
        else:
            pytest.fail(f"{share} cores of {quota}")


async def test_too_much_memory_kills_only_inside_and_is_counted(node: Node, workspace: MachineSpec) -> None:
    name = workspace.workspace_id
    address = (await node.runtime.observe(name)).address
    async with node.running() as neighbour:
        assert node.ssh(address, _EAT.format(mib=300)) == str(300 * MIB)
        assert "Killed" in node.ssh(address, f"{_EAT.format(mib=700)}; echo $?", check=False)
        seen = await node.runtime.observe(name)
        assert seen.state is MachineState.RUNNING
        assert seen.oom_kills == 1
        assert (await node.runtime.observe(neighbour.workspace_id)).oom_kills == 0
    await node.runtime.resize(name, replace(workspace.resources, memory_bytes=1024 * MIB))
    assert node.ssh(address, _EAT.format(mib=700)) == str(700 * MIB)
    await node.runtime.resize(name, replace(workspace.resources, memory_bytes=256 * MIB))
    assert "Killed" in node.ssh(address, f"{_EAT.format(mib=400)}; echo $?", check=False)
    assert (await node.runtime.observe(name)).oom_kills == 2


async def test_memory_in_use_cannot_be_taken_away(node: Node, workspace: MachineSpec) -> None:
    eat = "x = bytearray(300 * 2**20); print(1, flush=True); import time; time.sleep(100)"
    hold = f"nohup python3 -c '{eat}' > held 2>&1 < /dev/null &"
    node.as_root(workspace, f"cd /root; {hold}")
    until("the memory is taken", lambda: node.as_root(workspace, "cat /root/held") == "1")
    with pytest.raises(Conflict) as refused:
        await node.runtime.resize(workspace.workspace_id, replace(workspace.resources, memory_bytes=64 * MIB))
    assert refused.value.field == "memory"
    assert (await node.runtime.observe(workspace.workspace_id)).resources == workspace.resources


async def test_files_in_memory_cannot_kill_the_machine(node: Node, workspace: MachineSpec) -> None:
    fill = "dd if=/dev/zero of={} bs=1M 2>&1 | grep -o 'No space left on device'"
    for place in ("/dev/shm/fill", "/run/fill"):
        assert node.as_root(workspace, fill.format(place), check=False) == "No space left on device"
    assert (await node.runtime.observe(workspace.workspace_id)).oom_kills == 0
    assert node.as_root(workspace, "systemctl is-system-running") == "running"


async def test_a_fork_bomb_stays_inside_and_ends_with_the_machine(node: Node, workspace: MachineSpec) -> None:
    name = workspace.workspace_id
    bomb = asyncio.create_task(
        asyncio.to_thread(node.as_root, workspace, "f() { f | f & }; f; sleep 3", check=False, timeout=30)
    )
    async with asyncio.timeout(15):
        while (await node.runtime.usage(name)).processes < 500:
            pass
    assert (await node.runtime.usage(name)).processes <= 512
    async with node.running() as neighbour:
        assert node.as_root(neighbour, "echo fine") == "fine"
    began = time.monotonic()
    await node.runtime.stop(name, 0)
    assert time.monotonic() - began < 3
    await bomb
    assert (await node.runtime.observe(name)).state is MachineState.STOPPED


async def test_storage_ends_at_its_limit_and_nobody_else_notices(node: Node, workspace: MachineSpec) -> None:
    fill = "dd if=/dev/zero of=/root/fill bs=1M; echo $?; sync; cat /dev/zero > /root/more; rm /root/fill"
    said = node.as_root(workspace, fill, check=False)
    assert said.count("No space left on device") == 2
    usage = await node.runtime.usage(workspace.workspace_id)
    assert usage.storage_capacity_bytes <= workspace.resources.storage_bytes
    assert node.as_root(workspace, "echo again > /root/more; cat /root/more") == "again"
