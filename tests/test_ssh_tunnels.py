"""Tunnels of the API, framed and plain, and OpenSSH through them: order, flow control, limits, ends."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvloop
from people_fixture import person
from raw_socket import Closed
from ssh_place import Framed, Plain, SshPlace, client_of, ssh_place
from waiting import until

from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.cli.connect.access import Access, access_text, tunnel_options
from nixos_workspaces.cli.ssh import is_of_this_machine, run_ssh
from nixos_workspaces.client import Client
from nixos_workspaces.client.access.tunnels import open_plain
from nixos_workspaces.database import AuditEntry
from nixos_workspaces.errors import LimitExceeded, NotFound, Unavailable, WorkspacesError
from nixos_workspaces.schemas.workspaces import SshInfo, SshKeyAnswer

PORT = 5001
"""Of a program inside, which the tests themselves are."""
MOST_KEPT = 32 << 20
"""Bytes under way at which whoever sends must have come to a stop; kernels keep some for each of four sockets."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshPlace]:
    with ssh_place(tmp_path_factory.mktemp("data"), uvloop.new_event_loop) as opened:
        yield opened


@contextlib.contextmanager
def program(place: SshPlace) -> Iterator[socket.socket]:
    """Yield the listening socket of a program inside."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        place.world.servers[place.workspace, PORT] = listener.getsockname()
        yield listener


KINDS = pytest.mark.parametrize("kind", [Plain, Framed])
Kind = Callable[..., Plain | Framed]


@KINDS
def test_bytes_arrive_in_order_both_ways(place: SshPlace, kind: Kind) -> None:
    """Also what a server says before anybody asks."""
    sent = os.urandom(3_000_000)
    with program(place) as listener:

        def serve() -> None:
            inside = listener.accept()[0]
            with inside:
                inside.sendall(b"hello")
                while data := inside.recv(1 << 16):
                    inside.sendall(data)

        serving = threading.Thread(target=serve)
        serving.start()
        tunnel = kind(place, PORT)
        back = bytearray()

        def read() -> None:
            while len(back) < len(sent) + 5:
                back.extend(tunnel.recv())

        reading = threading.Thread(target=read)
        reading.start()
        for at in range(0, len(sent), 50_000):
            tunnel.send(sent[at : at + 50_000])
        reading.join(30)
        tunnel.close()
        serving.join(30)
    assert bytes(back) == b"hello" + sent


def filled(sender: socket.socket) -> int:
    """Send for as long as anything is taken, and return how much that was."""
    sender.setblocking(False)
    count, block = 0, bytes(1 << 16)
    while select.select([], [sender], [], 0.5)[1]:
        assert count < 4 * MOST_KEPT, "whatever is sent is kept"
        with contextlib.suppress(BlockingIOError):
            count += sender.send(block)
    sender.setblocking(True)
    return count


@KINDS
def test_a_client_that_does_not_read_stops_the_program(place: SshPlace, kind: Kind) -> None:
    with program(place) as listener:
        tunnel = kind(place, PORT)
        inside = listener.accept()[0]
        with inside:
            count = filled(inside)
            assert count < MOST_KEPT
            inside.shutdown(socket.SHUT_WR)
            read = 0
            while data := tunnel.recv():
                read += len(data)
            assert read == count
        tunnel.close()


@KINDS
def test_a_program_that_does_not_read_stops_the_client(place: SshPlace, kind: Kind) -> None:
    with program(place) as listener:
        tunnel = kind(place, PORT)
        inside = listener.accept()[0]
        with inside:
            if isinstance(tunnel, Plain):
                count = filled(tunnel.socket)
            else:
                count = 0
                while count < 4 * MOST_KEPT and select.select([], [tunnel], [], 0.5)[1]:
                    tunnel.socket._socket.settimeout(1)
                    try:
                        tunnel.send(bytes(1 << 16))
                    except TimeoutError:
                        break
                    count += 1 << 16
            assert count < MOST_KEPT
            inside.settimeout(20)
            read = 0
            while read < count:
                read += len(inside.recv(1 << 20))
        tunnel.close()


def test_the_end_of_one_direction_leaves_the_other_open(place: SshPlace) -> None:
    with program(place) as listener:
        tunnel = Plain(place, PORT)
        inside = listener.accept()[0]
        with inside:
            tunnel.socket.shutdown(socket.SHUT_WR)
            assert inside.recv(10) == b""
            inside.sendall(b"after")
        assert tunnel.recv() == b"after"
        assert tunnel.recv() == b""
        counted = place.web.server._fastapi.state.tunnel_sockets._counts
        until("it is over, although this end was not closed", lambda: not counted)
        tunnel.close()


def test_a_plain_tunnel_is_refused_as_any_request(place: SshPlace) -> None:
    with client_of(place) as client:
        with pytest.raises(Unavailable) as closed:
            open_plain(client, place.workspace, 9)
        assert closed.value.code == "port_closed"
        with pytest.raises(NotFound):
            open_plain(client, "other", 22)
    with client_of(place, "wrong") as stranger, pytest.raises(WorkspacesError) as unknown:
        open_plain(stranger, place.workspace, 22)
    assert unknown.value.code == "unauthenticated"


@KINDS
def test_tunnels_have_entries_in_the_audit_log(place: SshPlace, kind: Kind) -> None:
    counted = place.web.server._fastapi.state.tunnel_sockets._counts
    until("others have ended", lambda: not counted)

    async def noted() -> dict[str, AuditEntry]:
        await place.web.services.counted_audit.store()
        async with place.web.services.database.reading() as tx:
            return {one.action: one for _, one in await tx.audit.entries(place.workspace)}

    before = place.web.run(noted())
    tunnel = kind(place, 22)
    assert tunnel.recv().startswith(b"SSH-2.0")
    tunnel.close()
    until("it has ended", lambda: not counted)
    after = place.web.run(noted())
    for action in ("open-tunnel", "close-tunnel"):
        assert after[action].actor == ADMIN.id
        assert after[action] != before.get(action)


def test_an_upgrade_elsewhere_is_a_request_as_any(place: SshPlace) -> None:
    """And what follows it is no second one: nobody can hide a request behind it from a proxy."""
    head = "\r\n".join(
        ("Host: x", "Connection: Upgrade", "Upgrade: nixws.tunnel.v1", f"Authorization: Bearer {place.web.token}")
    )
    with socket.create_connection(place.web.address) as client:
        client.settimeout(20)
        hidden = f"GET /healthz HTTP/1.1\r\n{head}\r\n\r\n"
        client.sendall(f"GET /api/nixos/workspaces HTTP/1.1\r\n{head}\r\n\r\n{hidden}".encode())
        said = client.recv(1 << 16)
        assert said.startswith(b"HTTP/1.1 200 OK")
        client.sendall(bytes(1 << 17))
        with contextlib.suppress(ConnectionError):
            while data := client.recv(1 << 16):
                said += data
        assert said.count(b"HTTP/1.1") == 1


@KINDS
def test_a_person_has_so_many_tunnels(place: SshPlace, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = place.web.server._fastapi.state.tunnel_sockets
    until("others have ended", lambda: not sockets._counts)
    monkeypatch.setattr(sockets, "most_of_one", 2)
    opened: list[Plain | Framed] = [Plain(place, 22), Framed(place, 22)]
    if kind is Plain:
        with pytest.raises(LimitExceeded, match="You have 2 tunnels open"):
            kind(place, 22)
    else:
        third = kind(place, 22)
        with pytest.raises(Closed) as refused:
            third.recv()
        assert refused.value.code == 4429
        third.close()
    for one in opened:
        one.close()
    until("they are counted no more", lambda: not sockets._counts)
    again = kind(place, 22)
    assert again.recv().startswith(b"SSH-2.0")
    again.close()


@KINDS
def test_a_tunnel_ends_with_its_token(place: SshPlace, kind: Kind) -> None:
    secret, token = place.web.run(place.web.services.tokens.create("short", principal=ADMIN))
    tunnel, other = kind(place, 22, secret), kind(place, 22)
    assert tunnel.recv().startswith(b"SSH-2.0")
    assert other.recv().startswith(b"SSH-2.0")
    place.web.run(place.web.services.tokens.revoke(token.id, principal=ADMIN))
    with contextlib.suppress(Exception):
        assert tunnel.recv() == b""
    other.send(b"SSH-2.0-test\r\n")
    assert other.recv(), "another token's goes on"
    for one in (tunnel, other):
        one.close()


@KINDS
def test_a_tunnel_ends_with_its_share(place: SshPlace, kind: Kind) -> None:
    who = person(place.web, f"tunnels-{kind.__name__.lower()}")
    with place.web.http() as http:
        wanted = {"with": f"user:{who.id}", "access": "editor"}
        shares = f"/api/nixos/workspaces/{place.workspace}/shares"
        share_id = http.post(shares, json=wanted).json()["share"]["id"]
        tunnel, other = kind(place, 22, who.token), kind(place, 22)
        assert tunnel.recv().startswith(b"SSH-2.0")
        assert other.recv().startswith(b"SSH-2.0")
        began = time.monotonic()
        assert http.delete(f"{shares}/{share_id}").status_code == 204
        with contextlib.suppress(Closed, ConnectionResetError):
            assert tunnel.recv() == b""
        assert time.monotonic() - began <= 1
    other.send(b"SSH-2.0-test\r\n")
    assert other.recv(), "the owner's goes on"
    for one in (tunnel, other):
        one.close()


@KINDS
def test_a_tunnel_that_nothing_passes_is_ended_and_one_that_is_used_is_not(tmp_path: Path, kind: Kind) -> None:
    with ssh_place(tmp_path, uvloop.new_event_loop, tunnel_idle=1.2) as place, program(place) as listener:
        used = kind(place, PORT)
        inside = [listener.accept()[0]]
        quiet = kind(place, PORT)
        inside.append(listener.accept()[0])
        began = time.monotonic()
        while not select.select([quiet], [], [], 0.1)[0]:
            assert time.monotonic() - began < 20, "it has no end"
            used.send(b"alive")
            assert echo(inside[0]) == used.recv() == b"alive"
        assert time.monotonic() - began > 1
        for tunnel in (quiet, used):
            if kind is Plain:
                assert tunnel.recv() == b""
            else:
                with pytest.raises(Closed) as ended:
                    tunnel.recv()
                assert ended.value.code == 4429
            tunnel.close()
        for one in inside:
            with contextlib.suppress(ConnectionResetError):
                assert one.recv(1) == b""
            one.close()


def echo(inside: socket.socket) -> bytes:
    data = inside.recv(5)
    inside.sendall(data)
    return data


@KINDS
def test_a_stop_of_the_service_ends_tunnels(tmp_path: Path, kind: Kind) -> None:
    with ssh_place(tmp_path, uvloop.new_event_loop) as place:
        tunnel = kind(place, 22)
        assert tunnel.recv().startswith(b"SSH-2.0")
    with contextlib.suppress(Exception):
        assert tunnel.recv() == b""
    tunnel.close()


@pytest.mark.parametrize("fdpass", [True, False], ids=["connection", "bytes"])
def test_openssh_goes_through_its_proxy_command(place: SshPlace, tmp_path: Path, *, fdpass: bool) -> None:
    """With the connection itself, and with the bytes where it does not ask for that."""
    done = subprocess.run([*words(place, tmp_path, fdpass=fdpass), "cat"], input=b"x" * 3_000_000, check=False,
                          capture_output=True, timeout=60)  # fmt: skip
    assert (done.returncode, len(done.stdout)) == (0, 3_000_000), done.stderr
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, check=False).stdout
    assert left == b"", "no process is left behind"


def words(place: SshPlace, directory: Path, *, fdpass: bool) -> list[str]:
    """Return the words of OpenSSH through a tunnel, up to the host."""
    access = Access("default", place.web.url, place.web.token)
    file = directory / "access.json"
    file.write_text(access_text(access))
    file.chmod(0o600)
    options = tunnel_options(access, file, "demo")
    assert options[1:] == ["ProxyUseFdpass=yes"]
    return [
        "ssh", "-F", "none", "-i", str(place.sshd.key), "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes",
        "-o", f"UserKnownHostsFile={directory / 'known'}",
        *(word for option in (options if fdpass else options[:1]) for word in ("-o", option)),
        f"{place.sshd.user}@demo.nixws",
    ]  # fmt: skip


def test_a_program_with_two_sockets_gets_bytes(place: SshPlace, tmp_path: Path) -> None:
    """As those in JavaScript have them that read SSH's configuration, but know no ProxyUseFdpass."""
    command = next(word for word in words(place, tmp_path, fdpass=True) if word.startswith("ProxyCommand="))
    (source, theirs), (sink, theirs_too) = socket.socketpair(), socket.socketpair()
    with source, sink:
        proxy = subprocess.Popen(
            shlex.split(command.partition("=")[2]), stdin=theirs.fileno(), stdout=theirs_too.fileno()
        )
        theirs.close()
        theirs_too.close()
        sink.settimeout(20)
        assert sink.recv(7) == b"SSH-2.0"
        source.close()
        assert proxy.wait(20) == 0


def test_a_proxy_that_lets_no_plain_tunnel_through_is_no_hindrance(place: SshPlace, tmp_path: Path) -> None:
    """The request is answered as any other; ssh gets a connection all the same, and the bytes go over a WebSocket."""
    with without_upgrade(place) as url:
        with Client(url, place.web.token) as client:
            assert open_plain(client, place.workspace, 22) is None
        access = Access("default", url, place.web.token)
        command = words(place, tmp_path, fdpass=True)
        (tmp_path / "access.json").write_text(access_text(access))
        done = subprocess.run([*command, "echo through; cat"], input=b"y" * 2_000_000, check=False,
                              capture_output=True, timeout=60)  # fmt: skip
        assert (done.returncode, len(done.stdout)) == (0, 2_000_008), done.stderr


@contextlib.contextmanager
def without_upgrade(place: SshPlace) -> Iterator[str]:
    """Yield the address of a proxy that takes ``Upgrade: nixws.tunnel.v1`` out of requests."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads, sockets = list[threading.Thread](), list[socket.socket]()

        def carry(source: socket.socket, sink: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(1 << 16):
                    sink.sendall(data.replace(b"Upgrade: nixws.tunnel.v1\r\n", b""))
            for one in (source, sink):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    near, far = listener.accept()[0], socket.create_connection(place.web.address)
                    sockets.extend((near, far))
                    for pair in ((near, far), (far, near)):
                        threads.append(threading.Thread(target=carry, args=pair))
                        threads[-1].start()

        accepting = threading.Thread(target=serve)
        accepting.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        for thread in (accepting, *threads):
            thread.join(10)
        for one in sockets:
            one.close()


def test_nixws_ssh_goes_by_a_tunnel_where_the_address_leads_nowhere(
    place: SshPlace, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(Path(sys.executable).with_name("nixws"))])
    where = SshInfo(host="192.0.2.1", port=22, username=place.sshd.user)
    host_key = place.sshd.known_hosts.read_text().partition(" ")[2]
    key = SshKeyAnswer(private_key=place.sshd.key.read_text(), username=place.sshd.user, host_key=host_key)
    way = Access("default", place.web.url, place.web.token)
    assert run_ssh(where, key, ["echo", "said; exit 7"], way, place.workspace) == 7
    assert capfd.readouterr().out == "said\n"
    assert list(tmp_path.iterdir()) == []


def test_only_loopback_means_this_machine() -> None:
    here = ["http://127.0.0.1:5000", "http://localhost:5000", "https://[::1]", "http://x.localhost"]
    there = ["http://192.0.2.1:5000", "https://nixws.example", "http://10.0.0.1", "http://[2001:db8::1]:5000"]
    assert all(map(is_of_this_machine, here))
    assert not any(map(is_of_this_machine, there))


@pytest.mark.parametrize("label", ["default", "work"])
def test_config_ssh_knows_the_gateway_where_there_is_one(place: SshPlace, tmp_path: Path, label: str) -> None:
    """``ssh NAME@_gateway.nixws``: the same key, host keys by the same authority, and no nixws on the way."""
    nixws = Path(sys.executable).with_name("nixws")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NIXWS_")}
    env = kept | {"HOME": str(tmp_path), "NIXWS_URL": place.web.url, "NIXWS_TOKEN": place.web.token}
    for _ in range(2):
        subprocess.run([nixws, "config-ssh", "--label", label], env=env, check=True, capture_output=True)
    config = tmp_path / ".ssh" / "config"
    host = "_gateway.nixws" if label == "default" else f"_gateway.{label}.nixws"
    words = ["ssh", "-F", str(config), "-o", "BatchMode=yes", f"demo@{host}", "echo by the gateway"]
    done = subprocess.run(words, env=env, capture_output=True, check=False, timeout=60)
    assert done.stdout == b"by the gateway\n", done.stderr
    shown = subprocess.run(
        ["ssh", "-F", config, "-G", host], env=env, capture_output=True, text=True, check=True
    ).stdout
    assert "proxycommand" not in shown
    named = subprocess.run(["ssh", "-F", config, "-G", "demo" + host.removeprefix("_gateway")],
                           env=env, capture_output=True, text=True, check=True).stdout  # fmt: skip
    assert "proxyusefdpass yes" in named
    assert "user nixos" in named
