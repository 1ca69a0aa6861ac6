"""``nixws forward``: ports of a workspace on this computer's loopback address, over the service's own port."""

from __future__ import annotations

from typing import Annotated

import typer

from nixos_workspaces.cli.connect.ports import read_port
from nixos_workspaces.cli.target import target_of
from nixos_workspaces.errors import InvalidInput


def forward(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name or id of the workspace.", show_default=False)],
    ports: Annotated[
        list[str], typer.Argument(help="5432, or 5432:15432 for another port on this computer.", show_default=False)
    ],
) -> None:
    """Make TCP ports of a workspace reachable on this computer's 127.0.0.1 until Ctrl-C."""
    import asyncio

    from nixos_workspaces.cli.connect.forwarding import serve

    wanted = [read_port(text) for text in ports]
    if len({one.local for one in wanted if one.local}) < len([one for one in wanted if one.local]):
        raise InvalidInput("Two ports are to have the same number on this computer; give 5432:LOCAL.", field="ports")
    with target_of(context).client() as client:
        workspace = client.workspaces.get(name)
        asyncio.run(serve(client, workspace.id, workspace.name, wanted, as_json=target_of(context).as_json))
