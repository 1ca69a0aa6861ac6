"""The verbs that run here: ``serve``, ``node``, ``up``."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from nixos_workspaces.cli.operate.processes import SERVE_COMMAND
from nixos_workspaces.cli.operate.tokens import login_link
from nixos_workspaces.cli.target import target_of
from nixos_workspaces.settings import LogFormat, Settings, load, unknown_variables

Host = Annotated[str | None, typer.Option(help="Address to listen on [default: 127.0.0.1].", show_default=False)]
Port = Annotated[int | None, typer.Option(help="Port to listen on [default: 5000].", show_default=False)]
PackageSet = Annotated[
    str | None, typer.Option(help="auto, nixpkgs, debian, or a flake reference [default: auto].", show_default=False)
]
StopWorkspaces = Annotated[
    bool | None, typer.Option("--stop-workspaces", help="Stop the workspaces with the service.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the verbs to ``app``."""
    app.command("login-link")(login_link)
    for verb in (up, serve, node):
        app.command()(verb)


def up(
    context: typer.Context,
    *,
    host: Host = None,
    port: Port = None,
    package_set: PackageSet = None,
    stop_workspaces: StopWorkspaces = None,
) -> None:
    """Run the whole service on this machine: the node as root, the control plane as an unprivileged user."""
    from nixos_workspaces.cli.operate.up import up as run_both

    run_both(_settings(context, host, port, package_set, stop_workspaces))


def serve(
    context: typer.Context,
    *,
    host: Host = None,
    port: Port = None,
    package_set: PackageSet = None,
    stop_workspaces: StopWorkspaces = None,
) -> None:
    """Run the control plane: API, database, builds. Needs a node, and no root."""
    settings = _settings(context, host, port, package_set, stop_workspaces)
    sys.stderr.flush()
    os.execve(SERVE_COMMAND[0], SERVE_COMMAND, os.environ | settings.variables())  # noqa: S606 - no shell is wanted


def node(
    context: typer.Context,
    *,
    allow_user: Annotated[
        list[int] | None, typer.Option("--allow-user", help="User id that may ask the node; may be repeated.")
    ] = None,
) -> None:
    """Run the node: the root daemon that makes containers, volumes and networks on this machine."""
    from nixos_workspaces.cli.operate.node import become_node
    from nixos_workspaces.logs.form import log_to_stderr

    settings = load({"data": target_of(context).data})
    log_to_stderr(settings.log_level, as_json=settings.log_format is LogFormat.JSON)
    become_node(settings, allow_user or [])


def _settings(
    context: typer.Context,
    host: str | None,
    port: int | None,
    package_set: str | None,
    stop_workspaces: bool | None,  # noqa: FBT001 - options, handed on by position
) -> Settings:
    """Return the settings in force for a verb of this module; report variables that set nothing."""
    for name, meant in unknown_variables():
        hint = f"; {meant} may be meant" if meant else ""
        print(f"nixws: {name} is not a setting and does nothing{hint}.", file=sys.stderr)
    return load(
        {
            "data": target_of(context).data,
            "host": host,
            "port": port,
            "package_set": package_set,
            "stop_workspaces": stop_workspaces,
        }
    )
