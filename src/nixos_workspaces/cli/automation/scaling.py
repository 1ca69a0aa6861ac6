"""``nixws advise``, ``nixws autoscale`` and ``nixws boost``: the size of workspaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nixos_workspaces.cli.target import emit, err, out, printable, target_of
from nixos_workspaces.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nixos_workspaces.client import Client
    from nixos_workspaces.schemas.automation.scaling import AdviceAnswer, AutoscaleAnswer
    from nixos_workspaces.schemas.workspaces import WorkspaceSummary

Workspace = Annotated[str, typer.Argument(help="Name or id of the workspace.", show_default=False)]
_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the verbs to ``app``."""
    for command in (advise, autoscale, boost):
        app.command()(command)


def advise(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Name or id; every workspace if left out.")] = None,
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Change the size of the workspace as is advised.")] = False,
) -> None:
    """Advise about the size of workspaces, out of what they have used."""
    from nixos_workspaces.client.automation.scaling import ScalingCalls

    if apply and name is None:
        raise InvalidInput("--apply takes the name of one workspace.", field="name")
    target = target_of(context)
    with target.client() as client:
        if name is not None:
            calls = ScalingCalls(client, client.workspaces.get(name).id)
            advice = calls.advice()
            if apply:
                changed = calls.apply(advice.version).config
                err().print(f"It has {changed.cpu:g} cores and {changed.memory:g} GB of memory now.")
            found = {name: advice}
        else:
            found = {one.name: ScalingCalls(client, one.id).advice() for one in _all(client)}
    if target.as_json:
        told = {one: advice.model_dump(mode="json") for one, advice in found.items()}
        emit(told if name is None else told[name])
        return
    from nixos_workspaces.cli.show import safe, table_of

    table = table_of("NAME", "CORES", "MEMORY", "CONFIDENCE", "WHY")
    for one, advice in found.items():
        sure = "" if advice.state == "too_early" else f"{advice.confidence:.0%}"
        table.add_row(safe(one), *_parts(advice), sure, safe(" ".join(advice.messages)))
    out().print(table)


def _all(client: Client) -> Iterator[WorkspaceSummary]:
    """Yield every workspace."""
    page = client.workspaces.page(limit=200, sort="name")
    yield from page.workspaces
    while page.next_cursor:
        page = client.workspaces.page(limit=200, sort="name", cursor=page.next_cursor)
        yield from page.workspaces


def _parts(advice: AdviceAnswer) -> tuple[str, str]:
    """Return cores and memory as they are, and as is advised where that is another size."""
    cpu, memory = (
        f"{one.now:g}" if one.now == one.advised else f"{one.now:g} → {one.advised:g}"
        for one in (advice.cpu, advice.memory)
    )
    return cpu, f"{memory} GB"


def autoscale(
    context: typer.Context,
    name: Workspace,
    *,
    cpu: Annotated[str, typer.Option(help="Cores from-to, such as 1-4.", show_default=False)] = "",
    memory: Annotated[str, typer.Option(help="GB of memory from-to, such as 1-8.", show_default=False)] = "",
    down_after: Annotated[str, typer.Option(help="Smaller after so long with less need, such as 30m.")] = "10m",
    off: Annotated[bool, typer.Option("--off", help="Leave it the size that was chosen.")] = False,
) -> None:
    """Show or change between which sizes a workspace changes by itself, with the last decisions."""
    from nixos_workspaces.client.automation.scaling import ScalingCalls

    with target_of(context).client() as client:
        detail = client.workspaces.get(name)
        calls = ScalingCalls(client, detail.id)
        if off:
            status = calls.turn_off()
        elif cpu or memory:
            # What is not given stays as it was chosen.
            wanted = {
                "cpu": _range(cpu or f"{detail.config.cpu:g}", "cpu"),
                "memory": _range(memory or f"{detail.config.memory:g}", "memory"),
                "down_after": down_after,
            }
            status = calls.change(wanted)
        else:
            status = calls.read()
    _print(context, status)


def boost(
    context: typer.Context,
    name: Workspace,
    *,
    cpu: Annotated[float | None, typer.Option(help="Cores.", show_default=False)] = None,
    memory: Annotated[float | None, typer.Option(help="GB of memory.", show_default=False)] = None,
    for_: Annotated[str, typer.Option("--for", help="How long, as in 30m or 2h.")] = "1h",
    end: Annotated[bool, typer.Option("--end", help="End it before its time.")] = False,
) -> None:
    """Make a workspace larger at once, for a while."""
    from nixos_workspaces.client.automation.scaling import ScalingCalls

    sizes = {field: value for field, value in (("cpu", cpu), ("memory", memory)) if value is not None}
    if not sizes and not end:
        raise InvalidInput("Give --cpu or --memory, or --end.", field="cpu")
    with target_of(context).client() as client:
        calls = ScalingCalls(client, client.workspaces.get(name).id)
        status = calls.end_boost() if end else calls.boost({**sizes, "for": for_})
    _print(context, status)


def _range(text: str, field: str) -> dict[str, Any]:
    """Return the two numbers of ``from-to``; one alone is both."""
    first, _, last = text.partition("-")
    try:
        return {"min": float(first), "max": float(last or first)}
    except ValueError as wrong:
        raise InvalidInput(f"--{field} takes two numbers, such as 1-4.", field=field) from wrong


def _print(context: typer.Context, status: AutoscaleAnswer) -> None:
    if target_of(context).as_json:
        emit(status.model_dump(mode="json"))
        return
    policy, size = status.policy, status.size
    out().print(f"Size now: {size.cpu:g} cores, {size.memory:g} GB.")
    if policy is None:
        out().print("It does not change by itself.")
    else:
        bounds = f"{policy.cpu.min:g} to {policy.cpu.max:g} cores, {policy.memory.min:g} to {policy.memory.max:g} GB"
        out().print(
            f"It changes by itself: {bounds}; smaller after {policy.down_after} s, within {status.down_within} s."
        )
    if status.boost is not None:
        out().print(f"Boosted until {status.boost.until:%Y-%m-%d %H:%M} UTC.")
    for one in status.decisions[:_SHOWN]:
        change = f"{one.before.cpu:g} → {one.after.cpu:g} cores, {one.before.memory:g} → {one.after.memory:g} GB"
        out().print(printable(f"{one.at:%Y-%m-%d %H:%M:%S}  {one.kind.value}  {change}  {one.message}"), markup=False)
