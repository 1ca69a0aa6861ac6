"""A real node of its own for tests: its data directory on a disk, its own network, everything removed at the end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from free_network import free_network
from real_nix import build, open_environments
from run_directory import current
from waiting import until

from nixos_workspaces.model.machine import Address, MachineSpec, Resources
from nixos_workspaces.node.home import Home
from nixos_workspaces.runtimes.local import LocalRuntime

ROOT = Path(__file__).resolve().parent.parent
MIB = 1 << 20
SMALL = Resources(cpu=1.0, memory_bytes=512 * MIB, storage_bytes=256 * MIB)
VOLUME_KEY = bytes(range(64))
T = TypeVar("T")

_MAIN = """
import json, logging, sys
from pathlib import Path
from nixos_workspaces.node.daemon import NodeConfig, run
logging.basicConfig(level=logging.INFO)
options = json.loads(sys.argv[1])
if "null_device" in options:
    options["null_device"] = Path(options["null_device"])
run(NodeConfig(Path(options.pop("data")), **options))
"""
_numbers = itertools.count(1)


@dataclass
class Node:
    """One node process and what tests need to use it."""

    directory: Path
    toplevel: str
    network: str
    options: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    within: str = ""
    """The network namespace that is the node's machine; empty: this machine's own."""

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def runtime(self) -> LocalRuntime:
        return LocalRuntime(self.data / "node.sock")

    @property
    def gateway(self) -> str:
        """This machine's address as workspaces see it."""
        return str(IPv4Network(self.network)[1])

    @property
    def home(self) -> Home:
        return Home(self.data.resolve())

    def start(self) -> None:
        """Start the process and wait until it answers."""
        options = {"data": str(self.data), "network": self.network, "id_base": 1_600_000_000} | self.options
        with (self.directory / "node.log").open("ab") as log:
            enter = ["nsenter", f"--net=/run/netns/{self.within}"] if self.within else []
            command = [*enter, sys.executable, "-c", _MAIN, json.dumps(options)]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until("the node answers", self._answers)

    def kill(self) -> None:
        """End the process without warning."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask the process to end; workspaces keep running."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.log()

    def log(self) -> str:
        return (self.directory / "node.log").read_text()[-4000:]

    def spec(self, **changes: Any) -> MachineSpec:
        """Return the order of a new small workspace."""
        spec = MachineSpec(
            workspace_id=f"ws-{next(_numbers):012d}",
            hostname="demo",
            generation=1,
            toplevel=self.toplevel,
            resources=SMALL,
            volume_key=VOLUME_KEY,
            host_key=(self.directory / "host").read_text(),
            authorized_keys=((self.directory / "user.pub").read_text().strip(),),
        )
        return replace(spec, **changes)

    @asynccontextmanager
    async def running(self, **changes: Any) -> AsyncIterator[MachineSpec]:
        """Yield the order of a workspace that runs, and delete it at the end."""
        spec = self.spec(**changes)
        try:
            await self.runtime.create(spec)
            await self.runtime.start(spec)
            yield spec
        finally:
            await self.runtime.delete(spec.workspace_id)

    def ssh(
        self,
        where: Address | None,
        command: str,
        *,
        check: bool = True,
        timeout: float = 60,
        key: Path | None = None,
        sent: Mapping[str, str] | None = None,
    ) -> str:
        """Run a command in a workspace from this machine, as a user does; ``sent`` are variables that go with it."""
        assert where is not None
        known = self.directory / "known_hosts"
        known.write_text(f"{where.host} {(self.directory / 'host.pub').read_text()}")
        options = ["-F", "none", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={known}", "-o", "LogLevel=ERROR"]
        options += [part for name in sent or {} for part in ("-o", f"SendEnv={name}")]
        target = [
            "-o",
            "IdentitiesOnly=yes",
            "-i",
            str(key or self.directory / "user"),
            "-p",
            str(where.port),
            f"{where.username}@{where.host}",
        ]
        done = subprocess.run(
            ["ssh", *options, *target, command],
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(sent or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}: {done.stdout}{done.stderr}"
        return (done.stdout + done.stderr).strip()

    def as_root(self, spec: MachineSpec, command: str, *, check: bool = True, timeout: float = 60) -> str:
        """Run a command in a workspace as its root, past its sshd."""
        enter = ["nsenter", f"--mount={self.home.pin}", "runc", "--root", str(self.home.engine), "exec"]
        shell = ["/run/current-system/sw/bin/bash", "-c", f"export PATH=/run/current-system/sw/bin; {command}"]
        done = subprocess.run(
            [*enter, spec.workspace_id, *shell],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}: {done.stdout}{done.stderr}"
        return (done.stdout + done.stderr).strip()

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        probe = "import sys, socket; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])"
        socket_path = str(self.data / "node.sock")
        return (
            subprocess.run([sys.executable, "-c", probe, socket_path], check=False, capture_output=True).returncode == 0
        )


@contextmanager
def running_node(toplevel: str, prefix: int = 18, within: str = "", **options: Any) -> Iterator[Node]:
    """Yield a started node whose network has that prefix length; at the end everything that it made is gone."""
    directory = Path(tempfile.mkdtemp(prefix="node-", dir=current()))
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
    node = Node(directory, toplevel, free_network(prefix), options, within=within)
    try:
        node.start()
        yield node
    finally:
        with contextlib.suppress(Exception):
            if node.process is not None and node.process.poll() is not None:
                node.start()
        _remove(node)


def _remove(node: Node) -> None:
    """Delete every workspace through the node, end it, and remove its directory."""
    assert node.process is not None
    remove = f"""
import asyncio
from pathlib import Path
from nixos_workspaces.runtimes.local import LocalRuntime
async def main():
    runtime = LocalRuntime(Path({str(node.data / "node.sock")!r}))
    for seen in await runtime.list():
        await runtime.delete(seen.workspace_id)
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", remove], check=True, timeout=60)
    node.stop()
    shutil.rmtree(node.directory)


def build_toplevel(directory: Path) -> str:
    """Return a bootable system with Python: the one named by NIXWS_TEST_TOPLEVEL, or built here from this tree."""
    given = os.environ.get("NIXWS_TEST_TOPLEVEL")
    return given or asyncio.run(_build_toplevel(directory))


async def _build_toplevel(directory: Path) -> str:
    environments = await open_environments(directory, "debian")
    try:
        return (await build(environments, "ws-toplevel", "python3")).toplevel
    finally:
        await environments.close()
