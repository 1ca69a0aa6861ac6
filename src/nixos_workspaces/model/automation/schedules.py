"""Starts and stops by the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MOST_RUNS = 16
LONGEST_CRON = 100


class ScheduledAction(StrEnum):
    """An action that a schedule does."""

    START = "start"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class ScheduledRun:
    """One line of a schedule."""

    action: ScheduledAction
    cron: str
    """Minute, hour, day, month, day of the week."""
    zone: str
    """An IANA name: the clock that ``cron`` means."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The lines of one workspace's schedule, and the moment until which their runs are done."""

    runs: tuple[ScheduledRun, ...] = ()
    done_until: datetime | None = None
