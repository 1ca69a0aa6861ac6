"""Control groups of every version: found in ``mountinfo``, read from files of either form."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from nixos_workspaces.node.kernel.cgroups import (
    ControlGroup,
    Hierarchies,
    confine,
    hierarchies,
    members,
    parse_mountinfo,
    remove_empty,
)

_V1 = "30 25 0:26 / {root}/{name} rw,relatime - cgroup cgroup rw,{name}"
_NAMED = "31 25 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd"
_V2 = "32 25 0:28 / {place} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"


def test_hybrid_hierarchies_are_found() -> None:
    lines = [_V1.format(root="/sys/fs/cgroup", name=name) for name in ("memory", "cpu,cpuacct", "pids")]
    found = parse_mountinfo(
        "\n".join([*lines, _NAMED, _V2.format(place="/sys/fs/cgroup/unified"), "1 1 0:1 / / rw - ext4 /dev/sda rw"])
    )
    assert found.controllers["cpuacct"] == found.controllers["cpu"] == Path("/sys/fs/cgroup/cpu,cpuacct")
    assert found.controllers["name=systemd"] == Path("/sys/fs/cgroup/systemd")
    assert found.unified == Path("/sys/fs/cgroup/unified")
    assert found.hybrid
    assert len(found.roots()) == 5


def test_pure_version_2_is_found() -> None:
    found = parse_mountinfo(_V2.format(place="/sys/fs/cgroup"))
    assert found == Hierarchies({}, Path("/sys/fs/cgroup"))
    assert not found.hybrid


def test_this_machine_has_some() -> None:
    assert hierarchies().roots()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The files of a group of version 2, as the kernel writes them."""
    group = tmp_path / "ws-1"
    group.mkdir()
    for name, text in {
        "cpu.stat": "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n",
        "memory.current": "104857600\n",
        "memory.stat": "anon 52428800\nfile 41943040\nshmem 10485760\nkernel_stack 1\n",
        "memory.events": "low 0\nhigh 0\nmax 3\noom 2\noom_kill 2\n",
        "pids.current": "17\n",
        "cgroup.events": "populated 1\nfrozen 0\n",
        "cgroup.freeze": "0\n",
        "cgroup.procs": "",
    }.items():
        (group / name).write_text(text)
    return tmp_path


def test_figures_of_version_2_are_read(files: Path) -> None:
    group = ControlGroup(Hierarchies({}, files), "/ws-1")
    assert group.cpu_seconds() == 2.5
    assert group.memory_bytes() == 104857600 - 41943040 + 10485760
    assert group.processes() == 17
    assert group.oom_kills() == 2
    assert group.frozen() is False
    (files / "ws-1" / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    assert group.frozen() is True
    group.freeze(frozen=True)
    assert (files / "ws-1" / "cgroup.freeze").read_text() == "1"
    group.close()


def test_a_group_that_has_gone_is_no_error_to_remove(tmp_path: Path) -> None:
    machine = Hierarchies({}, tmp_path)
    ControlGroup(machine, "/nothing").kill()
    remove_empty(machine, "/nothing")
    (tmp_path / "parent" / "child").mkdir(parents=True)
    assert machine.below("/parent") == ["child"]
    remove_empty(machine, "/parent")
    assert machine.below("/parent") == ["child"]


@pytest.mark.machine
def test_a_process_of_the_nodes_own_is_confined_and_found() -> None:
    """Also in groups below its own; it may be confined again."""
    machine, path = hierarchies(), f"/nixws-test-{os.getpid()}"
    inner = [Path(f"{root}{path}/inner") for root in machine.roots()]
    with subprocess.Popen(["sleep", "600"]) as process:
        try:
            for _ in range(2):
                confine(machine, path, process.pid, 64 << 20, 1)
            assert members(machine, path) == {process.pid}
            limits = {"memory.limit_in_bytes": "67108864", "cpu.cfs_quota_us": "100000", "cpu.max": "100000 100000"}
            files = {name: [Path(f"{root}{path}/{name}") for root in machine.roots()] for name in limits}
            seen = {
                name: [file.read_text().strip() for file in found if file.exists()] for name, found in files.items()
            }
            assert all(set(texts) <= {limits[name]} for name, texts in seen.items())
            assert any(seen.values())
            for group in inner:
                if group.parent.exists():
                    group.mkdir()
                    (group / "cgroup.procs").write_text(str(process.pid))
            assert members(machine, path) == {process.pid}
        finally:
            process.kill()
            process.wait()
            for group in inner:
                if group.exists():
                    group.rmdir()
            remove_empty(machine, path)
    assert members(machine, path) == set()
    assert not any(group.parent.exists() for group in inner)
