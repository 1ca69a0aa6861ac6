"""``nixws secret``: values come by standard input or a hidden prompt, never as arguments."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from nixos_workspaces.cli.target import emit, out, printable, target_of
from nixos_workspaces.errors import InvalidInput

if TYPE_CHECKING:
    from nixos_workspaces.client import Client
    from nixos_workspaces.client.contents.secrets import SecretCalls
    from nixos_workspaces.schemas.contents.secrets import SecretAnswer

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the secret; of a variable its name.", show_default=False)]
Workspace = Annotated[
    str | None,
    typer.Option("--workspace", "-w", help="Of this workspace alone, not of all of yours.", show_default=False),
]


@app.command("list")
def list_(context: typer.Context, *, workspace: Workspace = None) -> None:
    """List secrets; their values are never told."""
    with target_of(context).client() as client:
        found = _calls(client, workspace).list()
    if target_of(context).as_json:
        emit(found.model_dump(mode="json"))
        return
    from nixos_workspaces.cli.show import secrets_view

    out().print(secrets_view(found.secrets))
    if found.delivery is not None and found.delivery.problem:
        print(printable(found.delivery.problem), file=sys.stderr)
    if found.personal == "withheld":
        told = "Your own secrets are withheld from it, as it came from another owner"
        print(f"{told}; `nixws transfers deliver-secrets {printable(workspace or '')}` delivers them.", file=sys.stderr)


@app.command("set")
def set_(
    context: typer.Context,
    name: Name,
    *,
    workspace: Workspace = None,
    file: Annotated[
        str | None,
        typer.Option("--file", help="As a file at this path, below ~/ or /run/secrets/.", show_default=False),
    ] = None,
    mode: Annotated[str, typer.Option(help="Of a file: 0400, 0500, 0600 or 0700.")] = "0400",
    git: Annotated[
        str | None, typer.Option("--git", help="As the token or password of this host, for Git.", show_default=False)
    ] = None,
    username: Annotated[str, typer.Option(help="User name on that host; not needed for a token.")] = "",
) -> None:
    """Set a secret out of standard input, or out of what is typed unseen; running workspaces have it at once."""
    if file is not None and git is not None:
        raise InvalidInput("A secret is a file or for Git: give one of --file and --git.", code="usage")
    wanted = {"kind": "environment"}
    if file is not None:
        wanted = {"kind": "file", "path": file, "mode": mode}
    elif git is not None:
        wanted = {"kind": "git", "host": git, "username": username}
    value = _value(is_line=file is None)
    with target_of(context).client() as client:
        secret = _calls(client, workspace).put(name, value=value, **wanted)
    _tell(context, secret)


@app.command("rm")
def remove(context: typer.Context, name: Name, *, workspace: Workspace = None) -> None:
    """Delete a secret, in running workspaces too."""
    with target_of(context).client() as client:
        left = _calls(client, workspace).delete(name)
    if target_of(context).as_json:
        emit(left.model_dump(mode="json"))
    else:
        print(f"{printable(name)} is deleted.")


def _calls(client: Client, workspace: str | None) -> SecretCalls:
    from nixos_workspaces.client.contents.secrets import SecretCalls

    return SecretCalls(client, None if workspace is None else client.workspaces.get(workspace).id)


def _value(*, is_line: bool) -> str:
    """Read a value; of one that is a line, the line end at its end is none of it."""
    if sys.stdin.isatty():
        return getpass.getpass("Value (not shown): ")
    from nixos_workspaces.model.contents.secrets import LARGEST_SECRET, too_large

    raw = sys.stdin.buffer.read(LARGEST_SECRET + 2)  # a line end of a line is none of it
    if not raw:
        raise InvalidInput("No value came: give it by standard input, or type it where it is asked for.", field="value")
    try:
        value = raw.decode()
    except UnicodeDecodeError as binary:
        raise InvalidInput("A value is text in UTF-8; encode other bytes, as base64 does.", field="value") from binary
    value = value.removesuffix("\n").removesuffix("\r") if is_line else value
    if len(value.encode()) > LARGEST_SECRET:
        raise InvalidInput(too_large(), field="value")
    return value


def _tell(context: typer.Context, secret: SecretAnswer) -> None:
    if target_of(context).as_json:
        emit(secret.model_dump(mode="json"))
    else:
        print(f"{printable(secret.name)} is set.")
