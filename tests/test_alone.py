"""A second service on the same data ends with one sentence and writes nothing."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nixos_workspaces.cli.operate.alone import held, refuse_running_node
from nixos_workspaces.errors import Conflict, Forbidden

pytestmark = pytest.mark.machine
NIXWS = [sys.executable, "-m", "nixos_workspaces.cli.main"]


def picture(data: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in data.rglob("*")}


def run(*words: str, user: int | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NIXWS_")}
    return subprocess.run(
        [*NIXWS, *words], env=environment, capture_output=True, text=True, timeout=60, check=False, user=user
    )


@pytest.mark.parametrize("verb", ["up", "serve"])
def test_a_second_one_says_so_and_changes_nothing(tmp_path: Path, verb: str) -> None:
    """As beside a running service: its node holds the node's directory, its control plane the lock."""
    node, lock = tmp_path / "node", tmp_path / "serve.lock"
    node.mkdir(mode=0o700)
    lock.touch()
    (tmp_path / "cli.json").write_text('{"url": "http://127.0.0.1:1", "token": "kept"}')
    directory = os.open(node, os.O_RDONLY)
    with lock.open() as file:
        fcntl.flock(directory, fcntl.LOCK_EX)
        fcntl.flock(file, fcntl.LOCK_EX)
        before = picture(tmp_path)
        done = run("--data", str(tmp_path), verb, "--port", "0")
        after = picture(tmp_path)
    os.close(directory)
    assert done.returncode == 5, done.stderr
    (sentence,) = done.stderr.strip().splitlines()
    assert f"runs already on the data in {tmp_path}" in sentence
    assert after == before


def test_data_of_another_user_is_left_alone(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    done = run("--data", str(tmp_path), "serve", "--port", "0")
    assert done.returncode == 4, done.stderr
    assert "belongs to nobody" in done.stderr
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Forbidden), held(tmp_path):
        pass


def test_the_data_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        refuse_running_node(tmp_path)
        with held(tmp_path), pytest.raises(Conflict), held(tmp_path):
            pass
    (tmp_path / "node").mkdir()
    refuse_running_node(tmp_path)
