"""Root in a data directory of the service's user: what its owner put there leads root nowhere."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from forked_nixws import run_nixws

NOBODY = pwd.getpwnam("nobody")


def nixws(data: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "NIXWS_URL": "http://127.0.0.1:9"}
    return run_nixws(["--json", "--data", str(data), *words], environment)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory of the service's user, below one that only root may enter."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    made = closed / "data"
    made.mkdir(mode=0o711)
    os.chown(made, NOBODY.pw_uid, NOBODY.pw_gid)
    return made


def test_everything_in_it_belongs_to_its_owner(data: Path) -> None:
    made = nixws(data, "token", "create", "ci")
    assert made.returncode == 0, made.stderr
    assert nixws(data, "token", "list").returncode == 0
    owners = {path.name: (path.lstat().st_uid, path.lstat().st_gid) for path in data.iterdir()}
    assert "nixws.db" in owners
    assert set(owners.values()) == {(NOBODY.pw_uid, NOBODY.pw_gid)}


def test_a_token_ends_unless_it_is_said_not_to(data: Path) -> None:
    """After 90 days, as one that is made over the API."""
    wanted = {"plain": [], "brief": ["--days", "7"], "lasting": ["--never-expires"]}
    for name, options in wanted.items():
        assert nixws(data, "token", "create", name, *options).returncode == 0
    assert nixws(data, "token", "create", "both", "--days", "7", "--never-expires").returncode == 2
    ends = {one["name"]: one["expires_at"] for one in json.loads(nixws(data, "token", "list").stdout)["tokens"]}
    now = datetime.now(UTC)
    days = {name: end and round((datetime.fromisoformat(end) - now) / timedelta(days=1)) for name, end in ends.items()}
    assert days == {"plain": 90, "brief": 7, "lasting": None}


def test_a_directory_that_root_makes_is_roots(tmp_path: Path) -> None:
    assert nixws(tmp_path / "new", "token", "create", "ci").returncode == 0
    assert {path.stat().st_uid for path in (tmp_path / "new").iterdir()} == {0}


@pytest.mark.parametrize("name", ["nixws.db", "nixws.lock", "nixws.db-wal", "nixws.db-journal"])
@pytest.mark.parametrize("behind", ["nothing", "a file"])
def test_a_link_there_makes_and_changes_nothing_elsewhere(data: Path, tmp_path: Path, name: str, behind: str) -> None:
    """The link once made a file of root's, wherever it led."""
    target = tmp_path / "roots"
    if behind == "a file":
        target.write_text("precious")
        target.chmod(0o600)
    before = target.lstat() if target.exists() else None
    (data / name).symlink_to(target)
    os.chown(data / name, NOBODY.pw_uid, NOBODY.pw_gid, follow_symlinks=False)
    done = nixws(data, "token", "create", "ci")
    assert "Traceback" not in done.stderr
    assert "precious" not in done.stdout + done.stderr
    if before is None:
        assert not target.exists()
    else:
        after = target.stat()
        assert target.read_text() == "precious"
        assert (after.st_uid, after.st_mtime_ns, after.st_mode) == (0, before.st_mtime_ns, before.st_mode)


def test_what_the_service_wrote_down_is_not_read_through_a_link(data: Path, tmp_path: Path) -> None:
    """Nor waited for, where a pipe lies in its place."""
    secret = tmp_path / "secret"
    secret.write_text(json.dumps({"url": "http://127.0.0.1:9", "token": "nixws_roots"}))
    (data / "cli.json").symlink_to(secret)
    refused = nixws(data, "list")
    assert "There is no token" in refused.stderr
    (data / "cli.json").unlink()
    os.mkfifo(data / "cli.json")
    assert "There is no token" in nixws(data, "list").stderr


def test_root_is_root_again_afterwards(data: Path) -> None:
    """With its groups, and in every thread."""
    from nixos_workspaces.cli.operate.owner import as_owner

    def identity() -> tuple[int, int, list[int], str]:
        status = Path("/proc/thread-self/status").read_text()
        return os.geteuid(), os.getegid(), os.getgroups(), status.partition("CapEff:")[2].split()[0]

    before = identity()
    with as_owner(data):
        inside = identity()
    assert inside[:3] == (NOBODY.pw_uid, NOBODY.pw_gid, [NOBODY.pw_gid])
    assert int(inside[3], 16) & ~(1 << 2) == 0
    assert identity() == before
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(identity()))
    thread.start()
    thread.join()
    assert seen == [before]
