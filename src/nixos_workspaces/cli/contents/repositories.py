"""``nixws git`` and ``nixws dotfiles``: repositories in workspaces."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nixos_workspaces.cli.target import emit, printable, target_of
from nixos_workspaces.errors import InvalidInput, RuntimeFailed

if TYPE_CHECKING:
    from nixos_workspaces.client.contents.repositories import RepositoryCalls
    from nixos_workspaces.schemas.contents.repositories import RepositoryAnswer

_PAUSE = 0.3
Name = Annotated[str, typer.Argument(help="Name or id of the workspace.", show_default=False)]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is done.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to ``app``."""
    app.command("git")(git)
    app.command("dotfiles")(dotfiles)


def git(
    context: typer.Context,
    name: Name,
    source: Annotated[
        str | None, typer.Argument(help="URL[#REF] of another repository.", metavar="URL", show_default=False)
    ] = None,
    *,
    directory: Annotated[
        str | None, typer.Option("--directory", "-d", help="Where to, below the home directory.", show_default=False)
    ] = None,
    wait: Wait = True,
) -> None:
    """Clone a repository into a workspace, or the one that it was made with again; overwrites nothing."""
    if directory and not source:
        raise InvalidInput("A directory is of the repository whose URL is given with it.", code="usage")
    wanted = parted(source) | ({"directory": directory} if directory else {}) if source else None
    with target_of(context).client() as client:
        from nixos_workspaces.client.contents.repositories import RepositoryCalls

        calls = RepositoryCalls(client, client.workspaces.get(name).id)
        calls.clone(wanted)
        _follow(context, calls, "work", wait=wait)


def dotfiles(
    context: typer.Context,
    source: Annotated[
        str | None, typer.Argument(help="URL[#REF] to set them to.", metavar="URL", show_default=False)
    ] = None,
    *,
    none: Annotated[bool, typer.Option("--none", help="Have none in new workspaces.")] = False,
    script: Annotated[
        str | None,
        typer.Option(help="The program in them to run.", show_default=False),
    ] = None,
    apply: Annotated[
        str | None, typer.Option("--apply", help="Update them in this workspace now.", show_default=False)
    ] = None,
    wait: Wait = True,
) -> None:
    """Show or set the repository of your dotfiles, which is put into the workspaces that you make."""
    if none and source:
        raise InvalidInput("Give a URL or --none.", code="usage")
    from nixos_workspaces.client.contents.repositories import ProfileCalls, RepositoryCalls

    with target_of(context).client() as client:
        calls = ProfileCalls(client)
        if source or none:
            wanted = parted(source) | ({"script": script} if script else {}) if source else None
            profile = calls.put(wanted)
        else:
            profile = calls.get()
        if apply is not None:
            of_workspace = RepositoryCalls(client, client.workspaces.get(apply).id)
            of_workspace.apply_dotfiles()
            _follow(context, of_workspace, "dotfiles", wait=wait)
            return
    if target_of(context).as_json:
        emit(profile.model_dump(mode="json"))
    elif profile.dotfiles is None:
        print("You have no dotfiles.")
    else:
        print(printable(f"{profile.dotfiles.url}{'#' if profile.dotfiles.ref else ''}{profile.dotfiles.ref}"))


def parted(source: str) -> dict[str, Any]:
    """Return the URL and the ref of ``URL[#REF]``."""
    url, _, ref = source.partition("#")
    return {"url": url} | ({"ref": ref} if ref else {})


def _follow(context: typer.Context, calls: RepositoryCalls, purpose: str, *, wait: bool) -> None:
    """Wait until a repository is there, telling its progress, and fail as it fails."""
    while True:
        one = next(found for found in calls.known() if found.purpose == purpose)
        if not wait or one.state in {"done", "failed"}:
            break
        if sys.stderr.isatty():
            done = "" if one.fraction is None else f" {one.fraction:.0%}"
            print(f"\r{one.state}{done}\x1b[K", end="", file=sys.stderr, flush=True)
        time.sleep(_PAUSE)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    _tell(context, one)


def _tell(context: typer.Context, one: RepositoryAnswer) -> None:
    if one.state == "failed":
        raise RuntimeFailed(one.message, code="clone_failed")
    if target_of(context).as_json:
        emit(one.model_dump(mode="json"))
    else:
        print(printable(one.message or f"{one.url} is asked for; `nixws show` tells how it goes on."))
