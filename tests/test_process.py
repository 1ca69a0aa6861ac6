"""Commands that other parts run, on the event loop that the service has."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from nixos_workspaces.process import CommandFailed, Completed, run, run_async, run_streaming

PATH = {"PATH": "/bin:/usr/bin"}
Run = Callable[[str, float], Completed]


def in_thread(script: str, timeout: float = 30) -> Completed:
    return run(["/bin/sh", "-c", script], env=PATH, timeout=timeout)


def on_loop(script: str, timeout: float = 30) -> Completed:
    return uvloop.run(run_async(["/bin/sh", "-c", script], env=PATH, timeout=timeout))


def streamed(script: str, timeout: float = 30) -> Completed:
    return uvloop.run(run_streaming(["/bin/sh", "-c", script], lambda _: None, env=PATH, timeout=timeout))


def outcome(way: Run, script: str, timeout: float) -> tuple[Completed, bool]:
    """Return how a command ended and whether it took too long."""
    try:
        return way(script, timeout), False
    except CommandFailed as failed:
        return failed.completed, failed.timed_out


EVERY_WAY = pytest.mark.parametrize("way", [in_thread, on_loop, streamed])


def runs(mark: Path) -> bool:
    """Return whether the process lives that wrote its id into a file."""
    try:
        state = Path(f"/proc/{int(mark.read_text())}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_a_command_that_ends_at_once_gives_its_answer() -> None:
    """Either may come first: its end, or our looking after it. Nothing is written to it, so nothing can break there."""

    async def all_at_once() -> list[bytes]:
        done = await asyncio.gather(*(run_async(["/bin/sh", "-c", f"exec <&-; echo {n}"], env={}) for n in range(200)))
        return [one.stdout for one in done]

    assert uvloop.run(all_at_once()) == [b"%d\n" % n for n in range(200)]


def test_a_command_finds_its_input_empty() -> None:
    async def both() -> tuple[bytes, bytes]:
        lines: list[bytes] = []
        streamed = await run_streaming(["/bin/sh", "-c", "wc -c; echo said >&2"], lines.append, env=PATH)
        assert lines == [b"said"]
        return (await run_async(["/bin/sh", "-c", "wc -c"], env=PATH)).stdout, streamed.stdout

    assert uvloop.run(both()) == (b"0\n", b"0\n")


def test_a_command_reads_what_it_is_given() -> None:
    """More than any pipe holds, both ways."""
    data = os.urandom(1 << 20)
    assert run(["cat"], stdin=data).stdout == data


@EVERY_WAY
@pytest.mark.parametrize("code", [1, 7])
def test_a_failure_tells_code_and_words(way: Run, code: int) -> None:
    words = "" if way is streamed else "why"
    with pytest.raises(CommandFailed, match=f"exit code {code}: {words}") as failed:
        way(f"echo why >&2; exit {code}", 30)
    assert (failed.value.completed.returncode, failed.value.timed_out) == (code, False)


@EVERY_WAY
def test_a_command_that_takes_too_long_is_killed_with_its_children(way: Run, tmp_path: Path) -> None:
    mark = tmp_path / "child"
    before = open_descriptors()
    with pytest.raises(CommandFailed, match="timed out") as failed:
        way(f"sleep 1000 & echo $! > {mark}; echo so far; wait", 1.0)
    assert failed.value.timed_out
    assert failed.value.completed.stdout == b"so far\n"
    until(lambda: not runs(mark))
    assert open_descriptors() <= before


@EVERY_WAY
@pytest.mark.parametrize("code", [0, 3])
def test_what_a_command_leaves_in_its_group_is_killed(way: Run, tmp_path: Path, code: int) -> None:
    """Also what was forked twice; nobody waits for the output that it keeps open."""
    mark = tmp_path / "grandchild"
    script = (
        f"(sh -c 'echo $$ > {mark}; exec sleep 1000' &); while ! test -s {mark}; do :; done; echo done; exit {code}"
    )
    began = time.monotonic()
    done, timed_out = outcome(way, script, 200)
    assert time.monotonic() - began < 100
    assert (done.returncode, done.stdout, timed_out) == (code, b"done\n", False)
    until(lambda: not runs(mark))


@EVERY_WAY
@pytest.mark.parametrize(("ending", "timeout"), [("exit 0", 200.0), ("sleep 1000", 2.0)])
def test_what_has_left_the_group_keeps_nobody_waiting(way: Run, tmp_path: Path, ending: str, timeout: float) -> None:
    """A daemon with a session of its own goes on and keeps the command's output open."""
    mark = tmp_path / "daemon"
    daemon = f"setsid sh -c 'echo $$ > {mark}; exec sleep 1000'"
    script = f"{daemon} & while ! test -s {mark}; do :; done; echo done; {ending}"
    before = open_descriptors()
    began = time.monotonic()
    try:
        done, timed_out = outcome(way, script, timeout)
        assert time.monotonic() - began < 100
        assert (done.stdout, timed_out) == (b"done\n", ending != "exit 0")
        assert runs(mark)
        assert open_descriptors() <= before
    finally:
        os.kill(int(mark.read_text()), 9)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("grace", [0.0, 0.2])
def test_cancelling_kills_the_group(tmp_path: Path, streaming: bool, grace: float) -> None:  # noqa: FBT001
    mark = tmp_path / "grandchild"
    script = ["/bin/sh", "-c", f"trap '' TERM; (sh -c 'echo $$ > {mark}; exec sleep 1000' &); sleep 1000"]

    async def scenario() -> None:
        if streaming:
            running = asyncio.create_task(run_streaming(script, lambda _: None, env=PATH, grace=grace))
        else:
            running = asyncio.create_task(run_async(script, env=PATH))
        while not mark.exists() or not mark.read_text():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.005)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    before = open_descriptors()
    uvloop.run(scenario())
    until(lambda: not runs(mark))
    assert open_descriptors() <= before


def test_a_command_that_is_asked_to_end_may_do_so() -> None:
    lines: list[bytes] = []
    script = ["/bin/sh", "-c", "trap 'echo asked >&2; exit' TERM; echo ready >&2; while :; do sleep 0.01; done"]

    async def scenario() -> None:
        running = asyncio.create_task(run_streaming(script, lines.append, env=PATH, grace=30))
        while not lines:  # noqa: ASYNC110 - another process says it
            await asyncio.sleep(0.005)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    uvloop.run(scenario())
    assert lines[0] == b"ready"


def test_lines_come_whole_and_the_last_without_newline() -> None:
    lines: list[bytes] = []
    script = "printf 'a\\n\\nbb\\n' >&2; printf '%04000d' 0 >&2; printf '\\nrest' >&2; echo out"
    done = uvloop.run(run_streaming(["/bin/sh", "-c", script], lines.append, env=PATH, line_limit=1500))
    assert [line for line in lines if set(line) != {ord("0")}] == [b"a", b"", b"bb", b"rest"]
    zeros = [line for line in lines if set(line) == {ord("0")}]
    assert b"".join(zeros) == b"0" * 4000
    assert max(map(len, zeros)) <= 1500
    assert done.stdout == b"out\n"


def test_what_the_receiver_of_lines_raises_ends_the_command(tmp_path: Path) -> None:
    mark = tmp_path / "child"

    def refuse(line: bytes) -> None:
        raise ValueError(line)

    script = f"echo $$ > {mark}; echo said >&2; exec sleep 1000"
    with pytest.raises(ValueError, match="said"):
        uvloop.run(run_streaming(["/bin/sh", "-c", script], refuse, env=PATH))
    assert not runs(mark)


def test_with_an_output_of_its_own_what_a_command_leaves_running_goes_on(tmp_path: Path) -> None:
    mark = tmp_path / "daemon"
    with (tmp_path / "log").open("wb") as log:
        run(["/bin/sh", "-c", f"sleep 1000 & echo $! > {mark}; echo said"], env=PATH, output=log.fileno())
    assert runs(mark)
    os.kill(int(mark.read_text()), 9)
    assert (tmp_path / "log").read_bytes() == b"said\n"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_busy_machine_and_commands_that_take_too_long_leave_nothing_open(loop: str) -> None:
    """Seen from outside: every warning about something left open is an error there."""
    program = f"""
import asyncio, gc, uvloop
from nixos_workspaces.process import CommandFailed, run_async, run_streaming
async def one(streaming):
    argv = ["/bin/sh", "-c", "sleep 1000 & (sleep 1000 &) ; wait"]
    options = {{"env": {PATH!r}, "timeout": 0.05}}
    try:
        await (run_streaming(argv, print, **options) if streaming else run_async(argv, **options))
    except CommandFailed as failed:
        assert failed.timed_out
async def main():
    await asyncio.gather(*(one(n % 2) for n in range(40)))
{loop}.run(main())
gc.collect()
"""
    argv = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
