"""``nixws session``: the browsers that are signed in."""

from __future__ import annotations

from typing import Annotated

import typer

from nixos_workspaces.cli.target import emit, err, out, target_of

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the browsers that are signed in as you."""
    with target_of(context).client() as client:
        found = client.sessions.list()
    if target_of(context).as_json:
        emit([one.model_dump(mode="json") for one in found])
        return
    from nixos_workspaces.cli.show import safe, table_of

    table = table_of("ID", "DEVICE", "ADDRESS", "LAST USED")
    for one in found:
        used = f"{one.last_used_at:%Y-%m-%d %H:%M}" if one.last_used_at else "-"
        table.add_row(one.id, safe(one.device[:60]), one.address, used)
    out().print(table if found else "No browser is signed in.")


@app.command()
def end(
    context: typer.Context,
    session: Annotated[str | None, typer.Argument(help="Id of the session.", show_default=False)] = None,
    *,
    others: Annotated[bool, typer.Option("--others", help="All but the one that you use.")] = False,
) -> None:
    """End a session, and everything that is open under it."""
    with target_of(context).client() as client:
        if others:
            err().print(f"{client.sessions.end_others()} sessions were ended.")
        elif session is not None:
            client.sessions.end(session)
            err().print(f"{session} was ended.", markup=False)
        else:
            raise typer.BadParameter("give the id of a session, or --others")
