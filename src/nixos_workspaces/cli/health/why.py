"""``nixws why``: why a workspace does not do what is expected of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nixos_workspaces.cli.target import emit, out, target_of
from nixos_workspaces.model.why.explanation import Outcome, Question

if TYPE_CHECKING:
    from rich.console import Console

    from nixos_workspaces.schemas.health.why import WhyAnswer

_MARKS = {Outcome.GOOD: "[green]good[/]", Outcome.BAD: "[red]bad[/]", Outcome.UNKNOWN: "?"}


def why(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name or id of the workspace.", show_default=False)],
    *,
    question: Annotated[
        Question | None,
        typer.Option("--question", "-q", help="Answer this complaint; else the first that there is reason for."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Show every line of the troubleshooting, not only what is bad.")
    ] = False,
) -> None:
    """Say why a workspace does not run, is slow or is not reached, and what to do next."""
    from nixos_workspaces.client.health.why import WhyCalls

    with target_of(context).client() as client:
        told = WhyCalls(client, client.workspaces.get(name).id).ask(question)
    if target_of(context).as_json:
        emit(told.model_dump(mode="json"))
    else:
        _show(out(), told, everything=everything)


def _show(console: Console, told: WhyAnswer, *, everything: bool) -> None:
    from nixos_workspaces.cli.show import safe, table_of

    console.print(f"[bold]{safe(told.sentence)}[/]  [dim]{safe(told.code)}[/]")
    console.print(safe(told.next.sentence) + (f"  [bold]{safe(told.next.command)}[/]" if told.next.command else ""))
    for one in told.evidence:
        console.print(f"  {safe(one.sentence)}")
    shown = [one for one in told.checks if everything or one.outcome is Outcome.BAD]
    if not shown:
        return
    table = table_of("", "CHECK", "FINDING")
    for check in shown:
        table.add_row(_MARKS[check.outcome], safe(check.title), safe(check.sentence))
    console.print(table)
