"""``nixws user`` and ``nixws group``."""

from __future__ import annotations

from typing import Annotated

import typer

from nixos_workspaces.cli.target import emit, err, out, target_of

users = typer.Typer(no_args_is_help=True)
groups = typer.Typer(no_args_is_help=True)

User = Annotated[str, typer.Argument(help="Handle or id of the user.", show_default=False)]
GroupName = Annotated[str, typer.Argument(help="Name or id of the group.", show_default=False)]


@users.command("list")
def list_users(context: typer.Context) -> None:
    """List all users."""
    with target_of(context).client() as client:
        found = client.users.list()
    if target_of(context).as_json:
        emit([one.model_dump(mode="json") for one in found])
        return
    from nixos_workspaces.cli.show import safe, table_of

    table = table_of("HANDLE", "NAME", "ROLE", "KIND", "STATE")
    for one in found:
        table.add_row(one.handle, safe(one.display_name), one.role, one.kind, one.state)
    out().print(table)


@users.command("create")
def create_user(
    context: typer.Context,
    handle: User,
    *,
    name: Annotated[str, typer.Option(help="The name that is shown; the handle if not given.")] = "",
    role: Annotated[str, typer.Option(help="admin, member or auditor.")] = "member",
    service: Annotated[bool, typer.Option("--service", help="A service account: has tokens, never signs in.")] = False,
) -> None:
    """Make a user, and print a link by which a person signs in once, within an hour."""
    wanted = {"handle": handle, "display_name": name, "role": role, "kind": "service_account" if service else "person"}
    with target_of(context).client() as client:
        user = client.users.create(wanted)
        link = "" if service else client.users.login_link(user.id)
    if target_of(context).as_json:
        emit({**user.model_dump(mode="json"), "login_link": link or None})
    else:
        out().print(link or f"{user.id}  {user.handle}", markup=False)


@users.command("link")
def link_user(context: typer.Context, user: User) -> None:
    """Print another link by which a person signs in once, within an hour."""
    with target_of(context).client() as client:
        out().print(client.users.login_link(user), markup=False)


@users.command("set")
def set_user(
    context: typer.Context,
    user: User,
    *,
    name: Annotated[str | None, typer.Option(help="The name that is shown.")] = None,
    role: Annotated[str | None, typer.Option(help="admin, member or auditor.")] = None,
) -> None:
    """Change a user's name or role."""
    wanted = {key: value for key, value in (("display_name", name), ("role", role)) if value is not None}
    _change(context, user, wanted)


@users.command()
def suspend(context: typer.Context, user: User) -> None:
    """End everything that is open under a user's credentials; none of them is valid until they are active again."""
    _change(context, user, {"state": "suspended"})


@users.command()
def activate(context: typer.Context, user: User) -> None:
    """Let a suspended user in again."""
    _change(context, user, {"state": "active"})


def _change(context: typer.Context, user: str, wanted: dict[str, str]) -> None:
    with target_of(context).client() as client:
        changed = client.users.change(user, wanted)
    if target_of(context).as_json:
        emit(changed.model_dump(mode="json"))
    else:
        out().print(f"{changed.handle}  {changed.role}  {changed.state}", markup=False)


@groups.command("list")
def list_groups(context: typer.Context) -> None:
    """List all groups with their members."""
    with target_of(context).client() as client:
        found = client.groups.list()
        handles = {one.id: one.handle for one in client.users.list()}
    if target_of(context).as_json:
        emit([one.model_dump(mode="json") for one in found])
        return
    for one in found:
        out().print(f"{one.name}: {', '.join(handles.get(each, each) for each in one.members) or '-'}", markup=False)


@groups.command("create")
def create_group(context: typer.Context, group: GroupName) -> None:
    """Make a group."""
    with target_of(context).client() as client:
        made = client.groups.create(group)
    out().print(f"{made.id}  {made.name}", markup=False)


@groups.command("delete")
def delete_group(context: typer.Context, group: GroupName) -> None:
    """Remove a group with its memberships and its quota."""
    with target_of(context).client() as client:
        client.groups.remove(group)
    err().print(f"{group} was removed.", markup=False)


@groups.command()
def add(context: typer.Context, group: GroupName, user: User) -> None:
    """Make a user a member."""
    with target_of(context).client() as client:
        client.groups.join(group, user)
    err().print(f"{user} is in {group}.", markup=False)


@groups.command()
def remove(context: typer.Context, group: GroupName, user: User) -> None:
    """End a membership."""
    with target_of(context).client() as client:
        client.groups.leave(group, user)
    err().print(f"{user} is not in {group} any more.", markup=False)
