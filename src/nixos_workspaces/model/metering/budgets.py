"""Budgets: the money that a user, a group or a workspace may cost in a calendar month (UTC)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_THRESHOLDS = (50, 80, 100)
MOST_THRESHOLDS = 10


class BudgetSubject(StrEnum):
    """The kind of subject that has a budget."""

    USER = "user"
    """Bounds what the user's workspaces cost."""
    GROUP = "group"
    """Bounds what those of all members cost together."""
    WORKSPACE = "workspace"


class AtLimit(StrEnum):
    """The consequence of a budget that is used up."""

    NOTIFY = "notify"
    """It is told, and nothing else."""
    NO_NEW = "no_new"
    """No workspace is created or started."""
    STOP = "stop"
    """None is created or started, and those that run are shut down; their volumes stay."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget, and what has been told about it."""

    kind: BudgetSubject
    subject_id: str
    amount_micro: int
    """Per month, in millionths of the currency."""
    at_limit: AtLimit = AtLimit.NOTIFY
    thresholds: tuple[int, ...] = DEFAULT_THRESHOLDS
    """In percent, ascending: each is told once a month."""
    month: str = ""
    """The month that ``told`` is of, such as 2026-11."""
    told: tuple[int, ...] = ()
    """The thresholds that were told; 0 stands for the warning before a stop."""
    reached: str = ""
    """The month in which it was used up last."""

    def holds_back(self, month: str) -> bool:
        """Tell whether nothing may be created and started within a month."""
        return self.at_limit is not AtLimit.NOTIFY and self.reached == month


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget beside what of it is spent."""

    budget: Budget
    name: str
    """The user's handle, or the name of the group or the workspace."""
    spent_micro: int
