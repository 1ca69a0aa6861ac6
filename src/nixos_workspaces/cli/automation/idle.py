"""``nixws idle`` and ``nixws hold``: when a workspace rests, why it is awake, and leaving it running."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nixos_workspaces.cli.automation.schedules import local_zone
from nixos_workspaces.cli.target import emit, printable, target_of
from nixos_workspaces.errors import InvalidInput

if TYPE_CHECKING:
    from nixos_workspaces.schemas.automation.idle import IdleDetail
    from nixos_workspaces.schemas.wire import SentenceAnswer

Name = Annotated[str, typer.Argument(help="Name or id of the workspace.", show_default=False)]
_WORDS = {
    "off": "It never rests by itself.",
    "unseen": "It was not looked at yet, or does not run.",
    "working": "It works:",
    "quiet": "Nothing works in it.",
    "held": "It is left running.",
}


def register(app: typer.Typer) -> None:
    """Add the verbs to ``app``."""
    app.command()(idle)
    app.command()(hold)


def idle(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    name: Name,
    *,
    after: Annotated[
        str, typer.Option("--after", help="Stop it when nothing has worked for so long: 30m.", show_default=False)
    ] = "",
    pause_after: Annotated[
        str, typer.Option("--pause-after", help="Pause it then, its memory kept: 10m.", show_default=False)
    ] = "",
    unit: Annotated[
        list[str] | None,
        typer.Option("--unit", help="A unit that counts as work as long as it runs; may be repeated."),
    ] = None,
    quiet: Annotated[
        str,
        typer.Option(
            "--quiet", help="Hours of every day with other times: 22:00-06:30; none: no such hours.", show_default=False
        ),
    ] = "",
    quiet_after: Annotated[
        str, typer.Option("--quiet-after", help="Stop it after so long in these hours: 15m.", show_default=False)
    ] = "",
    quiet_pause_after: Annotated[
        str, typer.Option("--quiet-pause-after", help="Pause it after so long in these hours.", show_default=False)
    ] = "",
    zone: Annotated[
        str, typer.Option("--zone", help="The clock that is meant: Europe/Berlin; this computer's by itself.")
    ] = "",
    off: Annotated[bool, typer.Option("--off", help="It never rests.")] = False,
    default: Annotated[bool, typer.Option("--default", help="It rests as the service's settings say.")] = False,
) -> None:
    """Show when a workspace rests and why it is awake, or change it."""
    given = {"stop_after": after, "pause_after": pause_after, "units": unit}
    hours = _quiet_hours(quiet, zone, {"stop_after": quiet_after, "pause_after": quiet_pause_after})
    changes = bool(quiet) or any(given.values())
    if off + default + changes > 1:
        raise InvalidInput("Give times, --off or --default: one of them.", field="off")
    from nixos_workspaces.client.automation.idle import IdleCalls

    with target_of(context).client() as client:
        calls = IdleCalls(client, client.workspaces.get(name).id)
        if default:
            told = calls.reset()
        elif off:
            told = calls.put({})
        elif changes:
            wanted: dict[str, Any] = calls.get().policy.model_dump(mode="json")
            wanted |= {key: value for key, value in given.items() if value}
            told = calls.put(wanted | ({"quiet": hours} if quiet else {}))
        else:
            told = calls.get()
    _show(context, told)


def _quiet_hours(hours: str, zone: str, times: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the hours of every day in which other times hold; None for none of them."""
    if hours == "none" or not hours:
        if any(times.values()) or zone:
            raise InvalidInput("Give the hours too: --quiet 22:00-06:30.", field="quiet")
        return None
    begin, dash, end = hours.partition("-")
    if not dash or not any(times.values()):
        raise InvalidInput("Give hours such as 22:00-06:30, and --quiet-after or --quiet-pause-after.", field="quiet")
    return {
        "begin": begin,
        "end": end,
        "zone": zone or local_zone(),
        **{key: one or None for key, one in times.items()},
    }


def hold(
    context: typer.Context,
    name: Name,
    *,
    length: Annotated[str, typer.Option("--for", help="How long from now on: 90m, 2h, 3d.")] = "2h",
    reason: Annotated[str, typer.Option("--reason", help="Why, for others.")] = "",
    end: Annotated[bool, typer.Option("--end", help="End the hold.")] = False,
) -> None:
    """Leave a workspace running for a while, whatever works in it and whatever its schedule says."""
    from nixos_workspaces.client.automation.idle import IdleCalls

    with target_of(context).client() as client:
        calls = IdleCalls(client, client.workspaces.get(name).id)
        told = calls.release() if end else calls.hold(length, reason)
    _show(context, told)


def _show(context: typer.Context, told: IdleDetail) -> None:
    if target_of(context).as_json:
        emit(told.model_dump(mode="json"))
        return
    policy, quiet = told.policy, told.policy.quiet
    whose = "of its own" if told.own else "as the service's settings say"
    print(f"Rest: {_times(policy.pause_after, policy.stop_after)} ({whose}).")
    if quiet is not None:
        times = _times(quiet.pause_after, quiet.stop_after)
        print(f"From {quiet.begin} to {quiet.end} ({printable(quiet.zone)}): {times}.")
    print(_WORDS[told.state.value])
    for one in told.because:
        print(f"  {said(one)}")
    if told.since is not None:
        print(f"Since {told.since:%Y-%m-%d %H:%M:%S} UTC.")
    if told.next is not None:
        print(f"Next: {told.next.step.value} at {told.next.at:%H:%M:%S} UTC.")
    if told.hold is not None:
        why = f": {printable(told.hold.reason)}" if told.hold.reason else ""
        print(f"Held until {told.hold.until:%Y-%m-%d %H:%M} UTC{why}.")


def _times(pause_after: str | None, stop_after: str | None) -> str:
    told = [f"{word} after {length}" for word, length in (("paused", pause_after), ("stopped", stop_after)) if length]
    return ", ".join(told) or "never"


def said(one: SentenceAnswer) -> str:
    """Return a sentence in English; one that this version does not know by its code."""
    from nixos_workspaces.model.service import SENTENCES, Sentence

    if one.code not in SENTENCES:
        return printable(one.code)
    return printable(Sentence(one.code, one.values).text)
