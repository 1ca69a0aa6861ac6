"""A run of the tests that is ended in the middle leaves nothing that the next one would trip over."""

# ruff: noqa: ASYNC221, ASYNC240 - nothing else runs beside these tests

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from node_fixture import Node
from run_directory import RunDirectory
from waiting import until

SCENARIO = Path(__file__).with_name("killed_scenario.py")
COMMAND = [sys.executable, "-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider", str(SCENARIO)]


def output(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def found(note: dict[str, Any]) -> list[str]:
    """Return what is there of a run: each thing with its name."""
    tag = note["tag"]
    seen = [f"process {pid}" for pid in note["processes"] if lives(pid)]
    seen += [f"link {line}" for line in output("ip", "-o", "link").splitlines() if f" nx{tag}" in line]
    seen += [f"route {line}" for line in output("ip", "route").splitlines() if note["network"] in line]
    seen += [f"table {line}" for line in output("nft", "list", "tables").splitlines() if f"nixws_{tag}" in line]
    seen += [f"group {path}" for up in ("", "*/") for path in Path("/sys/fs/cgroup").glob(f"{up}nixws-{tag}")]
    seen += [f"mounts {path}" for path in [Path(f"/run/nixws-{tag}")] if path.exists()]
    seen += [f"loop {line}" for line in output("losetup", "--list").splitlines() if f"nixws-{tag}" in line]
    return seen


def lives(pid: int) -> bool:
    """Return whether a process runs; one that nobody has reaped yet does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    return False


def below(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    children = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        children += [int(child) for child in (thread / "children").read_text().split()]
    return [*children, *(each for child in children for each in below(child))]


@contextlib.contextmanager
def begun(note_file: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """Yield a run in the middle of its tests and what it has."""
    with (note_file.parent / "log").open("wb") as log:
        environment = dict(os.environ) | {"NOTE": str(note_file)}
        run = subprocess.Popen(COMMAND, env=environment, stdout=log, stderr=log, start_new_session=True)

    def is_ready() -> bool:
        assert run.poll() is None, (note_file.parent / "log").read_text()
        return note_file.exists()

    try:
        until("the run is in the middle of its tests", is_ready, 200)
        note = json.loads(note_file.read_text())
        note["processes"] = [note["worker"], *below(note["worker"])]
        assert note["server"] in note["processes"]
        programs = [Path(f"/proc/{pid}/exe").readlink().name for pid in note["processes"]]
        assert any(name.startswith("chrom") for name in programs), programs
        kinds = {line.partition(" ")[0] for line in found(note)}
        assert kinds == {"process", "link", "route", "table", "group", "mounts", "loop"}
        yield run, note
    finally:
        run.kill()
        run.wait()


@pytest.mark.timeout(600)
async def test_a_run_killed_in_the_middle_is_cleaned_up_by_the_next(node: Node, tmp_path: Path) -> None:
    """A run that lives meanwhile is not touched."""
    async with node.running() as spec:
        with begun(tmp_path / "note") as (run, note):
            run.kill()
            run.wait()
            until("the workers end with it", lambda: not Path(f"/proc/{note['worker']}").exists())
            kinds = {line.partition(" ")[0] for line in found(note)}
            assert kinds == {"process", "link", "route", "table", "group", "mounts", "loop"}
        environment = {name: value for name, value in os.environ.items() if name != "NOTE"}
        again = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=False, timeout=250)
        assert again.returncode == 0, again.stdout
        assert "1 passed" in again.stdout
        assert found(note) == []
        assert not Path(note["run"]).exists()
        assert node.as_root(spec, "echo it runs on") == "it runs on"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_asked_to_end_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with begun(tmp_path / "note") as (run, note):
        run.send_signal(number)
        assert run.wait(120) == pytest.ExitCode.INTERRUPTED
        # Parts of a browser see for themselves that it was killed.
        assert all(line.startswith("process ") for line in found(note))
        until("the last parts of the browser have ended", lambda: not found(note))
    assert "no tests ran" in (tmp_path / "log").read_text()


def test_only_dead_runs_are_removed(tmp_path: Path) -> None:
    """A program whose environment names a dead run ends with it; one that only stands in its directory does not."""
    program = (
        "import sys; from pathlib import Path; from run_directory import *; run = RunDirectory.make(Path(sys.argv[1]));"
    )
    program += "run.mark(); print(run.path, flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", program, str(tmp_path)]
    environment = dict(os.environ) | {"PYTHONPATH": str(SCENARIO.parent)}
    with subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        path = Path(owner.stdout.readline().decode().strip())
        marked = subprocess.Popen(["sleep", "1000"], env={"TMPDIR": str(path / "tmp")})
        other = subprocess.Popen(["sleep", "1000"], env={"PWD": str(path), "NAME": f"{path}-not"}, cwd=path)
        try:
            first = RunDirectory.make(tmp_path)
            assert path.exists()
            assert marked.poll() is None
            owner.kill()
            owner.wait()
            second = RunDirectory.make(tmp_path)
            assert not path.exists()
            assert marked.wait(10) == -signal.SIGKILL
            assert other.poll() is None
            assert first.path.exists()
            assert second.path.exists()
        finally:
            for process in (marked, other):
                process.kill()
                process.wait()
