"""The terminal holder, driven over its socket: the real program under the address and behaviour sanitizers."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from holder_fixture import AGENT, CREDIT, Holder, HolderClient, build, running_holder, wait_until

from nixos_workspaces.model.terminals import Start, Terminal
from nixos_workspaces.terminals import protocol

RING = 1 << 20


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sanitized", tmp_path_factory.mktemp("agent"))


@pytest.fixture(scope="module")
def holder(program: Path) -> Iterator[Holder]:
    with running_holder(program, "--ring", str(RING)) as running:
        yield running


def exit_status(client: HolderClient) -> int:
    return client.wait_for(protocol.Exited).status


def test_a_program_prints_reads_and_ends(holder: Holder) -> None:
    with holder.open("read line; echo got:$line; exit 7") as client:
        client.press(b"hello\n")
        assert exit_status(client) == 7
        assert b"got:hello" in client.data


def test_the_status_of_a_killed_program_names_the_signal(holder: Holder) -> None:
    with holder.open("kill -9 $$") as client:
        assert exit_status(client) == 128 + signal.SIGKILL


def test_all_output_before_the_end_arrives(holder: Holder) -> None:
    """The program is gone long before a client with little credit has read what it printed."""
    with holder.open("stty raw; seq 1 20000", credit=4096) as client:
        exited = client.wait_for(protocol.Exited)
        assert bytes(client.data) == b"".join(b"%d\n" % number for number in range(1, 20001))
        assert exited.end == client.end


def test_a_shell_outlives_its_clients_and_replays_exactly(holder: Holder) -> None:
    with holder.open("stty raw -echo; echo ready; exec cat") as first:
        first.until_output(b"ready\n")
        first.press(b"one ")
        first.until_output(b"one ")
        terminal = first.id
        seen = bytes(first.data)
    with holder.attach(terminal) as second:
        second.until(lambda: len(second.data) >= len(seen))
        assert bytes(second.data) == seen
        second.press(b"two")
        second.until_output(b"two")
    with holder.attach(terminal, len(seen)) as third:
        third.until(lambda: len(third.data) >= 3)
        assert bytes(third.data) == b"two"


def test_only_new_output_can_be_asked_for(holder: Holder) -> None:
    with holder.open("stty raw -echo; echo old; exec cat") as first:
        first.until_output(b"old")
        with holder.attach(first.id, protocol.FROM_NOW_ON) as second:
            assert second.start >= len(b"old")
            first.press(b"new")
            second.until_output(b"new")
            assert b"old" not in second.data


def test_a_gap_is_reported_when_and_only_when_the_ring_was_outrun(holder: Holder) -> None:
    size = 2 * RING + 12345
    with holder.open(f"stty raw; head -c {size} /dev/zero; echo end; sleep 1000") as client:
        client.until(lambda: client.end >= size)
        assert not any(isinstance(frame, protocol.Gap) for frame in client.frames)
        terminal, end = client.id, client.end
    wait_until(lambda: terminal_of(holder, terminal).end >= size + 4)
    end = terminal_of(holder, terminal).end
    with holder.attach(terminal, 100) as late:
        gap = late.wait_for(protocol.Gap)
        assert gap == protocol.Gap(100, end - RING)
        late.until(lambda: len(late.data) >= RING)
        assert late.data.endswith(b"end\n")
        assert len(late.data) == RING
    with holder.attach(terminal, end - RING) as exact:
        exact.until(lambda: len(exact.data) >= RING)
        assert not any(isinstance(frame, protocol.Gap) for frame in exact.frames)
        exact.send(protocol.close(terminal))


def terminal_of(holder: Holder, terminal_id: str) -> Terminal:
    return next(each for each in holder.list() if each.id == terminal_id)


def test_an_attached_client_that_does_not_read_stops_the_program(holder: Holder) -> None:
    with holder.open("yes", credit=1 << 16) as client:
        ends = [0]

        def stands_still() -> bool:
            time.sleep(0.1)
            ends.append(terminal_of(holder, client.id).end)
            return ends[-1] == ends[-2] > 0

        wait_until(stands_still)
        assert ends[-1] == 1 << 16
        client.press(b"\x03")
        assert exit_status(client) == 128 + signal.SIGINT
        assert client.end < (1 << 16) + 20000


def test_a_slow_client_delays_nobody_and_both_see_the_same(holder: Holder) -> None:
    with holder.open("stty raw -echo; echo ready; read go; seq 1 100000; sleep 1000") as fast:
        fast.until_output(b"ready\n")
        with holder.attach(fast.id, fast.end) as slow:
            start = fast.end
            fast.press(b"\n")
            fast.until_output(b"100000\n")
            wanted = bytes(fast.data)[start - fast.start :]
            slow.until_output(b"100000\n")
            assert bytes(slow.data) == wanted
            fast.send(protocol.close(fast.id))


def test_watchers_cannot_type_nor_resize_nor_hold_the_program_back(holder: Holder) -> None:
    with holder.open("stty raw -echo; echo ready; exec cat") as typist:
        typist.until_output(b"ready")
        with holder.attach(typist.id, readonly=True, size=(10, 10), credit=4096) as watcher:
            watcher.press(b"evil")
            refused = watcher.wait_for(protocol.Refused)
            assert refused.reason is protocol.Refusal.READONLY
            watcher.send(protocol.resize(11, 11))
            typist.press(b"x" * 10000)
            typist.until_output(b"x" * 10000)
            assert b"evil" not in typist.data
            watcher.until_output(b"x" * 10000)
            described = terminal_of(holder, typist.id)
            assert (described.cols, described.rows, described.attached) == (80, 24, 2)


def test_the_size_follows_the_client_that_was_active_last(holder: Holder) -> None:
    shell = "stty raw -echo; echo ready; while read key; do stty size; done"
    with holder.open(shell.replace("raw -echo", "-echo")) as first:
        first.until_output(b"ready")
        first.press(b"\n")
        first.until_output(b"24 80")
        with holder.attach(first.id, first.end, size=(100, 30)) as second:
            assert first.wait_for(protocol.Resized) == protocol.Resized(100, 30)
            second.press(b"\n")
            second.until_output(b"30 100")
            first.press(b"\n")
            first.until(lambda: first.data.count(b"24 80") == 2)
            second.send(protocol.resize(90, 20))
            second.press(b"\n")
            second.until_output(b"20 90")
        first.until(lambda: first.frames[-1] == protocol.Resized(80, 24))


def test_input_beyond_what_the_program_takes_is_held_back_then_arrives_whole(holder: Holder) -> None:
    data = os.urandom(1 << 19)
    command = f"stty raw -echo; echo ready; sleep 0.3; head -c {len(data)} | sha256sum"
    with holder.open(command) as client:
        client.until_output(b"ready\n")
        assert client.attached is not None
        limit = client.attached.input_limit
        while client.typed < len(data):
            windows = [frame.limit for frame in client.frames if isinstance(frame, protocol.Window)]
            limit = max([limit, *windows])
            room = min(limit - client.typed, len(data) - client.typed)
            if room:
                client.press(data[client.typed : client.typed + room])
            else:
                client.receive(acknowledge=True)
        client.until_output(hashlib.sha256(data).hexdigest().encode())


def test_input_that_is_sent_again_after_a_broken_connection_is_not_doubled(holder: Holder) -> None:
    with holder.open("stty raw -echo; echo ready; exec cat", token=77) as first:
        first.until_output(b"ready\n")
        first.press(b"abc")
        first.until_output(b"abc")
        terminal, end = first.id, first.end
    with holder.attach(terminal, end, token=77) as second:
        assert second.attached is not None
        assert second.attached.input_received == 3
        second.send(protocol.input_bytes(1, b"bcd"))
        second.until_output(b"d")
        assert bytes(second.data) == b"d"


def test_attaching_with_the_same_token_replaces_the_older_connection(holder: Holder) -> None:
    with holder.open("exec cat", token=5) as old, holder.attach(old.id, token=5) as new:
        assert old.wait_for(protocol.Refused).reason is protocol.Refusal.REPLACED
        assert old.hung_up()
        new.press(b"still here\n")
        new.until_output(b"still here")


def test_control_c_and_job_control_work_whatever_the_holder_inherited(holder: Holder) -> None:
    with holder.open("trap 'echo caught' INT; echo ready; while :; do sleep 0.05; done") as client:
        client.until_output(b"ready")
        client.press(b"\x03")
        client.until_output(b"caught")
    with holder.open("exec grep -E 'Sig(Blk|Ign)' /proc/self/status") as client:
        exit_status(client)
        masks = [int(line.split()[1], 16) for line in client.data.splitlines() if line.startswith(b"Sig")]
        assert masks == [0, 0]


def test_programs_get_a_clean_environment(holder: Holder) -> None:
    with holder.open("env; pwd; ls /proc/$$/fd", cwd="/usr") as client:
        exit_status(client)
        text = client.data.decode()
        assert "SSH_ORIGINAL_COMMAND" not in text
        assert "TERM=xterm-256color" in text
        assert f"NIXWS_TERMINAL={client.id}" in text
        assert "\r\n/usr\r\n" in text
        assert {word for word in text.rpartition("/usr")[2].split() if word.isdigit()} <= {
            "0",
            "1",
            "2",
            "3",
            "255",
            "10",
        }


def test_a_directory_that_does_not_exist_is_said_and_nothing_is_left(holder: Holder) -> None:
    before = {terminal.id for terminal in holder.list()}
    with holder.connect() as client:
        client.send(protocol.open_terminal(Start(80, 24, "", "/no/such"), token=0, credit=1))
        refused = client.wait_for(protocol.Refused)
        assert refused == protocol.Refused(protocol.Refusal.START, "No such file or directory")
        client.send(protocol.open_terminal(Start(80, 24, "exit 3"), token=0, credit=1))
        assert exit_status(client) == 3
    # Terminals of earlier tests are forgotten meanwhile, five minutes after their end.
    assert len({terminal.id for terminal in holder.list()} - before) == 1


def test_the_list_tells_name_title_directory_process_and_times(holder: Holder) -> None:
    title = r"printf '\033]0;a t\303\244tle\007'; printf '\033]2;cut'; sleep 0.05; printf ' here\033\\'"
    command = f"cd /usr/lib; {title}; exec sleep 1000"
    with holder.open(command, name="build") as client:
        client.until_output(b"here")
        found = terminal_of(holder, client.id)
        assert (found.name, found.title, found.cwd) == ("build", "cut here", "/usr/lib")
        wait_until(lambda: terminal_of(holder, client.id).process == "sleep")
        assert found.exit_status is None
        assert abs(found.created_at.timestamp() - time.time()) < 60
        assert found.created_at <= found.active_at
        client.send(protocol.rename(client.id, "nämed"))
        client.wait_for(protocol.Done)
        assert terminal_of(holder, client.id).name == "nämed"


def news_of(client: HolderClient) -> protocol.News:
    """Return the latest news; of nobody where there are none."""
    nothing = protocol.News(sizes=False, attached=0, name="", title="", cwd="", process="")
    return next((frame for frame in reversed(client.frames) if isinstance(frame, protocol.News)), nothing)


def test_what_runs_is_told_soon_and_without_being_asked(holder: Holder) -> None:
    with holder.open() as client:
        client.wait_for(protocol.News)
        client.press(b"cd /usr/lib; sleep 1000\n")
        asked = time.monotonic()
        client.until(lambda: (news_of(client).process, news_of(client).cwd) == ("sleep", "/usr/lib"))
        assert time.monotonic() - asked < 0.5
        client.press(b"\x03")
        asked = time.monotonic()
        client.until(lambda: news_of(client).process == "sh")
        assert time.monotonic() - asked < 0.5
        client.send(protocol.rename(client.id, "build"))
        client.until(lambda: news_of(client).name == "build")
        client.press(b"printf '\\033]2;a title\\007'\n")
        client.until(lambda: news_of(client).title == "a title")


def test_a_change_that_prints_nothing_is_told_too(holder: Holder) -> None:
    with holder.open("sleep 0.4; exec sleep 1000") as client:
        client.until(lambda: news_of(client).process == "sleep")


def test_which_client_gives_the_size_and_how_many_there_are_is_told(holder: Holder) -> None:
    with holder.open("exec cat") as one:
        one.wait_for(protocol.News)
        assert (news_of(one).sizes, news_of(one).attached) == (True, 1)
        with holder.attach(one.id, size=(80, 24)) as two:
            one.until(lambda: (news_of(one).sizes, news_of(one).attached) == (False, 2))
            two.until(lambda: news_of(two).sizes)
            one.press(b"x")
            one.until(lambda: news_of(one).sizes)
            two.until(lambda: not news_of(two).sizes)
        one.until(lambda: news_of(one).attached == 1)


def test_a_client_of_the_first_version_is_told_no_news(holder: Holder) -> None:
    with holder.connect(greet=False) as client:
        client.send(b"H\0\0\0\x0c\0\0\0nixws-tm\1\0\1\0")
        welcome = client.frame()
        assert isinstance(welcome, protocol.Welcome)
        assert welcome.version == 1
        client.send(protocol.open_terminal(Start(80, 24, "echo done"), token=0, credit=CREDIT))
        assert exit_status(client) == 0
        assert not [frame for frame in client.frames if isinstance(frame, protocol.News)]


@pytest.fixture
def bash(program: Path) -> Iterator[Holder]:
    """A holder whose shell is bash."""
    with running_holder(program, shell="/bin/bash") as running:
        yield running


def test_bash_marks_prompts_commands_and_exit_codes(bash: Holder) -> None:
    with bash.open() as client:
        client.until_output(b"\x1b]133;B\x07")
        client.press(b"false\n")
        client.until_output(b"\x1b]133;D;1\x07")
        text = client.data
        assert text.index(b"\x1b]133;A\x07") < text.index(b"\x1b]133;B\x07") < text.index(b"\x1b]133;C\x07")
        client.press(b'echo "<$?>" "$0" "${ENV-unset}"; shopt -o posix; shopt login_shell inherit_errexit\n')
        client.until(lambda: client.data.count(b"\x1b]133;D;1\x07") == 2)
        said = bytes(client.data)
        assert b"<1> -bash unset\r\n" in said
        assert b"posix          \toff" in said
        assert b"login_shell    \ton" in said
        assert b"inherit_errexit\toff" in said
        client.press(b"HISTFILE=; exit 3\n")
        assert exit_status(client) == 3


def test_closing_ends_a_program_that_ignores_hanging_up(holder: Holder) -> None:
    with holder.open("trap '' HUP; echo ready; while :; do sleep 1; done") as client:
        client.until_output(b"ready")
        client.send(protocol.close(client.id))
        assert exit_status(client) == 128 + signal.SIGKILL
    wait_until(lambda: client.id not in [each.id for each in holder.list()])


def test_an_ended_terminal_can_still_be_read_and_then_forgotten(holder: Holder) -> None:
    with holder.open("echo last words; exit 4") as client:
        exit_status(client)
    assert terminal_of(holder, client.id).exit_status == 4
    with holder.attach(client.id) as late:
        assert exit_status(late) == 4
        assert b"last words" in late.data
        late.send(protocol.close(client.id))
        late.wait_for(protocol.Done)
    assert client.id not in [each.id for each in holder.list()]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", protocol.Refusal.PROTOCOL),
        (protocol.list_terminals(), protocol.Refusal.PROTOCOL),
        (b"H\0\0\0\x0c\0\0\0nixws-tm\x03\0\x04\0", protocol.Refusal.VERSION),
        (protocol.greeting() + b"L\x01\0\0\0\0\0\0", protocol.Refusal.PROTOCOL),
        (protocol.greeting() + b"L\0\0\0\xff\xff\xff\xff", protocol.Refusal.PROTOCOL),
        (protocol.greeting() + b"?\0\0\0\0\0\0\0", protocol.Refusal.PROTOCOL),
        (protocol.greeting() + protocol.input_bytes(0, b"x"), protocol.Refusal.PROTOCOL),
        (protocol.greeting() + protocol.acknowledge(0), protocol.Refusal.PROTOCOL),
        (protocol.greeting() + protocol.resize(0, 24), protocol.Refusal.PROTOCOL),
    ],
)
def test_a_client_that_does_not_speak_the_protocol_is_told_and_dropped(
    holder: Holder, data: bytes, reason: protocol.Refusal
) -> None:
    with holder.connect(greet=False) as client:
        client.send(data)
        assert client.wait_for(protocol.Refused).reason is reason
        assert client.hung_up()


def test_acknowledging_or_typing_more_than_allowed_ends_only_that_client(holder: Holder) -> None:
    with holder.open("exec cat") as good:
        for bad in (protocol.acknowledge(1 << 40), protocol.input_bytes(9, b"x")):
            with holder.attach(good.id) as client:
                client.send(bad)
                assert client.wait_for(protocol.Refused).reason is protocol.Refusal.PROTOCOL
                assert client.hung_up()
        good.press(b"unharmed\n")
        good.until_output(b"unharmed")


def test_what_names_no_terminal_is_refused(holder: Holder) -> None:
    with holder.connect() as client:
        for request in (protocol.close("f" * 16), protocol.rename("f" * 16, "x")):
            client.frames.clear()
            client.send(request)
            assert client.wait_for(protocol.Refused).reason is protocol.Refusal.NO_TERMINAL
        client.frames.clear()
        client.send(protocol.attach_terminal(protocol.Attach("0" * 16, 0, 80, 24), token=0, credit=1))
        assert client.wait_for(protocol.Refused).reason is protocol.Refusal.NO_TERMINAL
    with holder.open("exec cat") as open_one, holder.connect() as client:
        client.send(protocol.attach_terminal(protocol.Attach(open_one.id, 1 << 30, 80, 24), token=0, credit=1))
        assert client.wait_for(protocol.Refused).reason is protocol.Refusal.OFFSET


def test_another_user_is_not_let_in(holder: Holder) -> None:
    holder.socket.parent.chmod(0o755)
    holder.socket.chmod(0o666)
    script = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); sys.exit(len(s.recv(1)))"
    done = subprocess.run(["python3", "-S", "-c", script, holder.socket], user=65534, group=65534, check=False)
    assert done.returncode == 0
    holder.socket.chmod(0o600)


def test_many_terminals_cost_little_and_the_memory_limit_holds(tmp_path: Path) -> None:
    plain = build("all", tmp_path)
    limit = 8 << 20
    with running_holder(plain, "--memory", str(limit)) as holder:
        before = holder.memory()
        clients = [holder.open("stty raw; sleep 1000") for _ in range(100)]
        assert holder.memory() - before < 100 * 20_000
        for client in clients:
            client.socket.close()
        noisy = []
        for _ in range(6):
            client = holder.open("stty raw; head -c 4194304 /dev/zero; echo end; sleep 1000")
            client.until_output(b"end\n")
            noisy.append(client.id)
            client.socket.close()
        kept = sum(each.end - each.start for each in holder.list())
        assert kept <= limit
        assert holder.memory() - before < limit + 100 * 20_000 + (1 << 20)
        assert all(terminal_of(holder, each).end - terminal_of(holder, each).start >= 1 << 16 for each in noisy)


def test_an_upgrade_keeps_every_terminal_its_output_and_its_offsets(program: Path) -> None:
    with running_holder(program, "--ring", str(RING)) as holder:
        shells = [holder.open(f"stty raw -echo; echo number {number}; exec cat", token=9) for number in range(5)]
        quick = holder.open("read x; exit 9")
        for number, client in enumerate(shells):
            client.until_output(b"number %d" % number)
            client.press(b"typed before")
            client.until_output(b"typed before")
        pids = {each.pid for each in descendants(holder.process.pid)}
        before = {each.id: each for each in holder.list()}
        holder.process.send_signal(signal.SIGHUP)
        assert all(client.hung_up() for client in [*shells, quick])
        wait_until(lambda: can_list(holder))
        after = {each.id: each for each in holder.list()}
        assert {key: each.end for key, each in after.items()} == {key: each.end for key, each in before.items()}
        assert {each.pid for each in descendants(holder.process.pid)} == pids
        for client in shells:
            with holder.attach(client.id, token=9) as again:
                assert again.attached is not None
                assert again.attached.input_received == len(b"typed before")
                again.typed = again.attached.input_received
                again.press(b" and after")
                again.until_output(b"typed before and after")
        with holder.attach(quick.id) as again:
            again.press(b"\n")
            assert exit_status(again) == 9


class Process:
    def __init__(self, pid: int) -> None:
        self.pid = pid


def descendants(pid: int) -> list[Process]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Process(int(child)) for child in children]


def can_list(holder: Holder) -> bool:
    try:
        holder.list()
    except OSError:
        return False
    return True


def test_an_upgrade_to_a_program_that_does_not_work_changes_nothing(program: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    with running_holder(program, "--upgrade-to", str(broken)) as holder, holder.open("exec cat") as client:
        with holder.connect() as asker:
            asker.send(b"U\0\0\0\0\0\0\0")
            asker.wait_for(protocol.Done)
        client.press(b"as before\n")
        client.until_output(b"as before")


def test_a_second_holder_does_not_take_the_socket_away(holder: Holder) -> None:
    done = subprocess.run([holder.program, "--socket", holder.socket], capture_output=True, check=False)
    assert done.returncode == 1
    assert b"Address already in use" in done.stderr
    assert can_list(holder)


def test_a_silent_client_is_dropped_and_a_flood_of_connections_is_survived(holder: Holder) -> None:
    silent = holder.connect(greet=False)
    crowd = [socket.socket(socket.AF_UNIX) for _ in range(300)]
    for each in crowd:
        each.connect(str(holder.socket))
    with holder.open("echo fine") as client:
        exit_status(client)
    for each in crowd:
        each.close()
    silent.socket.settimeout(15)
    assert silent.hung_up()


def test_requests_whose_answers_nobody_reads_cost_little_and_are_answered_in_the_end(tmp_path: Path) -> None:
    """A list is a few kilobytes for eight bytes of request: they wait until their answers have room."""
    asked = 4000
    with running_holder(build("all", tmp_path)) as holder:
        for _ in range(20):
            holder.open("exec sleep 1000").socket.close()
        before = holder.memory()
        with holder.connect() as client, holder.connect() as other:
            client.send(protocol.list_terminals() * asked)
            other.send(protocol.list_terminals())
            other.wait_for(protocol.ListEnd)
            assert holder.memory() - before < 1 << 20
            client.until(lambda: sum(isinstance(frame, protocol.ListEnd) for frame in client.frames) == asked)
            assert sum(isinstance(frame, Terminal) for frame in client.frames) == 20 * asked


def test_a_stream_is_sent_in_few_pieces_and_all_else_at_once(tmp_path: Path) -> None:
    done = subprocess.run([build("clockwork", tmp_path)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_the_fuzzer_finds_nothing(tmp_path: Path) -> None:
    program = build("fuzz", tmp_path)
    for seed in (1, 2):
        done = subprocess.run([program, str(seed), "60"], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()


def test_the_fuzzer_that_is_guided_by_coverage_finds_nothing(tmp_path: Path) -> None:
    """Its corpus so far, and a short search from there; ``make cover`` builds it for a long one."""
    program = build("cover", tmp_path)
    corpus = AGENT / "fuzz" / "corpus"
    (tmp_path / "new").mkdir()
    done = subprocess.run(
        [
            program,
            "-runs=15000",
            "-max_len=2048",
            "-timeout=60",
            f"-artifact_prefix={tmp_path}/",
            tmp_path / "new",
            corpus,
        ],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-4000:]
    assert f"{len(list(corpus.iterdir()))} files found in {corpus}" in done.stderr.decode(errors="replace")
