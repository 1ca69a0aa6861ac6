"""Costs: lines of use with their money, and their sums."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fractions import Fraction

from nixos_workspaces.model.metering.records import DAY_US, METERS, MICRO

Exact = tuple[int | Fraction, ...]
"""A quantity for each meter; a fraction where a record was divided."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Grouping(StrEnum):
    """A property by which costs are summed."""

    WORKSPACE = "workspace"
    OWNER = "owner"
    GROUP = "group"
    """A workspace counts for each group that its owner was in."""
    TEMPLATE = "template"
    DAY = "day"
    """Of the calendar in UTC."""


@dataclass(frozen=True, slots=True)
class Line:
    """The least that has a price of its own: one workspace on one day under one owner. All else is a sum of lines."""

    day: int
    """Days since 1970."""
    workspace_id: str
    owner_id: str
    groups: tuple[str, ...]
    template: str
    quantities: Exact
    costs: tuple[int, ...]
    """Millionths of the currency for each meter, each rounded once, half to even."""
    begin_us: int
    """The line's part of its day: a window may end within."""
    end_us: int

    @property
    def total(self) -> int:
        """The sum of its costs."""
        return sum(self.costs)


@dataclass(frozen=True, slots=True)
class CostSum:
    """The sum of the lines that agree in some properties."""

    key: tuple[str, ...]
    """The values of the properties, in the order in which they were asked for."""
    quantities: Exact
    costs: tuple[int, ...]
    idle: int = 0
    """The share of what nobody had reserved."""

    @property
    def total(self) -> int:
        """The sum of its costs, with its share of what was idle."""
        return sum(self.costs) + self.idle


@dataclass(frozen=True, slots=True)
class Forecast:
    """The costs of a month as they are to be expected at its end: nine of ten such months lie within the spread."""

    low: int
    expected: int
    high: int


def day_of(at_us: int) -> int:
    """Return the day of an instant, in days since 1970."""
    return at_us // DAY_US


def day_name(day: int) -> str:
    """Return a day as 2026-11-29."""
    return (_EPOCH + timedelta(days=day)).date().isoformat()


def to_us(at: datetime) -> int:
    """Return an instant in microseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def to_moment(at_us: int) -> datetime:
    """Return an instant from its microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=at_us)


def month_of(at: datetime) -> str:
    """Return the month of an instant as 2026-11."""
    return at.astimezone(UTC).strftime("%Y-%m")


def month_window(month: str) -> tuple[int, int]:
    """Return begin and end of a month in microseconds since 1970; ``ValueError`` for a text that is none."""
    begin = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    end = (begin + timedelta(days=32)).replace(day=1)
    return to_us(begin), to_us(end)


def money(micro: int) -> str:
    """Return an amount as a decimal number with six places."""
    whole, part = divmod(abs(micro), MICRO)
    return f"{'-' if micro < 0 else ''}{whole}.{part:06d}"


ZERO: Exact = (0,) * len(METERS)
