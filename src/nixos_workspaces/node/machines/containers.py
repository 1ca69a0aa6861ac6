"""The container engine: runc or crun, whichever this machine has and can use."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from nixos_workspaces.errors import Conflict, RuntimeFailed
from nixos_workspaces.node.machines.bundle import seccomp_profile
from nixos_workspaces.process import CommandFailed, run

PROFILES = (Path("/usr/share/containers/seccomp.json"), Path("/etc/containers/seccomp.json"))
_LOG_TAIL = 600
_PROGRAM_SECONDS = 3.0
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


class Engine:
    """The containers of one node; all methods may be called from any thread."""

    def __init__(self, executable: Path, state: Path) -> None:
        """Use ``state`` as the directory of the engine's own records."""
        self._executable = executable
        self._state = state

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
            run([self._executable, "--root", self._state, *words], output=output)
        except CommandFailed as failed:
            reason = log.read_text(errors="replace")[-_LOG_TAIL:].strip() if log.exists() else str(failed)
            message = f"{self.name} could not make the container: {reason}"
            raise RuntimeFailed(message, code="engine_create") from failed
        return int(pid_file.read_text())

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

    def output(self, container: str, argv: Sequence[str]) -> str:
        """Run a program in a container for a few seconds and return the first of what it printed.

        A failure is not told. The program may be any that a workspace's root has put there: what it prints is
        bounded by the kernel, and whatever it leaves running holds nothing that is waited for.
        """
        words: list[str | Path] = [self._executable, "--root", self._state, "exec", container, *argv]
        printed = os.memfd_create("output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(printed, _MOST_OUTPUT)
            fcntl.fcntl(printed, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
            with suppress(CommandFailed):
                run(words, timeout=_PROGRAM_SECONDS, output=printed)
            return os.pread(printed, _MOST_OUTPUT, 0).rstrip(b"\0").decode(errors="replace")
        finally:
            os.close(printed)

    def _run(self, *words: str) -> None:
        try:
            run([self._executable, "--root", self._state, *words])
        except CommandFailed as failed:
            raise RuntimeFailed(f"{self.name} {words[0]} failed: {failed}", code=f"engine_{words[0]}") from failed
