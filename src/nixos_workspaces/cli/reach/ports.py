"""``nixws ports``, ``nixws open`` and ``nixws share-port``: what listens in a workspace, in the browser."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from nixos_workspaces.cli.reach.durations import seconds_of
from nixos_workspaces.cli.target import emit, err, out, printable, target_of
from nixos_workspaces.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from nixos_workspaces.schemas.reach.ports import PortAnswer

Workspace = Annotated[str, typer.Argument(help="Name or id of the workspace.", show_default=False)]
Port = Annotated[int, typer.Argument(help="Number of the port.", min=1, max=65535, show_default=False)]
_SHORTEST_PROGRAM = 12
_TITLES = ("PORT", "PROGRAM", "SINCE", "SHOWN TO", "ADDRESS")
_GAP = "  "
_WORDS = {"private": "only me", "signed_in": "signed in", "link": "link"}


def register(app: typer.Typer) -> None:
    """Add the verbs to ``app``."""
    app.command()(ports)
    app.command("open")(open_)
    app.command("share-port")(share_port)


def ports(context: typer.Context, name: Workspace) -> None:
    """List the ports on which programs listen in a workspace, with the addresses of their previews."""
    from nixos_workspaces.client.reach.ports import PortCalls

    with target_of(context).client() as client:
        found = PortCalls(client, client.workspaces.get(name).id).list()
    if target_of(context).as_json:
        emit([one.model_dump(mode="json") for one in found])
        return
    from rich.text import Text

    rows = [_TITLES, *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room = out().width - sum(widths) + widths[1] - len(_GAP) * (len(widths) - 1)
    widths[1] = max(min(widths[1], room), _SHORTEST_PROGRAM)
    for number, row in enumerate(rows):
        cells = [cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=True)]
        # An address that is wider than the terminal is wrapped by it, and copied whole.
        out().print(Text(_GAP.join(cells).rstrip(), "bold" if not number else ""), soft_wrap=True)


def _row(one: PortAnswer) -> tuple[str, ...]:
    """Return a port's line by its columns."""
    program = (one.program or "?") if one.listening else "(nothing listens)"
    since = f"{one.since:%Y-%m-%d %H:%M}" if one.since else ""
    shown, url = _WORDS[one.visibility.value] if one.url else "", one.url or "by ssh only"
    return str(one.port), printable(program), since, shown, printable(url)


def cut(text: str, most: int) -> str:
    """Return ``text`` in at most so many characters; of a longer one its middle is left out."""
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def open_(
    context: typer.Context,
    name: Workspace,
    port: Port,
    *,
    print_: Annotated[bool, typer.Option("--print", help="Print an address that opens it once.")] = False,
) -> None:
    """Open the preview of a port in the browser; without one, print an address that opens it once, within 30 s."""
    import webbrowser

    from nixos_workspaces.client.reach.ports import PortCalls

    with target_of(context).client() as client:
        calls = PortCalls(client, client.workspaces.get(name).id)
        told = calls.get(port)
        address = calls.open(_url_of(told))
    if target_of(context).as_json:
        emit({"url": address})
    elif print_ or not sys.stdout.isatty() or not webbrowser.open(address):
        print(address)
    if not told.listening:
        err().print(f"Nothing listens on port {port} yet; the page waits for it.")


def share_port(
    context: typer.Context,
    name: Workspace,
    port: Port,
    *,
    with_: Annotated[str, typer.Option("--with", help="private, signed-in or link.")] = "link",
    for_: Annotated[str, typer.Option("--for", help="How long, as in 30m, 12h or 7d.", show_default=False)] = "",
) -> None:
    """Show a port to others: by a link (the usual), to everybody who is signed in, or to nobody any more."""
    from nixos_workspaces.client.reach.ports import PortCalls
    from nixos_workspaces.model.reach.ports import Visibility

    try:
        visibility = Visibility(with_.replace("-", "_"))
    except ValueError as wrong:
        raise InvalidInput("--with takes private, signed-in or link.", field="with") from wrong
    seconds = seconds_of(for_)
    with target_of(context).client() as client:
        shared = PortCalls(client, client.workspaces.get(name).id).show(port, visibility, seconds)
    if target_of(context).as_json:
        emit(shared.model_dump(mode="json"))
        return
    print(shared.link or shared.port.url)
    if shared.port.expires_at is not None:
        err().print(
            f"Until {shared.port.expires_at:%Y-%m-%d %H:%M} UTC, for {shared.port.shown_program or 'any'} only."
        )


def _url_of(port: PortAnswer) -> str:
    if port.url is None:
        raise Conflict("This port has no preview: `nixws ssh` leads to sshd.", code="port_refused")
    return port.url
