"""The arithmetic of the ledger: an open interval, a reading and an instant make the next interval and its records.

Pure. The caller stores the interval and the records in one transaction, so that a death at any line loses neither and
counts nothing twice: what happened since the last checkpoint is still in the counters, which are read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from nixos_workspaces.model.machine import Usage
from nixos_workspaces.model.metering.records import (
    DAY_US,
    HOUR_US,
    MICRO,
    NOTHING,
    MeterRecord,
    MeterState,
    Quantities,
)

_MILLI = 1000


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment by both clocks."""

    wall_us: int
    boot_us: int
    """Since the computer was booted, sleep included."""
    boot: str
    """Names the boot; ``boot_us`` of another one says nothing."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Everything about a workspace that is constant within one interval."""

    owner_id: str
    groups: tuple[str, ...]
    template: str
    state: MeterState
    cpu_milli: int
    """The limit, in thousandths of a core."""
    memory_bytes: int
    storage_bytes: int
    snapshot_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters of one run at one moment."""

    run: str
    cpu_us: int
    memory_bytes: int
    sent_bytes: int
    taken_us: int
    """By the monotonic clock of the computer that it runs on."""

    @classmethod
    def of(cls, usage: Usage) -> Reading:
        """Convert."""
        cpu_us, taken_us = round(usage.cpu_seconds * MICRO), round(usage.taken_at * MICRO)
        return cls(usage.run, cpu_us, usage.memory_bytes, usage.network_sent_bytes, taken_us)


@dataclass(frozen=True, slots=True)
class OpenInterval:
    """The interval of a workspace that is not closed yet, as of its last checkpoint."""

    workspace_id: str
    number: int
    begin_us: int
    end_us: int
    """The label of the last checkpoint: its wall time, which never goes back here."""
    at: Instant
    """The last checkpoint."""
    shape: Shape
    duration_us: int = 0
    quantities: Quantities = NOTHING
    left: Quantities = NOTHING
    """The part of each quantity that is less than a whole unit, carried on so that nothing is lost by rounding."""
    reading: Reading | None = None
    """The last reading; None while the workspace has never run."""
    cpu_rate_milli: int = 0
    """CPU use between the last two checkpoints, in thousandths of a core."""

    def record(self) -> MeterRecord:
        """Return it as if it were closed at its last checkpoint."""
        return MeterRecord(
            *(self.workspace_id, self.number, self.begin_us, self.end_us, self.duration_us),
            *(self.shape.owner_id, self.shape.groups, self.shape.template, self.shape.state, self.quantities),
        )

    def stored(self) -> bytes:
        """Return its stored form."""
        return orjson.dumps(self)


Advanced = tuple[OpenInterval | None, tuple[MeterRecord, ...]]


def opened(workspace_id: str, shape: Shape, reading: Reading | None, now: Instant) -> OpenInterval:
    """Return a workspace's first interval; what ``reading`` has counted already was before the ledger."""
    return OpenInterval(workspace_id, 1, now.wall_us, now.wall_us, now, shape, reading=reading)


def advanced(interval: OpenInterval, shape: Shape | None, reading: Reading | None, now: Instant) -> Advanced:
    """Return the interval at ``now`` and the records that were closed on the way; no interval for a ``shape`` of None.

    The time since the last checkpoint counts as the interval's shape says, which is what was known then; ``shape``
    holds from ``now`` on. Readings that are older than the last one change nothing.
    """
    closed: tuple[MeterRecord, ...] = ()
    if now.boot != interval.at.boot and _is_up(interval.shape.state):
        # The computer was off: nothing ran, the volume stayed.
        off = replace(interval.shape, state=MeterState.STOPPED)
        interval, closed = _next(interval, off)
    interval = _accrued(interval, _newer(interval, reading, now), now)
    if shape is None:
        return None, (*closed, *_next(interval, interval.shape)[1])
    if shape != interval.shape or _is_over(interval):
        interval, more = _next(interval, shape)
        closed += more
    return interval, closed


def read_interval(stored: bytes | str) -> OpenInterval:
    """Return an interval from its stored form."""
    told: Mapping[str, Any] = orjson.loads(stored)
    shape = told["shape"]
    return OpenInterval(
        told["workspace_id"],
        told["number"],
        told["begin_us"],
        told["end_us"],
        Instant(**told["at"]),
        Shape(**{**shape, "groups": tuple(shape["groups"]), "state": MeterState(shape["state"])}),
        told["duration_us"],
        tuple(told["quantities"]),
        tuple(told["left"]),
        None if told["reading"] is None else Reading(**told["reading"]),
        told["cpu_rate_milli"],
    )


def _is_up(state: MeterState) -> bool:
    return state in {MeterState.RUNNING, MeterState.PAUSED}


def _is_over(interval: OpenInterval) -> bool:
    """Tell whether an interval has gone over the end of an hour, or of a day where nothing runs."""
    period = HOUR_US if _is_up(interval.shape.state) else DAY_US
    return interval.begin_us // period != interval.end_us // period


def _next(interval: OpenInterval, shape: Shape) -> tuple[OpenInterval, tuple[MeterRecord, ...]]:
    """Close an interval and open the next one; one of no duration and no use is none, and only changes its shape."""
    if not interval.duration_us and interval.quantities == NOTHING:
        return replace(interval, shape=shape), ()
    following = replace(
        *(interval,),
        number=interval.number + 1,
        begin_us=interval.end_us,
        shape=shape,
        duration_us=0,
        quantities=NOTHING,
    )
    return following, (interval.record(),)


def _newer(interval: OpenInterval, reading: Reading | None, now: Instant) -> Reading | None:
    """Return a reading if it is newer than the last one."""
    last = interval.reading
    if reading is None or last is None or now.boot != interval.at.boot:
        return reading
    return reading if reading.taken_us > last.taken_us else None


def _accrued(interval: OpenInterval, reading: Reading | None, now: Instant) -> OpenInterval:
    """Return the interval with what was had and used since its last checkpoint."""
    at, shape, last = interval.at, interval.shape, interval.reading
    elapsed = max(now.boot_us - at.boot_us if now.boot == at.boot else now.wall_us - at.wall_us, 0)
    is_up, same = _is_up(shape.state), reading is not None and last is not None and reading.run == last.run
    cpu = sent = held = 0
    if reading is not None:
        cpu_before, sent_before = (last.cpu_us, last.sent_bytes) if same and last is not None else (0, 0)
        cpu, sent = max(reading.cpu_us - cpu_before, 0), max(reading.sent_bytes - sent_before, 0)
    if is_up:
        # The mean of both ends; one that is not known is taken to be as the other.
        ends = [one.memory_bytes for one in (last if same or reading is None else None, reading) if one is not None]
        held = sum(ends) * elapsed // max(len(ends), 1)
    grown = (
        cpu * MICRO,
        shape.cpu_milli * elapsed * _MILLI if shape.state in {MeterState.RUNNING, MeterState.MACHINE} else 0,
        held,
        shape.memory_bytes * elapsed if is_up or shape.state is MeterState.MACHINE else 0,
        shape.storage_bytes * elapsed,
        shape.snapshot_bytes * elapsed,
        sent * MICRO,
    )
    totals = [one + more for one, more in zip(interval.left, grown, strict=True)]
    # Another plane of control may have stored a later moment already.
    moved = at if now.boot == at.boot and now.boot_us < at.boot_us else now
    return replace(
        interval,
        at=moved,
        end_us=max(interval.end_us, moved.wall_us),
        duration_us=interval.duration_us + elapsed,
        quantities=tuple(had + total // MICRO for had, total in zip(interval.quantities, totals, strict=True)),
        left=tuple(total % MICRO for total in totals),
        reading=_latest(last, reading, same=same),
        cpu_rate_milli=cpu * _MILLI // elapsed if elapsed and reading is not None else 0,
    )


def _latest(last: Reading | None, reading: Reading | None, *, same: bool) -> Reading | None:
    """Return the reading to count on from; counters of one run never go back."""
    if reading is None or last is None or not same:
        return reading or last
    return replace(
        reading, cpu_us=max(reading.cpu_us, last.cpu_us), sent_bytes=max(reading.sent_bytes, last.sent_bytes)
    )
