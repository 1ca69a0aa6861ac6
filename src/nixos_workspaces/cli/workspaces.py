"""The verbs on workspaces."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nixos_workspaces.cli.target import emit, out, printable, target_of
from nixos_workspaces.errors import InvalidInput

if TYPE_CHECKING:
    from nixos_workspaces.client import Client
    from nixos_workspaces.schemas.workspaces import WorkspaceDetail

Name = Annotated[str, typer.Argument(help="Name or id of the workspace.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Restart it, if that is needed, without asking.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is done.")]
Cpu = Annotated[float | None, typer.Option(help="Cores, from 0.25.", show_default=False)]
Memory = Annotated[float | None, typer.Option(help="GB of memory, from 0.25.", show_default=False)]
Storage = Annotated[float | None, typer.Option(help="GB of storage, from 0.25.", show_default=False)]
Template = Annotated[str | None, typer.Option("--template", "-t", help="See `nixws templates`.", show_default=False)]
Packages = Annotated[
    list[str] | None,
    typer.Option("--package", "-p", help="A package; may be repeated, or a list with commas.", show_default=False),
]
Ports = Annotated[
    list[int] | None,
    typer.Option("--port", help="A TCP port that its firewall opens; may be repeated.", show_default=False),
]

_LISTED = ("locked", "balanced")
"""The modes in which a list of its own has an effect."""


def register(app: typer.Typer) -> None:
    """Add the verbs to ``app``."""
    app.command("list")(list_)
    for command in (create, show, resize, rename, rebuild, delete, logs, generations):
        app.command()(command)
    for verb, status in _VERBS.items():
        app.command(verb, help=_HELP[verb])(_plain(verb, status))


def create(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the new workspace.", show_default=False)],
    *,
    cpu: Cpu = None,
    memory: Memory = None,
    storage: Storage = None,
    template: Template = None,
    package: Packages = None,
    port: Ports = None,
    network: Annotated[
        str | None,
        typer.Option(help="open, balanced, locked, none or observe; see `nixws network -h`.", show_default=False),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            help="NAME:PORT that it may reach, with --network locked or balanced; may be repeated.",
            show_default=False,
        ),
    ] = None,
    git: Annotated[
        str | None, typer.Option("--git", help="URL[#REF] of a repository to clone into it.", show_default=False)
    ] = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Show what it would cost, and make nothing.")] = False,
    wait: Wait = True,
) -> None:
    """Make a workspace and start it."""
    wanted = _given(cpu=cpu, memory=memory, storage=storage, template=template, packages=_split(package), ports=port)
    wanted |= _given(network=network)
    if allow:
        if network not in _LISTED:
            raise InvalidInput(
                f"Give --network {' or '.join(_LISTED)} with --allow: the other modes do not look at it.",
                code="usage",
                field="allow",
            )
        from nixos_workspaces.cli.network.forms import entries_of

        wanted["allow"] = entries_of(allow)
    if git is not None:
        from nixos_workspaces.cli.contents.repositories import parted

        wanted["git"] = parted(git)
    with target_of(context).client() as client:
        if estimate:
            _estimate(context, client, {"name": name, **wanted})
            return
        # The key makes it safe that the client sends the request again when a connection breaks.
        made = client.workspaces.create({"name": name, **wanted}, idempotency_key=secrets.token_hex(16))
        _finish(context, client, made, "running" if wait else None)


def _estimate(context: typer.Context, client: Client, wanted: dict[str, Any]) -> None:
    """Show what a workspace would cost."""
    found = client.costs.estimate(wanted)
    if target_of(context).as_json:
        emit(found.model_dump(mode="json"))
        return
    from nixos_workspaces.cli.metering.costs import print_estimate

    print_estimate(found)


def list_(
    context: typer.Context,
    *,
    status: Annotated[str | None, typer.Option(help="Only those in this status.", show_default=False)] = None,
    template: Template = None,
    query: Annotated[str | None, typer.Option("--query", "-q", help="Part of the name.", show_default=False)] = None,
    sort: Annotated[str, typer.Option(help="name, created_at or last_accessed; - turns it round.")] = "name",
) -> None:
    """List workspaces."""
    asked = {**_given(status=status, template=template, q=query), "sort": sort, "limit": 200}
    with target_of(context).client() as client:
        page = client.workspaces.page(**asked)
        found = page.workspaces
        while page.next_cursor:
            page = client.workspaces.page(**asked, cursor=page.next_cursor)
            found += page.workspaces
    if target_of(context).as_json:
        emit({"workspaces": [one.model_dump(mode="json") for one in found]})
    else:
        from nixos_workspaces.cli.show import list_view

        console = out()
        console.print(list_view(found, console.width))


def show(context: typer.Context, name: Name) -> None:
    """Show one workspace with its present figures."""
    with target_of(context).client() as client:
        _print(context, client.workspaces.get(name))


def resize(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    name: Name,
    *,
    cpu: Cpu = None,
    memory: Memory = None,
    storage: Storage = None,
    template: Template = None,
    package: Packages = None,
    port: Ports = None,
    no_packages: Annotated[bool, typer.Option("--no-packages", help="Take every package away.")] = False,
    no_ports: Annotated[bool, typer.Option("--no-ports", help="Close every port but 22.")] = False,
    yes: Yes = False,
) -> None:
    """Change resources, template, packages or ports; --package and --port name the whole new list.

    CPU, memory and ports change while it runs. What restarts it says so first, with what ends, and asks.
    """
    packages, ports = [] if no_packages else _split(package), [] if no_ports else port
    wanted = _given(cpu=cpu, memory=memory, storage=storage, template=template, packages=packages, ports=ports)
    with target_of(context).client() as client:
        if not yes and wanted:
            _ask_before_restart(client, client.workspaces.get(name), **wanted)
        _print(context, client.workspaces.change(name, wanted))


def rename(
    context: typer.Context,
    name: Name,
    new: Annotated[str, typer.Argument(help="Its new name.", show_default=False)],
) -> None:
    """Give a workspace another name; its host name follows when it is next started."""
    with target_of(context).client() as client:
        _print(context, client.workspaces.change(name, {"name": new}))


def rebuild(
    context: typer.Context,
    name: Name,
    *,
    generation: Annotated[
        int | None, typer.Option("--generation", "-g", help="Go back to this one.", show_default=False)
    ] = None,
    yes: Yes = False,
    wait: Wait = True,
) -> None:
    """Build the environment again, or go back to an older generation of it."""
    with target_of(context).client() as client:
        before = client.workspaces.get(name)
        if not yes:
            _ask_before_restart(client, before, rebuild=True)
        running = before.status in {"running", "starting", "creating", "paused"}
        after = client.workspaces.rebuild(before.id, generation)
        _finish(context, client, after, "running" if wait and running else None)


def delete(
    context: typer.Context,
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Wait = True,
) -> None:
    """Delete a workspace with all its data; there is no way back."""
    with target_of(context).client() as client:
        workspace = client.workspaces.get(name)
        if not yes:
            typer.confirm(f"Delete {workspace.name} ({workspace.id}) and all its data?", abort=True, err=True)
        deleted = client.workspaces.delete(workspace.id)
        if target_of(context).as_json:
            _finish(context, client, deleted, "deleted" if wait else None)
        elif wait:
            from nixos_workspaces.cli.wait import settle

            settle(client, deleted, "deleted", quiet=False)
            print(f"{printable(workspace.name)} is deleted.")
        else:
            print(f"{printable(workspace.name)} is being deleted.")


def logs(
    context: typer.Context,
    name: Name,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    journal: Annotated[bool, typer.Option("--journal", "-j", help="The running system's journal.")] = False,
) -> None:
    """Print the log of the last build and boot, or the end of the journal."""
    with target_of(context).client() as client:
        if journal:
            from nixos_workspaces.client import JournalCalls

            calls = JournalCalls(client, client.workspaces.get(name).id)
            for entry in calls.follow() if follow else calls.last():
                if target_of(context).as_json:
                    emit(entry.model_dump(mode="json"))
                else:
                    told = printable(f"{entry.program or entry.unit}: {entry.text}")
                    print(f"{entry.at.astimezone():%b %d %H:%M:%S} {told}", flush=follow)
            return
        for line in client.workspaces.logs(name, follow=follow):
            if target_of(context).as_json:
                emit(line.model_dump(mode="json"))
            else:
                print(f"{line.source}: {printable(line.text)}", flush=follow)


def generations(context: typer.Context, name: Name) -> None:
    """List the built versions of a workspace's environment."""
    with target_of(context).client() as client:
        found = client.workspaces.generations(name)
    if target_of(context).as_json:
        emit({"generations": [one.model_dump(mode="json") for one in found]})
        return
    for one in found:
        mark = "*" if one.current else " "
        print(f"{mark} {one.number:>3}  {one.created_at:%Y-%m-%d %H:%M}  {one.template}  {' '.join(one.packages)}")


_VERBS = {"start": "running", "stop": "stopped", "restart": "running", "pause": "paused", "resume": "running"}
_HELP = {
    "start": "Boot a workspace, or try again after an error.",
    "stop": "Shut a workspace down; its data stays.",
    "restart": "Shut a workspace down and boot it again.",
    "pause": "Freeze a workspace with its memory.",
    "resume": "Let a paused workspace go on.",
}


def _plain(verb: str, status: str) -> Callable[..., None]:
    """Return the command for a verb without further options."""

    def command(context: typer.Context, name: Name, *, wait: Wait = True) -> None:
        with target_of(context).client() as client:
            _finish(context, client, client.workspaces.act(name, verb), status if wait else None)

    return command


def _ask_before_restart(client: Client, workspace: WorkspaceDetail, **change: Any) -> None:
    """Say what ends if a change restarts the workspace, and go on only if that is wanted."""
    from nixos_workspaces.client import PlanCalls

    plan = PlanCalls(client, workspace.id).make(**change)
    if not plan.restarts:
        return
    from nixos_workspaces.cli.show import restart_lines

    said = restart_lines(workspace.name, plan)
    if not sys.stdin.isatty():
        raise InvalidInput(f"{' '.join(said)} Give --yes to go on.", code="needs_yes")
    print(*said, sep="\n", file=sys.stderr)
    typer.confirm("Go on?", abort=True, err=True)


def _finish(context: typer.Context, client: Client, workspace: WorkspaceDetail, status: str | None) -> None:
    """Wait for a status if one is given, then print the workspace."""
    from nixos_workspaces.cli.wait import settle

    quiet = target_of(context).as_json
    _print(context, settle(client, workspace, status, quiet=quiet) if status else workspace)


def _print(context: typer.Context, workspace: WorkspaceDetail) -> None:
    if target_of(context).as_json:
        emit({"workspace": workspace.model_dump(mode="json")})
    else:
        from nixos_workspaces.cli.show import detail_view

        out().print(detail_view(workspace))


def _given(**values: Any) -> dict[str, Any]:
    """Return what was given on the command line."""
    return {name: value for name, value in values.items() if value is not None}


def _split(words: list[str] | None) -> list[str] | None:
    """Return a repeated option with commas as one list."""
    return None if words is None else [part.strip() for word in words for part in word.split(",") if part.strip()]
