"""Control groups of every version: found in ``mountinfo``, read from files of either form."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nixos_workspaces.errors import Conflict
from nixos_workspaces.model.machine import Pressure
from nixos_workspaces.node.kernel.cgroups import (
    ControlGroup,
    Hierarchies,
    confine,
    hierarchies,
    members,
    parse_mountinfo,
    reclaimed,
    remove_empty,
)
from nixos_workspaces.node.machines.usage.groups import GroupFigures, group_figures
from nixos_workspaces.node.machines.usage.programs import Look

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
        "cpu.stat": "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nthrottled_usec 750000\n",
        "memory.current": "104857600\n",
        "memory.stat": "anon 52428800\nfile 41943040\nkernel 1048576\nshmem 10485760\nkernel_stack 1\n",
        "memory.events": "low 0\nhigh 0\nmax 3\noom 2\noom_kill 2\n",
        "pids.current": "17\n",
        "cgroup.events": "populated 1\nfrozen 0\n",
        "cgroup.freeze": "0\n",
        "cgroup.procs": "",
        "cpu.pressure": "some avg10=1.00 avg60=0.00 avg300=0.00 total=1500000\n",
        "memory.pressure": "some avg10=0.00 total=2000000\nfull avg10=0.00 total=250000\n",
        "io.pressure": "some avg10=0.00 total=4000000\nfull avg10=0.00 total=3000000\n",
    }.items():
        (group / name).write_text(text)
    return tmp_path


def test_figures_of_version_2_are_read(files: Path) -> None:
    group = ControlGroup(Hierarchies({}, files), "/ws-1")
    seen = group_figures(group)
    assert (seen.cpu_seconds, seen.throttled_seconds, seen.processes, seen.oom_kills) == (2.5, 0.75, 17, 2)
    assert seen.memory_bytes == 104857600 - 41943040 + 10485760
    assert (seen.memory_anon_bytes, seen.memory_kernel_bytes) == (52428800, 1048576)
    assert seen.memory_cache_bytes == 41943040 - 10485760
    assert seen.pressure == Pressure(1.5, 2.0, 0.25, 4.0, 3.0)
    assert group.oom_kills() == 2
    assert group.frozen() is False
    (files / "ws-1" / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    assert group.frozen() is True
    group.freeze(frozen=True)
    assert (files / "ws-1" / "cgroup.freeze").read_text() == "1"
    group.close()


@pytest.fixture
def hybrid(tmp_path: Path) -> Hierarchies:
    """The files of a group of version 1 with the pressure of version 2 beside them."""
    for name, text in {
        "cpu/cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_time 250000000\n",
        "cpuacct/cpuacct.usage": "2500000000\n",
        "memory/memory.usage_in_bytes": "104857600\n",
        "memory/memory.stat": "cache 1\nrss 2\ntotal_cache 41943040\ntotal_rss 52428800\ntotal_shmem 10485760\n",
        "memory/memory.kmem.usage_in_bytes": "1048576\n",
        "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        "pids/pids.current": "17\n",
        "unified/cpu.pressure": "some avg10=1.00 avg60=0.00 avg300=0.00 total=1500000\n",
        "unified/memory.pressure": "some avg10=0.00 total=2000000\nfull avg10=0.00 total=250000\n",
        "unified/io.pressure": "some avg10=0.00 total=4000000\nfull avg10=0.00 total=3000000\n",
    }.items():
        place = tmp_path / name.partition("/")[0] / "ws-1"
        place.mkdir(parents=True, exist_ok=True)
        (place / name.partition("/")[2]).write_text(text)
    names = ("cpu", "cpuacct", "memory", "pids")
    return Hierarchies({name: tmp_path / name for name in names}, tmp_path / "unified")


def figures_of(machine: Hierarchies) -> GroupFigures:
    group = ControlGroup(machine, "/ws-1")
    try:
        return group_figures(group)
    finally:
        group.close()


def test_figures_of_both_versions_are_read(hybrid: Hierarchies) -> None:
    seen = figures_of(hybrid)
    assert (seen.cpu_seconds, seen.throttled_seconds, seen.processes, seen.oom_kills) == (2.5, 0.25, 17, 2)
    assert (seen.memory_bytes, seen.memory_cache_bytes) == (104857600 - 31457280, 31457280)
    assert (seen.memory_anon_bytes, seen.memory_kernel_bytes) == (52428800, 1048576)
    assert seen.pressure == Pressure(1.5, 2.0, 0.25, 4.0, 3.0)
    assert figures_of(Hierarchies(hybrid.controllers, None)).pressure is None


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.integers(0, 10), st.binary(max_size=200) | st.just(b"some total=\n" * 9), max_size=11))
def test_files_of_any_content_raise_nothing(hybrid: Hierarchies, contents: dict[int, bytes]) -> None:
    places = sorted(path for root in hybrid.roots() for path in root.glob("ws-1/*"))
    for index, content in contents.items():
        places[index % len(places)].write_bytes(content)
    seen = figures_of(hybrid)
    assert min(seen.cpu_seconds, seen.memory_bytes, seen.processes) >= 0


def unit(place: Path, cpu: int, *processes: int) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (place / "cpu.stat").write_text(f"usage_usec {cpu}\n")
    (place / "cgroup.procs").write_text("".join(f"{one}\n" for one in processes))


def test_programs_are_told_by_unit_and_bounded(tmp_path: Path) -> None:
    """Groups inside a unit are the unit's, units inside a unit their own; hostile names and contents do no harm."""
    own, machine = os.getpid(), Hierarchies({}, tmp_path)

    def look(busy: int) -> Look:
        unit(tmp_path / "ws-1", 9_000_000 + busy)
        unit(tmp_path / "ws-1/system.slice", 7_000_000 + busy)
        unit(tmp_path / "ws-1/system.slice/web.service", 6_000_000 + busy, own)
        unit(tmp_path / "ws-1/system.slice/web.service/inner", 5_000_000 + busy, own)
        unit(tmp_path / "ws-1/system.slice/a\x1b[31m\udcff.service", 0, own)
        (tmp_path / "ws-1/system.slice/web.service/inner/cgroup.procs").write_text(f"x\n-1\n0\n{own}\n\xff")
        for number in range(3):
            unit(tmp_path / f"ws-1/user.slice/user@1000.service/app.slice/{number}.scope", 1, own)
        for number in range(2000):
            (tmp_path / f"ws-1/many/{number}").mkdir(parents=True, exist_ok=True)
        return Look(machine, "/ws-1")

    before, after = look(0), look(3_000_000)
    after.taken_at = before.taken_at + 2
    busiest, *others = after.since(before)
    assert (busiest.name, busiest.cpu, busiest.processes) == ("web.service", 1.5, 2)
    assert busiest.memory_bytes > 0
    assert len(others) <= 9
    assert {one.name for one in others} <= {"a[31m\ufffd.service", "0.scope", "1.scope", "2.scope"}
    assert Look(machine, "/nothing").since(before) == []


def test_few_open_files_are_enough(hybrid: Hierarchies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (0, 0))
    group = ControlGroup(hybrid, "/ws-1")
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - their names
    assert group_figures(group).cpu_seconds == 2.5
    assert len(os.listdir("/proc/self/fd")) == len(before)  # noqa: PTH208
    group.close()


def test_memory_is_taken_back_before_the_limit_and_what_is_in_use_stays(files: Path) -> None:
    """In version 2, where a limit below what is in use would kill."""
    group, place = ControlGroup(Hierarchies({}, files), "/ws-1"), files / "ws-1"
    (place / "memory.high").write_text("max\n")
    with reclaimed(group.unified, 104857600):
        assert (place / "memory.high").read_text() == "104857600"
    assert (place / "memory.high").read_text() == "max\n"
    with pytest.raises(Conflict) as refused, reclaimed(group.unified, 52428800):
        pytest.fail("the limit would have been set")
    assert (refused.value.code, refused.value.field) == ("memory_in_use", "memory")
    assert (place / "memory.reclaim").read_text() == "52428800"
    assert (place / "memory.high").read_text() == "max\n"


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
