"""The real service for system tests: node, control plane, Nix and containers, as a user starts them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from free_network import free_network
from nix_daemon_fixture import ensure_nix_daemon
from run_directory import current
from secret_traces import canary, search
from waiting import until

ROOT = Path(__file__).resolve().parent.parent.parent
NIXWS = Path(sys.executable).parent / "nixws"
JSON = dict[str, Any]
T = TypeVar("T")


def processes(word: str) -> list[int]:
    """Return the processes of this machine that have ``word`` as one of their arguments."""
    found = []
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        with contextlib.suppress(OSError):
            if word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Service:
    """One running service and a client of it with a token of its own."""

    data: Path
    port: int
    options: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings unlike those of the other tests' services, as environment variables."""
    program: Path = NIXWS
    """The ``nixws`` that is run."""
    network: str = field(default_factory=lambda: free_network(16))
    address: str = "127.0.0.1"
    """The address that it listens on."""
    process: subprocess.Popen[bytes] | None = None
    token: str = ""
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=30))
    keys: dict[str, Path] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    @property
    def log(self) -> Path:
        return self.data.parent / "service.log"

    def environment(self) -> dict[str, str]:
        ours = {"NIXWS_NETWORK": self.network, "NIXWS_PACKAGE_SET": "debian", "NIXWS_URL": self.url}
        ours["NIXWS_HOST"] = self.address
        return dict(os.environ) | ours | {"NIXWS_TOKEN": self.token} | dict(self.settings)

    def start(self) -> None:
        """Start it as ``dev.py run`` does and wait until it answers."""
        command = [str(self.program), "--data", str(self.data), "up", "--port", str(self.port), *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
                start_new_session=True,
            )
        until("the service answers", self.answers, 60)
        if not self.token:
            self.token = self.nixws("token", "create", "system-tests").strip()
            self.http.headers["Authorization"] = f"Bearer {self.token}"

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        with contextlib.suppress(httpx2.TransportError):
            return self.http.get(f"{self.url}/healthz").status_code == 200
        return False

    def stop(self) -> None:
        """End it as Ctrl-C does; workspaces keep running."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
            self.process = None

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Be stopped for the body, and answer again after it."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def pid_of(self, verb: str) -> int:
        """Return the process id of ``serve`` or ``node``."""
        assert self.process is not None
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in map(int, children):
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            # The node replaces the verb that starts it.
            if {verb.encode(), f"nixos_workspaces.{verb}".encode()} & set(words):
                return child
        message = f"no {verb} below {pid}"
        raise AssertionError(message)

    def nixws(self, *arguments: str, check: bool = True, stdin: str = "") -> str:
        """Run the command line client and return what it printed."""
        done = subprocess.run(
            [str(self.program), "--data", str(self.data), *arguments],
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def api(self, method: str, path: str, status: int = 200, **options: Any) -> JSON:
        """Send one request below ``/api/nixos`` and return the JSON of its answer."""
        answer = self.http.request(method, f"{self.url}/api/nixos{path}", **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        body: JSON = answer.json() if answer.content else {}
        return body

    def create(self, name: str, *, wait: bool = True, canaries: bool = True, **fields: Any) -> JSON:
        """Ask for a workspace, small unless told otherwise, with secrets of its own, and wait until it runs."""
        wanted = {"cpu": 1, "memory": 0.5, "storage": 0.5, "template": "minimal", "packages": []} | fields
        made: JSON = self.api("POST", "/workspaces/create", 202, json={"name": name} | wanted)["workspace"]
        if canaries:
            where = f"/workspaces/{made['id']}/secrets"
            self.api("PUT", f"{where}/CANARY_HERE", json={"kind": "environment", "value": canary()})
            self.api("PUT", f"{where}/canary_file", json={"kind": "file", "value": f"a\n{canary()}\n"})
        return self.reaches(made["id"], "running", 180) if wait else made

    def plant(self) -> None:
        """Give all workspaces of this service's only person secrets that are searched for when it ends."""
        self.api("PUT", "/secrets/CANARY", json={"kind": "environment", "value": canary()})
        self.api("PUT", "/secrets/canary_git", json={"kind": "git", "value": canary(), "host": "canary.invalid"})

    def search(self) -> None:
        """Look for secrets in plain in all that the service has written so far: database, logs, images, notes."""
        keys = [key.read_text().splitlines()[1:-1] for key in self.keys.values() if key.exists()]
        search(self.data.parent, [self.token, *(line for lines in keys for line in lines[-2:-1])])

    def show(self, workspace_id: str) -> JSON:
        found: JSON = self.api("GET", f"/workspaces/{workspace_id}")["workspace"]
        return found

    def reaches(self, workspace_id: str, status: str, seconds: float = 60) -> JSON:
        """Wait for a status; fail at once when the workspace ends in error."""

        def probe() -> JSON | None:
            found = self.show(workspace_id)
            assert found["status"] != "error" or status == "error", found
            return found if found["status"] == status else None

        return until(f"{workspace_id} is {status}", probe, seconds)

    def delete(self, workspace_id: str) -> None:
        """Delete a workspace, once its image was searched for secrets, and wait until it is gone."""
        search(self.data / "node" / "volumes", named=f"*{workspace_id}*")
        self.http.delete(f"{self.url}/api/nixos/workspaces/{workspace_id}")
        until(
            f"{workspace_id} is gone",
            lambda: self.http.get(f"{self.url}/api/nixos/workspaces/{workspace_id}").status_code == 404,
        )

    def ssh(self, workspace: Mapping[str, Any], command: str, *, check: bool = True, timeout: float = 60) -> str:
        """Run a command in a workspace with OpenSSH, as the specification shows it."""
        workspace_id = workspace["id"]
        if workspace_id not in self.keys:
            key = self.data.parent / f"{workspace_id}.key"
            with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(self.api("GET", f"/workspaces/{workspace_id}/ssh-key")["private_key"])
            self.keys[workspace_id] = key
        where = workspace.get("ssh_info") or self.show(workspace_id)["ssh_info"]
        known = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")
        target = ("-p", str(where["port"]), f"{where['username']}@{where['host']}")
        done = subprocess.run(
            ["ssh", "-F", "none", "-o", "BatchMode=yes", *known, "-i", str(self.keys[workspace_id]), *target, command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}: {done.stdout}{done.stderr}"
        return (done.stdout + done.stderr).strip()


@contextlib.contextmanager
def running_service(*options: str, address: str = "127.0.0.1", **settings: str) -> Iterator[Service]:
    """Yield a started service in a data directory of its own; leave the machine as it was."""
    ensure_nix_daemon()
    with tempfile.TemporaryDirectory(prefix="system-", dir=current(), ignore_cleanup_errors=True) as directory:
        service = Service(Path(directory) / "data", free_port(), options, settings, address=address)
        try:
            service.start()
            service.plant()
            try:
                yield service
            finally:
                if service.process is None or service.process.poll() is not None:
                    service.start()
                service.search()
                for item in service.api("GET", "/workspaces?limit=200")["workspaces"]:
                    service.delete(item["id"])
        finally:
            service.stop()
            service.search()
            service.http.close()
