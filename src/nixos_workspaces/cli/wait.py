"""Waiting for a workspace, and telling its phases meanwhile."""

from __future__ import annotations

import time
from contextlib import nullcontext

from rich.markup import escape
from rich.status import Status as Spinner

from nixos_workspaces.cli.target import err, printable
from nixos_workspaces.client import Client
from nixos_workspaces.errors import NotFound, WorkspacesError
from nixos_workspaces.schemas.workspaces import WorkspaceDetail

POLL_SECONDS = 0.25


def settle(client: Client, workspace: WorkspaceDetail, status: str, *, quiet: bool) -> WorkspaceDetail:
    """Return the workspace when it has reached ``status`` (``deleted``: is gone).

    Raises the workspace's fault, as an error with its code, when it ends in ``error`` instead. Phases go to standard
    error: as a live line on a terminal, one line each otherwise.
    """
    console = err()
    live = console.is_terminal and not quiet
    started = time.monotonic()
    told = ""
    with console.status(workspace.name) if live else nullcontext() as spinner:
        while str(workspace.status) != status:
            if workspace.status == "error":
                raise _fault(workspace)
            line = _line(workspace)
            if isinstance(spinner, Spinner):
                spinner.update(f"{escape(line)}  {time.monotonic() - started:.0f} s")
            elif line != told and not quiet:
                console.print(escape(line))
            told = line
            time.sleep(POLL_SECONDS)
            try:
                workspace = client.workspaces.get(workspace.id)
            except NotFound:
                if status != "deleted":
                    raise
                return workspace
    return workspace


def _line(workspace: WorkspaceDetail) -> str:
    """Return what is under way in one line."""
    parts = [f"{workspace.name}: {workspace.status}"]
    if workspace.progress is not None:
        parts.append(str(workspace.progress.phase))
        if workspace.progress.fraction is not None:
            parts.append(f"{workspace.progress.fraction:.0%}")
        if workspace.progress.message:
            parts.append(printable(workspace.progress.message))
    return " · ".join(parts)


def _fault(workspace: WorkspaceDetail) -> WorkspacesError:
    """Return why the workspace is in error."""
    if workspace.fault is None:
        return WorkspacesError(f"{workspace.name} is in error; `nixws logs {workspace.name}` may tell why.")
    return WorkspacesError(
        f"{workspace.name}: {workspace.fault.message} (`nixws logs {workspace.name}` tells more.)",
        code=workspace.fault.code,
    )
