"""The Nix daemon: how it is started where no service manager does it, and whether it answers."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from pathlib import Path

from nixos_workspaces.nix.executable import DAEMON_SOCKET, Nix

_ANSWER_SECONDS = 2.0


def daemon_command(nix: Nix) -> tuple[list[str], dict[str, str]]:
    """Return the argv and the environment that run the Nix daemon in the foreground; it needs root.

    The daemon is always the store's own: it never goes through another one.
    """
    return nix.command(program="nix-daemon"), _without_remote(nix.environment)


def is_daemon_running(path: Path = DAEMON_SOCKET) -> bool:
    """Tell whether a daemon accepts connections at ``path``; a socket left by a dead one does not count."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        probe.settimeout(_ANSWER_SECONDS)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _without_remote(environment: Mapping[str, str]) -> dict[str, str]:
    """Return ``environment`` as the daemon needs it."""
    return {"HOME": "/root", **{name: value for name, value in environment.items() if name != "NIX_REMOTE"}}
