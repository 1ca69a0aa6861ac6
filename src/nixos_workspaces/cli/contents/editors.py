"""``nixws code``: the links that open a workspace in an editor on this computer."""

from __future__ import annotations

import sys
import webbrowser
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

from nixos_workspaces.cli.target import emit, printable, target_of

_HOME = "/home/nixos"


class Editor(StrEnum):
    """An editor that opens directories over SSH."""

    VSCODE = "vscode"
    CURSOR = "cursor"
    JETBRAINS = "jetbrains"


def register(app: typer.Typer) -> None:
    """Add the verb to ``app``."""
    app.command("code")(code)


def code(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name or id of the workspace.", show_default=False)],
    *,
    editor: Annotated[Editor, typer.Option("--editor", "-e", help="The editor.")] = Editor.VSCODE,
    directory: Annotated[str, typer.Option("--directory", "-d", help="The directory to open.")] = _HOME,
    opens: Annotated[bool, typer.Option("--open", help="Open it, instead of printing the link.")] = False,
) -> None:
    """Print the link that opens a workspace in an editor on this computer, or open it."""
    with target_of(context).client() as client:
        workspace = client.workspaces.get(name)
    link = link_of(editor, workspace.name, directory)
    if not is_host_known(Path.home()):
        print(
            f"{workspace.name}.nixws is no host of your SSH yet: run `nixws config-ssh` once, then it is found.",
            file=sys.stderr,
        )
    if target_of(context).as_json:
        emit({"editor": editor.value, "link": link})
    elif not opens:
        print(printable(link))
    elif not webbrowser.open(link):
        print(printable(f"Nothing here opens links; it is {link}"))


def link_of(editor: Editor, name: str, directory: str) -> str:
    """Return the link of a workspace in an editor."""
    host = f"{name}.nixws"
    if editor is Editor.JETBRAINS:
        asked = {"type": "ssh", "deploy": "true", "host": host, "port": 22, "user": "nixos", "projectPath": directory}
        return f"jetbrains-gateway://connect#{urlencode(asked)}"
    return f"{editor}://vscode-remote/ssh-remote+{host}{directory}"


def is_host_known(home: Path) -> bool:
    """Tell whether ``nixws config-ssh`` has been run here: SSH's own configuration includes a file of ours."""
    try:
        lines = (home / ".ssh" / "config").read_text(errors="replace").splitlines()
    except OSError:
        return False
    return any(line.split()[:1] == ["Include"] and "nixws" in line for line in lines)
