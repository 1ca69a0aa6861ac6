"""``nixws share`` and the verbs around it: workspaces, terminals and ports for several people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nixos_workspaces.cli.reach.durations import seconds_of
from nixos_workspaces.cli.target import emit, err, out, printable, target_of
from nixos_workspaces.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nixos_workspaces.client import Client
    from nixos_workspaces.schemas.access.shares import ShareAnswer

Workspace = Annotated[str, typer.Argument(help="Name or id of the workspace.", show_default=False)]
Who = Annotated[str, typer.Argument(help="Id of the share, or the name of the user, group or guest.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to ``app``."""
    for verb in (share, shares, admit, unshare, join, leave):
        app.command()(verb)


def share(  # noqa: PLR0913  each is an option
    context: typer.Context,
    name: Workspace,
    *,
    with_: Annotated[
        str, typer.Option("--with", help="A user, group:NAME, or link: anybody who has it.", show_default="link")
    ] = "link",
    as_: Annotated[str, typer.Option("--as", help="viewer or editor.", show_default=False)] = "",
    terminal: Annotated[str, typer.Option(help="One terminal only: its id or name.", show_default=False)] = "",
    port: Annotated[int | None, typer.Option(help="One port only.", min=1, max=65535, show_default=False)] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="To look at only, as --as viewer.")] = False,
    files: Annotated[bool, typer.Option("--files", help="Viewers may read files, too.")] = False,
    knock: Annotated[bool, typer.Option("--knock", help="Ask you about each one who comes by the link.")] = False,
    for_: Annotated[str, typer.Option("--for", help="How long, as in 1h or 7d.", show_default=False)] = "",
) -> None:
    """Share a workspace, or one terminal or port of it, with a user, a group, or by a link."""
    if terminal and port is not None:
        raise InvalidInput("Share one terminal or one port at a time.", field="terminal")
    wanted: dict[str, Any] = {
        "with": with_ if with_ == "link" or with_.startswith(("user:", "group:")) else f"user:{with_}",
        "access": _access(as_, read_only=read_only, is_terminal=bool(terminal)),
        "files": files,
        "knock": knock,
        "expires_in": seconds_of(for_),
        "part": "" if port is None else f"port:{port}",
    }
    with target_of(context).client() as client:
        if terminal:
            wanted["part"] = f"terminal:{_terminal(client, name, terminal)}"
        made = client.shares.add(name, wanted)
    if target_of(context).as_json:
        emit(made.model_dump(mode="json"))
    elif made.link is not None:
        print(made.link)
        if made.share.expires_at is not None:
            err().print(
                f"Until {made.share.expires_at:%Y-%m-%d %H:%M} UTC; `nixws unshare {name} {made.share.id}` ends it."
            )
    else:
        err().print(f"{printable(made.share.name)} has it as {made.share.access.value}.", markup=False)


def shares(context: typer.Context, name: Workspace) -> None:
    """List those who have a workspace besides its owner, with those who wait to be let in."""
    with target_of(context).client() as client:
        found = client.shares.list(name)
    if target_of(context).as_json:
        emit([one.model_dump(mode="json") for one in found])
        return
    from nixos_workspaces.cli.show import safe, table_of

    table = table_of("ID", "WITH", "AS", "OF", "UNTIL", "STATE")
    for one in found:
        shown = "a link" if one.kind.value == "link" else f"{one.kind.value} {one.name}"
        until = f"{one.expires_at:%Y-%m-%d %H:%M}" if one.expires_at else ""
        access = f"{one.access.value}, files" if one.files and one.access.value == "viewer" else one.access.value
        table.add_row(one.id, safe(shown), access, one.part or "everything", until, one.state.value)
    out().print(table if found else "Nobody else has it; `nixws share NAME --with USER` shares it.")


def admit(context: typer.Context, name: Workspace, who: Who) -> None:
    """Let in one who came by a link and waits."""
    with target_of(context).client() as client:
        waiting = [one for one in client.shares.list(name) if one.state.value == "waiting"]
        admitted = client.shares.admit(name, _chosen(waiting, who).id)
    err().print(f"{printable(admitted.name)} is in.", markup=False)


def unshare(context: typer.Context, name: Workspace, who: Who) -> None:
    """End a share, or refuse one who waits; what they have open ends within a second."""
    with target_of(context).client() as client:
        chosen = _chosen(client.shares.list(name), who)
        client.shares.remove(name, chosen.id)
    err().print(f"{printable(chosen.name) or 'The link'} has it no more.", markup=False)


def join(
    context: typer.Context, link: Annotated[str, typer.Argument(help="The link you were given.", show_default=False)]
) -> None:
    """Take what a link shares with you."""
    secret = link.rpartition("#")[2].strip()
    with target_of(context).client() as client:
        joined = client.shares.join(secret)
    if target_of(context).as_json:
        emit(joined.model_dump(mode="json"))
    elif joined.state.value == "waiting":
        err().print("The owner is asked; the same command again tells whether you are in.")
    else:
        of = f", {joined.part} only" if joined.part else ""
        out().print(f"{joined.workspace_id}  {joined.workspace_name}  as {joined.access.value}{of}", markup=False)


def leave(context: typer.Context, name: Workspace) -> None:
    """Give up a workspace that is shared with you."""
    with target_of(context).client() as client:
        client.shares.leave(name)


def _access(chosen: str, *, read_only: bool, is_terminal: bool) -> str:
    """Return the access that the options say: a terminal is for typing, a workspace for looking, unless told."""
    if chosen not in {"", "viewer", "editor"} or (read_only and chosen == "editor"):
        raise InvalidInput("--as takes viewer or editor; --read-only is viewer.", field="as")
    if read_only:
        return "viewer"
    return chosen or ("editor" if is_terminal else "viewer")


def _terminal(client: Client, name: str, wanted: str) -> str:
    from nixos_workspaces.cli.terminals import chosen_of
    from nixos_workspaces.client.terminals import TerminalCalls

    return chosen_of(TerminalCalls(client, client.workspaces.get(name).id).list(), wanted).id


def _chosen(found: Sequence[ShareAnswer], who: str) -> ShareAnswer:
    """Return the one share that is meant."""
    meant = [one for one in found if who in {one.id, one.name}]
    if not meant:
        raise NotFound(f"There is no share {who!r}; `nixws shares NAME` lists them.", code="share_not_found")
    if len(meant) > 1:
        raise InvalidInput(f"{who!r} means several: {', '.join(one.id for one in meant)}.", field="who")
    return meant[0]
