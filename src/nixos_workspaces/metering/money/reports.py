"""Costs for people: by anything, now, this month, to be expected, and of a workspace that is yet to be made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from nixos_workspaces.auth.policy import RULES, Action, Principal, authorise
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.metering.money import costs
from nixos_workspaces.metering.money.spending import Seen, Spending
from nixos_workspaces.metering.usage.ledger import OpenInterval
from nixos_workspaces.model.machine import Resources
from nixos_workspaces.model.metering.costs import (
    CostSum,
    Exact,
    Forecast,
    Grouping,
    Line,
    day_of,
    month_of,
    month_window,
    to_us,
)
from nixos_workspaces.model.metering.prices import HOURS_PER_MONTH, PriceBook, Prices
from nixos_workspaces.model.metering.records import DAY_US, MACHINE, MeterRecord, MeterState

_DAYS_OF_A_FORECAST = 28
_RECORDS_AT_ONCE = 500
Names = dict[str, dict[str, str]]
"""Names by kind (user, group, workspace) and id."""


class Window(StrEnum):
    """A part of time, in whole days of UTC, up to now."""

    TODAY = "today"
    WEEK = "7d"
    THIRTY_DAYS = "30d"
    MONTH = "month"
    LAST_MONTH = "last_month"


@dataclass(frozen=True, slots=True)
class CostReport:
    """Costs within a window, and what is independent of it: now, this month, to be expected."""

    book: PriceBook
    begin_us: int
    end_us: int
    sums: tuple[CostSum, ...]
    total: CostSum
    """Without what was idle."""
    idle: int | None
    """The costs of capacity that nobody had reserved; None where not asked for, or not the caller's to see."""
    hourly: int
    """The costs of an hour as everything is now."""
    month: int
    """The costs of the calendar month so far."""
    forecast: Forecast


@dataclass(frozen=True, slots=True)
class Estimate:
    """The costs of a workspace by the hour and by a month of 730 hours."""

    currency: str
    running_idle: int
    """An hour in which it runs and uses no CPU and no memory."""
    running_busy: int
    """An hour in which it uses all that it may."""
    stopped: int
    """An hour in which it is stopped."""

    def monthly(self, hour: int) -> int:
        """Return a month of such hours."""
        return hour * HOURS_PER_MONTH


class Costs:
    """Reports of costs, and the price book."""

    def __init__(
        self, database: Database, spending: Spending, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Report what stands in ``database``."""
        self._database = database
        self._spending = spending
        self._clock = clock

    async def report(
        self,
        window: Window,
        by: Sequence[Grouping],
        *,
        principal: Principal,
        include_idle: bool = False,
        share_idle: bool = False,
    ) -> CostReport:
        """Return the costs that the principal may see: their own, or all for administrators and auditors.

        Idle capacity is told only to those who see all; ``share_idle`` gives each sum its share of it.
        """
        authorise(principal, Action.READ_COSTS)
        now = self._clock()
        today = day_of(to_us(now))
        month_begin, month_end = month_window(month_of(now))
        begin, end = _window(window, now)
        first = min(begin, month_begin, (today - _DAYS_OF_A_FORECAST) * DAY_US)
        book, lines, intervals = await self._spending.lines(first, month_end, _seen(principal))
        inside = [line for line in lines if begin <= line.day * DAY_US < end]
        idle = costs.idle_of(inside) if (include_idle or share_idle) and _sees_all(principal) else None
        sums = costs.summed(inside, by)
        month = sum(one.total for one in _own(lines) if month_begin <= one.day * DAY_US)
        rate = sum(costs.rate(_present(one), book.at(to_us(now))) for one in intervals if one.workspace_id != MACHINE)
        [total] = costs.summed(inside, ()) or (CostSum((), (0,) * 7, (0,) * 7),)
        return CostReport(
            *(book, begin, end),
            sums=costs.shared(sums, idle or 0) if share_idle else sums,
            total=total,
            idle=idle,
            hourly=rate,
            month=month,
            forecast=_forecast(lines, today, month, rate, month_end - to_us(now)),
        )

    async def estimate(self, resources: Resources, *, principal: Principal) -> Estimate:
        """Return the costs of a workspace that is not made yet, at the present prices."""
        authorise(principal, Action.READ_COSTS)
        async with self._database.reading() as tx:
            book = await tx.prices.book()
        prices = book.at(to_us(self._clock()))
        cpu, memory, storage = round(resources.cpu * 1000), resources.memory_bytes, resources.storage_bytes
        return Estimate(
            book.currency if prices is not None else "",
            costs.rate(costs.hourly(cpu, 0, memory, 0, storage), prices),
            costs.rate(costs.hourly(cpu, cpu, memory, memory, storage), prices),
            costs.rate(costs.hourly(0, 0, 0, 0, storage), prices),
        )

    async def price(self) -> Callable[[Resources], int | None]:
        """Return the price of an hour of resources, in millionths of the currency; None of it without prices."""
        async with self._database.reading() as tx:
            prices = (await tx.prices.book()).at(to_us(self._clock()))

        def of(resources: Resources) -> int | None:
            if prices is None:
                return None
            cpu, memory = round(resources.cpu * 1000), resources.memory_bytes
            return costs.rate(costs.hourly(cpu, 0, memory, 0, resources.storage_bytes), prices)

        return of

    async def prices(self, *, principal: Principal) -> PriceBook:
        """Return the price book."""
        authorise(principal, Action.READ_COSTS)
        async with self._database.reading() as tx:
            return await tx.prices.book()

    async def replace_prices(self, book: PriceBook, *, principal: Principal, request_id: str = "") -> None:
        """Put another book in place of the present one: it prices the past too. For administrators."""
        authorise(principal, Action.SET_PRICES)
        async with self._database.transaction() as tx:
            before = await tx.prices.book()
            await tx.prices.replace(book)
            entry = AuditEntry(self._clock(), principal.id, Action.SET_PRICES, "", "accepted", request_id)
            await tx.audit.append(replace(entry, before=_told(before), after=_told(book)))

    async def lines(self, month: str, *, principal: Principal) -> tuple[PriceBook, tuple[Line, ...], Names]:
        """Return the lines of a month with the names of workspaces, users and groups by their ids, for an export."""
        authorise(principal, Action.READ_COSTS)
        book, lines, _ = await self._spending.lines(*month_window(month), _seen(principal))
        async with self._database.reading() as tx:
            return book, tuple(_own(lines)), await tx.budgets.names()

    async def names(self, *, principal: Principal) -> Names:
        """Return the names of all workspaces, users and groups by kind and id, to be shown beside what they cost."""
        authorise(principal, Action.READ_COSTS)
        async with self._database.reading() as tx:
            return await tx.budgets.names()

    async def records(self, month: str, *, principal: Principal) -> AsyncIterator[list[MeterRecord]]:
        """Return the records of a month, and the open intervals as if they were closed, in batches."""
        authorise(principal, Action.READ_COSTS)
        return self._records(*month_window(month), _seen(principal))

    async def _records(self, begin_us: int, end_us: int, seen: Seen) -> AsyncIterator[list[MeterRecord]]:
        # The open ones and the last closed one at the same moment: none is missing, none is there twice.
        _, _, intervals = await self._spending.lines(begin_us, begin_us, seen)
        ends = {one.workspace_id: one.number for one in intervals}
        after = 0
        while True:
            async with self._database.reading(once=True) as tx:
                found = await tx.usage.records(begin_us, end_us, after, _RECORDS_AT_ONCE)
            if not found:
                break
            after = found[-1][0]
            closed = [one for _, one in found if one.number < ends.get(one.workspace_id, one.number + 1)]
            yield [one for one in closed if one.workspace_id != MACHINE and seen(one.owner_id, one.workspace_id)]
        open_ones = [one.record() for one in intervals if one.workspace_id != MACHINE]
        yield [one for one in open_ones if one.begin_us < end_us and one.end_us >= begin_us]


def _window(window: Window, now: datetime) -> tuple[int, int]:
    """Return begin and end of a window; the end is that of its last whole day."""
    today = day_of(to_us(now))
    tomorrow = (today + 1) * DAY_US
    match window:
        case Window.TODAY:
            return today * DAY_US, tomorrow
        case Window.WEEK:
            return (today - 6) * DAY_US, tomorrow
        case Window.THIRTY_DAYS:
            return (today - 29) * DAY_US, tomorrow
        case Window.MONTH:
            return month_window(month_of(now))[0], tomorrow
        case Window.LAST_MONTH:
            end, _ = month_window(month_of(now))
            begin, _ = month_window(month_of(datetime.fromtimestamp((end - DAY_US) // 1_000_000, UTC)))
            return begin, end


def _own(lines: Sequence[Line]) -> list[Line]:
    """Return the lines of workspaces."""
    return [one for one in lines if one.workspace_id != MACHINE]


def _sees_all(principal: Principal) -> bool:
    return principal.workspaces is None and principal.role in RULES[Action.READ_USAGE].roles


def _seen(principal: Principal) -> Seen:
    """Return whether a principal may see a line: their own, or all, of the workspaces that the credential reaches."""
    every = principal.role in RULES[Action.READ_USAGE].roles
    only = principal.workspaces

    def seen(owner_id: str, workspace_id: str) -> bool:
        return (every or owner_id == principal.id) and (only is None or workspace_id in only)

    return seen


def _present(interval: OpenInterval) -> Exact:
    """Return the quantities of an hour as a workspace is now."""
    shape = interval.shape
    held = 0 if interval.reading is None else interval.reading.memory_bytes
    match shape.state:
        case MeterState.RUNNING:
            used = interval.cpu_rate_milli
            return costs.hourly(shape.cpu_milli, used, shape.memory_bytes, held, shape.storage_bytes)
        case MeterState.PAUSED:
            return costs.hourly(0, 0, shape.memory_bytes, held, shape.storage_bytes)
        case MeterState.STOPPED | MeterState.MACHINE:
            return costs.hourly(0, 0, 0, 0, shape.storage_bytes)


def _forecast(lines: Sequence[Line], today: int, month: int, rate: int, left_us: int) -> Forecast:
    """Expect as the last whole days were; as it is now where there are none."""
    by_day: dict[int, int] = {}
    for line in _own(lines):
        if today - _DAYS_OF_A_FORECAST <= line.day < today:
            by_day[line.day] = by_day.get(line.day, 0) + line.total
    daily = [by_day.get(day, 0) for day in range(min(by_day), today)] if by_day else [rate * 24]
    return costs.forecast(month, daily, left_us)


def _told(book: PriceBook) -> dict[str, object]:
    lists: dict[str, Prices] = {str(one.valid_from_us): one.prices for one in book.lists}
    return {"currency": book.currency, "lists": lists}
