"""A node that is killed at any point, or a machine that ends by itself: found again, finished or undone, noted."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from node_fixture import MIB, SMALL, Node, running_node
from waiting import until

from nixos_workspaces.errors import Conflict, RuntimeFailed, Unavailable
from nixos_workspaces.model.machine import MachineSpec, MachineState, Observed
from nixos_workspaces.runtimes.local import LocalRuntime

SEED = int(os.environ.get("NIXWS_TEST_SEED", random.randrange(1 << 32)))
"""Decides when the node is killed; named in the assertions, so that a failure can be repeated."""
BOOT_SECONDS = 5.0


@pytest.fixture(scope="module")
def fragile(toplevel: str) -> Iterator[Node]:
    """A node that tests may kill."""
    with running_node(toplevel, boot_timeout=BOOT_SECONDS) as running:
        yield running


@pytest.fixture(scope="module")
def hanging(toplevel: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A system that begins to boot and never gets anywhere."""
    shell = Path(toplevel, "init").read_text().splitlines()[0]
    directory = tmp_path_factory.mktemp("hanging")
    source = directory / "hanging-system"
    source.mkdir()
    (source / "init").write_text(f"{shell}\necho this system hangs\nwhile :; do read -t 100 < /dev/ptmx; done\n")
    (source / "init").chmod(0o755)
    environment = dict(os.environ) | {"NIX_CONF_DIR": "/opt/nixws/nix/etc"}

    def nix_store(*words: str | Path) -> str:
        command = ["/opt/nixws/nix/bin/nix-store", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()

    system = nix_store("--add", source)
    nix_store("--realise", system, "--add-root", directory / "root")  # others on this machine collect garbage
    return system


def traces(node: Node) -> list[str]:
    """Return everything on this machine that carries the node's name, but for its data directory."""
    tag = node.home.tag
    found = [line for line in Path("/proc/self/mounts").read_text().splitlines() if tag in line]
    found += [path.name for path in Path("/sys/class/net").iterdir() if path.name.startswith(f"nx{tag}")]
    found += [str(path) for path in Path("/run").iterdir() if tag in path.name]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/*{tag}*")]
    found += [
        path.read_text().strip()
        for path in Path("/sys/block").glob("loop*/loop/backing_file")
        if tag in path.read_text() or str(node.data) in path.read_text()
    ]
    tables = subprocess.run(["nft", "list", "tables"], check=True, capture_output=True, text=True).stdout
    found += [line for line in tables.splitlines() if tag in line]
    routes = subprocess.run(["ip", "route", "show", "table", "all"], check=True, capture_output=True, text=True).stdout
    network = node.network.rpartition(".")[0] + "."
    return found + [line for line in routes.splitlines() if network in line]


def pid_of(node: Node, spec: MachineSpec) -> int:
    """Return the id of a workspace's PID 1 as this machine counts."""
    groups = Path("/sys/fs/cgroup").glob(f"*/nixws-{node.home.tag}/{spec.workspace_id}/cgroup.procs")
    return min(int(pid) for group in groups for pid in group.read_text().split())


def test_a_node_leaves_no_trace(toplevel: str) -> None:
    """Started, used and stopped, a node leaves mounts, devices, links, rules, routes and groups as they were."""
    with running_node(toplevel, 24) as node:

        async def use() -> None:
            async with node.running() as spec:
                await node.runtime.pause(spec.workspace_id)
                await node.runtime.resume(spec.workspace_id)
                assert len(traces(node)) > 5
                await node.runtime.stop(spec.workspace_id)

        asyncio.run(use())
        assert list((node.data / "node" / "volumes").iterdir()) == []
    assert not node.data.exists()
    assert traces(node) == []


async def test_a_node_tells_the_last_lines_of_its_log(node: Node) -> None:
    told = [json.loads(line)["message"] for line in await node.runtime.log()]
    assert f"answering on {node.data / 'node.sock'}" in told


async def test_what_runs_is_taken_up_again(fragile: Node) -> None:
    """kill -9 and SIGTERM of the node end no workspace; the next node knows everything about it."""
    async with fragile.running() as spec, fragile.running() as paused:
        await fragile.runtime.pause(paused.workspace_id)
        before = [await fragile.runtime.observe(name) for name in (spec.workspace_id, paused.workspace_id)]
        fragile.ssh(before[0].address, "setsid sleep 300 > /dev/null 2>&1 < /dev/null & echo $! > pid")
        for end in (fragile.kill, fragile.stop):
            end()
            with pytest.raises(Unavailable):
                await fragile.runtime.list()
            assert fragile.ssh(before[0].address, "kill -0 $(cat pid) && echo alive") == "alive"
            fragile.start()
            assert [await fragile.runtime.observe(one.workspace_id) for one in before] == before
            assert fragile.ssh(before[0].address, "whoami") == "nixos"
            assert (await fragile.runtime.usage(spec.workspace_id)).processes > 1
            (await fragile.runtime.connect(spec.workspace_id, 22)).close()
        await fragile.runtime.resize(spec.workspace_id, replace(SMALL, memory_bytes=640 * MIB))
        await fragile.runtime.resume(paused.workspace_id)


@pytest.mark.parametrize("longest", [0.05, 0.5])
async def test_a_node_killed_anywhere_in_create_or_start_converges(fragile: Node, longest: float) -> None:
    """Half made machines are finished or undone, and the same calls then succeed."""
    moments = random.Random(SEED)
    for _ in range(5):
        spec = fragile.spec()

        async def make(order: MachineSpec = spec) -> None:
            await fragile.runtime.create(order)
            await fragile.runtime.start(order)

        attempt = asyncio.create_task(make())
        await asyncio.sleep(moments.uniform(0, longest))
        fragile.kill()
        with suppress(Unavailable):
            await attempt
        fragile.start()
        after = await fragile.runtime.observe(spec.workspace_id)
        assert after.state is not MachineState.PAUSED, SEED
        await make()
        seen = await fragile.runtime.observe(spec.workspace_id)
        assert seen.state is MachineState.RUNNING, SEED
        assert fragile.ssh(seen.address, "whoami") == "nixos"
        await fragile.runtime.delete(spec.workspace_id)
        assert await fragile.runtime.list() == []
        assert list((fragile.data / "node" / "volumes").iterdir()) == []


@pytest.mark.parametrize("verb", ["stop", "delete"])
async def test_a_node_killed_in_stop_or_delete_converges(fragile: Node, verb: str) -> None:
    moments = random.Random(SEED)
    for _ in range(2):
        async with fragile.running() as spec:
            call = fragile.runtime.stop if verb == "stop" else fragile.runtime.delete
            attempt = asyncio.create_task(call(spec.workspace_id))
            await asyncio.sleep(moments.uniform(0, 0.15))
            fragile.kill()
            with suppress(Unavailable):
                await attempt
            fragile.start()
            await call(spec.workspace_id) if verb == "delete" else await fragile.runtime.observe(spec.workspace_id)
            wanted = MachineState.ABSENT if verb == "delete" else MachineState.STOPPED
            if verb == "stop":
                await call(spec.workspace_id)
            assert (await fragile.runtime.observe(spec.workspace_id)).state is wanted, SEED


async def seen_stopped(node: Node, spec: MachineSpec) -> Observed:
    async with asyncio.timeout(10):
        while True:
            seen = await node.runtime.observe(spec.workspace_id)
            if seen.state is MachineState.STOPPED and seen.exit_reason:
                return seen


async def test_a_machine_that_ends_by_itself_is_seen_with_its_reason(fragile: Node) -> None:
    async with fragile.running() as spec:
        fragile.as_root(spec, "systemctl poweroff", check=False)
        assert (await seen_stopped(fragile, spec)).exit_reason == "shut down from inside"
        again = await fragile.runtime.start(spec)
        assert again.exit_reason == ""
        os.kill(pid_of(fragile, spec), signal.SIGKILL)
        assert "SIGKILL" in (await seen_stopped(fragile, spec)).exit_reason
        await fragile.runtime.start(spec)


async def test_a_machine_that_dies_for_want_of_memory_says_so(fragile: Node) -> None:
    """Files in memory cannot be given back: with a limit below them the kernel kills all, at last PID 1."""
    async with fragile.running() as spec:
        await fragile.runtime.resize(spec.workspace_id, replace(SMALL, memory_bytes=96 * MIB))
        fragile.as_root(
            spec, "for place in /dev/shm /run; do dd if=/dev/zero of=$place/fill bs=1M count=60; done", check=False
        )
        seen = await seen_stopped(fragile, spec)
        assert seen.exit_reason.startswith("out of memory")
        assert seen.oom_kills > 0
        assert (await fragile.runtime.start(spec)).oom_kills == 0


async def test_a_machine_that_dies_while_no_node_runs_is_noted(fragile: Node) -> None:
    async with fragile.running() as spec:
        pid = pid_of(fragile, spec)
        fragile.kill()
        os.kill(pid, signal.SIGKILL)
        until("PID 1 has gone", lambda: not Path(f"/proc/{pid}").exists())
        fragile.start()
        seen = await fragile.runtime.observe(spec.workspace_id)
        assert seen.state is MachineState.STOPPED
        assert "while the node" in seen.exit_reason
        await fragile.runtime.start(spec)


async def test_a_system_that_never_answers_is_stopped_and_its_log_told(fragile: Node, hanging: str) -> None:
    """The call lasts longer than a client waits for a sign of life, and still ends with the node's own answer."""
    spec = fragile.spec(toplevel=hanging)
    impatient = LocalRuntime(fragile.data / "node.sock", silence=2.5)
    try:
        await impatient.create(spec)
        with pytest.raises(RuntimeFailed) as failed:
            await impatient.start(spec)
        assert "this system hangs" in failed.value.message
        assert f"{BOOT_SECONDS:g} s" in failed.value.message
        assert (await impatient.observe(spec.workspace_id)).state is MachineState.STOPPED
    finally:
        await impatient.delete(spec.workspace_id)


async def test_a_boot_that_hangs_is_booting_and_ends_when_it_is_to_stop(fragile: Node, hanging: str) -> None:
    spec = fragile.spec(toplevel=hanging)
    runtime = fragile.runtime
    try:
        await runtime.create(spec)
        boot = asyncio.create_task(runtime.start(spec))
        async with asyncio.timeout(BOOT_SECONDS):
            while (await runtime.observe(spec.workspace_id)).state is not MachineState.BOOTING:
                pass
        fragile.kill()
        with pytest.raises(Unavailable):
            await boot
        fragile.start()
        assert (await runtime.observe(spec.workspace_id)).state is MachineState.BOOTING
        with pytest.raises(Conflict):
            await runtime.pause(spec.workspace_id)
        began = asyncio.get_running_loop().time()
        boot = asyncio.create_task(runtime.start(spec))
        await runtime.stop(spec.workspace_id, 0.1)
        assert asyncio.get_running_loop().time() - began < BOOT_SECONDS
        with pytest.raises(RuntimeFailed):
            await boot
        assert (await runtime.observe(spec.workspace_id)).state is MachineState.STOPPED
    finally:
        await runtime.delete(spec.workspace_id)


async def test_an_interrupted_growth_is_finished(fragile: Node) -> None:
    """A volume whose image has grown and whose file system has not is brought to its size at the next start."""
    spec = fragile.spec()
    try:
        await fragile.runtime.create(spec)
        (image,) = (fragile.data / "node" / "volumes").iterdir()
        with image.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, 384 * MIB)
        await fragile.runtime.start(replace(spec, resources=replace(SMALL, storage_bytes=384 * MIB)))
        assert (await fragile.runtime.usage(spec.workspace_id)).storage_capacity_bytes > 300 * MIB
    finally:
        await fragile.runtime.delete(spec.workspace_id)


async def test_shutdown_can_take_the_machines_along(toplevel: str) -> None:
    with running_node(toplevel, 24) as node:
        spec = node.spec()
        await node.runtime.create(spec)
        await node.runtime.start(spec)
        await node.runtime._call("shutdown", stop_machines=True)
        assert node.process is not None
        assert await asyncio.to_thread(node.process.wait, 30) == 0
        assert traces(node) == []
        node.start()
        seen = await node.runtime.observe(spec.workspace_id)
        assert (seen.state, seen.exit_reason) == (MachineState.STOPPED, "")


def test_a_second_node_of_one_data_directory_or_one_network_is_refused(fragile: Node, tmp_path: Path) -> None:
    code = "import sys; from node_fixture import _MAIN; exec(_MAIN)"
    for data, words in (
        (fragile.data, "Another node"),
        (tmp_path / "data", f"'ip route del unreachable {fragile.network}'"),
    ):
        options = f'{{"data": "{data}", "network": "{fragile.network}"}}'
        argv = [sys.executable, "-c", code, options]
        environment = dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parent)}
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 1
        assert words in done.stderr


async def test_a_node_that_is_stopped_does_not_wait_for_boots(fragile: Node, hanging: str) -> None:
    """The boot goes on; the next node finds it and its caller tries again."""
    spec = fragile.spec(toplevel=hanging)
    try:
        await fragile.runtime.create(spec)
        boot = asyncio.create_task(fragile.runtime.start(spec))
        async with asyncio.timeout(BOOT_SECONDS):
            while (await fragile.runtime.observe(spec.workspace_id)).state is not MachineState.BOOTING:
                pass
        await asyncio.to_thread(fragile.stop)
        with pytest.raises(Unavailable):
            await boot
        fragile.start()
        assert (await fragile.runtime.observe(spec.workspace_id)).state is MachineState.BOOTING
    finally:
        await fragile.runtime.delete(spec.workspace_id)
