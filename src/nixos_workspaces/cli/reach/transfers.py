"""``nixws transfer`` and ``nixws transfers``: workspaces for other owners, who accept or refuse them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nixos_workspaces.cli.target import emit, err, out, printable, target_of
from nixos_workspaces.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nixos_workspaces.schemas.access.transfers import OfferAnswer, OwnedAnswer

CAUTION = (
    "All that its former owner put into it stays there, programs that start by themselves included: look at it before "
    "you put secrets in it."
)

app = typer.Typer(invoke_without_command=True)

Workspace = Annotated[str, typer.Argument(help="Name or id of the workspace.", show_default=False)]


def transfer(
    context: typer.Context,
    name: Workspace,
    to: Annotated[str, typer.Option("--to", help="Handle of the new owner.", show_default=False)],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Offer a workspace to another owner; nothing changes before they accept, then it is yours no more."""
    if not yes:
        typer.confirm(f"Give {name} to {to}? You have it no more then.", abort=True, err=True)
    with target_of(context).client() as client:
        done = client.transfers.transfer(name, to)
    if target_of(context).as_json:
        emit(done.model_dump(mode="json"))
    elif done.expires_at is None:
        err().print(f"{name} is {to}'s now.", markup=False)
    else:
        said = f"{name} is offered to {to} until {done.expires_at:%Y-%m-%d %H:%M} UTC, and yours until they accept it."
        err().print(f"{said} `nixws transfers withdraw {name}` takes it back.", markup=False)


@app.callback()
def offers(context: typer.Context) -> None:
    """List the workspaces that are offered to you, and by you."""
    if context.invoked_subcommand is not None:
        return
    list_(context)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the workspaces that are offered to you, and by you."""
    with target_of(context).client() as client:
        found = client.transfers.list()
    if target_of(context).as_json:
        emit(found.model_dump(mode="json"))
        return
    from nixos_workspaces.cli.show import safe, table_of

    table = table_of("ID", "NAME", "FROM", "TO", "OFFERED", "UNTIL")
    for one in (*found.received, *found.made):
        names = (safe(text) for text in (one.name, one.owner, one.to))
        table.add_row(one.workspace_id, *names, f"{one.offered_at:%Y-%m-%d}", f"{one.expires_at:%Y-%m-%d %H:%M}")
    out().print(table if table.row_count else "Nothing is offered to you or by you.")


@app.command()
def accept(
    context: typer.Context,
    name: Workspace,
    *,
    deliver_secrets: Annotated[
        bool, typer.Option("--deliver-secrets", help="Deliver your personal secrets to it at once.")
    ] = False,
) -> None:
    """Make a workspace that is offered to you your own; what its former owner left in it stays there."""
    with target_of(context).client() as client:
        chosen = _chosen(client.transfers.list().received, name)
        accepted = client.transfers.accept(chosen.workspace_id, deliver_secrets=deliver_secrets)
    _tell(context, accepted, f"{printable(accepted.name)} is yours. {CAUTION}")


@app.command()
def refuse(context: typer.Context, name: Workspace) -> None:
    """Refuse a workspace that is offered to you."""
    with target_of(context).client() as client:
        chosen = _chosen(client.transfers.list().received, name)
        client.transfers.refuse(chosen.workspace_id)
    err().print(f"{printable(chosen.name)} stays {printable(chosen.owner)}'s.", markup=False)


@app.command()
def withdraw(context: typer.Context, name: Workspace) -> None:
    """Take back the offer of a workspace."""
    with target_of(context).client() as client:
        client.transfers.withdraw(name)
    err().print(f"{name} is offered to nobody any more.", markup=False)


@app.command("deliver-secrets")
def deliver_secrets(
    context: typer.Context,
    name: Workspace,
    *,
    stop: Annotated[bool, typer.Option("--stop", help="Withhold them, and remove those that are there.")] = False,
) -> None:
    """Have your personal secrets delivered to a workspace that came from another owner."""
    with target_of(context).client() as client:
        changed = client.transfers.deliver_secrets(name, deliver=not stop)
    _tell(context, changed, "")


def _tell(context: typer.Context, owned: OwnedAnswer, said: str) -> None:
    if target_of(context).as_json:
        emit(owned.model_dump(mode="json"))
        return
    name = printable(owned.name)
    told = f"Your personal secrets are {owned.personal_secrets.value}"
    if owned.personal_secrets.value == "withheld":
        told += f" from it; `nixws transfers deliver-secrets {name}` delivers them"
    err().print(f"{said} {told}.".strip(), markup=False)


def _chosen(found: Sequence[OfferAnswer], name: str) -> OfferAnswer:
    """Return the one offer that is meant."""
    meant = [one for one in found if name in {one.workspace_id, one.name}]
    if not meant:
        raise NotFound(
            f"No workspace {name!r} is offered to you; `nixws transfers` lists them.", code="transfer_not_found"
        )
    if len(meant) > 1:
        ids = ", ".join(f"{one.workspace_id} of {one.owner}" for one in meant)
        raise InvalidInput(f"Several of that name are offered to you: {ids}. Give the id.", field="name")
    return meant[0]
