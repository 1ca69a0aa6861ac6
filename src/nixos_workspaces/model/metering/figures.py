"""Figures of workspaces over time: rows of sums and extremes, which stay exact when steps are put together.

Everything is a whole number: sums of them are the same in whatever order they are made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from operator import add


class Kind(StrEnum):
    """The meaning of a figure's sum."""

    LEVEL = "level"
    """Has a value at each moment: the sum is of value times milliseconds."""
    FLOW = "flow"
    """Adds up: the sum is the amount, values are amounts a second."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure and its stored unit."""

    name: str
    kind: Kind
    unit: str
    """Of what is told: ``cores`` and ``share`` are seconds a second, ``bytes`` of a flow are a second's."""
    scale: float
    """A stored unit in the unit that is told."""


_KIB = 1024.0
_MICRO = 1e-6
_MILLI = 1e-3

FIGURES = (
    Figure("cpu_usage", Kind.LEVEL, "percent", _MILLI),
    Figure("memory_usage", Kind.LEVEL, "percent", _MILLI),
    Figure("storage_usage", Kind.LEVEL, "percent", _MILLI),
    Figure("cpu_cores", Kind.FLOW, "cores", _MICRO),
    Figure("cpu_throttled", Kind.FLOW, "share", _MICRO),
    Figure("memory_bytes", Kind.LEVEL, "bytes", _KIB),
    Figure("memory_anon_bytes", Kind.LEVEL, "bytes", _KIB),
    Figure("memory_kernel_bytes", Kind.LEVEL, "bytes", _KIB),
    Figure("memory_cache_bytes", Kind.LEVEL, "bytes", _KIB),
    Figure("storage_bytes", Kind.LEVEL, "bytes", _KIB),
    Figure("inodes", Kind.LEVEL, "count", 1.0),
    Figure("processes", Kind.LEVEL, "count", 1.0),
    Figure("network_received", Kind.FLOW, "bytes", 1.0),
    Figure("network_sent", Kind.FLOW, "bytes", 1.0),
    Figure("denied_packets", Kind.FLOW, "count", _MICRO),
    Figure("disk_read", Kind.FLOW, "bytes", 1.0),
    Figure("disk_written", Kind.FLOW, "bytes", 1.0),
    Figure("pressure_cpu", Kind.FLOW, "share", _MICRO),
    Figure("pressure_memory", Kind.FLOW, "share", _MICRO),
    Figure("pressure_memory_full", Kind.FLOW, "share", _MICRO),
    Figure("pressure_io", Kind.FLOW, "share", _MICRO),
    Figure("pressure_io_full", Kind.FLOW, "share", _MICRO),
    Figure("oom_kills", Kind.FLOW, "count", _MICRO),
    Figure("starts", Kind.FLOW, "count", _MICRO),
)
"""In the order in which they are stored: new ones come last, none ever goes."""

UNKNOWN = -1
"""Stands for the extremes of a figure that was not told; no figure is negative."""


@dataclass(slots=True)
class Row:
    """The samples of one step."""

    begin: int
    """Seconds since 1970."""
    through: int
    """When the last step began that was put into it: what came later is not in it."""
    milliseconds: int
    """Time that the samples cover."""
    count: int
    sums: list[int]
    lows: list[int]
    highs: list[int]

    def merge(self, other: Row) -> None:
        """Put the samples of another row into this one."""
        self.through = max(self.through, other.through)
        self.milliseconds += other.milliseconds
        self.count += other.count
        # As fast as Python allows: it is done for each of 200 workspaces each second.
        self.sums = list(map(add, self.sums, other.sums))
        self.highs = list(map(max, self.highs, other.highs))
        lows = list(map(min, self.lows, other.lows))
        if UNKNOWN in lows:
            known = zip(lows, self.lows, other.lows, strict=True)
            lows = [least if least >= 0 else max(one, more) for least, one, more in known]
        self.lows = lows

    def at(self, begin: int) -> Row:
        """Return a copy that begins at another time."""
        return Row(begin, self.through, self.milliseconds, self.count, [*self.sums], [*self.lows], [*self.highs])


def grouped(rows: Iterable[Row], step: int) -> list[Row]:
    """Return rows in steps of so many seconds, oldest first; steps without any are missing."""
    found: dict[int, Row] = {}
    for row in rows:
        begin = row.begin - row.begin % step
        if begin in found:
            found[begin].merge(row)
        else:
            found[begin] = row.at(begin)
    return [found[begin] for begin in sorted(found)]


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution of the history."""

    step: int
    """Seconds."""
    kept: int
    """Seconds for which its rows are kept."""
    together: int
    """Rows that are stored as one."""


LEVELS = (
    Level(10, 24 * 3600, 30),
    Level(300, 30 * 24 * 3600, 12),
    Level(3600, 400 * 24 * 3600, 24),
)
"""From the finest to the coarsest; each step is a multiple of the one before.

Ten seconds are stored every five minutes, which is what a kill may cost; the coarser rows are made of them again.
"""


def level_for(step: int, age: float) -> Level:
    """Return the level that rows of ``step`` are made of when the oldest is so many seconds old."""
    fitting = [one for one in LEVELS if step % one.step == 0]
    lasting = [one for one in LEVELS if one.kept >= age]
    best = fitting[-1] if fitting else LEVELS[0]
    if best.kept < age:
        return lasting[0] if lasting else LEVELS[-1]
    return best
