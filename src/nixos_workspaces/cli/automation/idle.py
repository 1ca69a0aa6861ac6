"""``nixws idle`` and ``nixws hold``: when a workspace rests, why it is awake, and leaving it running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

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


def idle(
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
    off: Annotated[bool, typer.Option("--off", help="It never rests.")] = False,
    default: Annotated[bool, typer.Option("--default", help="It rests as the service's settings say.")] = False,
) -> None:
    """Show when a workspace rests and why it is awake, or change it."""
    changes = bool(after or pause_after or unit)
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
            told = calls.put(_wanted(calls.get(), after, pause_after, unit))
        else:
            told = calls.get()
    _show(context, told)


def _wanted(now: IdleDetail, after: str, pause_after: str, units: list[str] | None) -> dict[str, Any]:
    """Return the whole policy with what was given changed."""
    wanted: dict[str, Any] = now.policy.model_dump(mode="json")
    given = {"stop_after": after, "pause_after": pause_after, "units": units}
    return wanted | {key: value for key, value in given.items() if value}


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
    policy = told.policy
    whose = "of its own" if told.own else "as the service's settings say"
    times = [
        f"{word} after {length}"
        for word, length in (("paused", policy.pause_after), ("stopped", policy.stop_after))
        if length
    ]
    print(f"Rest: {', '.join(times) or 'never'} ({whose}).")
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


def said(one: SentenceAnswer) -> str:
    """Return a sentence in English; one that this version does not know by its code."""
    from nixos_workspaces.model.service import SENTENCES, Sentence

    if one.code not in SENTENCES:
        return printable(one.code)
    return printable(Sentence(one.code, one.values).text)
