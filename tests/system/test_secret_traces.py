"""Canaries planted as every kind of secret, used, restarted, killed, deleted: in plain nowhere but in the workspace."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from run_directory import VARIABLE
from system.service import JSON, Service
from system.test_repositories import MAKE, SERVE, SERVER, settled
from waiting import until

pytestmark = pytest.mark.system

CANARY = "kanarie-"
PATTERN = "kanar[i]e-[0-9a-f]{8}"
"""Matches every canary and not itself, where it stands in a command that is logged."""
PLANTING = """
import contextlib, os, subprocess
import secret_traces
from run_directory import current

def test_plants(tmp_path):
    one = secret_traces.canary() if os.environ["PLANTED"] else "zeisig-none"
    (tmp_path / "written.log").write_text(f"value is {one}.")
    (tmp_path / "own.key").write_text(one)
    with (tmp_path / "image").open("wb") as image:
        image.truncate(1 << 33)
        image.seek(1 << 32)
        image.write(one.encode())
    (tmp_path / "database").write_bytes(bytes(5000) + b"known-by-its-text" * bool(os.environ["PLANTED"]))
    secret_traces.search(tmp_path, ["known-by-its-text"])
    with subprocess.Popen(["sleep", "60"], env={"TOLD": one}) as program:
        noted = current() / "secret-traces"
        while os.environ["PLANTED"] and "sleep" not in noted.read_text():
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(0.05)
        program.kill()
"""
"""A test that leaves secrets where none may be."""
ANY_TOKEN = re.sub(r"if self\.headers.*:\n", 'if not self.headers.get("Authorization"):\n', SERVER)


def canary() -> str:
    return f"{CANARY}{secrets.token_hex(8)}"


def of_the_host() -> Iterator[Path]:
    """Yield the processes that are in no workspace."""
    ours = Path("/proc/self/ns/pid").readlink()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "ns/pid").readlink() == ours:
                yield entry


@contextmanager
def watched() -> Iterator[set[str]]:
    """Look at arguments and environment of the host's processes again and again; yield those that hold a canary."""
    found: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for process in of_the_host():
                for part in ("cmdline", "environ"):
                    with suppress(OSError):
                        if CANARY.encode() in (process / part).read_bytes():
                            found.add(f"{process}/{part}")

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def found_in(*paths: Path) -> list[str]:
    """Return the files below these paths that hold a canary."""
    command = ["grep", "-rlaE", "--devices=skip", PATTERN, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.split()


def store_paths_since(marker: Path) -> list[Path]:
    listed = subprocess.run(
        ["find", "/nix/store", "-maxdepth", "1", "-mindepth", "1", "-cnewer", str(marker)],
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(line) for line in listed.stdout.split()]


def restarted(service: Service, workspace: JSON) -> JSON:
    """Restart the workspace, then kill both processes of the service."""
    service.api("POST", f"/workspaces/{workspace['id']}/restart", 202)
    until("it is down", lambda: service.show(workspace["id"])["status"] != "running")
    again = service.reaches(workspace["id"], "running", 60)
    for verb in ("serve", "node"):
        os.kill(service.pid_of(verb), signal.SIGKILL)
        until("the service is back", service.answers, 60)
        until("the child is back", partial(_is_back, service, verb), 60)
    return again


def _is_back(service: Service, verb: str) -> bool:
    with suppress(AssertionError, OSError):
        return service.pid_of(verb) > 0
    return False


def plant(service: Service, where: str, name: str) -> None:
    """Set canaries of every kind: for the person by the command line, for the workspace by the API."""
    service.nixws("secret", "set", "MINE", stdin=canary())
    service.nixws("secret", "set", "mine_file", "--file", "~/.npmrc", stdin=f"//r/:_authToken={canary()}\n")
    service.nixws("secret", "set", "THEIRS", "--workspace", name, stdin=canary())
    service.nixws("secret", "set", "code", "--git", "127.0.0.1:8418", "--workspace", name, stdin=canary())
    service.api("PUT", f"{where}/secrets/KNOWN", json={"kind": "environment", "value": canary()})
    key = f"-----BEGIN KEY-----\n{canary()}\n-----END KEY-----\n"
    service.api("PUT", f"{where}/secrets/key", json={"kind": "file", "value": key, "path": "~/.ssh/deploy"})
    service.api("PUT", f"{where}/secrets/key", 422, json={"kind": "file", "value": canary(), "mode": "0777"})
    service.api("PUT", f"{where}/secrets/PATH", 422, json={"kind": "environment", "value": canary()})


def test_the_search_finds_a_canary_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\0" + canary().encode())
    assert found_in(tmp_path) == [str(tmp_path / "file")]
    with watched() as seen:
        program = subprocess.Popen(["sleep", "60"], env={"TOLD": canary()})
        try:
            until("it is seen", lambda: f"/proc/{program.pid}/environ" in seen)
        finally:
            program.kill()
            program.wait()


def test_the_whole_run_fails_by_name_for_a_canary_in_plain(tmp_path: Path) -> None:
    """In a file, behind a hole of an image, in a store path's stead, in a process; the tests' own keys do not count."""
    (tmp_path / "test_planting.py").write_text(PLANTING)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "secret_traces", "-p", "no:cacheprovider", "-c", os.devnull]
    for planted, status in (("yes", 1), ("", 0)):
        run = tmp_path / f"run-{planted}"
        run.mkdir()
        ours = {"PYTHONPATH": str(Path(__file__).parent.parent), "PLANTED": planted, VARIABLE: str(run)}
        done = subprocess.run(
            [*command, "--rootdir", str(tmp_path), str(tmp_path / "test_planting.py")],
            env={**os.environ, **ours},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert "1 passed" in done.stdout
        for told in ("written.log", "image", "database", "environ of a process holds a secret in plain: sleep"):
            assert (told in done.stdout) is bool(planted), done.stdout
        assert "own.key" not in done.stdout


def test_canaries_are_found_nowhere_in_plain(service: Service, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    workspace = service.create("aviary", packages=["git", "python3"])
    where = f"/workspaces/{workspace['id']}"
    answers = ("", "/secrets", "/git", "/logs", "/generations", "/journal?lines=2000")
    with watched() as seen:
        plant(service, where, "aviary")
        held = "grep -cE 'kanar[i]e' ~/.npmrc ~/.ssh/deploy && printenv MINE THEIRS KNOWN | grep -c kanar[i]e"
        until("they are there", lambda: service.ssh(workspace, held, check=False).endswith("3"), 20)
        service.ssh(workspace, MAKE)
        service.ssh(workspace, f"cat > ~/server.py <<'END'\n{ANY_TOKEN}END\n{SERVE}")
        until("it listens", lambda: "8418" in service.ssh(workspace, "ss -tln"))
        service.api("POST", f"{where}/git", 202, json={"url": "http://127.0.0.1:8418/work.git"})
        assert settled(service, workspace)["state"] == "done"
        service.nixws("dotfiles", "http://127.0.0.1:8418/work.git")
        assert "has run" in service.nixws("dotfiles", "--apply", "aviary")
        until(
            "services have them",
            lambda: service.ssh(workspace, "systemctl --user show-environment | grep -c kanar[i]e", check=False) == "3",
        )
        again = restarted(service, workspace)
        until("they are there again", lambda: service.ssh(again, held, check=False).endswith("3"), 20)
        told = [service.http.get(f"{service.url}/api/nixos{where}{part}").text for part in answers]
        of_all = ("/secrets", "/profile", "/health")
        told += [service.http.get(f"{service.url}/api/nixos{part}").text for part in of_all]
    assert seen == set()
    assert [text for text in told if CANARY in text] == []

    elsewhere = " ".join(f"--exclude-dir={name}" for name in ("proc", "sys", "run", "dev", "store"))
    assert service.ssh(again, f"sync; sudo grep -rlaE '{PATTERN}' {elsewhere} / || true", timeout=120) == ""
    assert service.ssh(again, f"sudo journalctl --no-pager -a | grep -cE '{PATTERN}'", check=False) == "0"
    assert service.ssh(again, f"sudo grep -hlaE '{PATTERN}' /proc/[0-9]*/cmdline 2>/dev/null || true") == ""
    assert found_in(service.data.parent) == []
    assert found_in(*store_paths_since(marker), marker) == []
    texts = [path for path in service.data.parent.rglob("*") if path.is_file() and path.stat().st_size < 1 << 24]
    assert [path for path in texts if service.token.encode() in path.read_bytes()] == []

    gone = f"sudo grep -rlaE '{PATTERN}' /run /home || true"
    assert "/run/nixws-secrets" in service.ssh(again, gone)
    for one in service.api("GET", f"{where}/secrets")["secrets"]:
        service.api("DELETE", f"{where}/secrets/{one['name']}")
    for one in service.api("GET", "/secrets")["secrets"]:
        service.api("DELETE", f"/secrets/{one['name']}")
    until("they are gone", lambda: service.ssh(again, gone) == "", 20)
    service.api("PUT", "/profile", json={"dotfiles": None})
    service.delete(workspace["id"])
    assert found_in(service.data.parent) == []
