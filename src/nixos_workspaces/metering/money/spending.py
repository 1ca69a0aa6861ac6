"""The lines of a window: closed records and open intervals at the prices of the book."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from nixos_workspaces.database import Database, Summed
from nixos_workspaces.metering.money.costs import Tally
from nixos_workspaces.metering.usage.ledger import OpenInterval, read_interval
from nixos_workspaces.model.metering.costs import Line
from nixos_workspaces.model.metering.prices import PriceBook, PricePeriod
from nixos_workspaces.model.metering.records import MeterRecord

Seen = Callable[[str, str], bool]
"""Tells by owner and workspace whether a line may be shown."""
_Part = tuple[PricePeriod, list[Summed], list[MeterRecord]]


def all_seen(_owner_id: str, _workspace_id: str) -> bool:
    """Show everything."""
    return True


class Spending:
    """Reads what was spent."""

    def __init__(self, database: Database) -> None:
        """Read from ``database``."""
        self._database = database

    async def lines(
        self, begin_us: int, end_us: int, seen: Seen = all_seen
    ) -> tuple[PriceBook, tuple[Line, ...], tuple[OpenInterval, ...]]:
        """Return the book, the lines of a window as of the last checkpoint, and the open intervals."""
        async with self._database.reading() as tx:
            book = await tx.prices.book()
            bodies = await tx.usage.intervals()
            parts: list[_Part] = []
            for period in book.periods(begin_us, end_us):
                window = period.begin_us, period.end_us
                parts.append((period, await tx.usage.sums(*window), await tx.usage.crossing(*window)))

        def tally() -> tuple[tuple[Line, ...], tuple[OpenInterval, ...]]:
            intervals = [read_interval(body) for body in bodies]
            shown = tuple(one for one in intervals if seen(one.shape.owner_id, one.workspace_id))
            return _lines(Tally(book, begin_us, end_us), parts, shown, seen), shown

        # Some 30,000 lines of a month: not in the loop that carries keystrokes.
        return book, *await asyncio.to_thread(tally)


def _lines(tally: Tally, parts: Sequence[_Part], intervals: Sequence[OpenInterval], seen: Seen) -> tuple[Line, ...]:
    for period, sums, crossing in parts:
        for one in sums:
            if seen(one.owner_id, one.workspace_id):
                key = (one.day, one.workspace_id, one.owner_id, one.groups, one.template)
                tally.add(key, one.quantities, period.prices)
        for record in crossing:
            if seen(record.owner_id, record.workspace_id):
                tally.add_record(record, period.begin_us, period.end_us)
    for interval in intervals:
        tally.add_record(interval.record())
    return tally.lines()
