"""The arithmetic of money. Pure, and exact until a line is rounded.

Quantity times price is an integer in millionths of the currency times the price's unit; a record that a price change or
the end of a window divides gives each part its share of the time as a fraction. Each line is rounded once, half to
even, and every other amount is a sum of rounded lines: no two views of the same costs can disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import isqrt

from nixos_workspaces.model.metering.costs import (
    ZERO,
    CostSum,
    Exact,
    Forecast,
    Grouping,
    Line,
    day_name,
    day_of,
)
from nixos_workspaces.model.metering.prices import UNITS, PriceBook, Prices
from nixos_workspaces.model.metering.records import DAY_US, HOUR_US, MACHINE, METERS, Meter, MeterRecord

_Key = tuple[int, str, str, tuple[str, ...], str]
_RESERVED = tuple(METERS.index(one) for one in (Meter.CPU_RESERVED, Meter.MEMORY_RESERVED, Meter.STORAGE))
_USED = tuple(METERS.index(one) for one in (Meter.CPU_USED, Meter.MEMORY_USED))


@dataclass(slots=True)
class _Sums:
    """The sums of one line so far."""

    quantities: list[int | Fraction] = field(default_factory=lambda: list(ZERO))
    amounts: list[int | Fraction] = field(default_factory=lambda: list(ZERO))
    """Quantity times price."""


class Tally:
    """Sums records into lines. Exact: the order of records and how they are divided do not matter."""

    def __init__(self, book: PriceBook, begin_us: int, end_us: int) -> None:
        """Sum what lies in a window, at the prices of ``book``."""
        self._book = book
        self._begin = begin_us
        self._end = end_us
        self._sums: dict[_Key, _Sums] = {}

    def add(self, key: _Key, quantities: Exact, prices: Prices | None) -> None:
        """Add quantities of one day at the same prices."""
        sums = self._sums.setdefault(key, _Sums())
        for at, quantity in enumerate(quantities):
            if quantity:
                sums.quantities[at] += quantity
                if prices is not None:
                    sums.amounts[at] += quantity * prices[at]

    def add_record(self, record: MeterRecord, begin_us: int = 0, end_us: int | None = None) -> None:
        """Add the part of a record that lies in the window, divided at midnights and where prices change.

        ``begin_us`` and ``end_us`` narrow the window.
        """
        begin, end = record.begin_us, record.end_us
        first, last = max(self._begin, begin_us), self._end if end_us is None else min(self._end, end_us)
        rest = (record.workspace_id, record.owner_id, record.groups, record.template)
        if begin == end:
            if first <= begin < last:
                self.add((day_of(begin), *rest), record.quantities, self._book.at(begin))
            return
        low, high = max(begin, first), min(end, last)
        while low < high:
            [period, *_] = self._book.periods(low, min(high, (day_of(low) + 1) * DAY_US))
            share = Fraction(period.end_us - low, end - begin)
            parts = record.quantities if share == 1 else tuple(one * share for one in record.quantities)
            self.add((day_of(low), *rest), parts, period.prices)
            low = period.end_us

    def lines(self) -> tuple[Line, ...]:
        """Return the lines, each rounded."""
        return tuple(
            Line(
                *(*key, tuple(sums.quantities), tuple(map(_rounded, sums.amounts, UNITS))),
                *(max(key[0] * DAY_US, self._begin), min((key[0] + 1) * DAY_US, self._end)),
            )
            for key, sums in sorted(self._sums.items())
        )


def lines_of(records: Iterable[MeterRecord], book: PriceBook, begin_us: int, end_us: int) -> tuple[Line, ...]:
    """Return the lines that records make within a window."""
    tally = Tally(book, begin_us, end_us)
    for record in records:
        tally.add_record(record)
    return tally.lines()


def summed(lines: Iterable[Line], by: Sequence[Grouping]) -> tuple[CostSum, ...]:
    """Return the sums of lines by some properties, the dearest first; the machine's own lines are left out.

    By group, a workspace counts in each group of its owner, and under an empty one where there is none.
    """
    found: dict[tuple[str, ...], tuple[list[int | Fraction], list[int]]] = {}
    for line in lines:
        if line.workspace_id == MACHINE:
            continue
        for key in _keys(line, by):
            quantities, costs = found.setdefault(key, (list(ZERO), [0] * len(METERS)))
            for at, (quantity, cost) in enumerate(zip(line.quantities, line.costs, strict=True)):
                quantities[at] += quantity
                costs[at] += cost
    sums = [CostSum(key, tuple(quantities), tuple(costs)) for key, (quantities, costs) in found.items()]
    return tuple(sorted(sums, key=lambda one: (-one.total, one.key)))


def idle_of(lines: Iterable[Line]) -> int:
    """Return the costs of the machine's capacity that nobody had reserved, by day and meter; never below nothing."""
    left: dict[tuple[int, int], int] = {}
    for line in lines:
        sign = 1 if line.workspace_id == MACHINE else -1
        for at in _RESERVED:
            left[line.day, at] = left.get((line.day, at), 0) + sign * line.costs[at]
    return sum(max(one, 0) for one in left.values())


def shared(sums: Sequence[CostSum], idle: int) -> tuple[CostSum, ...]:
    """Return sums with shares of ``idle`` in proportion to their costs; the shares make the whole to the millionth."""
    whole = sum(one.total for one in sums)
    if not whole:
        return tuple(sums)
    shares = [idle * one.total // whole for one in sums]
    # What is left goes to the largest remainders.
    order = sorted(range(len(sums)), key=lambda at: (-(idle * sums[at].total % whole), sums[at].key))
    for at in order[: idle - sum(shares)]:
        shares[at] += 1
    return tuple(replace(one, idle=share) for one, share in zip(sums, shares, strict=True))


def efficiency(one: CostSum) -> float | None:
    """Return the part of reserved CPU and memory that was used, their mean; None where nothing was reserved."""
    parts = [
        float(one.quantities[used] / one.quantities[reserved])
        for used, reserved in zip(_USED, _RESERVED[:2], strict=True)
        if one.quantities[reserved]
    ]
    return round(sum(parts) / len(parts), 4) if parts else None


def rate(quantities_per_hour: Exact, prices: Prices | None) -> int:
    """Return the costs of an hour."""
    if prices is None:
        return 0
    return sum(
        _rounded(quantity * price, unit)
        for quantity, price, unit in zip(quantities_per_hour, prices, UNITS, strict=True)
    )


def hourly(cpu_milli: int, cpu_used_milli: int, memory_bytes: int, memory_used: int, storage_bytes: int) -> Exact:
    """Return the quantities of an hour."""
    core = HOUR_US // 1000
    return (
        cpu_used_milli * core,
        cpu_milli * core,
        memory_used * 3600,
        memory_bytes * 3600,
        storage_bytes * 3600,
        0,
        0,
    )


def forecast(spent: int, daily: Sequence[int], left_us: int) -> Forecast:
    """Return the costs to be expected by the end of a month from those of its last whole days.

    ``spent`` is the month's so far, ``left_us`` the time that is left. Days are taken to vary independently: their sum
    spreads by the root of their number (1.645 standard deviations on each side). Without a day nothing is expected.
    """
    if not daily:
        return Forecast(spent, spent, spent)
    count = len(daily)
    expected = spent + sum(daily) * left_us // (count * DAY_US)
    mean = sum(daily) // count
    variance = sum((one - mean) ** 2 for one in daily) // max(count - 1, 1)
    spread = isqrt(2706 * variance * left_us // (1000 * DAY_US))
    return Forecast(max(spent, expected - spread), expected, expected + spread)


_VALUES: dict[Grouping, Callable[[Line], str]] = {
    Grouping.WORKSPACE: lambda line: line.workspace_id,
    Grouping.OWNER: lambda line: line.owner_id,
    Grouping.TEMPLATE: lambda line: line.template,
    Grouping.DAY: lambda line: day_name(line.day),
}


def _keys(line: Line, by: Sequence[Grouping]) -> list[tuple[str, ...]]:
    keys: list[tuple[str, ...]] = [()]
    for one in by:
        values = (line.groups or ("",)) if one is Grouping.GROUP else (_VALUES[one](line),)
        keys = [(*key, value) for key in keys for value in values]
    return keys


def _rounded(amount: int | Fraction, unit: int) -> int:
    """Divide, half to even."""
    if isinstance(amount, Fraction):
        return round(amount / unit)
    whole, rest = divmod(amount, unit)
    return whole + (2 * rest > unit or (2 * rest == unit and whole % 2 == 1))
