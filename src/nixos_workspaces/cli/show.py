"""Tables for people. Whatever came over the wire is escaped: names and messages may not speak to the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from nixos_workspaces.cli.target import printable
from nixos_workspaces.model.workspace import Status
from nixos_workspaces.schemas.environments import PackageAnswer, TemplateAnswer
from nixos_workspaces.schemas.service import HealthAnswer
from nixos_workspaces.schemas.terminals import TerminalInfo
from nixos_workspaces.schemas.workspaces import WorkspaceDetail, WorkspaceSummary

_COLOURS = {
    Status.RUNNING: "green",
    Status.ERROR: "red",
    Status.STOPPED: "yellow",
    Status.PAUSED: "yellow",
}


_WIDTH_WITH_IDS = 100
_FOLDED = frozenset({"NAME", "TEMPLATE", "TITLE", "DESCRIPTION", "FINDING", "WHAT TO DO", "PROCESS", "DIRECTORY"})
"""Columns of free text, which may take several lines."""


def list_view(workspaces: Sequence[WorkspaceSummary], width: int) -> Table:
    """Return a table of workspaces for a terminal of ``width`` columns: with ids where they fit, else by name only."""
    ids = width >= _WIDTH_WITH_IDS
    table = _table("NAME", *(["ID"] if ids else []), "STATUS", "CPU", "MEMORY", "STORAGE", "TEMPLATE", "CREATED")
    for one in workspaces:
        table.add_row(
            _safe(one.name),
            *([_safe(one.id)] if ids else []),
            _status(one.status),
            f"{one.cpu:g}",
            f"{one.memory:g} GB",
            f"{one.storage:g} GB",
            _safe(one.template),
            f"{one.created_at:%Y-%m-%d %H:%M}",
        )
    return table


def detail_view(one: WorkspaceDetail) -> Table:
    """Return a table of one workspace's fields."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("name", _safe(one.name))
    table.add_row("id", _safe(one.id))
    table.add_row("status", _status(one.status))
    table.add_row("cpu", f"{one.config.cpu:g} cores")
    table.add_row("memory", f"{one.config.memory:g} GB")
    table.add_row("storage", f"{one.config.storage:g} GB")
    table.add_row("template", _safe(one.config.template))
    table.add_row("packages", _safe(" ".join(one.config.packages)) or "none")
    if one.config.ports:
        table.add_row("ports", " ".join(map(str, one.config.ports)))
    if one.package_set:
        table.add_row("built from", _safe(one.package_set))
    if one.encryption:
        table.add_row("encryption", _safe(one.encryption))
    if one.ssh_info is not None:
        table.add_row("ssh", _safe(f"nixws ssh {one.name}"))
        table.add_row("address", _safe(f"{one.ssh_info.username}@{one.ssh_info.host} port {one.ssh_info.port}"))
    if one.metrics is not None:
        used = one.metrics
        table.add_row(
            "in use",
            f"cpu {used.cpu_usage:.1f} %  memory {used.memory_usage:.1f} %  storage {used.storage_usage:.1f} %",
        )
    if one.notice:
        table.add_row("notice", f"[yellow]{_safe(one.notice)}[/]")
    if one.fault is not None:
        table.add_row("fault", f"[red]{_safe(one.fault.message)}[/]")
    return table


def templates_view(templates: Sequence[TemplateAnswer]) -> Table:
    """Return a table of templates."""
    table = _table("NAME", "TITLE", "DESCRIPTION")
    for one in templates:
        table.add_row(_safe(one.name), _safe(one.title), _safe(one.description))
    return table


def packages_view(packages: Sequence[PackageAnswer]) -> Table:
    """Return a table of packages."""
    table = _table("NAME", "VERSION", "DESCRIPTION")
    for one in packages:
        table.add_row(_safe(one.name), _safe(one.version), _safe(one.description))
    return table


def health_view(health: HealthAnswer) -> Table:
    """Return a table of findings."""
    table = _table("", "CODE", "FINDING", "WHAT TO DO")
    for one in health.items:
        mark = "[green]ok[/]" if one.ok else "[red]bad[/]"
        table.add_row(mark, _safe(one.code), _safe(one.message), _safe(one.remedy))
    return table


def terminals_view(terminals: Sequence[TerminalInfo]) -> Table:
    """Return a table of terminals."""
    table = _table("ID", "NAME", "PROCESS", "DIRECTORY", "SIZE", "ATTACHED", "LAST ACTIVE")
    for one in terminals:
        state = one.process if one.exit_status is None else f"ended ({one.exit_status})"
        size, active = f"{one.cols}x{one.rows}", f"{one.active_at:%Y-%m-%d %H:%M:%S}"
        name = one.name or one.title
        table.add_row(_safe(one.id), _safe(name), _safe(state), _safe(one.cwd), size, str(one.attached), active)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # Ids, figures and times stay on one line: they are copied by hand and compared by eye.
        table.add_column(column, overflow="fold", no_wrap=column not in _FOLDED)
    return table


def _status(status: Status) -> str:
    colour = _COLOURS.get(status, "cyan")
    return f"[{colour}]{status}[/]"


def _safe(text: str) -> str:
    return escape(printable(text))
