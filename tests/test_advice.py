"""Advice about sizes: right for recorded loads, within bounds, and never below what was needed."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import pytest
from clock import NOW, Clock
from hypothesis import example, given
from hypothesis import strategies as st
from migrated_database import put_migrated
from test_scaling import ID, MIB, a_workspace

from nixos_workspaces.database import open_database
from nixos_workspaces.metering.advice.advice import (
    Advice,
    AdviceState,
    Bounds,
    Record,
    advise,
    advised,
    record_of,
)
from nixos_workspaces.metering.advice.advisor import Advisor
from nixos_workspaces.metering.advice.histograms import RATIO, DecayingHistogram, histogram_of
from nixos_workspaces.model.machine import BYTES_PER_GB, Usage

TRACES = Path(__file__).resolve().parent / "advice_traces"
MACHINE = Bounds(16.0, 64 * BYTES_PER_GB)
SLOWER = 1200.0
"""So much slower than recorded a load is played: a quarter of a second is five minutes."""
ANSWERS = {
    # load: (how many of it side by side, cores, GB)
    "idle": (1, 0.25, 0.25),
    "seldom-busy": (8, 0.25, 0.25),
    "half-a-core": (8, 1.25, 0.25),
    "a-core": (8, 2.75, 0.25),
    "busy-a-third-of-the-time": (6, 1.75, 0.25),
    "two-processes": (4, 1.5, 2.0),
    "holds-300": (1, 0.25, 0.5),
    "holds-1000": (1, 0.5, 1.25),
    "peak-then-little": (1, 0.25, 0.75),
    "ramp": (2, 0.25, 1.0),
}
"""The right answers: the use that nine tenths of the time fit into, and the highest of memory, each with 15 % more."""


def usage(at: float, cpu: float = 0.0, memory: int = 50 * MIB, kills: int = 0, throttled: float = 0.0) -> Usage:
    return Usage(cpu, memory, 0, 1, 1, 0, 0, at, "run", throttled_seconds=throttled, oom_kills=kills)


def played(name: str, copies: int) -> tuple[Record, float]:
    """Return the record of a load, and when it ended."""
    trace = json.loads((TRACES / f"{name}.json").read_text())
    start = NOW.timestamp()
    record = Record(start)
    for seconds, cpu, memory in trace:
        at = seconds * SLOWER
        record.take(usage(at, cpu * SLOWER * copies, memory * copies), 16.0, 8 * BYTES_PER_GB, start + at)
    return record, start + at


@pytest.mark.parametrize("name", ANSWERS)
def test_the_advice_for_recorded_loads_is_right(name: str) -> None:
    """Also by another calculation: the exact percentile of the recording, where the histogram's bucket is no border."""
    copies, cores, gigabytes = ANSWERS[name]
    record, end = played(name, copies)
    advice = advise(record, 8.0, 8 * BYTES_PER_GB, MACHINE, datetime.fromtimestamp(end, UTC))
    assert (advice.cpu.advised, advice.memory_bytes.advised / BYTES_PER_GB) == (cores, gigabytes)
    assert advice.state is AdviceState.CHANGE
    trace = json.loads((TRACES / f"{name}.json").read_text())
    rates = sorted((after[1] - before[1]) / (after[0] - before[0]) for before, after in itertools.pairwise(trace))
    exact = rates[math.ceil(0.9 * len(rates)) - 1] * copies * 1.15
    assert exact <= cores < max(exact * RATIO * 1.02 + 0.25, 0.26)
    peak = max(row[2] for row in trace) * copies
    assert (
        peak * 1.15 <= gigabytes * BYTES_PER_GB < max(peak * 1.15 * RATIO, peak + 64 * MIB * RATIO) + BYTES_PER_GB / 4
    )


def test_no_advice_is_given_before_an_hour() -> None:
    record = Record(0.0)
    for minute in range(60):
        record.take(usage(60.0 * minute, 6.0 * minute), 1.0, BYTES_PER_GB, 60.0 * minute)
    advice = advise(record, 4.0, BYTES_PER_GB, MACHINE, datetime.fromtimestamp(3600, UTC))
    assert (advice.state, advice.confidence) == (AdviceState.TOO_EARLY, 0.0)
    assert (advice.cpu.advised, advice.memory_bytes.advised) == (4.0, BYTES_PER_GB)
    assert advice.reasons[0].text == "It has not run for long enough for advice: 1 minutes more."
    assert advise(None, 4.0, BYTES_PER_GB, MACHINE, NOW).state is AdviceState.TOO_EARLY
    record.take(usage(3600.0, 360.0), 1.0, BYTES_PER_GB, 3600.0)
    assert advise(record, 4.0, BYTES_PER_GB, MACHINE, NOW).state is AdviceState.CHANGE


def steady(hours: int, cores: float, memory: int, **last: float) -> tuple[Record, datetime]:
    record, at = Record(NOW.timestamp()), 0.0
    for number in range(hours * 12 + 1):
        at = 300.0 * number
        record.take(usage(at, cores * at, memory, **last if number else {}), 4.0, BYTES_PER_GB, NOW.timestamp() + at)  # type: ignore[arg-type]
    return record, NOW + timedelta(seconds=at)


def test_a_killed_process_raises_the_advice_at_once_and_only_once() -> None:
    """To 1.2 times the limit at which it was killed, without a further margin; and it is over after a week."""
    record, at = steady(2, 0.5, 500 * MIB, kills=1)
    advice = advise(record, 1.0, BYTES_PER_GB, MACHINE, at)
    assert advice.memory_bytes.advised == 1.25 * BYTES_PER_GB
    assert advice.reasons[1].code == "advice.oom"
    assert (
        advise(record, 1.0, BYTES_PER_GB, MACHINE, at + timedelta(days=8)).memory_bytes.advised == 0.75 * BYTES_PER_GB
    )


def test_cores_that_are_held_back_count_as_wanted() -> None:
    record, at = Record(0.0), 0.0
    for number in range(25):
        at = 300.0 * number
        record.take(usage(at, at, throttled=0.8 * at), 1.0, BYTES_PER_GB, at)
    assert advise(record, 1.0, BYTES_PER_GB, MACHINE, datetime.fromtimestamp(at, UTC)).cpu.advised == 2.25


def test_confidence_grows_with_the_time_that_was_seen() -> None:
    seen = [advise(*at_size(*steady(hours, 0.5, 500 * MIB))).confidence for hours in (1, 24, 24 * 7)]
    assert seen == sorted(seen)
    assert seen[1] == 0.5
    assert 0 < seen[0] < seen[2] < 1


def at_size(record: Record, at: datetime) -> tuple[Record, float, int, Bounds, datetime]:
    return record, 1.0, BYTES_PER_GB, MACHINE, at


_READINGS = st.lists(
    st.tuples(st.floats(0, 8), st.integers(1 * MIB, 8 * BYTES_PER_GB), st.booleans()), min_size=20, max_size=60
)


def _advice(readings: list[tuple[float, int, bool]], machine: Bounds = MACHINE) -> tuple[Advice, int]:
    record, cpu, kills, at = Record(NOW.timestamp()), 0.0, 0, 0.0
    for number, (cores, memory, killed) in enumerate(readings):
        at, cpu, kills = 300.0 * number, cpu + cores * 300.0, kills + killed
        record.take(usage(at, cpu, memory, kills), 4.0, BYTES_PER_GB, NOW.timestamp() + at)
    again = record_of(json.loads(json.dumps(record.form())))
    advices = [advise(one, 4.0, BYTES_PER_GB, machine, NOW + timedelta(seconds=at)) for one in (record, again)]
    assert advices[0] == advices[1], "what is stored says the same"
    return advices[0], max(memory for _, memory, _ in readings)


@given(_READINGS)
def test_advice_is_never_below_the_peak_nor_beyond_the_machine(readings: list[tuple[float, int, bool]]) -> None:
    advice, peak = _advice(readings)
    assert peak <= advice.memory_bytes.advised <= MACHINE.memory_bytes
    assert 0.25 <= advice.cpu.advised <= MACHINE.cpu
    small, _ = _advice(readings, Bounds(2.0, 2 * BYTES_PER_GB))
    assert small.cpu.advised <= 4.0
    assert small.memory_bytes.advised <= max(2 * BYTES_PER_GB, small.memory_bytes.now)


@given(_READINGS, st.floats(1.0, 4.0))
def test_more_use_never_makes_the_advice_smaller(readings: list[tuple[float, int, bool]], factor: float) -> None:
    more = [(cores * factor, int(memory * factor), killed) for cores, memory, killed in readings]
    less_advice, more_advice = _advice(readings)[0], _advice(more)[0]
    assert more_advice.cpu.advised >= less_advice.cpu.advised
    assert more_advice.memory_bytes.advised >= less_advice.memory_bytes.advised


@given(st.floats(0.25, 64), st.floats(0, 64))
def test_a_size_that_hardly_differs_stays(now: float, needed: float) -> None:
    size = advised(now, needed, 0.25, 0.25, 64.0)
    assert size >= needed or size == 64.0
    assert size == now or size % 0.25 == 0
    assert size == now or size > now or now - size >= max(0.25, 0.1 * now)


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 86400 * 30)), min_size=1), st.floats(0.01, 1))
@example([(0.0, 2583132.0), (1.0, 0.0), (2.0, 0.0)], 1.0)
def test_a_quantile_is_the_end_of_a_bucket_and_old_entries_weigh_less(
    entries: list[tuple[float, float]], part: float
) -> None:
    histogram = DecayingHistogram(0.01)
    for value, at in sorted(entries, key=lambda one: one[1]):
        histogram.add(value, 1.0, at)
    latest = max(at for _, at in entries)
    found = histogram.quantile(part)
    weights = sorted((value, 2.0 ** ((at - latest) / 86400)) for value, at in entries)

    def exact(wanted: float) -> float:
        """Return the smallest value below which so much of the weight lies."""
        below = [*accumulate(weight for _, weight in weights)]
        reached = next((at for at, weight in enumerate(below) if weight >= wanted * below[-1]), len(below) - 1)
        return weights[reached][0]

    # Sums of floats differ in their last places: what lies at the border belongs to either side.
    assert exact(part * (1 - 1e-6)) * (1 - 1e-6) <= found <= exact(part * (1 + 1e-6)) * RATIO * (1 + 1e-6) + 0.011
    assert histogram_of(json.loads(json.dumps(histogram.form()))).quantile(part) == pytest.approx(found, rel=0.06)


async def test_records_outlive_the_service_and_end_with_the_workspace(tmp_path: Path) -> None:
    put_migrated(tmp_path / "nixws.db")
    clock = Clock()
    database = await open_database(tmp_path / "nixws.db", clock=clock)
    async with database.transaction() as tx:
        await tx.workspaces.add(a_workspace())
    advisor, at = Advisor(database, clock=clock), 0.0
    for number in range(90):
        at = 60.0 * number
        clock.move(60)
        await advisor.take({ID: usage(at, 0.4 * at, 300 * MIB), "ws-gone": usage(at)})
    workspace = replace(a_workspace(), scaled_memory_bytes=BYTES_PER_GB)
    there = await advisor.advise(workspace, MACHINE)
    assert (there.cpu.advised, there.memory_bytes.now, there.memory_bytes.advised) == (0.5, 256 * MIB, 512 * MIB)
    await advisor.store()
    assert await Advisor(database, clock=clock).advise(workspace, MACHINE) == there
    async with database.transaction() as tx:
        await tx.tombstones.add(ID, clock())
        assert await tx.advice.find(ID) is None
    await database.close()
