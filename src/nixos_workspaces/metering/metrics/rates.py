"""Two readings of one run put together: present figures, and the row of the time between them. Pure."""

from __future__ import annotations

from functools import lru_cache
from operator import floordiv, mul
from typing import cast

from nixos_workspaces.model.machine import Metrics, Pressure, Resources, Usage
from nixos_workspaces.model.metering.figures import FIGURES, UNKNOWN, Kind, Row

APART_SECONDS = 0.1
"""Least time between the two readings of a rate."""
FRESH_SECONDS = 60.0
"""Most time between the two readings of a rate: an older one would give too long an average."""
_IS_LEVEL = tuple(one.kind is Kind.LEVEL for one in FIGURES)
_TIMES = [1 if one else 1000 for one in _IS_LEVEL]


def comparable(before: Usage, after: Usage) -> bool:
    """Tell whether two readings are of one run and far enough, but not too far, apart."""
    apart = after.taken_at - before.taken_at
    same = after.run == before.run and after.cpu_seconds >= before.cpu_seconds
    return same and APART_SECONDS <= apart <= FRESH_SECONDS


def metrics_between(before: Usage, after: Usage, limits: Resources) -> Metrics:
    """Return the present figures out of two readings."""
    seconds = max(after.taken_at - before.taken_at, 1e-3)
    cores = max(0.0, after.cpu_seconds - before.cpu_seconds) / seconds
    return Metrics(
        cpu_usage=_percent(cores, limits.cpu),
        memory_usage=_percent(after.memory_bytes, limits.memory_bytes),
        storage_usage=_percent(after.storage_bytes, after.storage_capacity_bytes),
        cpu_cores=cores,
        cpu_throttled=_rate(before.throttled_seconds, after.throttled_seconds, seconds),
        memory_bytes=after.memory_bytes,
        memory_limit_bytes=limits.memory_bytes,
        memory_anon_bytes=after.memory_anon_bytes,
        memory_kernel_bytes=after.memory_kernel_bytes,
        memory_cache_bytes=after.memory_cache_bytes,
        storage_bytes=after.storage_bytes,
        storage_capacity_bytes=after.storage_capacity_bytes,
        inodes=after.inodes,
        inodes_capacity=after.inodes_capacity,
        processes=after.processes,
        network_received=_rate(before.network_received_bytes, after.network_received_bytes, seconds),
        network_sent=_rate(before.network_sent_bytes, after.network_sent_bytes, seconds),
        denied_packets=after.denied_packets,
        disk_read=_rate(before.disk_read_bytes, after.disk_read_bytes, seconds),
        disk_written=_rate(before.disk_written_bytes, after.disk_written_bytes, seconds),
        oom_kills=after.oom_kills,
        pressure=_pressure(before.pressure, after.pressure, seconds),
    )


def row_between(before: Usage, after: Usage, seen: Metrics, at: float, *, started: bool) -> Row:
    """Return the row of the time between two readings, the later of which was made ``at``; ``started``: a run began."""
    milliseconds = max(1, round((after.taken_at - before.taken_at) * 1000))
    earlier, later = before.pressure, after.pressure
    if earlier is None or later is None:
        waited: list[int | None] = [None] * 5
    else:
        waited = [
            _micro(later.cpu - earlier.cpu),
            _micro(later.memory - earlier.memory),
            _micro(later.memory_full - earlier.memory_full),
            _micro(later.io - earlier.io),
            _micro(later.io_full - earlier.io_full),
        ]
    amounts: list[int | None] = [
        round(seen.cpu_usage * 1000),
        round(seen.memory_usage * 1000),
        round(seen.storage_usage * 1000),
        _micro(after.cpu_seconds - before.cpu_seconds),
        _micro(after.throttled_seconds - before.throttled_seconds),
        after.memory_bytes >> 10,
        after.memory_anon_bytes >> 10,
        after.memory_kernel_bytes >> 10,
        after.memory_cache_bytes >> 10,
        after.storage_bytes >> 10,
        after.inodes,
        after.processes,
        max(0, after.network_received_bytes - before.network_received_bytes),
        max(0, after.network_sent_bytes - before.network_sent_bytes),
        _micro(after.denied_packets - before.denied_packets),
        max(0, after.disk_read_bytes - before.disk_read_bytes),
        max(0, after.disk_written_bytes - before.disk_written_bytes),
        *waited,
        _micro(after.oom_kills - before.oom_kills),
        1_000_000 if started else 0,
    ]
    return row_of(amounts, milliseconds, int(at))


def row_of(amounts: list[int | None], milliseconds: int, begin: int) -> Row:
    """Return the row of one sample: values of levels, amounts of flows, None for what was not told."""
    weights, parts = _weights(milliseconds)
    if None in amounts:
        known = [one or 0 for one in amounts]
        extremes = list(map(floordiv, map(mul, known, _TIMES), parts))
        extremes = [UNKNOWN if one is None else extreme for one, extreme in zip(amounts, extremes, strict=True)]
    else:
        known = cast("list[int]", amounts)
        extremes = list(map(floordiv, map(mul, known, _TIMES), parts))
    return Row(begin, begin, milliseconds, 1, list(map(mul, known, weights)), extremes, [*extremes])


@lru_cache(256)
def _weights(milliseconds: int) -> tuple[list[int], list[int]]:
    """Return the factors of sums, and the divisors of values a second."""
    return [milliseconds if one else 1 for one in _IS_LEVEL], [1 if one else milliseconds for one in _IS_LEVEL]


def _pressure(before: Pressure | None, after: Pressure | None, seconds: float) -> Pressure | None:
    """Return shares of the time; None where the kernel does not tell it."""
    if before is None or after is None:
        return None
    return Pressure(
        cpu=_rate(before.cpu, after.cpu, seconds),
        memory=_rate(before.memory, after.memory, seconds),
        memory_full=_rate(before.memory_full, after.memory_full, seconds),
        io=_rate(before.io, after.io, seconds),
        io_full=_rate(before.io_full, after.io_full, seconds),
    )


def _rate(before: float, after: float, seconds: float) -> float:
    return max(0.0, after - before) / seconds


def _micro(amount: float) -> int:
    return max(0, round(amount * 1_000_000))


def _percent(part: float, whole: float) -> float:
    """Return ``part`` of ``whole`` in percent, within 0 and 100, to a tenth."""
    return round(min(max(part / whole * 100, 0.0), 100.0), 1) if whole > 0 else 0.0
