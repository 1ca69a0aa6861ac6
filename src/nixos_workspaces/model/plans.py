"""Plans: the outcome of a change, told before it is made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nixos_workspaces.model.terminals import Terminal


class RestartReason(StrEnum):
    """A part of a change that needs a restart."""

    TEMPLATE = "template"
    PACKAGES = "packages"
    STORAGE = "storage"
    REBUILD = "rebuild"
    PENDING = "pending"
    """An earlier change that is not in force yet: it is tried again with this one."""


@dataclass(frozen=True, slots=True)
class Losses:
    """The programs that end when a workspace is restarted now."""

    terminals: tuple[Terminal, ...] | None
    """The terminals whose programs run; None where the workspace does not tell."""
    processes: int | None
    """All of its processes, those of its system included; None where the engine does not tell."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The outcome of a change."""

    reasons: tuple[RestartReason, ...]
    """Why it restarts the workspace; empty where it does not."""
    losses: Losses | None
    """None where it does not restart."""
