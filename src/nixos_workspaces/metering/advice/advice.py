"""Advice about the size of a workspace, out of what it has used. Pure.

Cores: the 90th percentile of use, where being held back counts as a wish for more. Memory: the highest use that could
not be given back, never the cache. Old figures weigh less and less. A process that was killed for want of memory raises
the advice at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from nixos_workspaces.metering.advice.histograms import DecayingHistogram, histogram_of
from nixos_workspaces.model.machine import BYTES_PER_GB, Usage
from nixos_workspaces.model.service import Sentence

CPU_QUANTILE = 0.9
MEMORY_QUANTILE = 0.999
"""Of the hourly peaks: all of them, but one that is so old that it weighs next to nothing."""
MARGIN = 1.15
OOM_FACTOR = 1.2
"""More than the limit at which a process was killed."""
OOM_KEPT = timedelta(days=7)
SHORTEST = timedelta(hours=1)
"""Before it has run for so long no advice is given."""
CPU_STEP, MEMORY_STEP = 0.25, BYTES_PER_GB // 4
_LEAST_CPU, _LEAST_MEMORY = 0.25, BYTES_PER_GB // 4
_MARGIN_BYTES = 64 << 20
_FIRST_CORES, _FIRST_BYTES = 0.01, 10 << 20
_WINDOW = 3600.0
_DAY = 24 * 3600.0
_LONGEST_GAP = 600.0
"""Readings further apart are no use in between: the service, or the machine, was away."""
_SAME = 0.1
"""A part of the present size by which it must be too large before a smaller one is advised."""


class AdviceState(StrEnum):
    """The outcome of an advice."""

    TOO_EARLY = "too_early"
    """It has not run for long enough."""
    FITS = "fits"
    CHANGE = "change"
    """Another size is advised."""


@dataclass(slots=True)
class Record:
    """All that is kept of the use of one workspace. Times are seconds since 1970."""

    since: float
    """Of its first reading."""
    seconds: float = 0.0
    """For how long it was seen running."""
    cpu: DecayingHistogram = field(default_factory=lambda: DecayingHistogram(_FIRST_CORES))
    memory: DecayingHistogram = field(default_factory=lambda: DecayingHistogram(float(_FIRST_BYTES)))
    """Of the peaks of the hours."""
    peaks: list[tuple[float, int]] = field(default_factory=list)
    """The begin and the highest use of the last 24 hours' hours."""
    oom_at: float | None = None
    oom_floor: int = 0
    """Bytes that are needed at least since a process was killed for want of memory."""
    last: Usage | None = None
    """The last reading; not stored."""

    def take(self, usage: Usage, limit_cpu: float, limit_memory: int, at: float) -> None:
        """Fold one reading in, of a workspace that has these limits."""
        before, self.last = self.last, usage
        self._take_memory(usage.memory_bytes, at)
        if before is None or before.run != usage.run:
            return
        seconds = usage.taken_at - before.taken_at
        if usage.oom_kills > before.oom_kills:
            self.oom_at, self.oom_floor = at, max(self._oom_floor(at), int(limit_memory * OOM_FACTOR))
        if not 0 < seconds <= _LONGEST_GAP:
            return
        used = max(usage.cpu_seconds - before.cpu_seconds, 0.0) / seconds
        held_back = max(usage.throttled_seconds - before.throttled_seconds, 0.0) / seconds
        self.cpu.add(min(used + held_back, 2 * max(limit_cpu, used)), seconds, at)
        self.seconds += seconds

    def _take_memory(self, used: int, at: float) -> None:
        if self.peaks and 0 <= at - self.peaks[-1][0] < _WINDOW:
            begin, peak = self.peaks[-1]
            self.peaks[-1] = (begin, max(peak, used))
            return
        if self.peaks:
            self.memory.add(float(self.peaks[-1][1]), 1.0, self.peaks[-1][0])
        self.peaks = [one for one in self.peaks if one[0] >= at - _DAY]
        self.peaks.append((at, used))

    @property
    def peak(self) -> int:
        """The highest use of memory of the last day."""
        return max((peak for _, peak in self.peaks), default=0)

    def _oom_floor(self, at: float) -> int:
        fresh = self.oom_at is not None and at - self.oom_at < OOM_KEPT.total_seconds()
        return self.oom_floor if fresh else 0

    def memory_needed(self, at: float) -> tuple[int, bool]:
        """Return the bytes that it needs, and whether that is because a process was killed."""
        peak = max(float(self.peak), self.memory.quantile(MEMORY_QUANTILE))
        needed, floor = int(max(peak * MARGIN, peak + _MARGIN_BYTES)), self._oom_floor(at)
        return max(needed, floor), floor > needed

    def form(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "since": self.since,
            "seconds": self.seconds,
            "cpu": self.cpu.form(),
            "memory": self.memory.form(),
            "peaks": [list(one) for one in self.peaks],
            "oom_at": self.oom_at,
            "oom_floor": self.oom_floor,
        }


def record_of(form: Mapping[str, Any]) -> Record:
    """Return a record out of its JSON."""
    return Record(
        form["since"],
        form["seconds"],
        histogram_of(form["cpu"]),
        histogram_of(form["memory"]),
        [(begin, peak) for begin, peak in form["peaks"]],
        form["oom_at"],
        form["oom_floor"],
    )


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a size: as it is now, and as is advised."""

    now: float
    advised: float


@dataclass(frozen=True, slots=True)
class Advice:
    """Advice about the size of a workspace."""

    state: AdviceState
    cpu: Part
    memory_bytes: Part
    confidence: float
    """0.0 to 1.0, by the time for which it was seen running."""
    since: datetime | None
    reasons: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of what can be advised: the machine's size."""

    cpu: float
    memory_bytes: int


def advise(record: Record | None, cpu: float, memory_bytes: int, machine: Bounds, at: datetime) -> Advice:
    """Return the advice for a workspace of this size."""
    same_cpu, same_memory = Part(cpu, cpu), Part(memory_bytes, memory_bytes)
    if record is None or record.seconds < SHORTEST.total_seconds():
        left = SHORTEST.total_seconds() - (0.0 if record is None else record.seconds)
        reason = Sentence("advice.too_early", {"minutes": str(math.ceil(left / 60))})
        return Advice(AdviceState.TOO_EARLY, same_cpu, same_memory, 0.0, _since(record, at), (reason,))
    used = record.cpu.quantile(CPU_QUANTILE)
    needed, killed = record.memory_needed(at.timestamp())
    advised_cpu = advised(cpu, used * MARGIN, CPU_STEP, _LEAST_CPU, machine.cpu)
    advised_memory = advised(memory_bytes, needed, MEMORY_STEP, _LEAST_MEMORY, machine.memory_bytes)
    peak = {"peak": f"{record.peak / BYTES_PER_GB:.2f}"}
    reasons = (
        Sentence("advice.cpu", {"used": f"{used:.2f}"}),
        Sentence("advice.oom", peak) if killed else Sentence("advice.memory", peak),
    )
    changes = (advised_cpu, advised_memory) != (cpu, memory_bytes)
    days = record.seconds / _DAY
    return Advice(
        AdviceState.CHANGE if changes else AdviceState.FITS,
        Part(cpu, advised_cpu),
        Part(memory_bytes, int(advised_memory)),
        round(days / (days + 1), 2),
        _since(record, at),
        reasons,
    )


def advised(now: float, needed: float, step: float, least: float, most: float) -> float:
    """Return the size to have: in whole steps, within bounds, and as it is where that is hardly more than is needed."""
    size = max(least, math.ceil(needed / step - 1e-9) * step)
    if needed <= now and now - size < max(step, _SAME * now):
        return now
    return min(size, max(most, least))


def _since(record: Record | None, at: datetime) -> datetime | None:
    return None if record is None else datetime.fromtimestamp(record.since, at.tzinfo)
