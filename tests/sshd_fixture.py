"""A real OpenSSH server on loopback that lets one throw-away user ``nixos`` in, for the tests of files.

Run by root, the server lives in namespaces of its own, of processes and of mounts, whose ``/etc/passwd`` knows the
user, and runs as that user: nothing of the machine is changed. Otherwise the server's user is the one who runs the
tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh
from holder_fixture import build
from run_directory import VARIABLE, current

from nixos_workspaces.terminals.ssh_bridge import Credentials, SSHBridge

UID = 61_234
USER = "nixos"

_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/authorized_keys
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
StrictModes no
MaxSessions 100
MaxStartups 100
LogLevel ERROR
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True, slots=True)
class LocalSshd:
    """A running server."""

    pid: int
    port: int
    home: Path
    user: str
    uid: int
    key: Path
    known_hosts: Path

    def bridge(self) -> SSHBridge:
        """Return our own way in, as the service uses it."""

        async def connect(_workspace_id: str, _port: int) -> socket.socket:
            return await connected(self.port)

        async def credentials(_workspace_id: str) -> Credentials:
            host_key = self.known_hosts.read_text().partition(" ")[2]
            return Credentials(self.key.read_text(), host_key, self.user)

        return SSHBridge(connect, credentials)

    def processes(self) -> list[int]:
        """Return the server's process and all its descendants."""
        parents: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
        found = [self.pid]
        for pid in found:
            found += parents.get(pid, [])
        return found

    def freeze(self, *, frozen: bool = True) -> None:
        """Stop (SIGSTOP) or continue every process of the server."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP if frozen else signal.SIGCONT)


async def connected(port: int) -> socket.socket:
    """Return a socket to a port on loopback, as an engine would to one inside of a workspace."""
    # With TCP named, as the engine's socket has it: asyncio sets TCP_NODELAY on such ones only.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    except BaseException:
        sock.close()
        raise
    return sock


@contextmanager
def local_sshd(*, home_bytes: int = 0, at_once: bool = True) -> Iterator[LocalSshd]:
    """Run a server; its home is removed at the end.

    ``home_bytes``: the home is a file system of that size, which only the server sees; needs root.
    ``at_once``: what SFTP opens does not wait (``agent/open_at_once.c``), as in a workspace.
    """
    directory = Path(tempfile.mkdtemp(prefix="nixws-sshd-"))
    child = 0
    try:
        directory.chmod(0o755)
        own_home = directory / "home"
        own_home.mkdir(exist_ok=True)
        as_root = os.geteuid() == 0
        port = _free_port()
        uid = UID if as_root else os.getuid()
        user = USER if as_root else pwd.getpwuid(uid).pw_name
        for name in ("host_key", "client_key"):
            private = asyncssh.generate_private_key("ssh-ed25519")
            private.write_private_key(str(directory / name))
            private.write_public_key(str(directory / f"{name}.pub"))
            (directory / name).chmod(0o600)
        (directory / "authorized_keys").write_bytes((directory / "client_key.pub").read_bytes())
        public = (directory / "host_key.pub").read_text()
        (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
        (directory / "sshd_config").write_text(_CONFIG.format(port=port, directory=directory))
        command = [shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", str(directory / "sshd_config")]
        if as_root:
            _make_passwd(directory, own_home)
            for path in (directory / "host_key", own_home):
                os.chown(path, UID, UID)
            small = f"mount -t tmpfs -o size={home_bytes},mode=755,uid={UID},gid={UID} tmpfs {own_home} && "
            bind = f'mount --bind {directory}/passwd /etc/passwd && exec "$@"'
            script = (small if home_bytes else "") + bind
            drop = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
            # Processes of its own: one that waits in vain for a named pipe's other end outlives its parent.
            alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
            command = [*alone, "sh", "-c", script, "sh", *drop, *command]
        log = os.open(directory / "log", os.O_WRONLY | os.O_CREAT)
        actions = [(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
        environment = {"PATH": os.environ["PATH"], VARIABLE: str(current())}
        if at_once:
            environment["LD_PRELOAD"] = str(build("preload", directory))
        child = os.posix_spawnp(command[0], command, environment, file_actions=actions)
        os.close(log)
        _wait_for(port, child, directory / "log")
        server = int(Path(f"/proc/{child}/task/{child}/children").read_text()) if as_root else child
        yield LocalSshd(server, port, own_home, user, uid, directory / "client_key", directory / "known_hosts")
    finally:
        if child:
            _end(child)
        shutil.rmtree(directory, ignore_errors=True)


def _make_passwd(directory: Path, home: Path) -> None:
    """Write a passwd file that has our user."""
    lines = Path("/etc/passwd").read_text()
    (directory / "passwd").write_text(f"{lines}{USER}:x:{UID}:{UID}::{home}:/bin/sh\n")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_for(port: int, child: int, log: Path) -> None:
    """Return when the server answers."""
    deadline = time.monotonic() + 10
    while True:
        if os.waitpid(child, os.WNOHANG)[0]:
            message = f"sshd ended: {log.read_text()}"
            raise RuntimeError(message)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2) as probe:
            if probe.recv(4) == b"SSH-":
                return
        if time.monotonic() > deadline:
            message = f"sshd does not answer: {log.read_text()}"
            raise RuntimeError(message)


def _end(child: int) -> None:
    """Kill the server with everything it started."""
    server = LocalSshd(child, 0, Path(), "", 0, Path(), Path())
    for pid in reversed(server.processes()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)


async def until(condition: object, seconds: float = 10.0) -> None:
    """Poll a callable until it is true; fail after ``seconds``."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never became true"
        await asyncio.sleep(0.01)
