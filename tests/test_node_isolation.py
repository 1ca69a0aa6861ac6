"""A workspace's root sees and reaches nothing but itself."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import re
import shlex
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from node_fixture import Node, running_node
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from ssh_judgement import CURVE25519, judge
from waiting import until

from nixos_workspaces.model.machine import MachineSpec
from nixos_workspaces.node.machines.network import name_of, remove_link

_PROBE = Path(__file__).with_name("node_probe.py")


@pytest.fixture
async def workspace(node: Node) -> AsyncIterator[MachineSpec]:
    async with node.running() as spec:
        yield spec


def probed(node: Node, spec: MachineSpec, *arguments: str) -> dict[str, object]:
    """Run the probe inside as root and return its findings."""
    source = _PROBE.read_text().replace("'", "'\\''")
    said = node.as_root(spec, f"python3 -c '{source}' {' '.join(arguments)}")
    findings: dict[str, object] = json.loads(said.splitlines()[-1])
    return findings


async def test_nothing_of_the_machine_is_visible_or_writable(node: Node, workspace: MachineSpec) -> None:
    found = probed(node, workspace)
    first_id, lacking = found.pop("first_id"), found.pop("lacking")
    assert isinstance(first_id, int)
    assert first_id >= 1_600_000_000
    assert isinstance(lacking, list)
    assert len(lacking) == 6
    assert found == {
        "host_files": [],
        "init": "systemd",
        "foreign_owners": [],
        "writable_settings": [],
        "opened": [],
        "mounted": [],
        "store_remounted": False,
        "store_written": False,
        "device_made": False,
        "block_devices": [],
        "families": [1, 2, 10, 16],
        "pairs": [1],
        "old_socket": [-97, -97],
        "old_pair": -97,
        "ring": -1,
        "seccomp": 2,
        "limit_raised": False,
        "reached": {},
    }


async def test_the_devices_are_the_workspaces_own(node: Node, workspace: MachineSpec) -> None:
    """A workspace's device nodes are its own: neither the machine's nor another workspace's change them."""
    names = ("null", "zero", "full", "random", "urandom", "tty")
    places = " ".join(f"/dev/{name}" for name in names)
    async with node.running() as other:
        shown = [node.as_root(spec, f"stat -c '%d:%i' {places}").split() for spec in (workspace, other)]
        outside = [f"{status.st_dev}:{status.st_ino}" for status in map(os.stat, places.split())]
        assert len({*shown[0], *shown[1], *outside}) == 3 * len(names)
        node.as_root(workspace, f"chmod 000 {places}; rm /dev/null")
        assert node.as_root(other, f"stat -c '%a %U' {places} | sort -u") == "666 root"
        assert node.as_root(other, "echo x > /dev/null; head -c 2 /dev/zero | od -An -tx1") == "00 00"
        await node.runtime.stop(workspace.workspace_id)
        await node.runtime.start(workspace)
        assert node.as_root(workspace, f"stat -c '%a %U' {places} | sort -u") == "666 root"


async def test_the_uptime_is_the_workspaces_and_fits_to_the_births_of_processes(
    node: Node, workspace: MachineSpec
) -> None:
    where = (await node.runtime.observe(workspace.workspace_id)).address
    uptime, born, age = node.ssh(
        where, 'cut -d. -f1 /proc/uptime; date -d "$(ps -o lstart= 1)" +%s; ps -o etimes= 1'
    ).split()
    assert int(uptime) < 60
    assert int(age) < 60
    assert abs(time.time() - int(born)) < 90


async def test_questions_for_addresses_of_this_machine_are_not_answered(node: Node, workspace: MachineSpec) -> None:
    """A workspace knows its gateway's hardware address; which others this machine has, it does not learn."""
    asked = (
        "ip neigh flush all nud permanent; ip neigh flush all; ip route add 127.9.9.9 dev eth0 || true; "
        f'python3 -c \'import socket; s = socket.socket(2, 2); s.sendto(b"x", ("{node.gateway}", 9))\'; sleep 1.2; '
        f"ip neigh show {node.gateway}"
    )
    assert "lladdr" not in node.as_root(workspace, asked, check=False)


async def test_the_ssh_server_offers_nothing_weak(node: Node, workspace: MachineSpec) -> None:
    """As ssh-audit judges; the one thing it warns of is kept because asyncssh and others have nothing newer."""
    where = (await node.runtime.observe(workspace.workspace_id)).address
    assert where is not None
    found = await asyncio.to_thread(judge, where.host, where.port)
    assert found.exchanges > 1
    assert (found.failed, found.warned, found.cves) == (frozenset(), CURVE25519, ())


async def test_two_workspaces_share_no_ids(node: Node, workspace: MachineSpec) -> None:
    async with node.running() as other:
        ranges = [int(str(probed(node, spec)["first_id"])) for spec in (workspace, other)]
        assert abs(ranges[0] - ranges[1]) >= 65536


MOST_WATCHERS = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
WATCHERS = """
import ctypes, os
libc = ctypes.CDLL(None)
made = 0
while made < 100_000 and libc.inotify_init() >= 0:
    made += 1
print(made)
"""


async def test_what_the_kernel_counts_for_users_is_counted_for_each_workspace(toplevel: str) -> None:
    """One that takes all watchers of files that a user may have takes none from its neighbours or from this machine.

    The node has ids of its own: workspaces of other tests' nodes would be the same users.
    """
    take = f"python3 -c {shlex.quote(WATCHERS)}"
    with running_node(toplevel, 24, id_base=3_000_000_000) as node:
        await _take_all(node, take)


async def _take_all(node: Node, take: str) -> None:
    async with node.running() as workspace, node.running() as neighbour:
        before = int(node.as_root(neighbour, take))
        hold = f"python3 -c {shlex.quote(WATCHERS + 'import time; print(made, flush=True); time.sleep(1000)')}"
        node.as_root(workspace, f"cd /root; nohup {hold} > held 2>&1 < /dev/null &")
        until("all are taken", lambda: node.as_root(workspace, "cat /root/held"))
        assert 0 < int(node.as_root(workspace, "head -n 1 /root/held")) < MOST_WATCHERS
        # What watched while it booted may have ended meanwhile.
        assert int(node.as_root(neighbour, take)) >= before
        assert int(node.as_root(workspace, take)) < before / 2  # but for those that its own services gave back
    own = ctypes.CDLL(None).inotify_init()
    assert own >= 0
    os.close(own)


async def test_nothing_is_reachable_from_inside_and_refusals_are_quick(node: Node, workspace: MachineSpec) -> None:
    """The machine's services, other workspaces and the world beyond are refused at once, by IPv4 and IPv6."""
    async with node.running() as neighbour:
        where = (await node.runtime.observe(neighbour.workspace_id)).address
        assert where is not None
        with socket.create_server(("", 0), family=socket.AF_INET) as listener:
            port = listener.getsockname()[1]
            gateway = node.gateway
            targets = [f"{gateway}:{port}", f"127.0.0.1:{port}", f"{where.host}:22", "192.0.2.1:80", "198.51.100.7:443"]
            found = probed(node, workspace, *targets, f"[fe80::1%eth0]:{port}", "[2001:db8::1]:80")
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.accept()
        reached = found["reached"]
        assert isinstance(reached, dict)
        assert {target: answer for target, (answer, _) in reached.items() if answer == "connected"} == {}
        assert {target: seconds for target, (_, seconds) in reached.items() if seconds > 1} == {}


def test_a_link_that_goes_while_it_is_looked_at_has_no_name() -> None:
    """A node that starts looks at every route; those of other nodes' machines end meanwhile."""
    with IPRoute() as netlink:
        assert name_of(netlink, netlink.link_lookup(ifname="lo")[0]) == "lo"
        assert name_of(netlink, (1 << 31) - 1) is None


def test_a_link_that_is_gone_since_it_was_listed_is_removed() -> None:
    with IPRoute() as netlink:
        remove_link(netlink, (1 << 31) - 1)
        with pytest.raises(NetlinkError):
            remove_link(netlink, 0)


async def test_addresses_of_the_range_that_nobody_has_go_nowhere(node: Node) -> None:
    with socket.socket() as probe:
        probe.settimeout(3)
        began = time.monotonic()
        with pytest.raises(OSError, match=r"No route to host|unreachable"):
            probe.connect((str(IPv4Network(node.network)[8547]), 22))
        assert time.monotonic() - began < 1
    assert node.process is not None


async def test_a_false_source_address_is_dropped(node: Node, workspace: MachineSpec) -> None:
    """A workspace that gives itself another's address reaches nobody, not even in answers."""
    async with node.running() as neighbour:
        stolen = (await node.runtime.observe(neighbour.workspace_id)).address
        own = (await node.runtime.observe(workspace.workspace_id)).address
        assert stolen is not None
        assert own is not None
        steal = (
            "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(0, 15, 1); "
            f"s.bind(('{stolen.host}', 0)); s.sendto(b'x', ('{node.gateway}', int(__import__('sys').argv[1])))"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
            listener.bind(("", 0))
            listener.settimeout(0.5)
            node.as_root(workspace, f'python3 -c "{steal}" {listener.getsockname()[1]}', check=False)
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(listener.recv, 10)


_IMPOSTOR = """
import os, socket, struct
path = "/run/nixws-terminals/holder.sock"
os.unlink(path)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
os.chown(path, *{owner})
listener.listen()
print("listening", flush=True)
peer, _ = listener.accept()
print(struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1], flush=True)
"""


@pytest.mark.parametrize(("owner", "user"), [((1000, 1000), 1000), ((0, 0), 0), ((123, 0), 123)])
async def test_whoever_takes_the_holders_place_is_met_by_a_user_of_the_workspace(
    node: Node, workspace: MachineSpec, owner: tuple[int, int], user: int
) -> None:
    """The node, root of this machine, connects as the user whose socket it is: it is never more than that inside."""
    node.as_root(
        workspace,
        "systemctl stop nixws-terminals; mkdir -p /run/nixws-terminals; touch /run/nixws-terminals/holder.sock",
    )
    script = _IMPOSTOR.format(owner=owner).replace('"', '\\"')
    said = asyncio.create_task(asyncio.to_thread(node.as_root, workspace, f'python3 -c "{script}"'))
    connection = None
    async with asyncio.timeout(20):
        while connection is None:
            connection = await node.runtime.connect_holder(workspace.workspace_id)
    connection.close()
    assert (await said).split() == ["listening", str(user)]
    assert await node.runtime.list()


@pytest.mark.parametrize("linked", ["holder.sock", ""])
async def test_a_link_in_the_holders_place_leads_nowhere(node: Node, workspace: MachineSpec, linked: str) -> None:
    """Neither to the socket of this machine that has the path of the link's target, nor to one of the workspace."""
    directory = "/run/nixws-terminals"
    with tempfile.TemporaryDirectory() as outside, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{outside}/holder.sock")
        listener.listen()
        listener.setblocking(False)
        node.as_root(workspace, f"mv {directory} {directory}.moved; systemctl stop nixws-terminals; mkdir {directory}")
        for target in (outside, f"{directory}.moved"):
            if linked:
                node.as_root(workspace, f"ln -sfn {target}/{linked} {directory}/{linked}")
            else:
                node.as_root(workspace, f"rm -rf {directory}; ln -sfn {target} {directory}")
            assert await node.runtime.connect_holder(workspace.workspace_id) is None
        with pytest.raises(BlockingIOError):
            listener.accept()


async def test_the_console_cannot_fill_the_machine(node: Node) -> None:
    """The log of a system that prints without end keeps its first part and stays bounded."""
    async with node.running() as spec:
        flood = "yes noise | head -c 5000000"
        assert re.match(r"\d+", node.as_root(spec, f"{flood} | wc -c"))
        log = await node.runtime.boot_log(spec.workspace_id)
        assert len(log) <= 1 << 20
        capacity = os.statvfs(f"/proc/{node.process.pid}/root{node.home.machines}/{spec.workspace_id}/console")  # type: ignore[union-attr]
        assert capacity.f_blocks * capacity.f_frsize <= 1 << 20
