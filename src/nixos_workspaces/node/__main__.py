"""The node's process: its arguments, its log, its exit code.

``nixws node`` becomes this (``cli/operate/node.py``), so that the process that runs as root holds the node's own code,
pyroute2 and the standard library, and nothing of the control plane or of the command line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from nixos_workspaces.errors import WorkspacesError, exit_code
from nixos_workspaces.logs.form import log_to_stderr
from nixos_workspaces.node.daemon import NodeConfig, run

NIX_DAEMON = "NIXWS_NIX_DAEMON"
"""Environment variable: the command line that runs a Nix daemon, as JSON.

It holds the environment of the daemon, where the address of a proxy may carry a password: every user of the machine can
read arguments, root alone the environment of its processes.
"""


def config_of(words: Sequence[str], environ: MutableMapping[str, str]) -> NodeConfig:
    """Read the command line and take ``NIX_DAEMON`` out of ``environ``; a line that cannot be read ends the process."""
    parser = argparse.ArgumentParser(prog="python -m nixos_workspaces.node", add_help=False)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--network", required=True)
    parser.add_argument("--id-base", type=int, required=True)
    parser.add_argument("--boot-timeout", type=float, required=True)
    parser.add_argument("--memory-overcommit", type=float, required=True)
    parser.add_argument("--lxcfs", required=True)
    parser.add_argument("--uplink", required=True)
    parser.add_argument("--name-server", action="append", default=[])
    parser.add_argument("--log-level", required=True)
    parser.add_argument("--log-format", choices=("text", "json"), required=True)
    parser.add_argument("--allow-user", type=int, action="append", default=[])
    given = parser.parse_args(words)
    return NodeConfig(
        data=given.data,
        network=given.network,
        id_base=given.id_base,
        boot_timeout=given.boot_timeout,
        memory_overcommit=given.memory_overcommit,
        allow_users=tuple(given.allow_user),
        nix_daemon=tuple(json.loads(environ.pop(NIX_DAEMON, "[]"))),
        lxcfs=given.lxcfs,
        uplink=given.uplink,
        name_servers=tuple(given.name_server),
        log_level=given.log_level,
        log_as_json=given.log_format == "json",
    )


def main(words: Sequence[str]) -> int:
    """Serve until asked to end; return the exit code."""
    config = config_of(words, os.environ)
    log_to_stderr(config.log_level, as_json=config.log_as_json)
    try:
        run(config)
    except WorkspacesError as error:
        sys.stderr.write(f"nixws: {error.message}\n")
        return exit_code(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
