"""A full disk: reading and ending go on, what makes more is refused, and all is well once there is room again."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nixos_workspaces.database.ballast import Ballast
from nixos_workspaces.workspaces.build_logs import BuildLog

pytestmark = pytest.mark.machine
TESTS = Path(__file__).parent


@pytest.mark.parametrize("disk", ["data", "log", "pool"])
def test_a_full_disk_stops_nothing_that_needs_no_room(tmp_path: Path, disk: str) -> None:
    """On a small file system of its own, in a mount namespace."""
    scenario = str(TESTS / "full_disk_scenario.py")
    argv = ["unshare", "--mount", "--propagation", "private", sys.executable, scenario]
    done = subprocess.run(
        [*argv, disk, str(tmp_path / "data")],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def test_ballast_is_made_once_and_given_up_once(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "ballast")
    assert not ballast.give_up()
    assert ballast.restore()
    assert ballast.restore()
    size = (tmp_path / "ballast").stat()
    assert size.st_size == size.st_blocks * 512 >= 1 << 20
    ballast.make_room()
    assert (tmp_path / "ballast").exists()
    assert ballast.give_up()
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_cannot_be_written_costs_its_lines_only() -> None:
    class Full:
        def __init__(self) -> None:
            self.taken: list[bytes] = []
            self.room = 1

        def write(self, data: bytes, /) -> int:
            if len(self.taken) >= self.room:
                raise OSError(28, "No space left on device")
            self.taken.append(data)
            return len(data)

    file = Full()
    log = BuildLog(file, lambda: datetime.fromtimestamp(1, UTC))
    for line in ("one", "two", "three"):
        log.write(line)
    file.room = 2
    log.close()
    assert file.taken == [b"\x1f1000\x1fone\n", b"[2 more lines are not kept]\n"]
