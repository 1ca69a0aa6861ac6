"""The one workspace at the far end of every peer, and what a client has to know to get there."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.terminal.clients import PROMPT
from system.service import Service, running_service

COLOURS = "colours.txt"
"""A file of colours and several alphabets in the workspace's home directory."""
COLOURS_BYTES = 2_000_000


@dataclass(frozen=True)
class FarEnd:
    """A running workspace."""

    service_url: str
    workspace: str
    token: str
    ssh_config: Path
    ssh_host: str
    ssh_port: int
    ssh_user: str

    @property
    def socket_url(self) -> str:
        return f"{self.service_url.replace('http', 'ws')}/ws/nixos/workspaces/{self.workspace}/terminal"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def key(self) -> Path:
        return self.ssh_config.parent / "key"

    @property
    def known_hosts(self) -> Path:
        return self.ssh_config.parent / "known_hosts"


def resident_kib(pid: int) -> int:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


@dataclass(frozen=True)
class Place:
    """The service with its workspace, as their owner sees them."""

    service: Service
    far_end: FarEnd

    def serve_pid(self) -> int:
        return self.service.pid_of("serve")

    def holder_pid(self) -> int:
        """Return the process id, on this side, of the workspace's terminal holder."""
        for group in Path("/proc").glob("[0-9]*/cgroup"):
            with contextlib.suppress(OSError):  # the process ended meanwhile
                name = (group.parent / "comm").read_text().strip()
                if name == "nixws-terminals" and self.far_end.workspace in group.read_text():
                    return int(group.parent.name)
        message = "the workspace has no terminal holder"
        raise LookupError(message)

    def end_terminals(self) -> None:
        """End every terminal: closing a WebSocket ends none."""
        path = f"/workspaces/{self.far_end.workspace}/terminals"
        for terminal in self.service.api("GET", path)["terminals"]:
            ended = self.service.http.delete(f"{self.service.url}/api/nixos{path}/{terminal['id']}")
            # Of the ended ones that are still listed the oldest give way to these.
            assert ended.status_code in {204, 404}, ended.text

    def start_anew(self) -> None:
        """Restart the service, so that nothing it was used for before is in its memory; the workspace runs on."""
        self.service.stop()
        self.service.start()


@contextlib.contextmanager
def workspace() -> Iterator[Place]:
    """Yield a workspace that may use the whole machine; leave nothing behind."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    with running_service() as service, tempfile.TemporaryDirectory(prefix="nixws-bench-") as directory:
        made = service.create("bench", cpu=os.cpu_count() or 1, memory=max(1, int(memory / 2)), storage=1)
        far_end = _way_in(service, made["id"], Path(directory))
        _furnish(far_end)
        yield Place(service, far_end)


def _way_in(service: Service, workspace_id: str, directory: Path) -> FarEnd:
    """Write what OpenSSH needs to log in with a pinned host key."""
    secret = service.api("GET", f"/workspaces/{workspace_id}/ssh-key")
    where = service.show(workspace_id)["ssh_info"]
    far_end = FarEnd(
        service_url=service.url,
        workspace=workspace_id,
        token=service.token,
        ssh_config=directory / "ssh_config",
        ssh_host=where["host"],
        ssh_port=where["port"],
        ssh_user=where["username"],
    )
    with os.fdopen(os.open(far_end.key, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(secret["private_key"])
    kind, data = secret["host_key"].split()[:2]
    names = far_end.ssh_host if far_end.ssh_port == 22 else f"[{far_end.ssh_host}]:{far_end.ssh_port}"
    far_end.known_hosts.write_text(f"{names} {kind} {data}\n")
    far_end.ssh_config.write_text(
        f"""Host workspace {far_end.ssh_host}
  HostName {far_end.ssh_host}
  Port {far_end.ssh_port}
  User {far_end.ssh_user}
  IdentityFile {far_end.key}
  IdentitiesOnly yes
  UserKnownHostsFile {far_end.known_hosts}
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
  Ciphers aes128-gcm@openssh.com
  EscapeChar none
  LogLevel ERROR
"""
    )
    return far_end


def _furnish(far_end: FarEnd) -> None:
    """Give every login shell the prompt that clients wait for, and a file of colours and many alphabets to print."""
    _put(far_end, ".bash_profile", f"PS1='{PROMPT.decode()}'\nPROMPT_COMMAND=\n".encode())
    chance = random.Random(2)

    def line() -> str:
        numbers = ((chance.randrange(100, 256), chance.randrange(10**6)) for _ in range(8))
        return "".join(f"\x1b[38;5;{colour}m{number:06d} ünï 漢字 \x1b[0m" for colour, number in numbers) + "\n"

    lines = COLOURS_BYTES // len(line().encode())
    _put(far_end, COLOURS, "".join(line() for _ in range(lines)).encode())


def _put(far_end: FarEnd, name: str, content: bytes) -> None:
    subprocess.run(
        ["ssh", "-F", str(far_end.ssh_config), "workspace", f"cat > {name}"], input=content, check=True, timeout=60
    )
