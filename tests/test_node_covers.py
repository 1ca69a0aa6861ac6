"""Files of processes in mount namespaces of their own are covered from outside, those of others never."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from nixos_workspaces.node.kernel.covers import Container, Covers
from nixos_workspaces.node.kernel.namespaces import birth

pytestmark = pytest.mark.machine

_ALONE = ("unshare", "--user", "--map-root-user", "--mount", "--propagation", "private")
_OTHERS = ("unshare", "--mount", "--propagation", "private")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of this machine; the cover of it lies below ``covers`` at the same path."""
    covered = tmp_path / "seen" / "file"
    cover = tmp_path / "covers" / covered.relative_to("/")
    for path, text in ((covered, "machine"), (cover, "own")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return covered


@pytest.fixture
def covers(file: Path, tmp_path: Path) -> Covers:
    return Covers(tmp_path / "covers", [str(file.relative_to("/")), "there/is/none"])


@contextmanager
def sleeping(*enter: str) -> Iterator[int]:
    """Yield a process in namespaces of its own."""
    words = [*enter, "sh", "-c", "echo; exec sleep 600"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process.pid
        finally:
            process.kill()


def seen_by(pid: int, file: Path) -> str:
    return Path(f"/proc/{pid}/root{file}").read_text()


def test_a_container_is_covered_once_the_files_are_served_and_so_is_a_later_one(covers: Covers, file: Path) -> None:
    with sleeping(*_ALONE) as first, sleeping(*_ALONE) as second:
        covers.put(Container(first, birth(first), list))
        assert seen_by(first, file) == "machine"
        covers.serve(served=True)
        assert seen_by(first, file) == "own"
        covers.put(Container(second, birth(second), list))
        covers.put(Container(second, birth(second), list))
        assert seen_by(second, file) == "own"
        assert Path(f"/proc/{second}/mounts").read_text().count(f"{file} ") == 1
        assert file.read_text() == "machine"


def test_inner_namespaces_are_entered_those_of_others_are_not(covers: Covers, file: Path) -> None:
    """A number of a process that has ended may mean one of the machine's own when it is looked at."""
    with ExitStack() as stack:
        pid = stack.enter_context(sleeping(*_ALONE))
        unit = stack.enter_context(sleeping("nsenter", "--user", "--mount", "-t", str(pid), *_OTHERS))
        other = stack.enter_context(sleeping(*_OTHERS))
        covers.put(Container(pid, birth(pid), lambda: [os.getpid(), unit, other, 1 << 30]))
        covers.serve(served=True)
        assert [seen_by(one, file) for one in (pid, unit, other)] == ["own", "own", "machine"]
        assert file.read_text() == "machine"


def test_what_lies_on_a_file_inside_is_left_alone(covers: Covers, file: Path) -> None:
    with sleeping(*_ALONE) as pid:
        enter = ("nsenter", "--user", "--mount", "-t", str(pid))
        subprocess.run([*enter, "mount", "--bind", "/etc/hostname", file], check=True)
        covers.serve(served=True)
        covers.put(Container(pid, birth(pid), list))
        assert seen_by(pid, file) == Path("/etc/hostname").read_text()


def test_a_link_in_the_way_is_not_followed(covers: Covers, file: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("elsewhere")
    with sleeping(*_ALONE) as pid:
        file.parent.rename(tmp_path / "moved")
        file.parent.symlink_to(tmp_path / "elsewhere")
        covers.serve(served=True)
        covers.put(Container(pid, birth(pid), list))
        assert seen_by(pid, tmp_path / "elsewhere" / "file") == "elsewhere"


def test_a_process_that_took_the_number_of_another_is_not_entered(covers: Covers, file: Path) -> None:
    with sleeping(*_ALONE) as pid:
        covers.serve(served=True)
        covers.put(Container(pid, birth(pid) - 1, list))
        assert seen_by(pid, file) == "machine"
