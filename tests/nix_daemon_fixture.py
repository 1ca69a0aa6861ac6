"""The Nix daemon of a run: without it, the node that started one would end the builds of all others with itself."""

from __future__ import annotations

import fcntl
import os
import time

from real_nix import machine_nix
from run_directory import VARIABLE, current

from nixos_workspaces.nix.daemon import daemon_command, is_daemon_running

_PATIENCE = 20.0


def ensure_nix_daemon() -> None:
    """Start a daemon where none answers; it ends with the run."""
    with (current() / "nix-daemon").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_daemon_running():
            return
        argv, environment = daemon_command(machine_nix())
        null = os.open(os.devnull, os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1, 2)]
        marked = environment | {VARIABLE: str(current())}
        os.posix_spawn(argv[0], argv, marked, file_actions=actions, setsid=True)
        os.close(null)
        deadline = time.monotonic() + _PATIENCE
        while not is_daemon_running():
            assert time.monotonic() < deadline, "the Nix daemon does not answer"
            time.sleep(0.02)
