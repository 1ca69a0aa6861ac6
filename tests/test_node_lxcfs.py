"""Workspaces see their own limits and times where programs look for the machine's, whatever becomes of lxcfs."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from node_fixture import MIB, SMALL, Node, running_node
from waiting import until

from nixos_workspaces.model.machine import MachineSpec, MachineState
from nixos_workspaces.node.lxcfs import PLACES

KIB = 1024
HALF = replace(SMALL, cpu=0.5)
MEMORY = "awk '/MemTotal/ { print $2 }' /proc/meminfo"
MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.fixture(scope="module")
def mortal(toplevel: str) -> Iterator[Node]:
    """A node that tests may kill, and its lxcfs with it."""
    with running_node(toplevel) as running:
        yield running


@pytest.fixture
async def workspace(mortal: Node) -> AsyncIterator[MachineSpec]:
    async with mortal.running(resources=HALF) as spec:
        yield spec


def lxcfs_of(node: Node) -> int:
    """Return the process of a node's lxcfs; 0 while there is none."""
    for group in Path("/sys/fs/cgroup").glob(f"*/nixws-{node.home.tag}-lxcfs/cgroup.procs"):
        with suppress(OSError):
            for pid in group.read_text().split():
                return int(pid)
    return 0


def covered(node: Node, spec: MachineSpec) -> bool:
    """Return whether every file inside is lxcfs's; all can be read."""
    files = " ".join(f"/{place}" for place in PLACES)
    return node.as_root(spec, f"cat {files} > /dev/null; stat -fc %T {files} | sort -u", check=False) == "fuseblk"


def shown(node: Node, spec: MachineSpec) -> dict[str, str]:
    """Return what programs find inside that ask for the size of the machine."""
    commands = {
        "memory": MEMORY,
        "free": "free -k | awk '/Mem:/ { print $2 }'",
        "nproc": "nproc",
        "python": "python3 -c 'import os; print(os.cpu_count())'",
        "cpuinfo": "grep -c ^processor /proc/cpuinfo",
    }
    return {name: node.as_root(spec, command) for name, command in commands.items()}


def tasks(node: Node, spec: MachineSpec) -> int:
    """Return the number of tasks in ``/proc/loadavg``; lxcfs counts every five seconds."""
    return int(node.as_root(spec, "cut -d/ -f2 /proc/loadavg").split()[0])


def own(memory_bytes: int, cores: int) -> dict[str, str]:
    memory = str(memory_bytes // KIB)
    return {"memory": memory, "free": memory} | dict.fromkeys(("nproc", "python", "cpuinfo"), str(cores))


async def test_a_workspace_sees_its_limits_and_they_follow_a_change(mortal: Node, workspace: MachineSpec) -> None:
    """A fraction of a core counts as one; the load is the workspace's own."""
    assert (await mortal.runtime.capabilities()).limits_unseen == ""
    assert shown(mortal, workspace) == own(512 * MIB, 1)
    until("lxcfs has counted", lambda: 1 < tasks(mortal, workspace) < 40)
    await mortal.runtime.resize(workspace.workspace_id, replace(HALF, memory_bytes=640 * MIB, cpu=1.5))
    assert shown(mortal, workspace) == own(640 * MIB, min(2, os.cpu_count() or 1))


async def test_every_way_in_shows_the_limits(mortal: Node, workspace: MachineSpec) -> None:
    where = (await mortal.runtime.observe(workspace.workspace_id)).address
    for command, wanted in (("nproc", "1"), (MEMORY, str(512 * KIB)), ("env -i $(which nproc)", "1")):
        assert mortal.ssh(where, command) == wanted
        assert mortal.ssh(where, f"bash -lic {shlex.quote(command)} 2> /dev/null") == wanted


async def test_nproc_says_what_it_says_elsewhere_too(mortal: Node, workspace: MachineSpec) -> None:
    """Heed a number of threads that is set, and the processors that a process is bound to."""
    await mortal.runtime.resize(workspace.workspace_id, replace(HALF, cpu=2))
    said = mortal.as_root(workspace, "OMP_NUM_THREADS=7 nproc; taskset -c 0 nproc; nproc --ignore=9; nproc --version")
    assert said.splitlines()[:3] == ["7", "1", "1"]
    assert "coreutils" in said


async def test_the_workspaces_root_gains_nothing_by_the_files(mortal: Node, workspace: MachineSpec) -> None:
    """It can neither write them nor get at more of their file system; taken away, they show the machine's figures."""
    files = " ".join(f"/{place}" for place in PLACES)
    tried = (
        f"for file in {files}; do mount -o remount,bind,rw $file; echo 1 > $file; chmod 666 $file; rm $file; done; true"
    )
    mortal.as_root(workspace, tried, check=False)
    assert shown(mortal, workspace) == own(512 * MIB, 1)
    mortal.as_root(workspace, "umount /proc/meminfo")
    assert int(mortal.as_root(workspace, MEMORY)) * KIB <= MACHINE


async def test_when_lxcfs_is_killed_workspaces_soon_see_their_limits_again(
    mortal: Node, workspace: MachineSpec
) -> None:
    """Also units in it with a view of the file system of their own, and a neighbour that boots meanwhile."""
    mortal.as_root(workspace, "systemd-run --quiet --unit=own -p PrivateTmp=yes sleep 600")
    unit = "nsenter -m -t $(systemctl show -P MainPID own) cat /proc/meminfo | awk '/MemTotal/ { print $2 }'"
    assert mortal.as_root(workspace, unit) == str(512 * KIB)
    for _ in range(3):
        before = lxcfs_of(mortal)
        os.kill(before, signal.SIGKILL)
        async with mortal.running(resources=HALF) as neighbour:
            until("another one runs", lambda: lxcfs_of(mortal) not in {0, before}, 10)  # noqa: B023 - at once
            until("it is shown", lambda: covered(mortal, workspace), 10)
            assert shown(mortal, workspace) == own(512 * MIB, 1)
            until("it is shown", lambda: covered(mortal, neighbour), 10)
    assert mortal.as_root(workspace, unit) == str(512 * KIB)
    assert mortal.as_root(workspace, "grep -c lxcfs /proc/self/mountinfo") == str(len(PLACES))


async def test_an_lxcfs_that_keeps_silent_is_ended_and_its_readers_with_it(
    mortal: Node, workspace: MachineSpec
) -> None:
    """A reader that waits for an answer cannot even be killed: neither programs nor a stop wait for long."""
    async with mortal.running() as other:
        before = lxcfs_of(mortal)
        os.kill(before, signal.SIGSTOP)
        readers = [
            asyncio.create_task(asyncio.to_thread(mortal.as_root, spec, "cat /proc/meminfo", check=False))
            for spec in (workspace, other)
        ]
        await asyncio.wait(readers, timeout=0.5)
        assert not any(reader.done() for reader in readers)
        async with asyncio.timeout(25):
            await mortal.runtime.stop(other.workspace_id, 0)
            await asyncio.gather(*readers)
        await asyncio.to_thread(until, "another one runs", lambda: lxcfs_of(mortal) not in {0, before}, 10)
        await asyncio.to_thread(until, "it is shown", lambda: covered(mortal, workspace), 10)
        assert shown(mortal, workspace) == own(512 * MIB, 1)


async def test_lxcfs_outlives_the_node_and_is_taken_up_by_the_next(mortal: Node, workspace: MachineSpec) -> None:
    before = lxcfs_of(mortal)
    for end in (mortal.stop, mortal.kill):
        await asyncio.to_thread(end)
        assert shown(mortal, workspace) == own(512 * MIB, 1)
        await asyncio.to_thread(mortal.start)
        await told_of(mortal, lambda told: not told)
        assert lxcfs_of(mortal) == before
    os.kill(before, signal.SIGKILL)
    await asyncio.to_thread(until, "another one runs", lambda: lxcfs_of(mortal) not in {0, before}, 10)
    await asyncio.to_thread(until, "it is shown", lambda: covered(mortal, workspace), 10)


async def test_what_died_while_no_node_ran_is_mended_by_the_next(mortal: Node, workspace: MachineSpec) -> None:
    await asyncio.to_thread(mortal.kill)
    os.kill(lxcfs_of(mortal), signal.SIGKILL)
    assert "not connected" in mortal.as_root(workspace, "sleep 0.6; cat /proc/meminfo", check=False)
    await asyncio.to_thread(mortal.start)
    await asyncio.to_thread(until, "it is shown", lambda: covered(mortal, workspace), 10)
    assert shown(mortal, workspace) == own(512 * MIB, 1)


async def told_of(node: Node, wanted: Callable[[str], bool]) -> str:
    """Return what the node tells of lxcfs once it is what is wanted."""
    async with asyncio.timeout(20):
        while not wanted(told := (await node.runtime.capabilities()).limits_unseen):
            pass
        return told


_HOSTILE = """
mkdir -p /sys/fs/cgroup/$(printf 'd/%.0s' $(seq 60)) 2> /dev/null
for number in $(seq 300); do mkdir -p /sys/fs/cgroup/wide/$number; done 2> /dev/null
for number in $(seq 20); do
  unshare --pid --fork --mount-proc=/proc bash -c 'for i in $(seq 20); do read -r line < /proc/loadavg; done' &
  (for i in $(seq 100); do cat /proc/{meminfo,cpuinfo,loadavg} /sys/devices/system/cpu/online; done) > /dev/null &
done
mount --bind /etc/hostname /proc/cpuinfo; mount --move /proc/meminfo /mnt; ln -s /etc /root/link
wait
"""


async def test_a_hostile_workspace_neither_ends_lxcfs_nor_keeps_others_from_it(
    mortal: Node, workspace: MachineSpec
) -> None:
    """Deep and wide trees of groups, process namespaces, many readers; mounts of its own are left to it."""
    async with mortal.running() as hostile:
        before = lxcfs_of(mortal)
        attack = asyncio.create_task(asyncio.to_thread(mortal.as_root, hostile, _HOSTILE, check=False))
        slowest = 0.0
        while not attack.done():
            began = time.monotonic()
            assert await asyncio.to_thread(mortal.as_root, workspace, MEMORY) == str(512 * KIB)
            slowest = max(slowest, time.monotonic() - began)
        await attack
        assert slowest < 10
        assert lxcfs_of(mortal) == before
        os.kill(before, signal.SIGKILL)
        await asyncio.to_thread(until, "another one runs", lambda: lxcfs_of(mortal) not in {0, before}, 10)
        await asyncio.to_thread(until, "it is shown", lambda: covered(mortal, workspace), 10)
        assert mortal.as_root(hostile, "cat /proc/cpuinfo") == "demo"
        assert (await mortal.runtime.observe(hostile.workspace_id)).state is MachineState.RUNNING


@pytest.mark.parametrize(
    ("program", "reason"),
    [("/no/such/lxcfs", "there is no program /no/such/lxcfs"), ("false", "lxcfs ended at once with exit code 1")],
)
async def test_without_lxcfs_workspaces_start_and_health_says_so(toplevel: str, program: str, reason: str) -> None:
    """They see the machine's figures, and the uptime of their own."""
    with running_node(toplevel, 24, lxcfs=program) as node:
        async with node.running(resources=HALF) as spec:
            told = await told_of(node, bool)
            assert told.startswith(reason)
            assert shown(node, spec)["memory"] == str(MACHINE // KIB)
            assert lxcfs_of(node) == 0
