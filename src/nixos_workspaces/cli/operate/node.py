"""``nixws node``: the node's configuration out of the settings; the only verb that runs the node's own code."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from nixos_workspaces.errors import Unavailable
from nixos_workspaces.nix.daemon import daemon_command
from nixos_workspaces.nix.executable import Nix
from nixos_workspaces.node.daemon import NodeConfig, run
from nixos_workspaces.settings import Settings

log = logging.getLogger(__name__)


def run_node(settings: Settings, allow_users: Sequence[int]) -> None:
    """Serve until SIGINT or SIGTERM; workspaces keep running. Raises what ``node.daemon.run`` raises."""
    run(
        NodeConfig(
            data=settings.data,
            network=settings.network,
            id_base=settings.id_base,
            boot_timeout=settings.boot_timeout,
            allow_users=tuple(allow_users),
            nix_daemon=_nix_daemon(settings),
        )
    )


def _nix_daemon(settings: Settings) -> tuple[str, ...]:
    """Return the command line that runs a Nix daemon in its own environment; empty without Nix on this machine."""
    try:
        argv, environment = daemon_command(Nix.find(settings))
    except Unavailable as missing:
        log.warning("No Nix daemon is started here: %s", missing)
        return ()
    return ("/usr/bin/env", "-i", *(f"{name}={value}" for name, value in environment.items()), *argv)
