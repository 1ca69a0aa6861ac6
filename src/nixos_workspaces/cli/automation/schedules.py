"""``nixws schedule``: starting and stopping a workspace by the clock."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from nixos_workspaces.cli.target import emit, printable, target_of
from nixos_workspaces.errors import InvalidInput

_ZONES = "zoneinfo/"


def schedule(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name or id of the workspace.", show_default=False)],
    *,
    start: Annotated[
        list[str] | None, typer.Option("--start", help="When it is started: '30 8 * * 1-5'; may be repeated.")
    ] = None,
    stop: Annotated[
        list[str] | None, typer.Option("--stop", help="When it is stopped: '0 19 * * *'; may be repeated.")
    ] = None,
    zone: Annotated[
        str, typer.Option("--zone", help="The clock that is meant: Europe/Berlin; this computer's by itself.")
    ] = "",
    off: Annotated[bool, typer.Option("--off", help="It has no schedule.")] = False,
) -> None:
    """Show or replace the schedule of a workspace: minute, hour, day, month, day of the week."""
    from nixos_workspaces.client.automation.schedules import ScheduleCalls

    if off and (start or stop):
        raise InvalidInput("Give times or --off, not both.", field="off")
    clock = zone or local_zone()
    lines = [("start", cron) for cron in start or ()] + [("stop", cron) for cron in stop or ()]
    with target_of(context).client() as client:
        calls = ScheduleCalls(client, client.workspaces.get(name).id)
        if off or lines:
            told = calls.put([{"action": action, "cron": cron, "zone": clock} for action, cron in lines])
        else:
            told = calls.get()
    if target_of(context).as_json:
        emit(told.model_dump(mode="json"))
        return
    if not told.runs:
        print("It has no schedule.")
    for run in told.runs:
        print(f"{run.action.value:<6} {printable(run.cron)}  ({printable(run.zone)})")
    for one in told.next:
        print(f"  {one.at:%a %Y-%m-%d %H:%M} UTC  {one.action.value}")


def local_zone() -> str:
    """Return the name of this computer's time zone; UTC where it cannot be told."""
    if os.environ.get("TZ", "").lstrip(":"):
        return os.environ["TZ"].lstrip(":")
    path = str(Path("/etc/localtime").resolve())
    return path.partition(_ZONES)[2] or "UTC"
