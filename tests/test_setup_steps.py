"""The steps with which ``dev.py`` prepares a machine: their order and their report."""

import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from installed_wheel import run_time_packages
from isolated_apt import mirrors
from setup import machine
from setup.steps import Read, Step, StepFailed, Task, run_steps, verbatim
from typing_extensions import override

ROOT = Path(__file__).resolve().parent.parent


def told(steps: list[Step], logs: Path) -> str:
    out = io.StringIO()
    run_steps(steps, logs, out=out)
    return out.getvalue()


def test_steps_that_do_not_wait_for_each_other_run_side_by_side(tmp_path: Path) -> None:
    meet = threading.Barrier(2, timeout=20)
    told([Step(name, lambda _: meet.wait()) for name in ("a", "b")], tmp_path)


def test_a_step_waits_for_what_it_names_and_not_for_what_is_not_to_be_done(tmp_path: Path) -> None:
    order: list[str] = []
    steps = [
        Step("last", lambda _: order.append("last"), after=["first", "absent"]),
        Step("first", lambda _: order.append("first")),
    ]
    told(steps, tmp_path)
    assert order == ["first", "last"]


def test_a_step_that_takes_more_than_a_moment_is_told_with_its_time_and_its_state(tmp_path: Path) -> None:
    def work(task: Task) -> None:
        task.run("sh", "-c", "echo 3 of 7; sleep 2.5")

    said = told([Step("slow", work), Step("quick", lambda _: None)], tmp_path)
    assert re.fullmatch(r"dev: +2 s  slow: 3 of 7\ndev: slow done in 2\.\d s\n", said), said


def test_a_failure_is_told_with_the_end_of_its_output_and_begins_nothing_more(tmp_path: Path) -> None:
    began = []
    steps = [
        Step("bad", lambda task: task.run("sh", "-c", "seq 100; echo no such thing >&2; exit 3")),
        Step("next", lambda _: began.append("next"), after=["bad"]),
    ]
    with pytest.raises(StepFailed, match=r"^bad: failed with exit code 3: sh -c .*\n62\n(.*\n)*no such thing$"):
        told(steps, tmp_path)
    assert began == []
    assert (tmp_path / "bad.log").read_text().startswith("1\n2\n")


def test_a_command_that_is_not_there_fails_its_step(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="no-such-command"):
        told([Step("bad", lambda task: task.run("no-such-command"))], tmp_path)


def test_commands_hold_the_lock_until_they_end_whatever_becomes_of_the_set_up(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        look = Step("step", lambda task: task.run("readlink", f"/proc/self/fd/{lock.fileno()}"))
        run_steps([look], tmp_path, held=[lock.fileno()], out=io.StringIO())
    assert (tmp_path / "step.log").read_text() == f"{tmp_path}/lock\n"


def test_progress_is_read_from_the_output_of_pip_apt_and_npm() -> None:
    pip = machine.counting_pip(3)
    assert pip("Collecting a==1 (from -r requirements.lock)\n") == "1 of 3 packages fetched"
    assert pip("  Downloading a-1.whl (5 MB)\n") is None
    assert pip("Ignoring b: markers 'sys_platform == \"win32\"' don't match your environment\n") is not None
    assert pip("Installing collected packages: a, c\n") == "unpacking 3 packages"
    apt = machine.counting_apt()
    assert apt("0 upgraded, 12 newly installed, 0 to remove and 0 not upgraded.\n") == "0 of 12 packages fetched"
    assert apt("Get:1 mirror bookworm/main amd64 runc\n") == "1 of 12 packages fetched"
    assert apt("Unpacking runc (1.1) ...\n") == "1 of 12 packages unpacked"
    assert apt("Setting up runc (1.1) ...\n") == "1 of 12 packages set up"
    npm = machine.counting_npm(9)
    assert npm("npm http fetch GET 200 mirror/vite 10ms (cache updated)\n") == "0 of at most 9 packages fetched"
    assert npm("npm http fetch GET 200 mirror/vite/-/vite-8.tgz 10ms\n") == "1 of at most 9 packages fetched"


def test_the_packages_of_the_lock_and_what_pins_them() -> None:
    a = "a==1 \\\n    --hash=sha256:01\n    # via x\n"
    b = "a-b==2 ; sys_platform == 'linux' \\\n    --hash=sha256:02 \\\n    --hash=sha256:03\n    # via\n    #   x\n"
    assert machine.pinned(f"# a remark\n{a}{b}") == {"a": a, "a-b": b}


def test_a_package_with_a_version_for_each_python_is_pinned_by_all_of_them() -> None:
    old = "one==1 ; python_full_version < '3.12' \\\n    --hash=sha256:a\n"
    new = "one==2 ; python_full_version >= '3.12' \\\n    --hash=sha256:b\n"
    assert machine.pinned(f"{old}{new}two==1\n") == {"one": old + new, "two": "two==1\n"}


def test_the_service_alone_is_installed_with_what_it_needs_of_the_lock() -> None:
    """As the lock says it, and as the metadata of what is installed here says it."""
    found = set(machine.needed((ROOT / "requirements.lock").read_text()))
    here = {str(name) for name in run_time_packages()}
    assert here <= found
    assert found & {"pytest", "mypy", "ruff", "playwright", "hypothesis", machine.NODE_PACKAGE} == set()


def test_only_the_standard_library_is_asked_of_the_systems_python() -> None:
    """Debian's python3 has neither pip nor, without python3-venv, ensurepip: -S stands for no third-party module."""
    code = "import sys; sys.path[:0] = ['.', 'nix']; import setup.machine, install; assert 'pip' not in sys.modules"
    python = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([python, "-E", "-S", "-c", code], cwd=ROOT, check=True)


class Recorded(Task):
    """Records commands in place of running them."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull), [])
        self.commands: list[list[str]] = []

    @override
    def run(
        self, *argv: str | Path, read: Read = verbatim, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.commands.append([str(word) for word in argv])


def test_what_needs_pip_is_run_with_the_virtual_environments_python() -> None:
    task = Recorded()
    steps = {step.name: step for step in machine.nix_steps("debian")}
    steps["package set"].work(task)
    assert task.commands == [[str(machine.PYTHON), str(ROOT / "nix/debian/generate.py")]]
    assert "venv" in steps["package set"].after


def test_a_python_without_pip_is_told_so_by_the_generator() -> None:
    code = """
import sys, pathlib
sys.path[:0] = ["nix", "nix/debian"]
import generate
try:
    generate._wheel("some==1", pathlib.Path("."))
except ValueError as wrong:
    print(wrong)
"""
    python = getattr(sys, "_base_executable", sys.executable)
    done = subprocess.run([python, "-E", "-S", "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "has no pip" in done.stdout, done


def test_node_of_the_lock_runs_and_is_supported() -> None:
    env = machine.node_environment()
    version = subprocess.run(["node", "--version"], env=env, check=True, capture_output=True, text=True).stdout
    assert int(version.removeprefix("v").split(".")[0]) >= 24
    assert subprocess.run(["npm", "--version"], env=env, check=True, capture_output=True, text=True).stdout


def test_the_mirror_is_known_before_any_package_list_has_been_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lists/partial").mkdir(parents=True)
    (tmp_path / "apt.conf").write_text(f'Dir::State::lists "{tmp_path}/lists";\n')
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    assert mirrors().main.endswith("/debian")
