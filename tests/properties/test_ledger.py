"""The ledger against a model: whatever happens to clocks, processes and machines, nothing is lost or doubled."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.metering.usage.ledger import (
    Instant,
    OpenInterval,
    Reading,
    Shape,
    advanced,
    opened,
    read_interval,
)
from nixos_workspaces.model.metering.records import METERS, MICRO, Meter, MeterRecord, MeterState

RUNNING = Shape("ann", ("grp-1",), "minimal", MeterState.RUNNING, 1500, 3 << 30, 7 << 30)
STOPPED = replace(RUNNING, state=MeterState.STOPPED)
BEGIN = Instant(1_760_000_000 * MICRO, 500 * MICRO, "boot-0")


@dataclass
class Computer:
    """The truth: clocks, one machine with its counters, and what happened in it."""

    now: Instant = BEGIN
    run: int = 0
    cpu_us: int = 0
    sent: int = 0
    shape: Shape = STOPPED
    had: dict[Meter, int] = field(default_factory=lambda: dict.fromkeys(METERS, 0))
    """In millionths of the meter's unit where it is over time."""
    lost_cpu: int = 0
    lost_sent: int = 0
    elapsed: int = 0
    unread_cpu: int = 0
    unread_sent: int = 0

    def passes(self, us: int, cpu: int, sent: int) -> None:
        self.now = replace(self.now, wall_us=self.now.wall_us + us, boot_us=self.now.boot_us + us)
        self.elapsed += us
        if self.shape.state is MeterState.RUNNING:
            self.cpu_us += cpu
            self.sent += sent
            self.unread_cpu += cpu
            self.unread_sent += sent
            self.had[Meter.CPU_USED] += cpu
            self.had[Meter.EGRESS] += sent

    def reading(self) -> Reading | None:
        if self.shape.state is not MeterState.RUNNING:
            return None
        self.unread_cpu = self.unread_sent = 0
        return Reading(f"run-{self.run}", self.cpu_us, 1 << 30, self.sent, self.now.boot_us)

    def stops(self) -> None:
        if self.shape.state is MeterState.RUNNING:
            self.lost_cpu += self.unread_cpu
            self.lost_sent += self.unread_sent
            self.unread_cpu = self.unread_sent = 0
            self.shape = STOPPED

    def starts(self) -> None:
        if self.shape.state is not MeterState.RUNNING:
            self.run, self.cpu_us, self.sent, self.shape = self.run + 1, 0, 0, RUNNING


@dataclass
class Store:
    """A database: the interval and the records are stored together or not at all."""

    interval: bytes
    records: list[MeterRecord] = field(default_factory=list)

    def take(self, computer: Computer, reading: Reading | None, *, killed: bool) -> None:
        after, closed = advanced(read_interval(self.interval), computer.shape, reading, computer.now)
        if killed:
            return
        assert after is not None
        self.interval, self.records = after.stored(), [*self.records, *closed]


STEPS = st.lists(
    st.one_of(
        # Nothing is used in no time.
        st.tuples(st.just("pass"), st.integers(1, 90 * 60 * MICRO), st.integers(0, 10**10), st.integers(0, 10**9)),
        st.tuples(st.sampled_from(["take", "killed", "stop", "start", "restart", "stale", "deaf", "reboot"])),
        st.tuples(st.just("clock"), st.integers(-(10**13), 10**13)),
    ),
    max_size=60,
)


def happen(computer: Computer, store: Store, step: tuple[object, ...], old: list[Reading]) -> None:
    happens_to_the_machine(computer, store, step)
    match step:
        case ("pass", int(us), int(cpu), int(sent)):
            computer.passes(us, cpu, sent)
        case ("clock", int(us)):
            computer.now = replace(computer.now, wall_us=computer.now.wall_us + us)
        case ("take",):
            if (reading := computer.reading()) is not None:
                old.append(reading)
            store.take(computer, reading, killed=False)
        case ("killed",):
            # The reading is lost with the process; the counters stand, and are read again.
            before = (computer.unread_cpu, computer.unread_sent)
            store.take(computer, computer.reading(), killed=True)
            computer.unread_cpu, computer.unread_sent = before
        case ("stale",):
            # Another plane of control comes late with what it read before.
            if old and computer.shape.state is MeterState.RUNNING:
                store.take(computer, old[0], killed=False)
        case ("deaf",):
            store.take(computer, None, killed=False)


def happens_to_the_machine(computer: Computer, store: Store, step: tuple[object, ...]) -> None:
    match step:
        case ("stop",):
            computer.stops()
            store.take(computer, None, killed=False)
            store.take(computer, None, killed=False)
        case ("start",):
            computer.starts()
            store.take(computer, None, killed=False)
        case ("restart",):
            computer.stops()
            computer.starts()
        case ("reboot",):
            # Seen just before: how long it was on afterwards nobody can tell but the wall clock.
            store.take(computer, computer.reading(), killed=False)
            computer.stops()
            computer.now = Instant(computer.now.wall_us, 0, f"{computer.now.boot}'")
            store.take(computer, None, killed=False)


@given(STEPS)
def test_nothing_is_lost_doubled_or_negative(steps: list[tuple[object, ...]]) -> None:
    computer = Computer()
    store = Store(opened("ws-1", STOPPED, None, computer.now).stored())
    old: list[Reading] = []
    for step in steps:
        happen(computer, store, step, old)
    store.take(computer, computer.reading(), killed=False)
    last = read_interval(store.interval)
    _, [*closed] = advanced(last, None, None, last.at)
    records = [*store.records, *closed]

    # Contiguous, in order, never negative.
    assert [one.number for one in records] == list(range(1, len(records) + 1))
    assert all(one.end_us == two.begin_us for one, two in pairwise(records))
    assert all(one.begin_us <= one.end_us and one.duration_us >= 0 and min(one.quantities) >= 0 for one in records)
    # Every microsecond is in exactly one record.
    assert sum(one.duration_us for one in records) == computer.elapsed
    sums = dict(zip(METERS, (sum(one.quantities[at] for one in records) for at in range(len(METERS))), strict=True))
    # What was used is there once; only what was used after the last reading of a run that then ended is not.
    assert sums[Meter.CPU_USED] == computer.had[Meter.CPU_USED] - computer.lost_cpu
    assert sums[Meter.EGRESS] == computer.had[Meter.EGRESS] - computer.lost_sent
    # What is had over time is the sum to a unit, in however many pieces.
    up = sum(one.duration_us for one in records if one.state is MeterState.RUNNING)
    assert sums[Meter.STORAGE] == RUNNING.storage_bytes * computer.elapsed // MICRO
    assert sums[Meter.MEMORY_RESERVED] == RUNNING.memory_bytes * up // MICRO
    assert sums[Meter.CPU_RESERVED] == RUNNING.cpu_milli * up // 1000


def test_counters_from_before_the_ledger_do_not_count() -> None:
    reading = Reading("run-7", 900 * MICRO, 1 << 30, 5000, 10)
    interval = opened("ws-1", RUNNING, reading, BEGIN)
    later = replace(BEGIN, wall_us=BEGIN.wall_us + MICRO, boot_us=BEGIN.boot_us + MICRO)
    after, _ = advanced(interval, RUNNING, replace(reading, cpu_us=901 * MICRO, taken_us=20), later)
    assert isinstance(after, OpenInterval)
    assert (after.quantities[0], after.quantities[-1], after.cpu_rate_milli) == (MICRO, 0, 1000)


def test_memory_is_the_mean_of_both_readings() -> None:
    reading = Reading("run-7", 0, 100, 0, 10)
    interval = opened("ws-1", RUNNING, reading, BEGIN)
    later = replace(BEGIN, wall_us=BEGIN.wall_us + 10 * MICRO, boot_us=BEGIN.boot_us + 10 * MICRO)
    after, _ = advanced(interval, RUNNING, replace(reading, memory_bytes=300, taken_us=20), later)
    assert after is not None
    assert after.quantities[METERS.index(Meter.MEMORY_USED)] == 2000
