"""The control plane's confinement, with a real user, mount namespace and closed directory."""

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from nixos_workspaces.cli.operate.confine import closed_ancestor

pytestmark = pytest.mark.machine  # it makes a mount namespace
NOBODY = pwd.getpwnam("nobody")

PROBE = """
import json, os, sys
code, data, secret, report = sys.argv[1:5]
def tried(action):
    try:
        action()
    except OSError as refused:
        return refused.strerror
    return "done"
print(json.dumps({
    "uid": os.getuid(), "groups": os.getgroups(),
    "reads its code": tried(lambda: open(code).read()),
    "writes its code": tried(lambda: open(code, "a")),
    "writes its data": tried(lambda: open(data + "/new", "w")),
    "sees its neighbour": tried(lambda: os.stat(secret)),
    "what is there": sorted(os.listdir(os.path.dirname(secret))),
    "no new privileges": "NoNewPrivs:\\t1" in open("/proc/self/status").read(),
}))
"""


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A directory that only root may enter, with code, data and something that is nobody's business."""
    tmp_path.parent.chmod(0o755)
    closed = tmp_path / "closed"
    (closed / "code").mkdir(parents=True)
    (closed / "data").mkdir()
    (closed / "code" / "program.py").write_text(PROBE)
    (closed / "code" / "program.py").chmod(0o666)
    (closed / "secret").write_text("secret")
    os.chown(closed / "data", NOBODY.pw_uid, NOBODY.pw_gid)
    closed.chmod(0o700)
    return closed


def test_the_command_sees_its_code_and_data_and_nothing_beside_them(closed: Path) -> None:
    program = closed / "code" / "program.py"
    needed = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve(), closed / "code"]
    done = subprocess.run(
        [
            *("unshare", "--mount", "--propagation", "private"),
            *(sys.executable, "-m", "nixos_workspaces.cli.operate.confine", "nobody"),
            *(str(path) for path in needed),
            *(f"{closed / 'data'}=rw", "--", sys.executable, str(program)),
            *(str(program), str(closed / "data"), str(closed / "secret"), ""),
        ],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "uid": NOBODY.pw_uid,
        "groups": [],
        "reads its code": "done",
        "writes its code": "Read-only file system",
        "writes its data": "done",
        "sees its neighbour": "No such file or directory",
        "what is there": ["code", "data"],
        "no new privileges": True,
    }
    assert (closed / "data" / "new").stat().st_uid == NOBODY.pw_uid
    assert (closed / "secret").read_text() == "secret"


def test_the_topmost_closed_directory_is_found(closed: Path) -> None:
    closed.parent.parent.chmod(0o755)
    assert closed_ancestor(closed / "code" / "program.py", NOBODY) in {closed, *closed.parents}
    assert closed_ancestor(Path("/usr/bin/env"), NOBODY) is None


def test_the_machine_itself_is_never_covered(closed: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nixos_workspaces.cli.operate.confine", "nobody", str(closed), "--", "/bin/true"],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode != 0
    assert "refused" in done.stderr
    assert (closed / "secret").exists()
