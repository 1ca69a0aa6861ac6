"""``nixws usage``, ``nixws costs``, ``nixws budget``, ``nixws prices``: what was used, and what it costs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nixos_workspaces.cli.target import emit, out, target_of
from nixos_workspaces.errors import InvalidInput, WorkspacesError

if TYPE_CHECKING:
    from nixos_workspaces.schemas.metering.costs import CostItem, CostsAnswer, EstimateDetail

usage = typer.Typer(no_args_is_help=True)
budgets = typer.Typer(no_args_is_help=True)
prices = typer.Typer(no_args_is_help=True)

Window = Annotated[str, typer.Option(help="today, 7d, 30d, month or last_month.")]
By = Annotated[str, typer.Option("--by", help="workspace, owner, group, template, day, or several with commas.")]
Subject = Annotated[str, typer.Argument(help="user:NAME, group:NAME or workspace:NAME.", show_default=False)]


@usage.command("show")
def show_usage(context: typer.Context, *, window: Window = "month", by: By = "workspace") -> None:
    """Show what was used."""
    with target_of(context).client() as client:
        found = client.costs.get(window=window, aggregate=by)
    if target_of(context).as_json:
        emit(found.model_dump(mode="json"))
        return
    from rich.table import Table

    table = Table("", "CPU h", "of reserved", "GB h", "of reserved", "GB months", "GB sent", box=None, pad_edge=False)
    for one in [*found.items, found.total]:
        used = one.usage
        amounts = (
            *(used.cpu_hours_used, used.cpu_hours_reserved, used.memory_gb_hours_used),
            *(used.memory_gb_hours_reserved, used.storage_gb_months, used.egress_gb),
        )
        table.add_row(_named(one), *(f"{amount:.2f}" for amount in amounts))
    out().print(table)


@usage.command()
def verify(context: typer.Context) -> None:
    """Compare the records of use with their seals in the audit log; ends with 1 if something was changed.

    `nixws audit verify` does the same for the audit log itself.
    """
    with target_of(context).client() as client:
        found = client.costs.verify()
    if target_of(context).as_json:
        emit(found.model_dump(mode="json"))
    else:
        print(f"{found.records} records, {found.seals} seals, {found.unsealed} not sealed yet.")
        for one in found.findings:
            print(one)
    if found.findings:
        raise WorkspacesError("The records of use are not those that were sealed.", code="usage_changed")


def costs(
    context: typer.Context,
    *,
    window: Window = "month",
    by: By = "workspace",
    idle: Annotated[bool, typer.Option("--idle", help="Tell what capacity cost that nobody had reserved.")] = False,
    share_idle: Annotated[bool, typer.Option("--share-idle", help="Share that among all.")] = False,
    export: Annotated[
        str | None,
        typer.Option(help="Print a month instead: csv, focus-1.0, focus-1.3 or focus-1.4.", show_default=False),
    ] = None,
    month: Annotated[str | None, typer.Option(help="The month to export, such as 2026-11.", show_default=False)] = None,
) -> None:
    """Show what was used costs, and what this month is expected to cost."""
    with target_of(context).client() as client:
        if export is not None:
            if month is None:
                raise InvalidInput("Give --month with --export, such as 2026-11.", code="usage", field="month")
            for piece in client.costs.export(month, export):
                sys.stdout.buffer.write(piece)
            sys.stdout.flush()
            return
        asked = {"include_idle": str(idle).lower(), "share_idle": str(share_idle).lower()}
        found = client.costs.get(window=window, aggregate=by, **asked)
    if target_of(context).as_json:
        emit(found.model_dump(mode="json"))
    else:
        _print(found)


@budgets.command("list")
def list_budgets(context: typer.Context) -> None:
    """List budgets with what of each is spent this month."""
    with target_of(context).client() as client:
        found = client.costs.budgets()
    if target_of(context).as_json:
        emit(found.model_dump(mode="json"))
        return
    if not found.budgets:
        print("There are no budgets.")
    for one in found.budgets:
        reached = "  used up" if one.reached else ""
        amount = f"{one.spent[:-4]} of {one.amount[:-4]} {found.currency} ({one.percent:g} %)"
        print(f"{one.kind}:{one.name}  {amount}  at limit: {one.at_limit}{reached}")


@budgets.command("set")
def set_budget(
    context: typer.Context,
    subject: Subject,
    amount: Annotated[str, typer.Argument(help="Money for a calendar month.", show_default=False)],
    *,
    at_limit: Annotated[str, typer.Option(help="notify, no_new or stop.")] = "notify",
    threshold: Annotated[
        list[int] | None, typer.Option(help="Percent that is told; may be repeated.", show_default="50, 80, 100")
    ] = None,
) -> None:
    """Set a budget."""
    wanted: dict[str, object] = {"amount": amount, "at_limit": at_limit}
    if threshold:
        wanted["thresholds"] = threshold
    with target_of(context).client() as client:
        client.costs.set_budget(subject, wanted)


@budgets.command("remove")
def remove_budget(context: typer.Context, subject: Subject) -> None:
    """Remove a budget."""
    with target_of(context).client() as client:
        client.costs.remove_budget(subject)


@prices.command("show")
def show_prices(context: typer.Context) -> None:
    """Print the price book as JSON, as `nixws prices set` takes it."""
    with target_of(context).client() as client:
        emit(client.costs.prices().model_dump(mode="json"))


@prices.command("set")
def set_prices(
    context: typer.Context,
    book: Annotated[Path, typer.Argument(help="JSON file with currency and prices.", show_default=False)],
) -> None:
    """Replace the price book."""
    try:
        told = json.loads(book.read_text())
    except ValueError as wrong:
        raise InvalidInput(f"{book} is no JSON: {wrong}.", code="local_file") from wrong
    if not isinstance(told, dict):
        raise InvalidInput(f"{book} is no object with currency and prices.", code="local_file")
    with target_of(context).client() as client:
        client.costs.set_prices(told)


def print_estimate(found: EstimateDetail) -> None:
    """Print the costs of a workspace that is not made."""
    if not found.currency:
        print("There are no prices: an administrator sets them.")
        return
    for words, hour, month in (
        ("running, all used", found.hour_busy, found.month_busy),
        ("running, nothing used", found.hour_idle, found.month_idle),
        ("stopped", found.hour_stopped, found.month_stopped),
    ):
        print(f"{words:<22} {hour} {found.currency} an hour, {month[:-4]} {found.currency} a month")


def _print(found: CostsAnswer) -> None:
    if not found.currency:
        print("There are no prices: `nixws usage show` tells what was used.")
        return
    from rich.table import Table

    table = Table("", "CPU", "memory", "storage", "network", "total", box=None, pad_edge=False)
    for one in [*found.items, found.total]:
        parts = (one.cpu_cost, one.memory_cost, one.storage_cost, one.network_cost, one.total_cost)
        table.add_row(_named(one), *(part[:-4] for part in parts))
    out().print(table)
    if found.idle_cost is not None:
        print(f"Idle capacity: {found.idle_cost[:-4]} {found.currency}")
    expected = found.forecast
    print(
        f"Now {found.now_per_hour} an hour; this month {found.month_so_far[:-4]}, expected {expected.expected[:-4]} "
        f"({expected.low[:-4]} to {expected.high[:-4]}) {found.currency}"
    )


def _named(one: CostItem) -> str:
    parts = (one.workspace, one.owner, one.group, one.template, one.day)
    return "  ".join(part or "-" for part in parts if part is not None) or "all"
