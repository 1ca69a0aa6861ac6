"""Tables of networks and proposals for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from nixos_workspaces.cli.show import safe, table_of
from nixos_workspaces.model.network.entries import NetworkMode
from nixos_workspaces.schemas.network.answers import (
    EntryAnswer,
    FloorAnswer,
    NetworkBounds,
    NetworkDetail,
    ProposalAnswer,
)

_MEANING = {
    NetworkMode.OPEN: "the internet, but not what is denied",
    NetworkMode.BALANCED: "the administrator's list of registries and code hosts, and what is allowed",
    NetworkMode.LOCKED: "only what is allowed",
    NetworkMode.NONE: "nothing",
    NetworkMode.OBSERVE: "the internet, and everything is recorded",
}


def network_view(now: NetworkDetail) -> Table:
    """Return a table of what a workspace may reach."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("mode", f"{now.mode.value}: {_MEANING[now.mode]}")
    if now.learning is not None:
        table.add_row("learning", f"[yellow]for {now.learning.seconds_left:.0f} s more: everything is let out[/]")
    elif now.effective_mode is not now.mode:
        table.add_row("in effect", f"[yellow]{now.effective_mode.value}, by the administrator's floor[/]")
    for number, one in enumerate(now.allow):
        table.add_row("allow" if number == 0 else "", _entry(one))
    for number, one in enumerate(now.deny):
        table.add_row("deny" if number == 0 else "", _entry(one))
    if now.floor.mode is not NetworkMode.OPEN:
        table.add_row("floor", _floor(now.floor))
    if now.pending_proposals:
        table.add_row("proposals", f"{now.pending_proposals} to decide")
    if not now.in_force:
        table.add_row("in force", "[red]not yet: the engine has not taken it[/]")
    return table


def bounds_view(bounds: NetworkBounds) -> Table:
    """Return a table of what bounds all workspaces."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("default", f"{bounds.default.value}: {_MEANING[bounds.default]}")
    bounded = bounds.floor.mode is not NetworkMode.OPEN
    table.add_row("floor", _floor(bounds.floor) if bounded else "none: every mode may be chosen")
    lists = {"allow": bounds.floor.allow, "deny": bounds.floor.deny, "balanced": bounds.balanced}
    for name, entries in lists.items():
        for number, one in enumerate(entries):
            table.add_row(name if number == 0 else "", _entry(one))
    return table


def proposals_view(found: Sequence[ProposalAnswer]) -> Table:
    """Return a table of proposals."""
    table = table_of("ID", "STATE", "FROM", "WHEN", "ENTRIES", "REASON")
    for one in found:
        table.add_row(
            *(safe(one.id), one.state.value, one.source.value, f"{one.created_at:%Y-%m-%d %H:%M}"),
            *("\n".join(_entry(entry) for entry in one.entries), safe(one.reason)),
        )
    return table


def _floor(floor: FloorAnswer) -> str:
    """Return the most that may be reached, with the administrator's reason."""
    why = f" ({floor.reason})" if floor.reason else ""
    return safe(f"at most {floor.mode.value}{why}")


def _entry(one: EntryAnswer) -> str:
    """Return an entry in one line."""
    target = one.name or one.cidr or ""
    ports = f" port {', '.join(map(str, one.ports))}" if one.ports else ""
    ends = f" until {one.expires_at.astimezone():%Y-%m-%d %H:%M:%S}" if one.expires_at is not None else ""
    return safe(f"{target}{ports}{ends}")
