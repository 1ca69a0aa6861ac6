"""The SSH gateway over a real sshd: what it carries and what not, its limits, its entries, its ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
import uvloop
from asyncssh.channel import SSHTCPChannel
from asyncssh.packet import Boolean, String, UInt32
from people_fixture import person
from ssh_place import SshPlace, ssh_place
from waiting import until

from nixos_workspaces.auth.policy import ADMIN, Principal, Scope
from nixos_workspaces.auth.tokens import Bounds
from nixos_workspaces.database import AuditEntry
from nixos_workspaces.gateway import connections, relay, server
from nixos_workspaces.gateway.entrants import Entrants
from nixos_workspaces.model.access.public_keys import read_public_key
from nixos_workspaces.ssh import passing


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshPlace]:
    with ssh_place(tmp_path_factory.mktemp("data"), uvloop.new_event_loop) as opened:
        yield opened


def test_both_sides_exchange_keys_anew_in_the_middle_of_a_stream(place: SshPlace) -> None:
    """OpenSSH asks for it after each megabyte; twenty go each way."""
    key, _ = place.new_key()
    sent = os.urandom(20_000_000)
    words = place.words(key, "-o", "RekeyLimit=1M", "-v")
    done = subprocess.run([*words, "cat"], input=sent, capture_output=True, check=True, timeout=120)
    assert done.stdout == sent
    assert done.stderr.count(b"SSH2_MSG_NEWKEYS received") > 10


@pytest.mark.parametrize("asks", ["the client", "the service"])
def test_typed_keys_pass_alone_while_keys_are_exchanged_anew(
    place: SshPlace, monkeypatch: pytest.MonkeyPatch, asks: str
) -> None:
    """A packet that comes alone takes a way of its own, of either connection, that ends with the keys it knows."""
    taken, closed = [0], [0]
    take, close = passing.LoneWay.take, passing.Sealing.close

    def counted(self: passing.LoneWay, data: bytes) -> bool:
        was_taken = take(self, data)
        taken[0] += was_taken
        return was_taken

    def noted(self: passing.Sealing) -> None:
        closed[0] += 1
        close(self)

    monkeypatch.setattr(passing.LoneWay, "take", counted)
    monkeypatch.setattr(passing.Sealing, "close", noted)
    key, _ = place.new_key()
    words = place.words(key, "-v", *(["-o", "RekeyLimit=1K"] if asks == "the client" else []))
    pipe, command = subprocess.PIPE, [*words, "echo ready; exec cat"]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as typist:
        assert typist.stdin is not None
        assert typist.stdout is not None
        assert os.read(typist.stdout.fileno(), 100) == b"ready\n"
        if asks == "the service":
            (near,) = place.gateway._all
            for one in (near, near._upstream):
                assert one is not None
                one._rekey_bytes = 1000
        taken[0] = closed[0] = 0
        for number in range(300):
            letter = b"abcdefghij"[number % 10 : number % 10 + 1]
            typist.stdin.write(letter)
            typist.stdin.flush()
            assert os.read(typist.stdout.fileno(), 100) == letter, number
        said, log = typist.communicate(timeout=20)
    assert said == b""
    assert typist.returncode == 0
    assert log.count(b"SSH2_MSG_NEWKEYS received") > 5
    assert taken[0] > 400
    assert closed[0] > 10


@pytest.mark.parametrize(
    "kind", ["x11", "tun@openssh.com", "forwarded-tcpip", "auth-agent@openssh.com", "session@other", ""]
)
async def test_channels_of_other_kinds_are_refused(place: SshPlace, kind: str) -> None:
    key, _ = await asyncio.to_thread(place.new_key)
    async with await place.client(key) as client:
        with pytest.raises(asyncssh.ChannelOpenError, match="Such channels are not carried") as refused:
            await opened(client, kind.encode(), b"")
        assert refused.value.code == asyncssh.OPEN_UNKNOWN_CHANNEL_TYPE
        assert (await client.run("echo still here", check=True)).stdout == "still here\n"


async def opened(client: asyncssh.SSHClientConnection, kind: bytes, rest: bytes) -> SSHTCPChannel[bytes]:
    """Ask for a channel of any kind."""
    channel = SSHTCPChannel[bytes](client, asyncio.get_running_loop(), None, "strict", 1 << 21, 1 << 15)
    await channel._open(kind, rest)
    return channel


async def test_connections_to_other_hosts_are_refused(place: SshPlace) -> None:
    key, _ = await asyncio.to_thread(place.new_key)
    async with await place.client(key) as client:
        for host in (b"10.0.0.1", b"example.org", b"169.254.169.254", b"0.0.0.0"):
            rest = String(host) + UInt32(80) + String(b"127.0.0.1") + UInt32(1)
            with pytest.raises(asyncssh.ChannelOpenError, match="Only addresses of the workspace itself"):
                await opened(client, b"direct-tcpip", rest)


async def test_requests_of_a_session_that_may_not_pass_are_answered_with_no(place: SshPlace) -> None:
    key, _ = await asyncio.to_thread(place.new_key)
    async with await place.client(key) as client:
        channel = await opened(client, b"session", b"")
        for name, rest in ((b"x11-req", Boolean(value=False)), (b"subsystem", String(b"netconf")), (b"made-up", b"")):
            assert not await channel._make_request(name, rest), name
        assert await channel._make_request(b"exec", String(b"true"))


@pytest.mark.parametrize("scope", [None, Scope.TERMINALS_ATTACH])
async def test_a_channel_of_each_kind_is_carried_or_refused(place: SshPlace, scope: Scope | None) -> None:
    """By a credential that may have all, and by one for terminals alone."""
    bounds = Bounds(None if scope is None else frozenset({scope}))
    work = place.web.services.tokens.create("of-a-kind", principal=ADMIN, bounds=bounds)
    secret, _ = await asyncio.to_thread(place.web.run, work)
    key = await asyncio.to_thread(place.certified_key, secret)
    carried = set[str]()
    loopback = String(b"localhost") + UInt32(place.sshd.port) + String(b"127.0.0.1") + UInt32(1)
    async with await place.client(key) as client:
        assert (await client.run("echo in", check=True)).stdout == "in\n"
        session = await opened(client, b"session", b"")
        for name, rest in ((b"auth-agent-req@openssh.com", b""), (b"subsystem", String(b"sftp"))):
            if await session._make_request(name, rest):
                carried.add(name.decode())
        with contextlib.suppress(asyncssh.ChannelOpenError):
            await opened(client, b"direct-tcpip", loopback)
            carried.add("direct-tcpip")
        kind, _ = await client._make_global_request(b"tcpip-forward", String(b"127.0.0.1") + UInt32(0))
        if kind == asyncssh.constants.MSG_REQUEST_SUCCESS:
            carried.add("tcpip-forward")
    every = {"auth-agent-req@openssh.com", "subsystem", "direct-tcpip", "tcpip-forward"}
    assert carried == (every if scope is None else {"auth-agent-req@openssh.com"})


async def test_requests_of_a_connection_that_nobody_knows_are_answered_with_no(place: SshPlace) -> None:
    key, _ = await asyncio.to_thread(place.new_key)
    async with await place.client(key) as client:
        kind, _ = await client._make_global_request(b"made-up@nixws")
        assert kind == asyncssh.constants.MSG_REQUEST_FAILURE


async def test_a_connection_has_so_many_channels(place: SshPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "MOST_CHANNELS", 3)
    key, _ = await asyncio.to_thread(place.new_key)
    async with await place.client(key) as client:
        sessions = [await client.create_process("cat") for _ in range(3)]
        with pytest.raises(asyncssh.ChannelOpenError, match="3 channels already"):
            await client.create_process("cat")
        sessions[0].stdin.write_eof()
        await sessions[0].wait()
        again = await client.create_process("cat")
        for one in (*sessions[1:], again):
            one.stdin.write_eof()
            await one.wait()


def test_a_person_has_so_many_connections(place: SshPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    until("others have ended", lambda: not place.gateway._of_one.total())
    monkeypatch.setattr(server, "MOST_CONNECTIONS_OF_ONE", 2)
    key, _ = place.new_key()
    sessions = [place.session(key) for _ in range(2)]
    try:
        refused = subprocess.run([*place.words(key), "true"], capture_output=True, check=False, timeout=30)
        assert refused.returncode == 255
        assert b"You have 2 SSH connections open; close some." in refused.stderr
    finally:
        for one in sessions:
            one.kill()
            one.communicate()
    until("they are counted no more", lambda: not place.gateway._of_one.total())
    assert subprocess.run([*place.words(key), "true"], check=False, timeout=30).returncode == 0


def test_an_address_has_so_many_logins_under_way(place: SshPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    until("others have ended", lambda: not place.gateway._logins)
    monkeypatch.setattr(server, "MOST_LOGINS_OF_ADDRESS", 2)
    key, _ = place.new_key()
    waiting = [socket.create_connection(("127.0.0.1", place.port)) for _ in range(2)]
    for one in waiting:
        assert one.recv(4) == b"SSH-"
    refused = subprocess.run([*place.words(key), "true"], capture_output=True, check=False, timeout=30)
    assert refused.returncode == 255
    for one in waiting:
        one.close()
    until("they are forgotten", lambda: not place.gateway._logins)
    assert subprocess.run([*place.words(key), "true"], check=False, timeout=30).returncode == 0


def test_a_connection_shows_so_many_keys(place: SshPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_ATTEMPTS", 2)
    key, _ = place.new_key()
    strange = []
    for number in range(3):
        file = place.directory / f"strange-{number}"
        if not file.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
        strange += ["-i", str(file)]
    words = place.words(key)
    at = words.index("-i")
    refused = subprocess.run([*words[:at], *strange, *words[at:], "true"], capture_output=True, check=False, timeout=30)
    assert refused.returncode == 255
    assert b"Too many keys; name one" in refused.stderr


async def entries(place: SshPlace) -> list[AuditEntry]:
    await place.web.services.counted_audit.store()
    async with place.web.services.database.reading() as tx:
        found = [one for _, one in await tx.audit.entries("")]
        return found + [one for _, one in await tx.audit.entries(place.workspace)]


def test_connections_have_entries_in_the_audit_log(place: SshPlace) -> None:
    """One for each kind in a minute, with its number: opened, closed, refused."""
    until("others have ended", lambda: not place.gateway._of_one.total())
    place.web.run(entries(place))
    key, key_id = place.new_key()
    assert subprocess.run([*place.words(key), "true"], check=False, timeout=30).returncode == 0
    stranger = place.directory / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    assert (
        subprocess.run([*place.words(stranger), "true"], capture_output=True, check=False, timeout=30).returncode == 255
    )
    until("it has ended", lambda: not place.gateway._of_one.total() and not place.gateway._logins)
    last = {(one.action, one.outcome): one for one in place.web.run(entries(place))}
    for action in ("open-ssh", "close-ssh"):
        entry = last[action, "accepted"]
        assert (entry.actor, entry.workspace_id) == (ADMIN.id, place.workspace)
        assert (entry.chain, entry.address) == ((key_id,), "127.0.0.1")
    assert (last["open-ssh", "refused"].detail or {})["address"] == "127.0.0.1"


def test_a_stop_of_the_service_is_told(tmp_path: Path) -> None:
    with ssh_place(tmp_path, uvloop.new_event_loop) as place:
        key, _ = place.new_key()
        session = place.session(key)
        half = socket.create_connection(("127.0.0.1", place.port))
    _, said = session.communicate(timeout=30)
    half.close()
    assert session.returncode == 255
    assert b"The service stops; connect again soon." in said


def test_a_removed_key_ends_what_it_has_opened(place: SshPlace) -> None:
    key, key_id = place.new_key()
    other, _ = place.new_key()
    session, untouched = place.session(key), place.session(other)
    with place.web.http() as http:
        assert http.delete(f"/api/nixos/ssh-keys/{key_id}").status_code == 204
    _, said = session.communicate(timeout=30)
    assert b"The SSH key that this was opened with was removed." in said
    assert untouched.poll() is None
    untouched.kill()
    untouched.communicate()


def test_a_certificate_ends_with_its_token(place: SshPlace) -> None:
    secret, token = place.web.run(place.web.services.tokens.create("certified", principal=ADMIN))
    key = place.certified_key(secret)
    session = place.session(key)
    place.web.run(place.web.services.tokens.revoke(token.id, principal=ADMIN))
    _, said = session.communicate(timeout=30)
    assert b"was revoked or has expired" in said
    assert subprocess.run([*place.words(key), "true"], capture_output=True, check=False, timeout=30).returncode == 255


@pytest.mark.parametrize("by", ["key", "certificate"])
def test_a_connection_ends_with_its_share(place: SshPlace, by: str) -> None:
    """And another one is not let in; that of the owner goes on."""
    who = person(place.web, f"guest-by-{by}")
    key = place.new_key(who.token)[0] if by == "key" else place.certified_key(who.token)
    own, _ = place.new_key()
    as_shared = "-l", place.workspace
    with place.web.http() as http:
        shares = f"/api/nixos/workspaces/{place.workspace}/shares"
        wanted = {"with": f"user:{who.id}", "access": "editor"}
        share_id = http.post(shares, json=wanted).json()["share"]["id"]
        session, untouched = place.session(key, *as_shared), place.session(own)
        began = time.monotonic()
        assert http.delete(f"{shares}/{share_id}").status_code == 204
        assert session.stderr is not None
        said = session.stderr.readline()
        assert time.monotonic() - began <= 1
    assert b"There is no workspace" in said
    session.communicate(timeout=30)
    assert untouched.poll() is None
    untouched.kill()
    untouched.communicate()
    again = subprocess.run([*place.words(key, *as_shared), "true"], capture_output=True, check=False, timeout=30)
    assert again.returncode == 255


def test_others_have_no_shells_where_a_moderator_must_be_present(place: SshPlace) -> None:
    """Those that are open end, nor is the terminals' own socket reached; files go on, and the owner's shells."""
    who = person(place.web, "editor-by-ssh")
    key, own = place.new_key(who.token)[0], place.new_key()[0]
    as_shared = "-l", place.workspace
    agent_socket = place.directory / "a-socket"
    forwarding = "-N", "-L", f"{agent_socket}:/run/nixws-terminals/holder.sock", "-o", "ExitOnForwardFailure=yes"
    with place.web.http() as http:
        at = f"/api/nixos/workspaces/{place.workspace}"
        wanted = {"with": f"user:{who.id}", "access": "editor"}
        share_id = http.post(f"{at}/shares", json=wanted).json()["share"]["id"]
        session, untouched = place.session(key, *as_shared), place.session(own)
        chosen = {"record": False, "moderated": True}
        assert http.put(f"{at}/terminal-choices", json=chosen).status_code == 200
        assert b"A moderator must be present" in session.communicate(timeout=30)[1]
        typed = http.post(f"{at}/terminals", json={"command": "x"}, headers={"Authorization": f"Bearer {who.token}"})
        assert (typed.status_code, typed.json()["error"]["code"]) == (403, "moderator_absent")
        refused = subprocess.run(
            [*place.words(key, *as_shared), "echo in"], capture_output=True, check=False, timeout=30
        )
        assert (refused.returncode, refused.stdout) != (0, b"in\n")
        assert b"A moderator must be present" in refused.stderr
        with subprocess.Popen([*place.words(key, *as_shared, *forwarding)], stderr=subprocess.PIPE) as forwarded:
            until("it listens", agent_socket.exists)
            with socket.socket(socket.AF_UNIX) as reached:
                reached.connect(str(agent_socket))
                assert reached.recv(1) == b""
            forwarded.kill()
            assert b"does not allow such channels" in forwarded.communicate()[1]
        words = [*place.words(key, *as_shared, "-s"), "sftp"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as files:
            assert files.stdin is not None
            assert files.stdout is not None
            files.stdin.write(b"\0\0\0\5\1\0\0\0\3")
            files.stdin.flush()
            assert files.stdout.read(9)[4:] == b"\2\0\0\0\3"
            files.kill()
        assert untouched.poll() is None
        untouched.kill()
        untouched.communicate()
        assert http.put(f"{at}/terminal-choices", json={"record": False, "moderated": False}).status_code == 200
        again = place.session(key, *as_shared)
        again.kill()
        again.communicate()
        assert http.delete(f"{at}/shares/{share_id}").status_code == 204


async def test_who_may_not_see_a_workspace_does_not_enter_it(place: SshPlace) -> None:
    """Another person's key is no key there, by the same decision as every other call."""
    key, _ = await asyncio.to_thread(place.new_key)
    public = read_public_key(key.with_suffix(".pub").read_text())
    entrants: Entrants = place.gateway.entrants

    async def ask(principal: Principal) -> bool:
        return await entrants._entrant("demo", principal) is not None

    assert not place.web.run(ask(Principal("bob", "Bob")))
    assert place.web.run(ask(ADMIN))
    assert place.web.run(entrants.by_key("other", public)) is None
