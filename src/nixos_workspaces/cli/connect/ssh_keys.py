"""``nixws ssh-key``: the public keys that open one's workspaces."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nixos_workspaces.cli.target import emit, err, out, target_of
from nixos_workspaces.errors import InvalidInput, NotFound

app = typer.Typer(no_args_is_help=True)
_MOST_BYTES = 1 << 16


@app.command("list")
def list_(context: typer.Context) -> None:
    """List your public keys."""
    with target_of(context).client() as client:
        found = client.ssh_keys.list().ssh_keys
    if target_of(context).as_json:
        emit([one.model_dump(mode="json") for one in found])
        return
    from nixos_workspaces.cli.show import safe, table_of

    table = table_of("ID", "NAME", "TYPE", "FINGERPRINT")
    for one in found:
        table.add_row(one.id, safe(one.name), one.type, one.fingerprint)
    out().print(table if found else "You have no SSH keys here; `nixws ssh-key add ~/.ssh/id_ed25519.pub` adds one.")


@app.command()
def add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File that ends in .pub; - reads standard input.", show_default=False)],
    *,
    name: Annotated[str, typer.Option(help="A name for it; its comment if not given.")] = "",
) -> None:
    """Add a public key: it opens all your workspaces at once."""
    text = sys.stdin.read(_MOST_BYTES) if str(file) == "-" else _read(file)
    with target_of(context).client() as client:
        key = client.ssh_keys.add(text.strip(), name)
    if target_of(context).as_json:
        emit(key.model_dump(mode="json"))
    else:
        out().print(f"{key.id}  {key.fingerprint}  {key.name}", markup=False)


@app.command()
def remove(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Id, name or fingerprint of the key.", show_default=False)],
) -> None:
    """Remove a public key from all your workspaces, at once."""
    with target_of(context).client() as client:
        found = [one for one in client.ssh_keys.list().ssh_keys if key in {one.id, one.name, one.fingerprint}]
        if len(found) > 1:
            raise InvalidInput(f"{len(found)} keys are named {key}; give the id of one.", field="key")
        if not found:
            raise NotFound(f"You have no SSH key {key!r}; `nixws ssh-key list` lists yours.", code="ssh_key_not_found")
        client.ssh_keys.remove(found[0].id)
    err().print(f"{found[0].fingerprint} was removed.", markup=False)


@app.command()
def certify(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File that ends in .pub.", show_default=False)],
    *,
    hours: Annotated[int, typer.Option(min=1, max=12, help="Hours for which it is valid.")] = 12,
) -> None:
    """Have a public key certified for the SSH gateway; writes the file beside it that ends in -cert.pub."""
    if file.suffix != ".pub":
        raise InvalidInput("Give the file of the public key, which ends in .pub.", field="file")
    with target_of(context).client() as client:
        signed = client.ssh_keys.sign(_read(file).strip(), hours)
    written = file.with_name(f"{file.stem}-cert.pub")
    written.write_text(f"{signed.certificate}\n")
    out().print(f"{written}: valid until {signed.expires_at:%Y-%m-%d %H:%M} UTC", markup=False)


def _read(file: Path) -> str:
    with file.open(errors="replace") as content:
        return content.read(_MOST_BYTES)
