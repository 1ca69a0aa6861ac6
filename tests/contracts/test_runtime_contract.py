"""The contract of every runtime (docstrings of ``runtimes.base.Runtime``), on real machines.

A runtime joins by a fixture that gives its ``Bench``: the runtime, and orders whose system it can boot.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from node_fixture import MIB, SMALL, Node

from nixos_workspaces.errors import Conflict, InsufficientResources, NotFound, RuntimeFailed, Unavailable
from nixos_workspaces.model.machine import MachineSpec, MachineState
from nixos_workspaces.model.reach.ports import Listener
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.runtimes.local import LocalRuntime
from nixos_workspaces.terminals import protocol


@pytest.fixture
def runtime(node: Node) -> Runtime:
    return node.runtime


@pytest.fixture
async def spec(node: Node, runtime: Runtime) -> AsyncIterator[MachineSpec]:
    """The order of a workspace that nothing exists of yet."""
    order = node.spec()
    yield order
    await runtime.delete(order.workspace_id)


@pytest.fixture
async def running(runtime: Runtime, spec: MachineSpec) -> MachineSpec:
    await runtime.create(spec)
    await runtime.start(spec)
    return spec


async def state(runtime: Runtime, spec: MachineSpec) -> MachineState:
    return (await runtime.observe(spec.workspace_id)).state


async def greeting(connection: socket.socket) -> bytes:
    with connection:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(connection, 8), 10)


async def test_capabilities_tell_what_is_left(runtime: Runtime) -> None:
    seen = await runtime.capabilities()
    assert seen.encryption in {"fscrypt", "luks2", "gocryptfs"}
    assert seen.cpu_total >= 1
    assert seen.memory_total_bytes > 1 << 28
    assert 0 < seen.storage_free_bytes < seen.storage_total_bytes


async def test_an_absent_machine_is_an_answer_to_observe_and_delete_and_an_error_elsewhere(
    runtime: Runtime, spec: MachineSpec
) -> None:
    name = spec.workspace_id
    assert await state(runtime, spec) is MachineState.ABSENT
    await runtime.delete(name)
    calls = (
        runtime.start(spec),
        runtime.stop(name),
        runtime.resize(name, SMALL),
        runtime.usage(name),
        runtime.pause(name),
        runtime.resume(name),
        runtime.boot_log(name),
        runtime.open_ports(name, ()),
    )
    for call in calls:
        with pytest.raises(NotFound):
            await call
    assert name not in {seen.workspace_id for seen in await runtime.list()}


@pytest.mark.alone  # it looks at how much the whole disk has left
async def test_create_makes_a_stopped_machine_once(runtime: Runtime, spec: MachineSpec) -> None:
    before = (await runtime.capabilities()).storage_free_bytes
    await asyncio.gather(*(runtime.create(spec) for _ in range(3)))
    seen = await runtime.observe(spec.workspace_id)
    assert seen.state is MachineState.STOPPED
    assert seen.resources == spec.resources
    assert seen.encryption == (await runtime.capabilities()).encryption
    assert seen.address is None
    assert [one for one in await runtime.list() if one.workspace_id == spec.workspace_id] == [seen]
    left = (await runtime.capabilities()).storage_free_bytes
    assert 0.5 < (before - left) / spec.resources.storage_bytes < 1.9


async def test_what_does_not_fit_leaves_nothing(runtime: Runtime, spec: MachineSpec) -> None:
    free = (await runtime.capabilities()).storage_free_bytes
    huge = replace(spec, resources=replace(SMALL, storage_bytes=free + (1 << 30)))
    with pytest.raises(InsufficientResources) as refused:
        await runtime.create(huge)
    assert refused.value.field == "storage"
    assert await state(runtime, spec) is MachineState.ABSENT
    assert await runtime.list() == []


async def test_start_boots_once_and_ssh_answers_from_this_machine(
    node: Node, runtime: Runtime, spec: MachineSpec
) -> None:
    await runtime.create(spec)
    seen = await asyncio.gather(*(runtime.start(spec) for _ in range(3)))
    assert {one.state for one in seen} == {MachineState.RUNNING}
    assert len({one.started_at for one in seen}) == 1
    assert seen[0].generation == spec.generation
    assert seen[0].toplevel == spec.toplevel
    assert await runtime.observe(spec.workspace_id) == seen[0]
    assert node.ssh(seen[0].address, "cat /proc/sys/kernel/hostname; whoami") == "demo\nnixos"
    assert (await greeting(await runtime.connect(spec.workspace_id, 22))).startswith(b"SSH-2.0")


async def test_stop_keeps_the_volume_and_start_takes_the_new_generation(
    node: Node, runtime: Runtime, running: MachineSpec
) -> None:
    address = (await runtime.observe(running.workspace_id)).address
    node.ssh(address, "echo kept > note; sync")
    await asyncio.gather(runtime.stop(running.workspace_id), runtime.stop(running.workspace_id))
    seen = await runtime.observe(running.workspace_id)
    assert (seen.state, seen.address, seen.exit_reason, seen.started_at) == (MachineState.STOPPED, None, "", None)
    with pytest.raises(Conflict):
        await runtime.usage(running.workspace_id)
    with pytest.raises(Conflict):
        await runtime.connect(running.workspace_id, 22)
    with pytest.raises(Conflict):
        await runtime.pause(running.workspace_id)
    again = await runtime.start(replace(running, generation=2, hostname="renamed"))
    assert again.generation == 2
    assert node.ssh(again.address, "cat note /proc/sys/kernel/hostname") == "kept\nrenamed"


async def test_a_paused_machine_keeps_its_processes_and_start_wakes_it(
    node: Node, runtime: Runtime, running: MachineSpec
) -> None:
    name = running.workspace_id
    address = (await runtime.observe(name)).address
    node.ssh(address, "setsid sleep 300 > /dev/null 2>&1 < /dev/null & echo $! > pid")
    await runtime.pause(name)
    await runtime.pause(name)
    assert await state(runtime, running) is MachineState.PAUSED
    with pytest.raises(Conflict):
        await runtime.connect(name, 22)
    first = await runtime.usage(name)
    second = await runtime.usage(name)
    assert first.processes > 1
    assert second.cpu_seconds == first.cpu_seconds
    assert (await runtime.start(running)).state is MachineState.RUNNING
    await runtime.resume(name)
    assert node.ssh(address, "kill -0 $(cat pid) && echo alive") == "alive"
    await runtime.pause(name)
    await runtime.stop(name)
    assert await state(runtime, running) is MachineState.STOPPED


async def test_usage_counts_what_happens(node: Node, runtime: Runtime, running: MachineSpec) -> None:
    name = running.workspace_id
    before = await runtime.usage(name)
    address = (await runtime.observe(name)).address
    node.ssh(
        address, "head -c 20000000 /dev/urandom > big; cat big > /dev/null; sync; cat big | head -c 300000 | base64"
    )
    after = await runtime.usage(name)
    assert after.cpu_seconds > before.cpu_seconds
    assert after.storage_bytes - before.storage_bytes > 15_000_000
    assert 0.8 < after.storage_capacity_bytes / running.resources.storage_bytes <= 1
    assert after.network_sent_bytes - before.network_sent_bytes > 300_000
    assert after.network_received_bytes > before.network_received_bytes
    assert 1 << 20 < after.memory_bytes < running.resources.memory_bytes
    assert after.taken_at > before.taken_at


async def test_resize_is_live_for_cpu_and_memory_and_offline_for_storage(
    runtime: Runtime, running: MachineSpec
) -> None:
    name = running.workspace_id
    bigger = replace(SMALL, cpu=1.5, memory_bytes=640 * MIB)
    await runtime.resize(name, bigger)
    assert (await runtime.observe(name)).resources == bigger
    with pytest.raises(Conflict) as refused:
        await runtime.resize(name, replace(bigger, storage_bytes=128 * MIB))
    assert refused.value.field == "storage"
    more = replace(bigger, storage_bytes=384 * MIB)
    if not (await runtime.capabilities()).live_storage_growth:
        with pytest.raises(Conflict):
            await runtime.resize(name, more)
    await runtime.stop(name)
    await runtime.resize(name, more)
    await runtime.resize(name, more)
    assert (await runtime.observe(name)).resources == more
    largest = replace(more, storage_bytes=512 * MIB)
    await runtime.start(replace(running, resources=largest))
    capacity = (await runtime.usage(name)).storage_capacity_bytes
    assert 0.85 * 512 * MIB < capacity <= 512 * MIB


async def test_a_system_that_does_not_boot_is_stopped_again_with_its_log(runtime: Runtime, spec: MachineSpec) -> None:
    await runtime.create(spec)
    for _ in range(2):
        with pytest.raises(RuntimeFailed) as failed:
            await runtime.start(replace(spec, toplevel=f"/nix/store/{'0' * 32}-nothing"))
        assert "nothing/init" in failed.value.message
        assert await state(runtime, spec) is MachineState.STOPPED
    assert (await runtime.start(spec)).state is MachineState.RUNNING


async def test_delete_is_allowed_in_every_state(node: Node, runtime: Runtime) -> None:
    async def made(*, run: bool, pause: bool) -> str:
        spec = node.spec()
        await runtime.create(spec)
        if run:
            await runtime.start(spec)
        if pause:
            await runtime.pause(spec.workspace_id)
        return spec.workspace_id

    names = [await made(run=False, pause=False), await made(run=True, pause=False), await made(run=True, pause=True)]
    await asyncio.gather(*(runtime.delete(name) for name in [*names, *names]))
    assert [(await runtime.observe(name)).state for name in names] == [MachineState.ABSENT] * 3
    assert await runtime.list() == []


async def test_stop_ends_a_boot_that_is_under_way(runtime: Runtime, spec: MachineSpec) -> None:
    await runtime.create(spec)
    boot = asyncio.create_task(runtime.start(spec))
    async with asyncio.timeout(20):
        while await state(runtime, spec) is MachineState.STOPPED and not boot.done():
            pass
    await runtime.delete(spec.workspace_id)
    with pytest.raises((RuntimeFailed, NotFound)):
        (await boot).state  # noqa: B018 - a boot that came through before the delete is a failure of this test
    assert await state(runtime, spec) is MachineState.ABSENT


async def logs_in(runtime: Runtime, spec: MachineSpec, key: Path, known: Any = None) -> bool:
    """Tell whether a key opens the workspace by the connection that tunnels and the gateway end at."""
    connection = await runtime.connect(spec.workspace_id, 22)
    try:
        async with asyncssh.connect(
            "demo.nixws", sock=connection, username="nixos", client_keys=[str(key)], known_hosts=known, config=None
        ) as client:
            return (await client.run("echo in", check=True)).stdout == "in\n"
    except asyncssh.PermissionDenied:
        return False


def new_key(file: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file], check=True)
    return file.with_suffix(".pub").read_text().strip()


def certified_host(public: str, directory: Path) -> tuple[str, str]:
    """Return an authority's public line and its certificate for a host key."""
    authority, host = directory / "authority", directory / "host.pub"
    line = new_key(authority)
    host.write_text(public)
    subprocess.run(["ssh-keygen", "-q", "-s", authority, "-h", "-I", "x", "-n", "demo.nixws", host], check=True)
    return line, " ".join((directory / "host-cert.pub").read_text().split()[:2])


async def test_authorised_keys_log_in_from_the_next_login_on_and_no_others(
    node: Node, runtime: Runtime, running: MachineSpec, tmp_path: Path
) -> None:
    """By its address, and by the way of tunnels and of the gateway; the host certificate is shown there too."""
    own, other, one = node.directory / "user", tmp_path / "other", running.workspace_id
    address = (await runtime.observe(one)).address
    public = new_key(other)
    assert await logs_in(runtime, running, own)
    assert not await logs_in(runtime, running, other)
    await runtime.authorise(one, (*running.authorized_keys, public), "")
    assert await logs_in(runtime, running, other)
    assert await asyncio.to_thread(node.ssh, address, "whoami", key=other) == "nixos"
    authority, certificate = certified_host((node.directory / "host.pub").read_text(), tmp_path)
    for _ in range(2):
        await runtime.authorise(one, running.authorized_keys, certificate)
    known = asyncssh.import_known_hosts(f"@cert-authority demo.nixws {authority}\n")
    assert await logs_in(runtime, running, own, known)
    assert not await logs_in(runtime, running, other)
    assert "denied" in await asyncio.to_thread(node.ssh, address, "whoami", key=other, check=False)


async def test_keys_are_authorised_while_it_is_there_and_a_start_has_those_of_its_order(
    node: Node, runtime: Runtime, running: MachineSpec, tmp_path: Path
) -> None:
    other, one = tmp_path / "other", running.workspace_id
    public = new_key(other)
    await runtime.pause(one)
    await runtime.authorise(one, (public,), "")
    await runtime.resume(one)
    assert await logs_in(runtime, running, other)
    await runtime.stop(one)
    with pytest.raises(Conflict):
        await runtime.authorise(one, (public,), "")
    await runtime.start(running)
    assert not await logs_in(runtime, running, other)
    assert await logs_in(runtime, running, node.directory / "user")
    with pytest.raises(NotFound):
        await runtime.authorise("ws-nobody", (public,), "")


async def test_the_boot_log_is_read_by_offset(runtime: Runtime, running: MachineSpec) -> None:
    log = await runtime.boot_log(running.workspace_id)
    assert b"activating" in log
    assert await runtime.boot_log(running.workspace_id, 10) == log[10:]
    assert await runtime.boot_log(running.workspace_id, len(log)) == b""


async def test_a_port_that_nobody_listens_on_is_unavailable(runtime: Runtime, running: MachineSpec) -> None:
    with pytest.raises(Unavailable):
        await runtime.connect(running.workspace_id, 1)


LISTENER = (
    'setsid python3 -c \'import socket, time\\nall = [socket.create_server(("", port)) for port in (8080, 8081)]\\n'
    "time.sleep(600)' > /dev/null 2>&1 < /dev/null &"
)


async def opens(runtime: Runtime, spec: MachineSpec, port: int) -> bool:
    """Tell whether this machine reaches a program that listens on the machine's own address."""
    address = (await runtime.observe(spec.workspace_id)).address
    assert address is not None
    try:
        async with asyncio.timeout(10):
            _, writer = await asyncio.open_connection(address.host, port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def test_ports_open_and_close_while_it_runs_and_stay_over_a_restart(
    node: Node, runtime: Runtime, running: MachineSpec
) -> None:
    name = running.workspace_id
    address = (await runtime.observe(name)).address
    listen = LISTENER.replace("\\n", "\n")
    node.ssh(address, listen)
    until_listening = "until ss -tln | grep -q :8081; do sleep 0.05; done; cut -d' ' -f22 /proc/1/stat"
    started = node.ssh(address, until_listening)

    async def state_of_both() -> tuple[bool, bool]:
        return await opens(runtime, running, 8080), await opens(runtime, running, 8081)

    assert (await runtime.observe(name)).ports == ()
    assert await state_of_both() == (False, False)
    await runtime.open_ports(name, (8080,))
    assert await state_of_both() == (True, False)
    await asyncio.gather(*(runtime.open_ports(name, (8080, 8081)) for _ in range(3)))
    assert await state_of_both() == (True, True)
    assert (await runtime.observe(name)).ports == (8080, 8081)
    node.ssh(address, "sudo systemctl reload nftables")
    assert await state_of_both() == (True, True)
    node.ssh(address, "sudo systemctl restart nftables")
    assert await state_of_both() == (True, True)
    await runtime.open_ports(name, (8081,))
    assert await state_of_both() == (False, True)
    assert node.ssh(address, "cut -d' ' -f22 /proc/1/stat") == started
    again = replace(running, ports=(8081,))
    await runtime.stop(name)
    with pytest.raises(Conflict):
        await runtime.open_ports(name, ())
    await runtime.start(again)
    node.ssh(address, listen)
    node.ssh(address, until_listening)
    assert await state_of_both() == (False, True)
    await runtime.open_ports(name, ())
    assert await state_of_both() == (False, False)


async def test_a_firewall_that_its_root_took_away_is_told(node: Node, runtime: Runtime, running: MachineSpec) -> None:
    """Keep what the workspace's root put into their place; open the ports when the unit is restarted."""
    name = running.workspace_id
    address = (await runtime.observe(name)).address
    node.ssh(address, LISTENER.replace("\\n", "\n"))
    node.as_root(running, "nft=$(echo /nix/store/*-nftables*/bin/nft | cut -d' ' -f1); $nft delete table inet nixos-fw")
    with pytest.raises(RuntimeFailed) as refused:
        await runtime.open_ports(name, (8080,))
    assert refused.value.code == "ports_refused"
    assert 'rules of its firewall were removed inside; "sudo systemctl restart nftables"' in refused.value.message
    assert (await runtime.observe(name)).ports == ()
    node.ssh(address, "sudo systemctl restart nftables")
    assert await opens(runtime, running, 8080)
    assert not await opens(runtime, running, 8081)
    await runtime.open_ports(name, (8080,))
    assert (await runtime.observe(name)).ports == (8080,)


async def test_listening_programs_are_told_and_reached_wherever_they_listen(
    node: Node, runtime: Runtime, running: MachineSpec
) -> None:
    name, address = running.workspace_id, (await runtime.observe(running.workspace_id)).address

    async def listens(port: int) -> Listener | None:
        return next((one for one in await runtime.listening(name) if one.port == port), None)

    assert (await listens(22)) is not None
    ways = {8101: "127.0.0.1:8101", 8102: "[::1]:8102", 8103: "127.0.0.9:8103", 8104: "0.0.0.0:8104"}
    for port, way in ways.items():
        assert await listens(port) is None
        node.ssh(address, f"systemd-run --user -q -u on{port} systemd-socket-activate -l {way} --inetd -a cat")
        async with asyncio.timeout(10):
            while (found := await listens(port)) is None:
                continue
        assert found.program.startswith("systemd-socket")
        assert found.addresses == (way.rpartition(":")[0].strip("[]"),)
        assert found.since is not None
        assert abs((datetime.now(UTC) - found.since).total_seconds()) < 30
        with await runtime.connect(name, port) as connection:
            await asyncio.get_running_loop().sock_sendall(connection, b"echo")
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(connection, 4), 10) == b"echo"
    with pytest.raises(Unavailable):
        await runtime.connect(name, 8105)
    node.ssh(address, "systemctl --user stop on8101")
    assert await listens(8101) is None
    for end in (runtime.pause, runtime.stop):
        await end(name)
        with pytest.raises(Conflict):
            await runtime.listening(name)


async def test_the_terminal_holder_answers_its_user_where_it_listens(
    node: Node, runtime: Runtime, running: MachineSpec
) -> None:
    """An engine without such a way returns None; a socket's peer is the holder's own user to it."""
    connection = None
    async with asyncio.timeout(10):
        while connection is None:
            connection = await runtime.connect_holder(running.workspace_id)
    with connection:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(connection, protocol.greeting() + protocol.list_terminals())
        frames: list[protocol.Frame] = []
        reader = protocol.FrameReader(lambda _: None, frames.append)
        async with asyncio.timeout(10):
            while len(frames) < 2:
                reader.feed(await loop.sock_recv(connection, 4096))
        assert isinstance(frames[0], protocol.Welcome)
        assert isinstance(frames[1], protocol.ListEnd)
    address = (await runtime.observe(running.workspace_id)).address
    node.ssh(address, "sudo systemctl stop nixws-terminals")
    assert await runtime.connect_holder(running.workspace_id) is None
    for end in (runtime.pause, runtime.stop):
        await end(running.workspace_id)
        with pytest.raises(Conflict):
            await runtime.connect_holder(running.workspace_id)


async def test_an_engine_that_is_silent_or_gone_is_unavailable_in_time(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await LocalRuntime(tmp_path / "nothing.sock").list()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent.sock"))
        silent.listen()
        started = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable):
            await LocalRuntime(tmp_path / "silent.sock", silence=0.3).list()
        assert asyncio.get_running_loop().time() - started < 2
