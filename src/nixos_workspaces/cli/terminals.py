"""``nixws terminal`` and ``nixws recordings``: the terminals of a workspace, which outlive every client."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nixos_workspaces.cli.target import emit, err, out, target_of
from nixos_workspaces.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from nixos_workspaces.client.terminals import RecordingCalls, TerminalCalls
    from nixos_workspaces.schemas.terminals import TerminalInfo

app = typer.Typer(no_args_is_help=True)
recordings = typer.Typer(no_args_is_help=True)

Workspace = Annotated[str, typer.Argument(help="Name or id of the workspace.", show_default=False)]


@app.command("list")
def list_(context: typer.Context, name: Workspace) -> None:
    """List the terminals of a workspace."""
    with _calls(context, name) as calls:
        found = calls.list()
    if target_of(context).as_json:
        emit([one.model_dump(mode="json") for one in found])
    else:
        from nixos_workspaces.cli.show import terminals_view

        out().print(terminals_view(found))


@app.command()
def attach(
    context: typer.Context,
    name: Workspace,
    terminal: Annotated[
        str | None, typer.Argument(help="Id, its beginning, or name of a terminal; a new one if not given.")
    ] = None,
    *,
    readonly: Annotated[bool, typer.Option("--readonly", help="Watch only.")] = False,
) -> None:
    """Use a terminal from here. Ctrl-] d detaches and leaves it running; Ctrl-] twice types Ctrl-]."""
    import asyncio

    from nixos_workspaces.cli.attach import Attachment, raw_mode, window_size

    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise InvalidInput("attach needs a terminal; `nixws ssh NAME -- COMMAND` runs a command without one.")
    with _calls(context, name) as calls:
        if terminal is None:
            size = window_size()
            chosen = calls.open(cols=size.columns, rows=size.lines)
        else:
            chosen = chosen_of(calls.list(), terminal)
        with raw_mode():
            code = asyncio.run(Attachment(calls, chosen, readonly=readonly).run())
    if code is None:
        err().print(f"\ndetached; `nixws terminal attach {name} {chosen.id}` comes back", markup=False)
    raise typer.Exit(code or 0)


@app.command()
def kill(
    context: typer.Context,
    name: Workspace,
    terminal: Annotated[str, typer.Argument(help="Id, its beginning, or name.", show_default=False)],
) -> None:
    """End a terminal and what runs in it."""
    with _calls(context, name) as calls:
        calls.close(chosen_of(calls.list(), terminal).id)


@recordings.command("list")
def list_recordings(
    context: typer.Context,
    name: Workspace,
    find: Annotated[str, typer.Option(help="Only those in which a line holds this text, with its lines.")] = "",
) -> None:
    """List the recordings of a workspace's terminals, the latest first."""
    with _recordings(context, name) as calls:
        found = calls.list(find)
    if target_of(context).as_json:
        emit([one.model_dump(mode="json") for one in found])
    else:
        from nixos_workspaces.cli.show import recordings_view

        out().print(recordings_view(found))


Recording = Annotated[str, typer.Argument(help="Id of the recording.", show_default=False)]


@recordings.command()
def get(
    context: typer.Context,
    name: Workspace,
    recording: Recording,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; else it is printed.")] = None,
) -> None:
    """Download a recording as an asciicast file, version 3."""
    with _recordings(context, name) as calls, ExitStack() as stack:
        file = sys.stdout.buffer if output is None else stack.enter_context(output.open("wb"))
        for part in calls.cast(recording):
            file.write(part)


@recordings.command()
def typed(context: typer.Context, name: Workspace, recording: Recording) -> None:
    """Tell who typed how many bytes when; the bytes themselves are not kept."""
    with _recordings(context, name) as calls:
        found = calls.typed(recording)
    if target_of(context).as_json:
        emit([one.model_dump(mode="json") for one in found])
    for one in [] if target_of(context).as_json else found:
        out().print(f"{one.at_ms / 1000:.1f} s: {one.name}, {one.end - one.first} bytes", markup=False)


@recordings.command("remove")
def remove(context: typer.Context, name: Workspace, recording: Recording) -> None:
    """Remove a recording for good."""
    with _recordings(context, name) as calls:
        calls.remove(recording)


@recordings.command("choose")
def choose(
    context: typer.Context,
    name: Workspace,
    *,
    record: Annotated[bool | None, typer.Option(help="Record the workspace's terminals.")] = None,
    moderated: Annotated[bool | None, typer.Option(help="Others type only while a moderator is there.")] = None,
) -> None:
    """Choose whether terminals are recorded and moderated, or show what is chosen."""
    with _recordings(context, name) as calls:
        chosen = calls.choices()
        if record is not None or moderated is not None:
            chosen = calls.choose(
                record=chosen.record if record is None else record,
                moderated=chosen.moderated if moderated is None else moderated,
            )
    if target_of(context).as_json:
        emit(chosen.model_dump(mode="json"))
    else:
        words = {True: "yes", False: "no"}
        out().print(f"recorded: {words[chosen.record]} (the service: {chosen.policy})", markup=False)
        out().print(f"moderated: {words[chosen.moderated]}", markup=False)


@contextmanager
def _recordings(context: typer.Context, name: str) -> Iterator[RecordingCalls]:
    from nixos_workspaces.client.terminals import RecordingCalls

    with target_of(context).client() as client:
        yield RecordingCalls(client, client.workspaces.get(name).id)


@contextmanager
def _calls(context: typer.Context, name: str) -> Iterator[TerminalCalls]:
    from nixos_workspaces.client.terminals import TerminalCalls

    with target_of(context).client() as client:
        yield TerminalCalls(client, client.workspaces.get(name).id)


def chosen_of(terminals: Sequence[TerminalInfo], wanted: str) -> TerminalInfo:
    """Return the one terminal that is meant. Raises ``NotFound`` and, for several, ``InvalidInput``."""
    exact = [one for one in terminals if one.id == wanted]
    found = exact or [one for one in terminals if wanted and (one.name == wanted or one.id.startswith(wanted))]
    if not found:
        raise NotFound(f"There is no terminal {wanted!r}.", code="terminal_not_found")
    if len(found) > 1:
        raise InvalidInput(f"{wanted!r} means several terminals: {', '.join(one.id for one in found)}.")
    return found[0]
