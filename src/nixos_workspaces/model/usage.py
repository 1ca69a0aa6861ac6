"""Figures over time: spans, steps, samples."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from nixos_workspaces.model.machine import Metrics

PERIOD = timedelta(seconds=10)
"""Time between two samples."""


LONGEST_UNIT = 80
"""Characters of a unit's name that are told."""


class Span(StrEnum):
    """The length of a history, up to now."""

    FIVE_MINUTES = "5m"
    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"

    @property
    def length(self) -> timedelta:
        """Return it as a duration."""
        match self:
            case Span.FIVE_MINUTES:
                return timedelta(minutes=5)
            case Span.HOUR:
                return timedelta(hours=1)
            case Span.DAY:
                return timedelta(days=1)
            case Span.WEEK:
                return timedelta(days=7)

    @property
    def step(self) -> timedelta:
        """Return the time between two of its samples; twice that between two says that nothing was measured there."""
        match self:
            case Span.FIVE_MINUTES | Span.HOUR:
                return PERIOD
            case Span.DAY:
                return timedelta(minutes=5)
            case Span.WEEK:
                return timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Sample:
    """Figures at one moment, or their mean over the step that begins then."""

    at: datetime
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Program:
    """The processes of one systemd unit in a workspace."""

    name: str
    """Printable, chosen by the workspace."""
    cpu: float
    """Cores in use."""
    memory_bytes: int
    """Memory that no file stands behind; what processes share counts for each."""
    processes: int


@dataclass(frozen=True, slots=True)
class Connectivity:
    """Whether the sshd of a running workspace answered when it was last asked."""

    answers: bool
    latency_ms: float | None
    """Time of one question and its answer on a connection that was open; None where there was none."""
    at: datetime
