"""``nixws metrics``: what a workspace uses now, from second to second, and over time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from nixos_workspaces.cli.reach.durations import seconds_of
from nixos_workspaces.cli.target import emit, out, printable, target_of
from nixos_workspaces.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from nixos_workspaces.schemas.metering.metrics import MetricsSeries, ProgramAnswer, UsageFigures

Workspace = Annotated[str, typer.Argument(help="Name or id of the workspace.", show_default=False)]
_TITLES = ("TIME", "CPU", "MEMORY", "STORAGE", "IN", "OUT", "READ", "WRITTEN", "WAITS", "PROCS", "OOM")
_WIDTHS = (19, 6, 7, 7, 10, 10, 10, 10, 6, 6, 4)
_GAP = "  "
_LINES = 30
_LEAST_STEP = 10
_WATCH_SECONDS = 1.0
_UNITS = ("B", "KB", "MB", "GB", "TB")
_KILO = 1024


def register(app: typer.Typer) -> None:
    """Add the verb to ``app``."""
    app.command()(metrics)


def metrics(
    context: typer.Context,
    name: Workspace,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Print a line each second.")] = False,
    since: Annotated[str, typer.Option(help="Print figures over the last 30m, 1h, 7d …", show_default=False)] = "",
) -> None:
    """Print what a workspace uses, with the programs that use the most; with --since over time."""
    if watch and since:
        raise InvalidInput("Give --watch or --since, not both.", field="watch")
    if since:
        _print_since(context, name, since)
    elif watch:
        _watch(context, name)
    else:
        _print_now(context, name)


def _print_since(context: typer.Context, name: str, since: str) -> None:
    from nixos_workspaces.client.metering.metrics import MetricCalls

    try:
        length = seconds_of(since)
    except InvalidInput as wrong:
        raise InvalidInput("--since takes a number with s, m, h or d, such as 1h.", field="since") from wrong
    step = max(_LEAST_STEP, -(-length // (_LINES * _LEAST_STEP)) * _LEAST_STEP)
    with target_of(context).client() as client:
        workspace = client.workspaces.get(name)
        found = MetricCalls(client, workspace.id).since(datetime.now(UTC) - timedelta(seconds=length), step)
    if target_of(context).as_json:
        emit(found.model_dump(mode="json"))
        return
    if not found.at:
        out().print("Nothing was measured in this time.")
        return
    _print_line(_TITLES)
    for index in range(len(found.at)):
        _print_line(_row_of(found, index))


def _row_of(series: MetricsSeries, index: int) -> Sequence[str]:
    def mean(figure: str) -> float | None:
        return series.figures[figure].mean[index]

    waits = [mean(f"pressure_{name}") for name in ("cpu", "memory", "io")]
    totals = series.figures["oom_kills"].total or []
    return (
        f"{series.at[index].astimezone():%Y-%m-%d %H:%M:%S}",
        *(_percent(mean(f"{name}_usage")) for name in ("cpu", "memory", "storage")),
        *(_rate(mean(name)) for name in ("network_received", "network_sent", "disk_read", "disk_written")),
        _percent(max((one * 100 for one in waits if one is not None), default=None)),
        f"{mean('processes') or 0:.0f}",
        f"{totals[index] or 0:.0f}" if totals else "",
    )


def _watch(context: typer.Context, name: str) -> None:
    """Print a line each second until it is interrupted, or the workspace does not run any more."""
    as_json, is_first = target_of(context).as_json, True
    with target_of(context).client() as client:
        reference = client.workspaces.get(name).id
        while True:
            workspace = client.workspaces.get(reference)
            if workspace.metrics is None:
                raise Conflict(f"Workspace {workspace.name} is {workspace.status.value}.", code="not_running")
            if as_json:
                emit({"at": datetime.now(UTC).isoformat(), **workspace.metrics.model_dump(mode="json")})
            else:
                if is_first:
                    _print_line(_TITLES)
                _print_line(_present(workspace.metrics))
            is_first = False
            time.sleep(_WATCH_SECONDS)


def _present(figures: UsageFigures) -> Sequence[str]:
    pressure = figures.pressure
    waits = None if pressure is None else 100 * max(pressure.cpu, pressure.memory, pressure.io)
    usages = (figures.cpu_usage, figures.memory_usage, figures.storage_usage)
    rates = (figures.network_received, figures.network_sent, figures.disk_read, figures.disk_written)
    return (
        f"{datetime.now():%Y-%m-%d %H:%M:%S}",  # noqa: DTZ005 - as people read it
        *map(_percent, usages),
        *map(_rate, rates),
        _percent(waits),
        str(figures.processes),
        str(figures.oom_kills),
    )


def _print_now(context: typer.Context, name: str) -> None:
    from nixos_workspaces.client.metering.metrics import MetricCalls

    with target_of(context).client() as client:
        workspace = client.workspaces.get(name)
        if workspace.metrics is None:
            raise Conflict(
                f"Workspace {workspace.name} is {workspace.status.value}; start it, or ask for --since 1d.",
                code="not_running",
            )
        programs = MetricCalls(client, workspace.id).programs()
    figures = workspace.metrics
    if target_of(context).as_json:
        told = [one.model_dump(mode="json") for one in programs]
        emit({"metrics": figures.model_dump(mode="json"), "programs": told})
        return
    for label, text in _described(figures):
        out().print(f"{label:<12}{text}", highlight=False, soft_wrap=True)
    _print_programs(programs)


def _described(figures: UsageFigures) -> list[tuple[str, str]]:
    waits = figures.pressure
    throttled = f", held up {figures.cpu_throttled:.2f} s a second" if figures.cpu_throttled else ""
    return [
        ("CPU", f"{_percent(figures.cpu_usage)} ({figures.cpu_cores:.2f} cores{throttled})"),
        ("Memory", _memory(figures)),
        (
            "Storage",
            (
                f"{_percent(figures.storage_usage)} ({_size(figures.storage_bytes)} of "
                f"{_size(figures.storage_capacity_bytes)}; {figures.inodes} of {figures.inodes_capacity} inodes)"
            ),
        ),
        ("Network", f"in {_rate(figures.network_received)}, out {_rate(figures.network_sent)}"),
        ("Denied", f"{figures.denied_packets} packets"),
        ("Disk", f"read {_rate(figures.disk_read)}, written {_rate(figures.disk_written)}"),
        (
            "Waits",
            "not told by this kernel"
            if waits is None
            else f"CPU {_percent(waits.cpu * 100)}, memory {_percent(waits.memory * 100)}, "
            f"disk {_percent(waits.io * 100)}",
        ),
        ("Processes", str(figures.processes)),
        ("OOM kills", str(figures.oom_kills)),
    ]


def _memory(figures: UsageFigures) -> str:
    parts = f"programs {_size(figures.memory_anon_bytes)}, kernel {_size(figures.memory_kernel_bytes)}"
    used = f"{_size(figures.memory_bytes)} of {_size(figures.memory_limit_bytes)}"
    return f"{_percent(figures.memory_usage)} ({used}; {parts}; besides cache {_size(figures.memory_cache_bytes)})"


def _print_programs(programs: Sequence[ProgramAnswer]) -> None:
    from rich.text import Text

    for number, cells in enumerate([("UNIT", "CORES", "MEMORY", "PROCS"), *map(_program, programs)]):
        line = f"{cells[0]:<40}{cells[1]:>8}{cells[2]:>12}{cells[3]:>7}"
        out().print(Text(line, "bold" if not number else ""), soft_wrap=True)


def _program(one: ProgramAnswer) -> tuple[str, str, str, str]:
    return printable(one.name)[:38], f"{one.cpu:.2f}", _size(one.memory_bytes), str(one.processes)


def _print_line(cells: Sequence[str]) -> None:
    padded = [cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True)]
    out().print(_GAP.join(padded), highlight=False, soft_wrap=True)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}%"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{_size(value)}/s"


def _size(value: float) -> str:
    unit = 0
    while value >= _KILO and unit < len(_UNITS) - 1:
        value /= _KILO
        unit += 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{value:.0f} B"
