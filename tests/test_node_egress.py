"""Ways out of workspaces on a real node whose uplink is a fake internet: what passes, what does not, what is told."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from fake_internet import (
    EVIL,
    METADATA,
    NEIGHBOUR,
    PYPI,
    REBINDINGS,
    WEB,
    FakeInternet,
    Sniffer,
    fake_internet,
    machine_behind,
)
from fakes import eventually
from node_fixture import Node, running_node
from pyroute2 import IPRoute
from real_nix import build, open_environments
from typing_extensions import override
from waiting import until

from nixos_workspaces.errors import InvalidInput, NotFound
from nixos_workspaces.model.machine import MachineSpec
from nixos_workspaces.model.network import EgressRules, NetworkEntry, NetworkMode, PortRange
from nixos_workspaces.node.egress.addresses import addresses_of
from nixos_workspaces.node.egress.uplink import Uplink
from nixos_workspaces.node.kernel.namespaces import network_namespace

pytestmark = pytest.mark.xdist_group("egress")
WEB_PORTS = (PortRange(80, 80), PortRange(443, 443))
OPEN = EgressRules(NetworkMode.OPEN)
LOCKED = EgressRules(NetworkMode.LOCKED, (NetworkEntry(name="*.example.org", ports=WEB_PORTS),))
NOWHERE = EgressRules(NetworkMode.LOCKED)
ATTACKS = Path(__file__).with_name("egress_attacks.py")
LEAST_ATTACKS = 40

STREAM = """
import socket, sys, time
one = socket.create_connection(("web.example.org", 80), 10)
one.sendall(b"GET /slow HTTP/1.0\\r\\n\\r\\n")
one.settimeout(1)
while True:
    try:
        data = one.recv(65536)
    except TimeoutError:
        data = b"-"
    print(time.time(), len(data), flush=True)
    if not data:
        break
"""


FLOOD = """
import socket, sys
for number in range(1, 60001):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect((sys.argv[1], number))
        try:
            one.send(b"x")
        except OSError:
            pass
"""


@pytest.fixture(scope="module")
def internet() -> Iterator[FakeInternet]:
    with fake_internet() as running:
        yield running


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A system with what people fetch things with: the one named by NIXWS_TEST_FURNISHED, or built here."""

    async def built() -> str:
        environments = await open_environments(tmp_path_factory.mktemp("furnished"), "debian")
        try:
            return (await build(environments, "ws-furnished", "python3", "git", "nodejs", "curl")).toplevel
        finally:
            await environments.close()

    return os.environ.get("NIXWS_TEST_FURNISHED") or asyncio.run(built())


@pytest.fixture(scope="module")
def connected(furnished: str, internet: FakeInternet) -> Iterator[Node]:
    """A node that leads out to the fake internet."""
    with running_node(furnished, uplink=internet.uplink, name_servers=[internet.name_server]) as node:
        yield node


@pytest.fixture
async def workspace(connected: Node) -> AsyncIterator[MachineSpec]:
    async with connected.running() as spec:
        yield spec


async def says(node: Node, spec: MachineSpec, command: str, *, timeout: float = 60) -> str:
    return await asyncio.to_thread(node.as_root, spec, command, check=False, timeout=timeout)


async def fetched(node: Node, spec: MachineSpec, url: str) -> str:
    return await says(node, spec, f"curl -sS -m 8 {url}")


async def test_open_fetches_by_git_pip_and_npm(connected: Node, workspace: MachineSpec, internet: FakeInternet) -> None:
    await connected.runtime.set_egress(workspace.workspace_id, OPEN)
    for name, text in (("ca.pem", internet.authority), ("key", internet.git_key), ("known", internet.git_host_key)):
        quoted = shlex.quote(text)
        await says(connected, workspace, f"umask 077; printf %s {quoted} > /root/{name}")
    ssh = "GIT_SSH_COMMAND='ssh -i /root/key -o UserKnownHostsFile=/root/known'"
    pip = "PIP_CERT=/root/ca.pem v/bin/pip install -q --disable-pip-version-check -i https://pypi.example.org/simple/"
    npm = "NODE_EXTRA_CA_CERTS=/root/ca.pem npm install --silent --no-audit --registry https://npm.example.org/"
    commands = (
        "GIT_SSL_CAINFO=/root/ca.pem git clone -q https://git.example.org/demo.git a && cat a/app.py",
        f"{ssh} git clone -q ssh://git@git.example.org/demo.git b && cat b/app.py",
        f"python3 -m venv v && {pip} fakepkg && v/bin/python -c 'import fakepkg, fakedep; print(fakedep.NAME)'",
        f"mkdir n && cd n && {npm} fake-module && node -e 'console.log(require(\"fake-module\"))'",
    )
    done = [await says(connected, workspace, f"cd /root && {command}", timeout=120) for command in commands]
    assert [text.splitlines()[-1:] for text in done] == [
        ["print('hello')"],
        ["print('hello')"],
        ["fakedep"],
        ["fake-module"],
    ], done


async def test_no_attack_leaves_a_locked_workspace(
    connected: Node, workspace: MachineSpec, internet: FakeInternet
) -> None:
    """Sniffers outside see nothing, neither behind the uplink nor on this machine's own links."""
    here = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    machine = Sniffer(here, ("lo", "nx", "nu"), leaving=True)
    os.close(here)
    with socket.create_server(("", 0)) as listener:
        ports = f"22,{listener.getsockname()[1]}"
        own = next(one for one in own_addresses() if not one.startswith("127."))
        async with connected.running() as neighbour:
            where = (await connected.runtime.observe(neighbour.workspace_id)).address
            assert where is not None
            await connected.runtime.set_egress(neighbour.workspace_id, OPEN)
            await connected.runtime.set_egress(workspace.workspace_id, LOCKED)
            assert "hello" in await fetched(connected, workspace, "http://web.example.org/")
            internet.sniffer.reset()
            words = [EVIL, where.host, connected.gateway, own, ports, str(resolver_port(connected))]
            script = f"python3 -c {shlex.quote(ATTACKS.read_text())} {' '.join(words)}"
            outcomes = json.loads((await says(connected, workspace, script, timeout=120)).splitlines()[-1])
    seen, left = internet.sniffer.seen(), machine.seen()
    machine.close()
    assert len(outcomes) >= LEAST_ATTACKS
    assert {name: outcome for name, outcome in outcomes.items() if outcome.startswith("reached")} == {}
    assert seen == {}, outcomes
    strangers = {EVIL, METADATA, NEIGHBOUR, WEB, where.host}
    assert {target: count for target, count in left.items() if target[0] in strangers} == {}
    assert "hello" in await fetched(connected, workspace, "http://web.example.org/")


async def test_nobody_comes_in_by_the_uplink(connected: Node, workspace: MachineSpec, internet: FakeInternet) -> None:
    """Neither this machine's services nor a workspace answer to the namespace that is the uplink."""
    await connected.runtime.set_egress(workspace.workspace_id, OPEN)
    where = (await connected.runtime.observe(workspace.workspace_id)).address
    assert where is not None
    internet_side = ["ip", "-n", internet.namespace, "route", "replace", connected.network, "via", connected.gateway]
    await asyncio.to_thread(subprocess.run, internet_side, check=True)
    with socket.create_server(("", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        for target in ((connected.gateway, port), (connected.gateway, resolver_port(connected)), (where.host, 22)):
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(connected_from, internet, target)
        with pytest.raises(BlockingIOError):
            listener.accept()


def connected_from(internet: FakeInternet, target: tuple[str, int]) -> None:
    """Open a connection out of the fake internet; raises ``TimeoutError`` when nobody answers."""
    descriptor = internet.descriptor()
    try:
        with network_namespace(descriptor):
            one = socket.socket()
    finally:
        os.close(descriptor)
    with one:
        one.settimeout(2)
        one.connect(target)


async def test_rules_in_force_are_those_of_now_for_open_connections_too(
    connected: Node, workspace: MachineSpec, internet: FakeInternet
) -> None:
    await connected.runtime.set_egress(workspace.workspace_id, OPEN)
    stream = asyncio.create_task(says(connected, workspace, f"timeout 12 python3 -c {shlex.quote(STREAM)}", timeout=40))
    await asyncio.to_thread(until, "the stream flows", lambda: internet.sniffer.bytes_to(WEB) > 1000)
    await connected.runtime.set_egress(workspace.workspace_id, LOCKED)  # it allows this connection: it goes on
    before = internet.sniffer.bytes_to(WEB)
    await asyncio.to_thread(until, "the stream goes on", lambda: internet.sniffer.bytes_to(WEB) > before + 1000)
    await connected.runtime.set_egress(workspace.workspace_id, NOWHERE)
    cut = time.time()
    internet.sniffer.reset()
    lines = [line.split() for line in (await stream).splitlines() if line[:1].isdigit()]
    arrived = [float(at) - cut for at, size in lines if int(size) > 1]
    assert max(arrived) <= 1.0
    assert internet.sniffer.bytes_to(WEB) == 0


async def test_entries_end_on_time_for_open_connections_too(
    connected: Node, workspace: MachineSpec, internet: FakeInternet
) -> None:
    """The node does so by itself: nothing tells it anything after the rules."""
    stays = NetworkEntry(cidr=f"{PYPI}/32")
    await connected.runtime.set_egress(workspace.workspace_id, EgressRules(NetworkMode.LOCKED, (stays,)))
    assert "resolve" in await fetched(connected, workspace, "http://web.example.org/")
    end = datetime.now(UTC) + timedelta(seconds=5)
    brief = NetworkEntry(name="web.example.org", ports=WEB_PORTS, expires_at=end)
    await connected.runtime.set_egress(workspace.workspace_id, EgressRules(NetworkMode.LOCKED, (brief, stays)))
    internet.sniffer.reset()
    stream = asyncio.create_task(says(connected, workspace, f"timeout 14 python3 -c {shlex.quote(STREAM)}", timeout=40))
    await asyncio.to_thread(until, "the stream flows", lambda: internet.sniffer.bytes_to(WEB) > 1000)
    lines = [line.split() for line in (await stream).splitlines() if line[:1].isdigit()]
    arrived = [float(at) - end.timestamp() for at, size in lines if int(size) > 1]
    assert max(arrived) <= 1.0
    assert "resolve" in await fetched(connected, workspace, "http://web.example.org/")
    assert "connect" not in await fetched(connected, workspace, f"http://{PYPI}/")


async def test_learning_ends_although_the_node_was_killed(connected: Node, workspace: MachineSpec) -> None:
    until_then = datetime.now(UTC) + timedelta(seconds=1)
    learning = EgressRules(NetworkMode.OBSERVE, until=until_then, after=NOWHERE)
    await connected.runtime.set_egress(workspace.workspace_id, learning)
    connected.kill()
    connected.start()

    async def refused() -> bool:
        return "resolve" in await fetched(connected, workspace, "http://web.example.org/")

    await eventually(refused, 20)


async def test_names_ports_and_denials_count_as_they_are_written(
    connected: Node, workspace: MachineSpec, internet: FakeInternet
) -> None:
    set_egress, one = connected.runtime.set_egress, workspace.workspace_id
    await set_egress(one, EgressRules(NetworkMode.LOCKED, (NetworkEntry(name="web.example.org", ports=WEB_PORTS[:1]),)))
    assert "hello" in await fetched(connected, workspace, "http://web.example.org/")
    assert "resolve" in await fetched(connected, workspace, "http://api.web.example.org/")
    assert "connect" in await fetched(connected, workspace, "https://web.example.org/")
    await set_egress(one, EgressRules(NetworkMode.OPEN, deny=(NetworkEntry(name="*.web.example.org"),)))
    assert "hello" in await fetched(connected, workspace, "http://web.example.org/")
    assert "resolve" in await fetched(connected, workspace, "http://api.web.example.org/")
    await set_egress(one, EgressRules(NetworkMode.OPEN, deny=(NetworkEntry(cidr=f"{WEB}/32", ports=WEB_PORTS[:1]),)))
    assert "connect" in await fetched(connected, workspace, "http://web.example.org/")
    assert "certificate" in await fetched(connected, workspace, "https://web.example.org/")
    await set_egress(
        one, EgressRules(NetworkMode.LOCKED, (NetworkEntry(cidr=f"{WEB}/32", ports=(PortRange(79, 81),)),))
    )
    assert "hello" in await fetched(connected, workspace, f"http://{WEB}/")
    assert "connect" in await fetched(connected, workspace, f"http://{PYPI}/")
    internet.names["moved.example.org"] = ["alias:evil.example.net"]
    await set_egress(one, EgressRules(NetworkMode.LOCKED, (NetworkEntry(name="moved.example.org"),)))
    assert EVIL in await says(connected, workspace, "getent hosts moved.example.org")


async def test_a_name_that_leads_to_a_forbidden_address_leads_nowhere(
    connected: Node, workspace: MachineSpec, internet: FakeInternet
) -> None:
    """Although the name is allowed: with no other address, beside a good one, and behind an alias."""
    internet.names["mixed.evil.example.net"] = [WEB, NEIGHBOUR]
    internet.names["behind.evil.example.net"] = ["alias:rebind-metadata.evil.example.net"]
    forbidden = [f"rebind-{label}.evil.example.net" for label in REBINDINGS] + ["behind.evil.example.net"]
    evil = EgressRules(NetworkMode.LOCKED, (NetworkEntry(name="*.evil.example.net"),))
    for rules in (OPEN, evil):
        await connected.runtime.set_egress(workspace.workspace_id, rules)
        assert EVIL in await says(connected, workspace, "getent ahostsv4 any.evil.example.net")
        internet.sniffer.reset()
        for name in forbidden:
            assert await says(connected, workspace, f"getent ahosts {name}") == "", name
            assert "resolve" in await fetched(connected, workspace, f"http://{name}/"), name
        mixed = await says(connected, workspace, "getent ahosts mixed.evil.example.net")
        assert NEIGHBOUR not in mixed
        assert internet.sniffer.bytes_to(*REBINDINGS.values(), METADATA, NEIGHBOUR) == 0


@pytest.mark.parametrize(
    "host", [METADATA, "2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "169.254.43518", f"[::ffff:{METADATA}]"]
)
async def test_no_spelling_of_the_metadata_address_leads_there(
    connected: Node, workspace: MachineSpec, internet: FakeInternet, host: str
) -> None:
    await connected.runtime.set_egress(workspace.workspace_id, OPEN)
    assert "hello" in await fetched(connected, workspace, "http://web.example.org/")
    internet.sniffer.reset()
    assert "credentials" not in await fetched(connected, workspace, f"http://{host}/")
    assert internet.sniffer.bytes_to(METADATA) == 0


async def test_what_was_refused_is_told_with_its_program(connected: Node, workspace: MachineSpec) -> None:
    await connected.runtime.set_egress(workspace.workspace_id, LOCKED)
    await fetched(connected, workspace, f"http://{EVIL}:8080/")
    await fetched(connected, workspace, "http://evil.example.net/")
    await fetched(connected, workspace, "http://web.example.org:8080/")
    told = await connected.runtime.denied(workspace.workspace_id)
    found = {(one.name, one.address, one.port, one.protocol, one.program) for one in told}
    assert found >= {
        (None, EVIL, 8080, "tcp", "curl"),
        ("evil.example.net", "", 53, "dns", "curl"),
        ("web.example.org", WEB, 8080, "tcp", "curl"),
    }
    assert await connected.runtime.denied(workspace.workspace_id, told[-1].at) == ()


async def test_a_flood_of_refused_connections_fills_nothing(connected: Node, workspace: MachineSpec) -> None:
    await connected.runtime.set_egress(workspace.workspace_id, NOWHERE)
    await says(connected, workspace, f"timeout 20 python3 -c {shlex.quote(FLOOD)} {EVIL}", timeout=60)
    assert 90 <= len(await connected.runtime.denied(workspace.workspace_id)) <= 1000
    assert (await connected.runtime.observe(workspace.workspace_id)).workspace_id == workspace.workspace_id


async def test_what_is_let_out_is_told_while_it_is_observed(connected: Node, workspace: MachineSpec) -> None:
    await connected.runtime.set_egress(workspace.workspace_id, EgressRules(NetworkMode.OBSERVE))
    await fetched(connected, workspace, "http://web.example.org/")

    def seen() -> bool:
        told = asyncio.run(connected.runtime.observed(workspace.workspace_id))
        return any((one.name, one.port, one.protocol) == ("web.example.org", 80, "tcp") for one in told)

    await asyncio.to_thread(until, "the connection is told", seen, 5)
    assert await connected.runtime.denied(workspace.workspace_id) == ()


async def test_rules_outlive_the_node(connected: Node, workspace: MachineSpec) -> None:
    """They are in force while it is away, after it was killed, and at the machine's next start."""
    await connected.runtime.set_egress(workspace.workspace_id, LOCKED)
    connected.kill()
    away = await fetched(connected, workspace, f"http://{EVIL}/")
    connected.start()
    assert "connect" in away
    assert "hello" in await fetched(connected, workspace, "http://web.example.org/")
    assert "connect" in await fetched(connected, workspace, f"http://{EVIL}/")
    await connected.runtime.stop(workspace.workspace_id)
    await connected.runtime.start(workspace)
    assert "hello" in await fetched(connected, workspace, "http://web.example.org/")
    assert "connect" in await fetched(connected, workspace, f"http://{EVIL}/")


async def test_rules_are_checked_and_want_a_machine(connected: Node, workspace: MachineSpec) -> None:
    await connected.runtime.set_egress(workspace.workspace_id, OPEN)
    for wrong in (NetworkEntry(cidr="10.0.0.0/8"), NetworkEntry(name="127.0.0.1"), NetworkEntry(cidr="0.0.0.0/0")):
        with pytest.raises(InvalidInput):
            await connected.runtime.set_egress(workspace.workspace_id, EgressRules(NetworkMode.LOCKED, (wrong,)))
    with pytest.raises(NotFound):
        await connected.runtime.set_egress("ws-nobody", OPEN)
    with pytest.raises(NotFound):
        await connected.runtime.denied("ws-nobody")


async def test_without_an_uplink_nothing_leaves(node: Node) -> None:
    async with node.running() as spec:
        await node.runtime.set_egress(spec.workspace_id, OPEN)
        script = f"import socket; socket.create_connection(('{EVIL}', 80), 5)"
        assert "refused" in await says(node, spec, f'python3 -c "{script}"')


async def test_the_machine_is_as_it_was_when_the_node_has_ended(furnished: str, internet: FakeInternet) -> None:
    before = machine_state()
    with running_node(furnished, uplink=internet.uplink, name_servers=[internet.name_server]) as node:
        async with node.running() as spec:
            await node.runtime.set_egress(spec.workspace_id, OPEN)
            assert "hello" in await fetched(node, spec, "http://web.example.org/")
            range_ = str(IPv4Network(node.network))
            assert range_ in machine_state()
            node.process.send_signal(signal.SIGKILL)  # type: ignore[union-attr]
            node.process.wait()  # type: ignore[union-attr]
            node.start()
            assert "hello" in await fetched(node, spec, "http://web.example.org/")
        tag = node.home.tag
    after = machine_state()
    assert tag not in after
    assert range_ not in after
    assert [line for line in after.splitlines() if "forwarding" in line] == [
        line for line in before.splitlines() if "forwarding" in line
    ]


@pytest.mark.parametrize(
    ("uplink", "kind"), [("auto", "wan (interface)"), ("wan", "wan (interface)"), ("pasta", "pasta")]
)
async def test_each_uplink_leads_out_and_leaves_the_machine_as_it_was(
    furnished: str, internet: FakeInternet, uplink: str, kind: str
) -> None:
    """A namespace plays the machine: its default route leads to the fake internet, and it forwards nothing."""
    with machine_behind(internet) as machine:
        before = forwarding_flags(machine)
        with running_node(furnished, within=machine, uplink=uplink, name_servers=[internet.name_server]) as node:
            async with node.running() as spec:
                assert kind in (await node.runtime.capabilities()).uplink
                await node.runtime.set_egress(spec.workspace_id, OPEN)
                assert "hello" in await until_fetched(node, spec, "http://web.example.org/")
                assert "connect" in await fetched(node, spec, f"http://{METADATA}/")
                node.kill()
                node.start()
                assert "hello" in await until_fetched(node, spec, "http://web.example.org/")
                changed = {name for name, flag in forwarding_flags(machine).items() if before.get(name, flag) != flag}
                assert changed == ({"wan"} if "interface" in kind else set())
                node.stop()
                assert forwarding_flags(machine).items() >= before.items()
                node.start()
                assert "hello" in await until_fetched(node, spec, "http://web.example.org/")
        assert forwarding_flags(machine) == before


class SlowUplink(Uplink):
    """One whose machine takes its time over routing rules."""

    def __init__(self, setting: str, note: Path) -> None:
        super().__init__(setting, addresses_of("10.99.0.0/20", "abcde"), note, lambda: None)
        self.looking, self.go_on = threading.Event(), threading.Event()

    @override
    def _make_rules(self, netlink: IPRoute) -> None:
        super()._make_rules(netlink)
        self.looking.set()
        self.go_on.wait(20)


@pytest.mark.parametrize("end", ["release", "close"])
def test_what_is_put_back_stays_so(internet: FakeInternet, tmp_path: Path, end: str) -> None:
    """A look that is under way when the node ends, or comes after it, changes the link no more."""
    with machine_behind(internet) as machine:
        before = forwarding_flags(machine)
        uplink = SlowUplink("wan", tmp_path / "note")
        looking = threading.Thread(target=within, args=(machine, uplink.look))
        ending = threading.Thread(target=within, args=(machine, getattr(uplink, end)))
        looking.start()
        assert uplink.looking.wait(20)
        ending.start()
        ending.join(0.5)
        uplink.go_on.set()
        looking.join(20)
        ending.join(20)
        within(machine, uplink.look)
        assert forwarding_flags(machine) == before
        within(machine, uplink.close)


def within(namespace: str, work: Callable[[], object]) -> None:
    """Do something in a network namespace."""
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with network_namespace(descriptor):
            work()
    finally:
        os.close(descriptor)


def test_auto_takes_no_link_that_leads_nowhere(internet: FakeInternet, tmp_path: Path) -> None:
    """Nor does anything change of a link whose address is out of a network for documents."""
    with machine_behind(internet) as machine:
        subprocess.run(["ip", "-n", machine, "addr", "add", "192.0.2.7/24", "dev", "wan"], check=True)
        before = forwarding_flags(machine)
        uplink = Uplink("auto", addresses_of("10.99.0.0/20", "abcde"), tmp_path / "note", lambda: None)
        within(machine, uplink.look)
        within(machine, uplink.close)
        assert uplink.way is None
        assert "documents" in uplink.trouble
        assert forwarding_flags(machine) == before


async def until_fetched(node: Node, spec: MachineSpec, url: str) -> str:
    """Fetch a page as soon as the way out is there: ``pasta`` needs a moment."""
    told = ""
    async with asyncio.timeout(30):
        while "hello" not in told:
            told = await fetched(node, spec, url)
    return told


def forwarding_flags(namespace: str) -> dict[str, str]:
    """Return the forwarding flags of a namespace's links but those of workspaces, and its host-wide one."""
    command = "cd /proc/sys/net/ipv4 && grep . ip_forward conf/*/forwarding"
    enter = ["nsenter", f"--net=/run/netns/{namespace}", "sh", "-c", command]
    listed = subprocess.run(enter, capture_output=True, text=True, check=True).stdout
    pairs = (line.rsplit(":", 1) for line in listed.splitlines())
    found = {path.removeprefix("conf/").removesuffix("/forwarding"): flag for path, flag in pairs}
    return {name: flag for name, flag in found.items() if not name.startswith(("nx", "nu"))}


def machine_state() -> str:
    """Return rules, routes, links, tables and flags of this machine, without what comes and goes by itself."""
    told = [
        subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout
        for command in ("ip rule", "ip route show table all", "ip -br link", "nft list tables")
    ]
    flags = [
        f"forwarding {path.parent.name} {path.read_text()}"
        for path in sorted(Path("/proc/sys/net/ipv4/conf").glob("*/forwarding"))
        if not path.parent.name.startswith(("nx", "nu"))
    ]
    return "\n".join([*told, *flags, Path("/proc/sys/net/ipv4/ip_forward").read_text()])


def resolver_port(node: Node) -> int:
    table = f"nixws_{node.home.tag}"
    rules = subprocess.run(["nft", "list", "chain", "inet", table, "names"], capture_output=True, text=True, check=True)
    return int(rules.stdout.partition(f"{node.gateway}:")[2].split()[0])


def own_addresses() -> list[str]:
    listed = subprocess.run(["ip", "-j", "-4", "addr"], capture_output=True, text=True, check=True).stdout
    return [one["local"] for link in json.loads(listed) for one in link["addr_info"] if link["ifname"] != "lo"]
