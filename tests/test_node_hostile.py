"""Hostile groups, processes, files, links and names of a workspace's root stop neither the node nor a neighbour."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from node_fixture import MIB, SMALL, Node, running_node
from waiting import until

from nixos_workspaces.errors import Conflict, InsufficientResources, RuntimeFailed, Unavailable
from nixos_workspaces.model.machine import MachineSpec, MachineState
from nixos_workspaces.node.kernel.cgroups import MOST_DEPTH, ControlGroup, Hierarchies, hierarchies
from nixos_workspaces.node.kernel.group_trees import Removal, remove_tree
from nixos_workspaces.node.machines.containers import Engine

_COMMAND = "mkdir -p /sys/fs/cgroup/systemd/$(printf 'd/%.0s' $(seq 1500)); kill -s RTMIN+4 1"
_OPEN = os.O_RDONLY | os.O_DIRECTORY
_NAMES = st.binary(min_size=1, max_size=60).filter(lambda name: not {0, 10, 47} & set(name) and name.strip(b"."))
"""Names that the kernel takes for a group: version 1 refuses the end of a line, no file system the other two."""
_Shape = dict[str, Any]
_SHAPES: st.SearchStrategy[_Shape] = st.recursive(
    st.just({}), lambda inner: st.dictionaries(_NAMES.map(os.fsdecode), inner, max_size=4), max_leaves=30
)


@pytest.fixture(scope="module")
def fragile(toplevel: str) -> Iterator[Node]:
    """A node that tests may kill."""
    with running_node(toplevel, boot_timeout=10.0) as running:
        yield running


@pytest.fixture(params=range(len(hierarchies().roots())))
def group(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A new group in each of this machine's hierarchies."""
    place = hierarchies().roots()[request.param] / f"nixws-test-{os.getpid()}"
    place.mkdir()
    for name in ("cpuset.cpus", "cpuset.mems"):  # without them no process may enter
        if (place / name).exists():
            (place / name).write_text((place.parent / name).read_text())
            (place / "cgroup.clone_children").write_text("1")
    yield place
    assert not place.exists()


def deepen(top: Path, levels: int, name: str = "d" * 200) -> None:
    """Make a chain of groups whose path is longer than any system call takes."""
    here = os.open(top, _OPEN)
    for _ in range(levels):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, _OPEN, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def make(top: Path, shape: _Shape) -> None:
    for name, inner in shape.items():
        with suppress(OSError):  # a name that is a file's in this hierarchy
            (top / name).mkdir()
            make(top / name, inner)


def test_a_tree_deeper_than_any_path_is_removed(group: Path) -> None:
    deepen(group, 1500)
    assert remove_tree(str(group), time.monotonic() + 60) is Removal.DONE


def test_a_tree_of_many_groups_with_processes_is_removed(group: Path) -> None:
    (group / "many").mkdir()
    for number in range(3000):
        (group / "many" / str(number)).mkdir()
    sleeper = subprocess.Popen(["sleep", "600"])
    try:
        (group / "many" / "7" / "cgroup.procs").write_text(str(sleeper.pid))
        seen = [until("it is removed", lambda: remove_tree(str(group), time.monotonic() + 60), 60)]
        while seen[-1] is not Removal.DONE:
            assert len(seen) < 5000
            seen.append(remove_tree(str(group), time.monotonic() + 60))
        assert sleeper.wait(10) == -signal.SIGKILL
    finally:
        sleeper.kill()
        sleeper.wait()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_SHAPES)
def test_a_tree_of_any_shape_and_names_is_removed(group: Path, shape: _Shape) -> None:
    group.mkdir(exist_ok=True)
    make(group, shape)
    assert remove_tree(str(group), time.monotonic() + 60) is Removal.DONE
    assert not group.exists()


def test_what_does_not_end_is_told_in_time(tmp_path: Path) -> None:
    """A directory with a file in it stands for a group whose process does not die."""
    (tmp_path / "ws" / "inner").mkdir(parents=True)
    (tmp_path / "ws" / "inner" / "cgroup.events").touch()
    began = time.monotonic()
    with pytest.raises(RuntimeFailed) as failed:
        ControlGroup(Hierarchies({}, tmp_path), "/ws").kill()
    assert failed.value.code == "processes_left"
    assert time.monotonic() - began < 20


def groups_of(node: Node, spec: MachineSpec) -> list[Path]:
    return list(Path("/sys/fs/cgroup").glob(f"*/nixws-{node.home.tag}/{spec.workspace_id}"))


def deepen_all(node: Node, spec: MachineSpec) -> None:
    """Make the deep tree in every hierarchy, as a workspace can where it is given one of version 1."""
    for group in groups_of(node, spec):
        with suppress(OSError):  # where the kernel bounds the depth
            deepen(group, 1500, "d")


async def test_a_deep_tree_of_groups_stops_nothing(fragile: Node) -> None:
    """The machine shuts itself down above it; stop, start, delete and a new node do what they always do."""
    async with fragile.running() as neighbour:
        spec = fragile.spec()
        await fragile.runtime.create(spec)
        await fragile.runtime.start(spec)
        fragile.as_root(spec, _COMMAND, check=False)
        deepen_all(fragile, spec)
        await fragile.runtime.stop(spec.workspace_id)
        assert (await fragile.runtime.observe(spec.workspace_id)).state is MachineState.STOPPED
        await fragile.runtime.start(spec)
        fragile.as_root(spec, _COMMAND, check=False)
        fragile.kill()
        deepen_all(fragile, spec)
        fragile.start()
        assert (await fragile.runtime.observe(spec.workspace_id)).quarantine == ""
        await fragile.runtime.start(spec)
        await fragile.runtime.delete(spec.workspace_id)
        assert (await fragile.runtime.observe(spec.workspace_id)).state is MachineState.ABSENT
        assert groups_of(fragile, spec) == []
        assert fragile.ssh((await fragile.runtime.observe(neighbour.workspace_id)).address, "whoami") == "nixos"


async def test_groups_are_bounded_where_the_kernel_can(fragile: Node) -> None:
    if hierarchies().unified is None:
        return  # such a machine has nothing that could bound them
    async with fragile.running() as spec:
        made = "cd /sys/fs/cgroup; for i in $(seq 200); do mkdir d && cd d || break; done 2> /dev/null; pwd"
        assert fragile.as_root(spec, made).count("/d") <= MOST_DEPTH
        assert fragile.as_root(spec, "echo max > /sys/fs/cgroup/cgroup.max.depth", check=False)
        many = "cd /sys/fs/cgroup; mkdir -p $(seq 1 9000) 2>&1 | tail -1"
        assert "temporarily unavailable" in fragile.as_root(spec, many)


_RECORDS = ("", "{", "[]", "null", "{}", '{"stage": "other"}', "\x00" * 4096, "[" * 100_000, '{"a": ' * 100_000)


async def test_a_record_that_cannot_be_read_keeps_only_its_machine_back(fragile: Node) -> None:
    """Each is told with its reason and is not touched; with its record put back it is taken up by the next call."""
    async with fragile.running() as neighbour, fragile.running() as spec:
        name = spec.workspace_id
        path = fragile.data / "node" / "machines" / name / "machine.json"
        kept = path.read_text()
        shared = json.loads(kept) | {"index": (await index_of(fragile, neighbour))}
        for damaged in (*_RECORDS, json.dumps(shared)):
            path.write_text(damaged)
            fragile.kill()
            fragile.start()
            seen = {one.workspace_id: one for one in await fragile.runtime.list()}
            assert seen[neighbour.workspace_id].quarantine == ""
            assert seen[neighbour.workspace_id].state is MachineState.RUNNING
            assert seen[name].quarantine != "", damaged[:50]
            assert seen[name].state is not MachineState.ABSENT
            with pytest.raises(RuntimeFailed):
                await fragile.runtime.stop(name)
        path.write_text("{")
        fragile.kill()
        fragile.start()
        for call in (fragile.runtime.stop, fragile.runtime.delete):
            with pytest.raises(RuntimeFailed) as refused:
                await call(name)
            assert refused.value.code == "machine_quarantined"
        assert fragile.as_root(spec, "echo lives") == "lives"
        async with fragile.running() as another:
            assert await index_of(fragile, another) not in {
                await index_of(fragile, neighbour),
                json.loads(kept)["index"],
            }
        path.write_text(kept)
        assert (await fragile.runtime.start(spec)).state is MachineState.RUNNING
        assert (await fragile.runtime.observe(name)).quarantine == ""
        assert fragile.as_root(spec, "echo lives") == "lives"


async def index_of(node: Node, spec: MachineSpec) -> int:
    record = json.loads((node.data / "node" / "machines" / spec.workspace_id / "machine.json").read_text())
    return int(record["index"])


async def test_a_delete_that_fails_is_not_taken_for_done(fragile: Node) -> None:
    """Something still has the volume mounted: it is there until that ends, and then goes."""
    spec = fragile.spec()
    await fragile.runtime.create(spec)
    (image,) = (fragile.data / "node" / "volumes").iterdir()
    with loop_over(image) as device:
        assert device
        with pytest.raises(RuntimeFailed):
            await fragile.runtime.delete(spec.workspace_id)
        assert image.exists()
        assert (await fragile.runtime.observe(spec.workspace_id)).state is MachineState.STOPPED
        assert [one.workspace_id for one in await fragile.runtime.list()] == [spec.workspace_id]
        with pytest.raises(RuntimeFailed) as refused:
            await fragile.runtime.start(spec)
        assert refused.value.code == "machine_incomplete"
        fragile.kill()
        fragile.start()
        assert "volume" in (await fragile.runtime.observe(spec.workspace_id)).quarantine
    await fragile.runtime.delete(spec.workspace_id)
    assert (await fragile.runtime.observe(spec.workspace_id)).state is MachineState.ABSENT
    assert not image.exists()


class loop_over:  # noqa: N801 - reads as a context
    """A loop device over a file, for the time of the context."""

    def __init__(self, image: Path) -> None:
        self._image = image

    def __enter__(self) -> str:
        argv = ["losetup", "--find", "--show", str(self._image)]
        self._device = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
        return self._device

    def __exit__(self, *_: object) -> None:
        subprocess.run(["losetup", "--detach", self._device], check=True)


async def test_a_volume_of_any_content_can_be_started(fragile: Node) -> None:
    """Files, links, pipes and full directories in the place of what the node writes, also twice, also when full."""
    spoils = (
        "rm -rf /etc/nixws; ln -s /proc/1/root /etc/nixws; mkdir -p /etc/nixws.replaced/full/of",
        "rm -rf /etc/nixws; mkfifo /etc/nixws",
        "cd /etc/nixws; rm -f ssh_host_ed25519_key; mkdir -p ssh_host_ed25519_key/a .ssh_host_ed25519_key.new/a",
        "cd /etc/nixws; rm -f authorized_keys; mkfifo authorized_keys; ln -s / .authorized_keys.new",
        "cd /etc/nixws; ln authorized_keys second; chmod 600 authorized_keys",
        "dd if=/dev/zero of=/root/fill bs=1M; dd if=/dev/zero of=/root/rest bs=1",
    )
    async with fragile.running() as spec:
        for spoil in spoils:
            fragile.as_root(spec, f"{spoil}; sync", check=False)
            await fragile.runtime.stop(spec.workspace_id, 0)
            seen = await fragile.runtime.start(spec)
            assert fragile.ssh(seen.address, "whoami") == "nixos", spoil


@pytest.mark.parametrize("program", ["exec yes noise", "yes noise & sleep 60"])
def test_output_without_end_is_bounded(tmp_path: Path, program: str) -> None:
    """A machine that never answers is asked for its journal, by a program that its root may have replaced."""
    engine = tmp_path / "engine"
    engine.write_text(f"#!/bin/sh\n{program}\n")
    engine.chmod(0o755)
    began = time.monotonic()
    _, said = Engine(engine, tmp_path).output("ws-1", ["journalctl"])
    assert said.startswith("noise\n")
    assert len(said) <= 1 << 16
    assert time.monotonic() - began < 30


async def test_figures_stay_when_the_network_is_taken_away(fragile: Node) -> None:
    async with fragile.running() as spec:
        address = (await fragile.runtime.observe(spec.workspace_id)).address
        fragile.ssh(address, "head -c 100000 /dev/urandom | base64")
        before = await fragile.runtime.usage(spec.workspace_id)
        assert before.network_sent_bytes > 100_000
        fragile.as_root(spec, "ip link delete eth0")
        after = await fragile.runtime.usage(spec.workspace_id)
        assert after.network_sent_bytes >= before.network_sent_bytes
        assert after.memory_bytes > 0
        await fragile.runtime.stop(spec.workspace_id)
        await fragile.runtime.start(spec)


async def test_a_machine_without_room_for_a_process_stops_at_once(fragile: Node) -> None:
    async with fragile.running(resources=replace(SMALL, cpu=0.5)) as spec:
        name = spec.workspace_id
        bomb = asyncio.create_task(
            asyncio.to_thread(fragile.as_root, spec, "f() { f | f & }; f; sleep 3", check=False, timeout=60)
        )
        async with asyncio.timeout(20):
            while (await fragile.runtime.usage(name)).processes < 500:
                pass
        began = time.monotonic()
        await fragile.runtime.stop(name)
        took = time.monotonic() - began
        await bomb
        assert (await fragile.runtime.observe(name)).state is MachineState.STOPPED
        assert took < 3, took


async def test_memory_is_admitted_as_far_as_over_commitment_goes(toplevel: str) -> None:
    """Limits of what runs count, of what is stopped do not; booting, waking and growing ask alike."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with running_node(toplevel, 24, memory_overcommit=1400 * MIB / total) as node:
        runtime = node.runtime
        async with node.running() as first, node.running() as second:
            third = node.spec()
            await runtime.create(third)
            refused = [
                runtime.start(third),
                runtime.resize(second.workspace_id, replace(SMALL, memory_bytes=1024 * MIB)),
            ]
            for call in refused:
                with pytest.raises(InsufficientResources) as failed:
                    await call
                assert (failed.value.code, failed.value.field) == ("insufficient_memory", "memory")
            assert (await runtime.observe(third.workspace_id)).state is MachineState.STOPPED
            assert (await runtime.observe(second.workspace_id)).resources == SMALL
            await runtime.resize(third.workspace_id, replace(SMALL, memory_bytes=1024 * MIB))
            await runtime.stop(first.workspace_id)
            node.kill()
            node.start()
            assert (await runtime.start(third)).state is MachineState.RUNNING
            with pytest.raises(InsufficientResources):
                await runtime.start(first)
            await runtime.delete(third.workspace_id)


async def test_the_hosts_services_outlive_workspaces_and_the_disk_is_shared(fragile: Node) -> None:
    async with fragile.running() as spec:
        scores = fragile.as_root(spec, "cat /proc/[0-9]*/oom_score_adj")
        assert min(map(int, scores.split())) >= 500
        groups = groups_of(fragile, spec)
        weights = [path.read_text().split()[-1] for group in groups for path in group.glob("*o.bfq.weight")]
        weights += [path.read_text().split()[-1] for group in groups for path in group.glob("io.weight")]
        assert set(weights) == ({"50"} if hierarchies().weighs_io else set())


SEED = int(os.environ.get("NIXWS_TEST_SEED", random.randrange(1 << 32)))
"""Decides the shapes; named in the assertions, so that a failure can be repeated."""
SHAPES_PER_ROUND = 40


@pytest.mark.timeout(600)
async def test_hostile_shapes_stop_neither_the_node_nor_a_neighbour(fragile: Node) -> None:
    """Groups, processes, files, sockets, mounts, links and output at random, in every place that the node reads."""
    source = Path(__file__).with_name("node_shapes.py").read_text().replace("'", "'\\''")
    async with fragile.running() as neighbour:
        where = (await fragile.runtime.observe(neighbour.workspace_id)).address
        assert fragile.process is not None
        lived = fragile.process.pid
        for seed in range(SEED, SEED + 6):
            spec = fragile.spec()
            await fragile.runtime.create(spec)
            await fragile.runtime.start(spec)
            make = asyncio.to_thread(
                fragile.as_root, spec, f"python3 -c '{source}' {seed} {SHAPES_PER_ROUND}", check=False, timeout=30
            )
            with suppress(subprocess.TimeoutExpired):
                await make
            name = spec.workspace_id
            began = time.monotonic()
            calls: list[Coroutine[Any, Any, object]] = [
                *(fragile.runtime.observe(name), fragile.runtime.usage(name), fragile.runtime.boot_log(name)),
                *(fragile.runtime.connect(name, 22), fragile.runtime.connect_holder(name), fragile.runtime.list()),
            ]
            for call in calls:
                with suppress(Conflict, Unavailable):
                    given = await call
                    if isinstance(given, socket.socket):
                        given.close()
            assert time.monotonic() - began < 10, seed
            assert await asyncio.to_thread(fragile.ssh, where, "whoami") == "nixos"
            began = time.monotonic()
            await fragile.runtime.stop(name)
            assert time.monotonic() - began < 15, seed
            assert (await fragile.runtime.observe(name)).state is MachineState.STOPPED, seed
            with suppress(RuntimeFailed):  # what it has made of its own system may not boot
                await fragile.runtime.start(spec)
            began = time.monotonic()
            await fragile.runtime.delete(name)
            assert time.monotonic() - began < 15, seed
            assert (await fragile.runtime.observe(name)).state is MachineState.ABSENT, seed
            assert groups_of(fragile, spec) == [], seed
        assert fragile.process.poll() is None
        assert fragile.process.pid == lived
        assert len(list((fragile.data / "node" / "volumes").iterdir())) == 1
