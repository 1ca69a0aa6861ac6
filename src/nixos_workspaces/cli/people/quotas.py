"""``nixws quota``: what one has and may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nixos_workspaces.cli.target import emit, err, out, target_of
from nixos_workspaces.errors import InvalidInput

if TYPE_CHECKING:
    from rich.table import Table

    from nixos_workspaces.schemas.people.quotas import AmountsAnswer, QuotaAnswer

app = typer.Typer(no_args_is_help=True)
_NAMES = ("workspaces", "running", "cpu", "memory", "storage")


@app.command()
def show(context: typer.Context) -> None:
    """Show what you have, and what you may have."""
    with target_of(context).client() as client:
        own = client.quotas.own()
    if target_of(context).as_json:
        emit(own.model_dump(mode="json"))
    else:
        out().print(_table(own.quotas, own.used))


@app.command("list")
def list_(context: typer.Context) -> None:
    """List every quota with what is used."""
    with target_of(context).client() as client:
        found = client.quotas.list()
    if target_of(context).as_json:
        emit([one.model_dump(mode="json") for one in found])
    else:
        out().print(_table(found) if found else "There are no quotas.")


@app.command("set")
def set_(
    context: typer.Context,
    *,
    user: Annotated[str | None, typer.Option(help="Handle or id of a user.")] = None,
    group: Annotated[str | None, typer.Option(help="Name or id of a group.")] = None,
    workspaces: Annotated[int | None, typer.Option(min=0, help="Workspaces.")] = None,
    running: Annotated[int | None, typer.Option(min=0, help="Workspaces that run.")] = None,
    cpu: Annotated[float | None, typer.Option(min=0, help="Cores of those that run.")] = None,
    memory: Annotated[float | None, typer.Option(min=0, help="GB of those that run.")] = None,
    storage: Annotated[float | None, typer.Option(min=0, help="GB of all.")] = None,
) -> None:
    """Set a quota; what is not given has no bound. Without any bound the quota is removed."""
    if (user is None) == (group is None):
        raise InvalidInput("Give either --user or --group.", field="user")
    wanted: dict[str, float | None] = dict(zip(_NAMES, (workspaces, running, cpu, memory, storage), strict=True))
    with target_of(context).client() as client:
        if user is not None:
            client.quotas.set_of_user(user, wanted)
        elif group is not None:
            client.quotas.set_of_group(group, wanted)
    err().print(f"The quota of {user or group} is set.", markup=False)


def _table(quotas: list[QuotaAnswer], used: AmountsAnswer | None = None) -> Table:
    from nixos_workspaces.cli.show import safe, table_of

    table = table_of("QUOTA OF", *(name.upper() for name in _NAMES))
    if used is not None and not quotas:
        table.add_row("you", *(f"{getattr(used, name):g}" for name in _NAMES))
    for one in quotas:
        table.add_row(safe(one.name), *(_of(getattr(one.used, name), getattr(one.allowed, name)) for name in _NAMES))
    return table


def _of(used: float, allowed: float | None) -> str:
    return f"{used:g}" if allowed is None else f"{used:g} of {allowed:g}"
