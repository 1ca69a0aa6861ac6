"""Money: exact, additive however records are divided and costs are summed, and computed twice by two programs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from nixos_workspaces.metering.money.costs import Tally, forecast, idle_of, lines_of, shared, summed
from nixos_workspaces.metering.money.exports import RECORD_COLUMNS, csv_text, record_rows
from nixos_workspaces.model.metering.costs import CostSum, Grouping, Line, month_window
from nixos_workspaces.model.metering.prices import UNITS, PriceBook, PriceList, book_of
from nixos_workspaces.model.metering.records import DAY_US, HOUR_US, MACHINE, METERS, MeterRecord, MeterState
from nixos_workspaces.schemas.metering.costs import PriceBookAnswer

SCRIPT = Path(__file__).resolve().parent.parent.parent / "deploy" / "recompute-bill.py"
MONTH = "2026-11"
BEGIN, END = month_window(MONTH)
INSTANTS = st.integers(BEGIN - 2 * DAY_US, END + 2 * DAY_US)
PRICES = st.tuples(*(st.integers(0, 5_000_000) for _ in METERS))
BOOKS = st.lists(st.builds(PriceList, INSTANTS, PRICES), max_size=3, unique_by=lambda one: one.valid_from_us).map(
    lambda lists: book_of("EUR", lists)
)


@st.composite
def records(draw: st.DrawFn) -> MeterRecord:
    begin = draw(INSTANTS)
    length = draw(st.one_of(st.just(0), st.integers(1, 3 * HOUR_US), st.integers(1, 4 * DAY_US)))
    quantities = draw(st.tuples(*(st.integers(0, unit * 50) for unit in UNITS)))
    owner = draw(st.sampled_from(["ann", "bob"]))
    groups = draw(st.sampled_from([(), ("grp-a",), ("grp-a", "grp-b")]))
    named = (draw(st.sampled_from(["ws-a", "ws-b", "ws-c"])), 1, begin, begin + length, length, owner, groups)
    return MeterRecord(*named, draw(st.sampled_from(["minimal", "python"])), MeterState.RUNNING, quantities)


RECORDS = st.lists(records(), max_size=8)


def total(lines: tuple[Line, ...]) -> int:
    return sum(one.total for one in lines)


@given(RECORDS, BOOKS, st.lists(st.integers(1, 19), max_size=4))
def test_dividing_records_changes_nothing(found: list[MeterRecord], book: PriceBook, cuts: list[int]) -> None:
    """Cut in twentieths, of which all parts are whole numbers."""
    whole = [
        replace(
            one,
            end_us=one.begin_us + (one.end_us - one.begin_us) // 20 * 20,
            quantities=tuple(quantity // 20 * 20 for quantity in one.quantities),
        )
        for one in found
    ]
    edges = sorted({0, *cuts, 20})
    divided = [
        replace(
            one,
            begin_us=one.begin_us + (one.end_us - one.begin_us) // 20 * low,
            end_us=one.begin_us + (one.end_us - one.begin_us) // 20 * high,
            quantities=tuple(quantity // 20 * (high - low) for quantity in one.quantities),
        )
        for one in whole
        for low, high in pairwise(edges)
    ]
    assert lines_of(divided, book, BEGIN, END) == lines_of(whole, book, BEGIN, END)


@given(RECORDS, BOOKS)
def test_all_views_have_the_same_total(found: list[MeterRecord], book: PriceBook) -> None:
    lines = lines_of(found, book, BEGIN, END)
    for by in ((), [Grouping.WORKSPACE], [Grouping.OWNER, Grouping.DAY], [Grouping.TEMPLATE]):
        assert sum(one.total for one in summed(lines, by)) == total(lines)
    # Two windows beside one another, cut at midnight, are the whole.
    middle = (BEGIN // DAY_US + 9) * DAY_US
    assert total(lines_of(found, book, BEGIN, middle)) + total(lines_of(found, book, middle, END)) == total(lines)


@given(records(), PRICES, PRICES)
def test_a_price_change_divides_the_interval(
    record: MeterRecord, before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    record = replace(record, begin_us=BEGIN + HOUR_US, end_us=BEGIN + 4 * HOUR_US)
    change = BEGIN + 2 * HOUR_US
    book = book_of("EUR", [PriceList(0, before), PriceList(change, after)])
    [line] = lines_of([record], book, BEGIN, END)
    exact = [
        (Fraction(quantity, 3) * one + Fraction(2 * quantity, 3) * two) / unit
        for quantity, one, two, unit in zip(record.quantities, before, after, UNITS, strict=True)
    ]
    assert line.costs == tuple(round(one) for one in exact)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=9), st.integers(0, 10**12))
def test_shares_of_what_is_idle_make_the_whole(costs: list[int], idle: int) -> None:
    sums = [CostSum((str(at),), (0,) * 7, (cost, 0, 0, 0, 0, 0, 0)) for at, cost in enumerate(costs)]
    shares = shared(sums, idle)
    assert sum(one.idle for one in shares) == (idle if sum(costs) else 0)
    assert all(abs(one.idle - idle * sum(one.costs) / max(sum(costs), 1)) < 1 + idle * 1e-12 for one in shares)


def test_idle_is_what_nobody_had_reserved() -> None:
    book = book_of("EUR", [PriceList(0, (7, 1_000_000, 7, 0, 0, 0, 0))])

    def cores(workspace_id: str, count: int, state: MeterState) -> MeterRecord:
        quantities = (0, count * DAY_US, 0, 0, 0, 0, 0)
        return MeterRecord(workspace_id, 1, BEGIN, BEGIN + DAY_US, DAY_US, "", (), "", state, quantities)

    machine = cores(MACHINE, 8, MeterState.MACHINE)
    own = [cores("ws-a", 2, MeterState.RUNNING), cores("ws-b", 3, MeterState.RUNNING)]
    assert idle_of(lines_of([machine, *own], book, BEGIN, END)) == 3 * 24 * 1_000_000
    # Promised more than there is: nothing is idle, and nothing is given back.
    assert idle_of(lines_of([machine, *own, cores("ws-c", 9, MeterState.RUNNING)], book, BEGIN, END)) == 0


def test_rounding_is_half_to_even_and_once() -> None:
    halves = book_of("EUR", [PriceList(0, (1, 0, 0, 0, 0, 0, 0))])
    for quantity, expected in ((HOUR_US // 2, 0), (3 * HOUR_US // 2, 2), (HOUR_US // 2 + 1, 1)):
        tally = Tally(halves, BEGIN, END)
        tally.add((BEGIN // DAY_US, "ws-a", "", (), ""), (quantity, 0, 0, 0, 0, 0, 0), halves.at(BEGIN))
        [line] = tally.lines()
        assert line.total == expected


def test_a_forecast_goes_on_as_the_days_were() -> None:
    steady = forecast(1000, [100] * 10, 5 * DAY_US)
    assert (steady.low, steady.expected, steady.high) == (1500, 1500, 1500)
    uneven = forecast(1000, [0, 200] * 5, 4 * DAY_US)
    assert uneven.expected == 1400
    assert uneven.low == 1400 - (uneven.high - 1400)
    assert 300 < uneven.high - uneven.expected < 380


@settings(max_examples=8, deadline=None)
@given(st.lists(records(), max_size=60), BOOKS)
def test_another_program_makes_the_same_bill(found: list[MeterRecord], book: PriceBook) -> None:
    lines = lines_of(found, book, BEGIN, END)
    with tempfile.TemporaryDirectory() as place:
        exported, prices = Path(place, "records.csv"), Path(place, "prices.json")
        exported.write_text(csv_text([RECORD_COLUMNS]) + csv_text(record_rows(found)), newline="")
        prices.write_text(PriceBookAnswer.of(book).model_dump_json())
        told = {by: recomputed(exported, prices, by) for by in ("workspace", "owner")}
    for by, one in told.items():
        sums = {found.key[0]: found.total for found in summed(lines, [Grouping(by)])}
        assert one == {"currency": book.currency, "total": total(lines), "by": dict(sorted(sums.items()))}


def recomputed(exported: Path, prices: Path, by: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-I", SCRIPT, exported, prices, "--month", MONTH, "--by", by, "--json"],
        check=True,
        capture_output=True,
        text=True,
    )
    answer: dict[str, object] = json.loads(done.stdout)
    return answer
