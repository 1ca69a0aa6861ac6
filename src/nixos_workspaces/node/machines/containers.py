"""The container engine: runc or crun, whichever this machine has and can use."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from nixos_workspaces.errors import Conflict, RuntimeFailed
from nixos_workspaces.model.machine import MachineSpec
from nixos_workspaces.node.kernel.namespaces import birth
from nixos_workspaces.node.machines.bundle import seccomp_profile
from nixos_workspaces.process import CommandFailed, run

PROFILES = (Path("/usr/share/containers/seccomp.json"), Path("/etc/containers/seccomp.json"))
_log = logging.getLogger(__name__)
_LOG_TAIL = 600
_OPEN_PORTS = "sw/bin/nixws-ports"
"""The program of a workspace's system that opens ports in its firewall."""
_PROGRAM_SECONDS = 3.0
_PORTS_SECONDS = 10.0
"""A workspace with a small share of a busy machine takes longer than the tenth of a second that is usual."""
_MOST_OUTPUT = 1 << 16


def find_engine(wanted: str | None, *, hybrid: bool) -> Path:
    """Return the engine's executable: the wanted name or path, else runc, else crun.

    ``hybrid`` tells that this machine has cgroups of both versions, which crun refuses. Raises ``RuntimeFailed`` when
    there is none.
    """
    names = [wanted] if wanted else ["runc"] if hybrid else ["runc", "crun"]
    for name in names:
        found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/local/sbin")
        if found:
            return Path(found)
    message = f"No container engine was found ({' or '.join(names)}): install the package runc."
    raise RuntimeFailed(message, code="engine_missing")


def load_seccomp() -> dict[str, Any]:
    """Return the distribution's seccomp profile for containers; raises ``RuntimeFailed`` when there is none."""
    machine = os.uname()
    major, minor = (int(part) for part in re.findall(r"\d+", machine.release)[:2])
    for path in PROFILES:
        if path.exists():
            return seccomp_profile(json.loads(path.read_text()), machine.machine, (major, minor))
    message = "No seccomp profile was found: install the package golang-github-containers-common (containers-common)."
    raise RuntimeFailed(message, code="seccomp_missing")


def ports_at_boot(spec: MachineSpec) -> tuple[int, ...] | None:
    """Return the ports that a boot opens; None for a system of before, which has those that it was built with."""
    return spec.ports if Path(spec.toplevel, _OPEN_PORTS).exists() else None


class Engine:
    """The containers of one node; all methods may be called from any thread."""

    def __init__(self, executable: Path, state: Path) -> None:
        """Use ``state`` as the directory of the engine's own records."""
        self._executable = executable
        self._state = state
        self._moves_uptime: bool | None = None
        """Whether containers can have an uptime of their own; None until the first is made."""

    @property
    def name(self) -> str:
        """The engine's name, for people."""
        return self._executable.name

    def known(self) -> list[str]:
        """Return every container of which the engine has a record, whole or not."""
        return sorted(path.name for path in self._state.iterdir() if path.is_dir())

    def create(self, container: str, bundle: Path, output: int) -> int:
        """Make a container whose PID 1 waits to be started; its output goes to a descriptor. Return PID 1's id."""
        pid_file = bundle / "pid"
        log = bundle / "engine.log"
        log.unlink(missing_ok=True)
        words: list[str | Path] = ["--log", log, "create", "--bundle", bundle, "--pid-file", pid_file, container]
        try:
            run([*self._own_uptime(), self._executable, "--root", self._state, *words], output=output)
        except CommandFailed as failed:
            reason = log.read_text(errors="replace")[-_LOG_TAIL:].strip() if log.exists() else str(failed)
            message = f"{self.name} could not make the container: {reason}"
            raise RuntimeFailed(message, code="engine_create") from failed
        pid = int(pid_file.read_text())
        self._correct_birth(container, pid)
        return pid

    def start(self, container: str) -> None:
        """Let a made container's PID 1 run."""
        self._run("start", container)

    def delete(self, container: str) -> None:
        """Kill a container and forget it; does nothing when there is none."""
        place = self._state / container
        if place.exists():
            run([self._executable, "--root", self._state, "delete", "--force", container], check=False)
            # What is left has no whole record: the engine does not see it.
            shutil.rmtree(place, ignore_errors=True)

    def update(self, container: str, limits: Mapping[str, Any]) -> None:
        """Change the limits of a running container."""
        words = ["update", "--resources", "-", container]
        try:
            run([self._executable, "--root", self._state, *words], stdin=json.dumps(limits).encode())
        except CommandFailed as failed:
            if "memory" in str(failed):
                message = "The workspace uses more memory than the new limit; stop something in it, or restart it."
                raise Conflict(message, code="memory_in_use", field="memory") from failed
            raise RuntimeFailed(f"The limits could not be changed: {failed}", code="engine_update") from failed

    def output(self, container: str, argv: Sequence[str], seconds: float = _PROGRAM_SECONDS) -> tuple[bool, str]:
        """Run a program in a container for some seconds; return whether it succeeded and the first that it printed.

        The program may be any that a workspace's root has put there: what it prints is bounded by the kernel, and
        whatever it leaves running holds nothing that is waited for.
        """
        words: list[str | Path] = [self._executable, "--root", self._state, "exec", container, *argv]
        printed = os.memfd_create("output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(printed, _MOST_OUTPUT)
            fcntl.fcntl(printed, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
            succeeded = False
            with suppress(CommandFailed):
                run(words, timeout=seconds, output=printed)
                succeeded = True
            return succeeded, os.pread(printed, _MOST_OUTPUT, 0).rstrip(b"\0").decode(errors="replace")
        finally:
            os.close(printed)

    def open_ports(self, container: str, toplevel: str, ports: Sequence[int]) -> None:
        """Let the firewall in a container open these ports; raises ``RuntimeFailed`` where its root prevents that.

        The program (``nix/ports.nix``) is the store's, which the workspace's root cannot change.
        """
        words = [f"{toplevel}/{_OPEN_PORTS}", *(str(port) for port in ports)]
        done, said = self.output(container, words, _PORTS_SECONDS)
        if not done:
            reason = " ".join(said.split())[:_LOG_TAIL] or "its program did not end in time"
            message = f"The workspace's firewall could not be changed: {reason}. A restart opens the ports as well."
            raise RuntimeFailed(message, code="ports_refused")

    def _own_uptime(self) -> list[str]:
        """Return the words before a command that let it and its children see the uptime of a machine started just now.

        A time namespace moves ``/proc/uptime`` and the births of processes (``/proc/PID/stat``) together. ``ps``
        subtracts one from the other, so that the uptime of lxcfs, which has only the first, gives it nonsense.
        """
        words = ["unshare", "--time", f"--boottime=-{int(time.clock_gettime(time.CLOCK_BOOTTIME))}", "--fork"]
        if self._moves_uptime is None:
            self._moves_uptime = self.name == "runc" and run([*words, "true"], check=False).returncode == 0
            if not self._moves_uptime:
                _log.warning("workspaces see this machine's uptime: %s or the kernel cannot change it", self.name)
        return words if self._moves_uptime else []

    def _correct_birth(self, container: str, pid: int) -> None:
        """Note PID 1's birth as it is seen out here, or runc would take it for another process from now on."""
        place = self._state / container / "state.json"
        if not place.exists():
            return
        state = json.loads(place.read_text())
        state["init_process_start"] = birth(pid)
        fresh = place.with_suffix(".new")
        fresh.write_text(json.dumps(state))
        fresh.replace(place)

    def _run(self, *words: str) -> None:
        try:
            run([self._executable, "--root", self._state, *words])
        except CommandFailed as failed:
            raise RuntimeFailed(f"{self.name} {words[0]} failed: {failed}", code=f"engine_{words[0]}") from failed
