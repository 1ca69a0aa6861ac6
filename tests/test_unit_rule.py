"""Unit tests run on a machine that has nothing but Python."""

import subprocess
import sys
from pathlib import Path

import pytest
from parallel import PREPARED_PROGRAMS, needs_machine, refuse_prepared_programs

TESTS = Path(__file__).parent


@pytest.mark.parametrize("program", sorted(PREPARED_PROGRAMS))
def test_a_program_of_a_prepared_machine_is_refused(program: str) -> None:
    with pytest.raises(RuntimeError, match="mark its module"):
        refuse_prepared_programs("subprocess.Popen", (f"/usr/sbin/{program}", [program], None, None))


def test_python_itself_may_be_run() -> None:
    refuse_prepared_programs("subprocess.Popen", (sys.executable, ["python"], None, None))


def test_the_hook_sees_what_subprocess_runs() -> None:
    watched = "import sys, subprocess; sys.path[:0] = sys.argv[1:]; import parallel;"
    watched += "sys.addaudithook(parallel.refuse_prepared_programs); subprocess.run(['nft', '--version'])"
    done = subprocess.run(
        [sys.executable, "-c", watched, str(TESTS), str(TESTS.parent)], capture_output=True, text=True, check=False
    )
    assert "a unit test runs nft" in done.stderr


def test_modules_of_real_parts_are_no_unit_tests() -> None:
    assert needs_machine(TESTS / "test_node_limits.py")
    assert needs_machine(TESTS / "test_ssh_bridge.py")
    assert needs_machine(TESTS / "system" / "test_ui_gallery.py"), "it drives a browser, over a library of that name"
    assert not needs_machine(TESTS / "test_lifecycle.py")
