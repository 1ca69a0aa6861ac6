"""Prices: a book of lists, each valid from an instant until the next one begins."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from nixos_workspaces.model.machine import BYTES_PER_GB
from nixos_workspaces.model.metering.records import HOUR_US, METERS, Meter

HOURS_PER_MONTH = 730
"""A month of a price is this many hours, whatever the calendar says: a byte costs the same on every day."""
MONTH_SECONDS = HOURS_PER_MONTH * 3600

_UNITS = {
    Meter.CPU_USED: HOUR_US,
    Meter.CPU_RESERVED: HOUR_US,
    Meter.MEMORY_USED: BYTES_PER_GB * 3600,
    Meter.MEMORY_RESERVED: BYTES_PER_GB * 3600,
    Meter.STORAGE: BYTES_PER_GB * MONTH_SECONDS,
    Meter.SNAPSHOTS: BYTES_PER_GB * MONTH_SECONDS,
    Meter.EGRESS: BYTES_PER_GB,
}
UNITS = tuple(_UNITS[meter] for meter in METERS)
"""The quantity that a price is for: a core for an hour, a GB for an hour or a month, a GB that is sent."""

Prices = tuple[int, ...]
"""A price for each meter in millionths of the currency, in the order of ``METERS``."""


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices from an instant on."""

    valid_from_us: int
    prices: Prices


@dataclass(frozen=True, slots=True)
class PricePeriod:
    """A part of a window within which prices do not change; None where there are none."""

    begin_us: int
    end_us: int
    prices: Prices | None


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All prices, in one currency."""

    currency: str = ""
    """Three letters; empty for a book without prices."""
    lists: tuple[PriceList, ...] = ()
    """Ascending."""

    def at(self, at_us: int) -> Prices | None:
        """Return the prices at an instant; None before the first list."""
        place = bisect_right([one.valid_from_us for one in self.lists], at_us)
        return self.lists[place - 1].prices if place else None

    def periods(self, begin_us: int, end_us: int) -> tuple[PricePeriod, ...]:
        """Return the parts of a window, in order."""
        changes = [one.valid_from_us for one in self.lists if begin_us < one.valid_from_us < end_us]
        edges = [begin_us, *changes, end_us]
        return tuple(PricePeriod(begin, end, self.at(begin)) for begin, end in pairwise(edges))


def book_of(currency: str, lists: Iterable[PriceList]) -> PriceBook:
    """Return a book with its lists in order."""
    ordered = tuple(sorted(lists, key=lambda one: one.valid_from_us))
    return PriceBook(currency if ordered else "", ordered)
