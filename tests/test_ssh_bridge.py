"""The bridge against a real sshd and the real holder."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import asyncssh
import pytest
from bridge_fixture import WORKSPACE, Inside, Screen, bridge_to, inside, open_cat
from holder_fixture import build

from nixos_workspaces.errors import Conflict, Forbidden, InvalidInput, NotFound, RuntimeFailed, Unavailable
from nixos_workspaces.model.terminals import Start
from nixos_workspaces.ssh import connections, transport
from nixos_workspaces.ssh.sftp import open_sftp
from nixos_workspaces.terminals import input_activity
from nixos_workspaces.terminals.output import CLIENT_BYTES, COURTEOUS_CREDIT_BYTES, CREDIT_BYTES, FRAME_BYTES
from nixos_workspaces.terminals.ssh_bridge import Attach, Credentials, Exited, Failed, Gap, Resized, SSHBridge


@pytest.fixture(scope="module")
def program() -> Iterator[Path]:
    """The holder, where sshd's user may run it."""
    with tempfile.TemporaryDirectory(prefix="nixws-agent-") as directory:
        Path(directory).chmod(0o755)
        yield build("all", Path(directory))


@pytest.fixture(params=["ssh", "socket"])
async def place(program: Path, request: pytest.FixtureRequest) -> AsyncIterator[Inside]:
    """The workspace of a bridge, with each way to its holder."""
    async with inside(program, by_socket=request.param == "socket") as running:
        yield running


@pytest.fixture
async def bridge(place: Inside) -> AsyncIterator[SSHBridge]:
    async with bridge_to(place) as opened:
        yield opened


async def test_a_session_shows_what_its_program_prints_and_how_it_ends(bridge: SSHBridge) -> None:
    screen = Screen()
    session = await bridge.create_terminal_session(WORKSPACE, screen, Start(80, 24, "read x; echo got:$x; exit 3"))
    assert bridge.sessions == {session.id: session}
    await bridge.handle_terminal_input(session.id, "hello\n")
    ended = await screen.until_end()
    assert isinstance(ended, Exited)
    assert ended.status == 3
    assert b"got:hello" in screen.output
    assert bridge.sessions == {}
    with pytest.raises(NotFound):
        await bridge.handle_terminal_input(session.id, "too late")


async def test_a_login_shell_is_what_a_session_runs_by_itself(bridge: SSHBridge) -> None:
    screen = Screen()
    session = await bridge.create_terminal_session(WORKSPACE, screen)
    await bridge.handle_terminal_input(session.id, "echo $((6*7)) $0; stty size; exit\n")
    await screen.until_end()
    assert b"42 -sh" in screen.output
    assert b"24 80" in screen.output


async def test_a_terminal_lives_on_and_goes_on_where_the_client_left(bridge: SSHBridge) -> None:
    first = Screen()
    session = await open_cat(bridge, first)
    session.close()
    second = Screen()
    again = await bridge.attach_terminal(WORKSPACE, second, Attach(session.terminal_id, first.end, 100, 30))
    await bridge.handle_terminal_input(again.id, b"more")
    await second.until_output(b"more")
    assert bytes(second.output) == b"more"
    listed = await bridge.list_terminals(WORKSPACE)
    assert [(each.id, each.cols, each.rows, each.attached) for each in listed] == [(session.terminal_id, 100, 30, 1)]


async def test_terminals_are_named_and_closed(bridge: SSHBridge) -> None:
    screen = Screen()
    session = await open_cat(bridge, screen)
    await bridge.rename_terminal(WORKSPACE, session.terminal_id, "my build")
    assert [each.name for each in await bridge.list_terminals(WORKSPACE)] == ["my build"]
    await bridge.close_terminal(WORKSPACE, session.terminal_id)
    ended = await screen.until_end()
    assert isinstance(ended, Exited)
    assert ended.status == 128 + signal.SIGHUP


@pytest.mark.parametrize("terminal_id", ["", "0" * 16, "../../etc", "F" * 16, "0x00000000000001", "1" * 17])
async def test_an_id_that_is_not_a_terminal_is_not_found(bridge: SSHBridge, terminal_id: str) -> None:
    for call in (
        bridge.attach_terminal(WORKSPACE, Screen(), Attach(terminal_id, 0, 80, 24)),
        bridge.rename_terminal(WORKSPACE, terminal_id, "x"),
        bridge.close_terminal(WORKSPACE, terminal_id),
    ):
        with pytest.raises(NotFound) as refused:
            await call
        assert refused.value.code == "terminal_not_found"


async def test_what_cannot_be_started_or_attached_says_why(bridge: SSHBridge) -> None:
    with pytest.raises(Conflict) as refused:
        await bridge.create_terminal_session(WORKSPACE, Screen(), Start(80, 24, "", "/no/such/place"))
    assert refused.value.code == "terminal_start"
    session = await open_cat(bridge, Screen())
    with pytest.raises(Conflict) as refused:
        await bridge.attach_terminal(WORKSPACE, Screen(), Attach(session.terminal_id, 1 << 40, 80, 24))
    assert refused.value.code == "bad_offset"
    with pytest.raises(InvalidInput):
        session.resize(0, 24)


async def test_a_watcher_sees_everything_and_cannot_type(bridge: SSHBridge) -> None:
    typist, watcher = Screen(), Screen()
    session = await open_cat(bridge, typist)
    wanted = Attach(session.terminal_id, 0, 10, 10, readonly=True)
    watching = await bridge.attach_terminal(WORKSPACE, watcher, wanted)
    with pytest.raises(Forbidden):
        await bridge.handle_terminal_input(watching.id, "evil")
    await bridge.handle_terminal_input(session.id, "good")
    await watcher.until_output(b"good")
    assert bytes(watcher.output) == bytes(typist.output)


async def test_the_last_active_size_is_told_to_all(bridge: SSHBridge) -> None:
    first, second = Screen(), Screen()
    session = await open_cat(bridge, first)
    other = await bridge.attach_terminal(WORKSPACE, second, Attach(session.terminal_id, 0, 100, 30))
    await first.until(lambda: Resized(100, 30) in first.controls)
    session.resize(90, 20)
    await second.until(lambda: Resized(90, 20) in second.controls)
    other.write(b"x")
    await first.until(lambda: first.controls[-1] == Resized(100, 30))


async def test_after_a_broken_connection_everybody_knows_the_size_in_force(place: Inside, bridge: SSHBridge) -> None:
    """Each attaches again and counts as active then: who was not the last one has another size than its own."""
    screens = Screen(), Screen()
    first = await open_cat(bridge, screens[0])
    await bridge.attach_terminal(WORKSPACE, screens[1], Attach(first.terminal_id, 0, 100, 30))
    await screens[0].until(lambda: Resized(100, 30) in screens[0].controls)
    told = [len(screen.controls) for screen in screens]
    place.cut()
    for screen, before in zip(screens, told, strict=True):
        await screen.until(lambda: any(isinstance(each, Resized) for each in screen.controls[before:]))  # noqa: B023  # called at once
    [terminal] = [one for one in await bridge.list_terminals(WORKSPACE) if one.id == first.terminal_id]
    for screen in screens:
        await screen.until(lambda: last_size(screen) == Resized(terminal.cols, terminal.rows))  # noqa: B023  # called at once


async def test_a_size_told_while_connecting_again_is_in_force(place: Inside, bridge: SSHBridge) -> None:
    screen = Screen()
    session = await open_cat(bridge, screen)
    place.sshd.freeze()
    place.cut()
    await screen.until(lambda: place.connected)
    session.resize(101, 51)
    place.sshd.freeze(frozen=False)
    await screen.until(lambda: isinstance(screen.controls[-1], Resized))
    listed = await bridge.list_terminals(WORKSPACE)
    assert [(one.cols, one.rows) for one in listed] == [(101, 51)]


def last_size(screen: Screen) -> Resized:
    return [each for each in screen.controls if isinstance(each, Resized)][-1]


async def test_breaking_connections_loses_and_doubles_nothing(place: Inside, bridge: SSHBridge) -> None:
    """Typed and printed bytes survive connections that break at random moments."""
    chance = random.Random(7)
    screen = Screen()
    session = await open_cat(bridge, screen)
    typed = bytearray()
    for number in range(3000):
        line = b"line %d\n" % number
        typed += line
        await bridge.handle_terminal_input(session.id, line)
        if chance.random() < 0.004:
            place.cut()
        if chance.random() < 0.3:
            await asyncio.sleep(0)
        if chance.random() < 0.02:
            await asyncio.sleep(0.01)
    await screen.until(lambda: len(screen.output) >= len(typed) + 6)
    assert bytes(screen.output) == b"ready\n" + bytes(typed)


async def test_leaving_at_random_moments_of_a_steady_output_loses_nothing(bridge: SSHBridge) -> None:
    """About 1 MiB/s of numbered lines; the client leaves 150 times and comes back where it was."""
    program = "import time\nfor n in range(60000):\n  print(n, flush=n % 100 == 0)\n  n % 100 or time.sleep(0.001)"
    start = Start(80, 24, f"stty raw -echo; echo ready; read go; exec python3 -c '{program}'")
    chance, screen = random.Random(11), Screen()
    session = await bridge.create_terminal_session(WORKSPACE, screen, start)
    await screen.until_output(b"ready\n")
    await bridge.handle_terminal_input(session.id, "\n")
    seen = bytearray()
    for _ in range(150):
        await asyncio.sleep(chance.random() * 0.008)
        session.close()
        seen += screen.output
        screen, at = Screen(), session.offset
        session = await bridge.attach_terminal(WORKSPACE, screen, Attach(session.terminal_id, at, 80, 24))
    await screen.until_end()
    seen += screen.output
    assert bytes(seen) == b"ready\n" + b"".join(b"%d\n" % number for number in range(60000))


async def test_a_restarted_holder_keeps_sessions_when_it_is_an_upgrade(place: Inside, bridge: SSHBridge) -> None:
    screen = Screen()
    session = await open_cat(bridge, screen)
    for number in range(3):
        place.holder.process.send_signal(signal.SIGHUP)
        await bridge.handle_terminal_input(session.id, f"upgrade {number}\n")
        await screen.until_output(b"upgrade %d\n" % number)
    assert bytes(screen.output) == b"ready\nupgrade 0\nupgrade 1\nupgrade 2\n"


async def test_a_session_whose_workspace_is_stopped_ends_with_the_reason(place: Inside, bridge: SSHBridge) -> None:
    screen = Screen()
    await open_cat(bridge, screen)
    place.refuse = Conflict("The workspace is stopped; start it first.", code="not_running")
    place.cut()
    ended = await screen.until_end()
    assert isinstance(ended, Failed)
    assert ended.error.code == "not_running"


async def test_a_stopped_workspace_and_a_silent_one_are_told_apart(place: Inside) -> None:
    async with bridge_to(place, answer_seconds=0.3) as bridge:
        place.refuse = Conflict("The workspace is stopped; start it first.", code="not_running")
        with pytest.raises(Conflict):
            await bridge.create_terminal_session(WORKSPACE, Screen())
        place.refuse = None
        place.sshd.freeze()
        with pytest.raises(Unavailable) as silent:
            await bridge.create_terminal_session(WORKSPACE, Screen())
        assert silent.value.code == "no_answer"
        place.sshd.freeze(frozen=False)


async def test_another_host_key_is_refused_before_anything_is_sent(place: Inside, bridge: SSHBridge) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    right = place.credentials
    place.credentials = Credentials(right.client_key, other, right.username)
    with pytest.raises(RuntimeFailed) as refused:
        await bridge.list_terminals(WORKSPACE)
    assert refused.value.code == "host_key_mismatch"
    assert b"userauth" not in (place.sshd.known_hosts.parent / "log").read_bytes()
    unknown_key = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    place.credentials = Credentials(unknown_key, right.host_key, right.username)
    with pytest.raises(RuntimeFailed) as refused:
        await bridge.list_terminals(WORKSPACE)
    assert refused.value.code == "ssh_refused"
    assert "PRIVATE" not in repr(place.credentials)


async def test_a_workspace_without_a_holder_says_so(place: Inside) -> None:
    bridge = SSHBridge(place.connect, place.credentials_of, holder_socket="/nowhere/holder.sock")
    with pytest.raises(Unavailable) as missing:
        await bridge.create_terminal_session(WORKSPACE, Screen())
    assert missing.value.code == "holder_unavailable"
    await bridge.close()


@pytest.mark.parametrize("place", ["ssh"], indirect=True)
async def test_an_engine_that_is_silent_leaves_the_way_by_ssh(place: Inside) -> None:
    async def connect_holder(_workspace_id: str) -> socket.socket | None:
        raise Unavailable("The node does not answer.")

    holder = str(place.holder.socket)
    bridge = SSHBridge(place.connect, place.credentials_of, connect_holder=connect_holder, holder_socket=holder)
    screen = Screen()
    session = await open_cat(bridge, screen)
    session.write(b"by ssh")
    await screen.until_output(b"by ssh")
    await bridge.close()


async def test_few_sessions_share_a_connection(place: Inside, bridge: SSHBridge) -> None:
    screens = [Screen() for _ in range(20)]
    sessions = await asyncio.gather(*(open_cat(bridge, each) for each in screens))
    if place.by_socket:
        assert len(place.connected) == 1 + len(sessions)
    else:
        assert len(place.connected) == -(-20 // connections.SESSIONS_PER_CONNECTION)
    for number, (session, screen) in enumerate(zip(sessions, screens, strict=True)):
        session.write(b"number %d." % number)
        await screen.until_output(b"number %d." % number)


async def test_a_client_that_never_reads_costs_little(bridge: SSHBridge) -> None:
    """With flow control 96 KiB are sent, with a full transport nothing; the rest waits in the program."""
    for flow_control in (True, False):
        screen = Screen()
        start = Start(80, 24, "stty raw -echo; echo; read go; yes")
        session = await bridge.create_terminal_session(WORKSPACE, screen, start, flow_control=flow_control)
        if not flow_control:
            session.pause_output()
        session.write(b"\n")
        ends = [0]
        while True:
            await asyncio.sleep(0.2)
            listed = {each.id: each.end for each in await bridge.list_terminals(WORKSPACE)}
            ends.append(listed[session.terminal_id])
            if ends[-1] == ends[-2] > 0:
                break
        assert ends[-1] <= CLIENT_BYTES + CREDIT_BYTES + FRAME_BYTES
        assert len(screen.output) <= CLIENT_BYTES + FRAME_BYTES
        session.close()
        await bridge.close_terminal(WORKSPACE, session.terminal_id)


async def test_acknowledging_keeps_a_flood_going_and_control_c_ends_it_soon(bridge: SSHBridge) -> None:
    screen = Screen()
    start = Start(80, 24, "yes; echo done")
    session = await bridge.create_terminal_session(WORKSPACE, screen, start, flow_control=True)
    acknowledged = 0

    def acknowledge() -> int:
        nonlocal acknowledged
        fresh = len(screen.pieces) - acknowledged
        session.acknowledge(fresh)
        acknowledged += fresh
        return len(screen.output)

    await screen.until(lambda: acknowledge() > 4 << 20)
    typed_at = len(screen.output)
    session.write(b"\x03")
    await screen.until(lambda: acknowledge() and isinstance(screen.controls[-1], Exited))
    assert len(screen.output) - typed_at < 1 << 20


async def test_a_flood_keeps_a_short_lead_while_somebody_types_elsewhere(
    bridge: SSHBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_activity, "TYPING_SECONDS", 60.0)
    quiet, flooded = Screen(), Screen()
    typist = await open_cat(bridge, quiet)
    flood = await bridge.create_terminal_session(WORKSPACE, flooded, Start(80, 24, "yes"))

    def has_more(size: int) -> bool:
        return len(flooded.output) > size

    async def lead() -> int:
        """Return how far the terminal comes ahead of a client that stops reading."""
        flood.pause_output()
        before, end = -1, 0
        while before != end:
            before = end
            await asyncio.sleep(0.05)
            terminals = await bridge.list_terminals(WORKSPACE)
            end = next(each.end for each in terminals if each.id == flood.terminal_id)
        ahead = end - flooded.end
        flood.resume_output()
        return ahead

    flood.write(b"what is typed at the flood itself is no reason")
    await flooded.until(partial(has_more, 1 << 20))
    assert await lead() > CREDIT_BYTES // 2 - FRAME_BYTES
    for key in b"abc":
        typist.write(bytes((key,)))
        await quiet.until_output(bytes((key,)))
        much = len(flooded.output) + 2 * CREDIT_BYTES
        await flooded.until(partial(has_more, much))
    assert await lead() <= COURTEOUS_CREDIT_BYTES
    typist.close()


async def test_pasting_into_a_program_that_echoes_does_not_lock_up(bridge: SSHBridge) -> None:
    """A client that is asked to wait with its input cannot acknowledge; output goes on all the same."""
    data = os.urandom(1 << 20)
    screen = Screen()
    session = await open_cat(bridge, screen, flow_control=True, text=False)
    pieces_seen = 0
    for at in range(0, len(data), 1 << 17):
        await bridge.handle_terminal_input(session.id, data[at : at + (1 << 17)])
        shown = len(screen.pieces)  # acknowledging shows more: that is acknowledged the next time
        session.acknowledge(shown - pieces_seen)
        pieces_seen = shown
    while len(screen.output) < len(data) + 6:
        shown = len(screen.pieces)  # acknowledging shows more: that is acknowledged the next time
        session.acknowledge(shown - pieces_seen)
        pieces_seen = shown
        await asyncio.sleep(0.002)
    assert bytes(screen.output) == b"ready\n" + data


async def test_a_client_that_fell_behind_the_ring_is_told_the_gap(program: Path) -> None:
    async with inside(program, "--ring", str(5 << 16)) as small, bridge_to(small) as bridge:
        screen = Screen()
        start = Start(80, 24, "stty raw; seq 1 100000; echo end; sleep 1000")
        session = await bridge.create_terminal_session(WORKSPACE, screen, start)
        await screen.until_output(b"end")
        late = Screen()
        await bridge.attach_terminal(WORKSPACE, late, Attach(session.terminal_id, 10, 80, 24))
        await late.until_output(b"end")
        gap = next(each for each in late.controls if isinstance(each, Gap))
        assert gap.start == 10
        assert bytes(late.output) == bytes(screen.output)[gap.end :]


async def test_characters_are_never_split(bridge: SSHBridge) -> None:
    text = "".join(random.Random(3).choices("aé€𝄞漢\n", k=200_000))
    screen = Screen()
    session = await open_cat(bridge, screen)
    await bridge.handle_terminal_input(session.id, text)
    await screen.until(lambda: screen.end >= len(text.encode()) + 6)
    assert "".join(piece.decode() for piece in screen.pieces) == "ready\n" + text


@pytest.mark.parametrize("place", ["ssh"], indirect=True)
async def test_keys_are_changed_in_both_directions_without_a_byte_lost(
    bridge: SSHBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanges = 0
    original = transport.FastClientConnection._send_kexinit

    def often(self: transport.FastClientConnection) -> None:
        nonlocal exchanges
        exchanges += 1
        self._rekey_bytes = 100_000
        original(self)

    monkeypatch.setattr(transport.FastClientConnection, "_send_kexinit", often)
    screen = Screen()
    session = await open_cat(bridge, screen, text=False)
    data = os.urandom(1 << 20)
    for at in range(0, len(data), 5000):
        await bridge.handle_terminal_input(session.id, data[at : at + 5000])
    await screen.until(lambda: screen.end >= len(data) + 6)
    assert bytes(screen.output) == b"ready\n" + data
    assert exchanges > 5


async def test_files_and_ports_are_reached(place: Inside, bridge: SSHBridge) -> None:
    path = str(place.sshd.home / "note").encode()
    async with open_sftp(bridge.connections, WORKSPACE) as sftp, sftp.open(path, "wb") as note:
        await note.write(b"by sftp")
    assert (place.sshd.home / "note").read_bytes() == b"by sftp"
    with socket.create_server(("127.0.0.1", 0)) as server:
        reader, writer = await bridge.open_tunnel(WORKSPACE, server.getsockname()[1])
        inner, _ = server.accept()
        inner.sendall(b"hello")
        inner.close()
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()


@pytest.mark.alone  # it waits for a fifth of a second only
async def test_a_connection_that_answers_nothing_is_replaced(
    place: Inside, bridge: SSHBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its other side may be stuck alone: who comes next gets another connection, and what is stuck is ended."""
    monkeypatch.setattr(connections, "PROBE_SECONDS", 0.2)
    before = set(place.sshd.processes())
    async with open_sftp(bridge.connections, WORKSPACE) as sftp:
        stuck = set(place.sshd.processes()) - before
        for pid in stuck:
            os.kill(pid, signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), open_sftp(bridge.connections, WORKSPACE):
                pytest.fail("a stuck server opened a channel")
        async with open_sftp(bridge.connections, WORKSPACE) as other:
            assert await other.realpath(b".") == str(place.sshd.home).encode()
        # Which of the two tells it depends on whether the end was seen before or after the request.
        with pytest.raises((asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)):
            await sftp.realpath(b".")
    for pid in stuck:
        os.kill(pid, signal.SIGCONT)


async def test_a_connection_on_which_one_request_is_stuck_goes_on_for_the_others(bridge: SSHBridge) -> None:
    async with open_sftp(bridge.connections, WORKSPACE) as other:
        with pytest.raises(TimeoutError):
            async with open_sftp(bridge.connections, WORKSPACE):
                raise TimeoutError
        for _ in range(3):  # the answer to the question whether it answers comes before these
            assert await other.realpath(b"/") == b"/"


async def test_a_notice_is_shown_without_moving_the_offset(bridge: SSHBridge) -> None:
    screen = Screen()
    session = await open_cat(bridge, screen)
    await bridge.send_terminal_output(session.id, "the workspace stops in a minute")
    assert screen.notices == [b"the workspace stops in a minute"]
    assert screen.end == session.offset == len(b"ready\n")
