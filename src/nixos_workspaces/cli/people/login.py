"""``nixws login`` and ``nixws logout``: sign this computer in by a code that is confirmed in a browser."""

from __future__ import annotations

import getpass
import re
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from nixos_workspaces.cli.target import (
    CLI_FILE,
    DEFAULT_URL,
    emit,
    err,
    login_directory,
    out,
    target_of,
    write_cli_file,
)
from nixos_workspaces.errors import Unauthenticated, WorkspacesError


def login(
    context: typer.Context,
    url: Annotated[str | None, typer.Argument(help="Address of the service.", show_default=False)] = None,
    *,
    scope: Annotated[list[str] | None, typer.Option(help="Do no more than this, such as workspaces:read.")] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="Stay signed in so long.")] = 90,
    certificate: Annotated[
        Path | None, typer.Option(help="The service's certificate (PEM), where the system does not trust it.")
    ] = None,
) -> None:
    """Sign in: shows a code, which you confirm in a browser that is signed in."""
    from nixos_workspaces.client import Client

    target = target_of(context)
    service = (url or target.service_url() or DEFAULT_URL).rstrip("/")
    name = re.sub(r"[^A-Za-z0-9 ._@-]", "-", f"nixws {getpass.getuser()}@{socket.gethostname()}")[:63]
    wanted = {"name": name, "expires_in": f"{days}d", **({"scopes": scope} if scope else {})}
    with Client(service, certificate=certificate) as client:
        begun = client.devices.begin(wanted)
        err().print(
            f"Open {begun.verification_uri} and confirm the code {begun.user_code}\n"
            f"or open {begun.verification_uri_complete}",
            markup=False,
        )
        made = client.devices.wait(begun)
    directory = login_directory()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_cli_file(directory, service, made.secret, certificate=str(certificate.absolute()) if certificate else "")
    if target.as_json:
        emit({"url": service, "token_id": made.token.id})
    else:
        out().print(f"You are signed in at {service}; the token {made.token.id} stands in {directory / CLI_FILE}.")


def logout(context: typer.Context) -> None:
    """Revoke the token of ``nixws login`` and forget it."""
    target = target_of(context)
    written = login_directory() / CLI_FILE
    if not written.exists():
        raise Unauthenticated("You are not signed in by `nixws login`.")
    with suppress(WorkspacesError), replace(target, data=login_directory(), token=None).client() as client:
        client.sessions.sign_out()
    written.unlink(missing_ok=True)
    err().print("You are signed out.")
