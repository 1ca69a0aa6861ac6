"""``nixws node``: the node's command line out of the settings, and the process that it becomes."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from nixos_workspaces.errors import Unavailable
from nixos_workspaces.nix.daemon import daemon_command
from nixos_workspaces.nix.executable import Nix
from nixos_workspaces.settings import Settings

log = logging.getLogger(__name__)


def become_node(settings: Settings, allow_users: Sequence[int]) -> NoReturn:
    """Replace this process by the node's own, which serves until SIGINT or SIGTERM; workspaces keep running.

    What this process has loaded to read settings and find Nix does not stay in memory beside root's work.
    """
    argv = node_argv(settings, allow_users)
    environment = os.environ | {"NIXWS_NIX_DAEMON": json.dumps(_nix_daemon(settings))}
    sys.stderr.flush()
    os.execve(argv[0], argv, environment)  # noqa: S606 - no shell is wanted


def node_argv(settings: Settings, allow_users: Sequence[int]) -> list[str]:
    """Return the command line of the node's own process.

    ``-P``: root never imports what lies in the directory that it was started in.
    """
    return [
        *(sys.executable, "-P", "-m", "nixos_workspaces.node"),
        *("--data", str(settings.data), "--network", settings.network, "--id-base", str(settings.id_base)),
        *("--boot-timeout", str(settings.boot_timeout)),
        *("--memory-overcommit", str(settings.memory_overcommit), "--lxcfs", settings.lxcfs),
        *("--uplink", settings.uplink),
        *(word for server in settings.upstream_resolvers for word in ("--name-server", server)),
        *("--log-level", settings.log_level, "--log-format", settings.log_format),
        *(word for user in allow_users for word in ("--allow-user", str(user))),
    ]


def _nix_daemon(settings: Settings) -> tuple[str, ...]:
    """Return the command line that runs a Nix daemon in its own environment; empty without Nix on this machine."""
    try:
        argv, environment = daemon_command(Nix.find(settings))
    except Unavailable as missing:
        log.warning("No Nix daemon is started here: %s", missing)
        return ()
    return ("/usr/bin/env", "-i", *(f"{name}={value}" for name, value in environment.items()), *argv)
