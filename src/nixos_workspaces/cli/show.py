"""Tables for people. Whatever came over the wire is escaped: names and messages may not speak to the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from nixos_workspaces.cli.target import printable
from nixos_workspaces.model.plans import RestartReason
from nixos_workspaces.model.service import Severity
from nixos_workspaces.model.workspace import Status
from nixos_workspaces.schemas.contents.secrets import SecretAnswer
from nixos_workspaces.schemas.environments import PackageAnswer, TemplateAnswer
from nixos_workspaces.schemas.plans import PlanDetail
from nixos_workspaces.schemas.service import HealthAnswer
from nixos_workspaces.schemas.terminals import FoundRecording, TerminalInfo
from nixos_workspaces.schemas.workspaces import WorkspaceDetail, WorkspaceSummary

_COLOURS = {
    Status.RUNNING: "green",
    Status.ERROR: "red",
    Status.STOPPED: "yellow",
    Status.PAUSED: "yellow",
}


_WIDTH_WITH_IDS = 100
_FOLDED = frozenset(
    {
        *("NAME", "TEMPLATE", "TITLE", "DESCRIPTION", "FINDING", "WHAT TO DO", "PROCESS", "DIRECTORY", "LINE"),
        *("WITH", "AS", "OF", "FROM", "TO", "DEVICE", "QUOTA OF", "ENTRIES", "REASON", "WHY"),
    }
)
"""Columns of free text, which may take several lines."""


def list_view(workspaces: Sequence[WorkspaceSummary], width: int) -> Table:
    """Return a table of workspaces for a terminal of ``width`` columns: with ids where they fit, else by name only."""
    ids = width >= _WIDTH_WITH_IDS
    table = table_of("NAME", *(["ID"] if ids else []), "STATUS", "CPU", "MEMORY", "STORAGE", "TEMPLATE", "CREATED")
    for one in workspaces:
        table.add_row(
            safe(one.name),
            *([safe(one.id)] if ids else []),
            _status(one.status),
            f"{one.cpu:g}",
            f"{one.memory:g} GB",
            f"{one.storage:g} GB",
            safe(one.template),
            f"{one.created_at:%Y-%m-%d %H:%M}",
        )
    return table


def detail_view(one: WorkspaceDetail) -> Table:
    """Return a table of one workspace's fields."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("name", safe(one.name))
    table.add_row("id", safe(one.id))
    table.add_row("status", _status(one.status))
    table.add_row("cpu", f"{one.config.cpu:g} cores")
    table.add_row("memory", f"{one.config.memory:g} GB")
    table.add_row("storage", f"{one.config.storage:g} GB")
    table.add_row("template", safe(one.config.template))
    table.add_row("packages", safe(" ".join(one.config.packages)) or "none")
    if one.config.ports:
        table.add_row("ports", " ".join(map(str, one.config.ports)))
    if one.package_set:
        table.add_row("built from", safe(one.package_set))
    if one.encryption:
        table.add_row("encryption", safe(one.encryption))
    if one.ssh_info is not None:
        table.add_row("ssh", safe(f"nixws ssh {one.name}"))
        table.add_row("address", safe(f"{one.ssh_info.username}@{one.ssh_info.host} port {one.ssh_info.port}"))
    if one.metrics is not None:
        used = one.metrics
        table.add_row(
            "in use",
            f"cpu {used.cpu_usage:.1f} %  memory {used.memory_usage:.1f} %  storage {used.storage_usage:.1f} %",
        )
    if one.stop_reason is not None:
        table.add_row("rests because", safe(one.stop_reason.sentence))
    if one.notice:
        table.add_row("notice", f"[yellow]{safe(one.notice)}[/]")
    if one.fault is not None:
        table.add_row("fault", f"[red]{safe(one.fault.message)}[/]")
    return table


_REASONS = {
    RestartReason.TEMPLATE: "another template",
    RestartReason.PACKAGES: "other packages",
    RestartReason.STORAGE: "more storage",
    RestartReason.REBUILD: "another build of its system",
    RestartReason.PENDING: "an earlier change, which is tried again",
}


def restart_lines(name: str, plan: PlanDetail) -> list[str]:
    """Return sentences that say why a workspace restarts and what ends with it."""
    why = " and ".join(_REASONS[reason] for reason in plan.reasons)
    said = [f"This restarts {printable(name)}: {why}."]
    if plan.terminals is None:
        said.append("Which terminals are open cannot be told; they end with all that runs in them.")
    elif plan.terminals:
        each = [f"{_titled(one.name)}{printable(one.process)}" for one in plan.terminals]
        count = "1 terminal ends" if len(each) == 1 else f"{len(each)} terminals end"
        said.append(f"{count}, with what runs in them: {'; '.join(each)}.")
    if plan.processes:
        said.append(f"{plan.processes} processes end in all, those of its system included; what is on its disk stays.")
    return said


def _titled(name: str) -> str:
    """Return the name of a terminal as it stands before its process."""
    return f"{printable(name)}: " if name else ""


def templates_view(templates: Sequence[TemplateAnswer]) -> Table:
    """Return a table of templates."""
    table = table_of("NAME", "TITLE", "DESCRIPTION")
    for one in templates:
        table.add_row(safe(one.name), safe(one.title), safe(one.description))
    return table


def packages_view(packages: Sequence[PackageAnswer]) -> Table:
    """Return a table of packages."""
    table = table_of("NAME", "VERSION", "DESCRIPTION")
    for one in packages:
        table.add_row(safe(one.name), safe(one.version), safe(one.description))
    return table


def health_view(health: HealthAnswer) -> Table:
    """Return a table of findings, the worst first."""
    table = table_of("", "CODE", "FINDING", "WHAT TO DO")
    worst_first = tuple(_OF_SEVERITY)
    for one in sorted(health.items, key=lambda item: worst_first.index(item.severity)):
        mark = f"[{_OF_SEVERITY[one.severity]}]{one.severity}[/]"
        table.add_row(mark, safe(one.code), safe(one.message), safe(one.remedy))
    return table


_OF_SEVERITY = {Severity.CRITICAL: "bold red", Severity.WARNING: "red", Severity.NOTICE: "yellow", Severity.OK: "green"}


def terminals_view(terminals: Sequence[TerminalInfo]) -> Table:
    """Return a table of terminals."""
    table = table_of("ID", "NAME", "PROCESS", "DIRECTORY", "SIZE", "ATTACHED", "LAST ACTIVE")
    for one in terminals:
        state = one.process if one.exit_status is None else f"ended ({one.exit_status})"
        size, active = f"{one.cols}x{one.rows}", f"{one.active_at:%Y-%m-%d %H:%M:%S}"
        name = one.name or one.title
        table.add_row(safe(one.id), safe(name), safe(state), safe(one.cwd), size, str(one.attached), active)
    return table


def recordings_view(found: Sequence[FoundRecording]) -> Table:
    """Return a table of recordings, with the lines that were sought."""
    table = table_of("ID", "TERMINAL", "STATE", "BEGAN", "SECONDS", "MISSING", "LINE")
    for one in found:
        recording = one.recording
        state = recording.state if not recording.reason else f"{recording.state} ({recording.reason})"
        seconds = (
            "" if recording.ended_at is None else f"{(recording.ended_at - recording.started_at).total_seconds():.0f}"
        )
        lines = "\n".join(f"{line.at_ms / 1000:.1f}: {line.text}" for line in one.lines)
        began, missing = f"{recording.started_at:%Y-%m-%d %H:%M:%S}", str(recording.missing)
        table.add_row(safe(recording.id), safe(recording.terminal_id), state, began, seconds, missing, safe(lines))
    return table


def secrets_view(secrets: Sequence[SecretAnswer]) -> Table:
    """Return a table of secrets, which are told without their values."""
    table = table_of("NAME", "KIND", "WHERE", "LENGTH", "SET")
    for one in secrets:
        where = one.path or one.host or ""
        table.add_row(safe(one.name), one.kind, safe(where), one.length, f"{one.updated_at:%Y-%m-%d %H:%M}")
    return table


def table_of(*columns: str) -> Table:
    """Return an empty table of these columns."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # Ids, figures and times stay on one line: they are copied by hand and compared by eye.
        table.add_column(column, overflow="fold", no_wrap=column not in _FOLDED)
    return table


def _status(status: Status) -> str:
    colour = _COLOURS.get(status, "cyan")
    return f"[{colour}]{status}[/]"


def safe(text: str) -> str:
    """Return a text of somebody else's as a cell shows it: no control characters, no markup."""
    return escape(printable(text))
