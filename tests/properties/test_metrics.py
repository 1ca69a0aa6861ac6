"""Rows of figures: whatever they are put together from, and however they are stored, nothing is lost or made up."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from nixos_workspaces.metering.metrics.encoding import decode, decode_grouped, encode
from nixos_workspaces.metering.metrics.pending import Pending
from nixos_workspaces.metering.metrics.rates import row_of
from nixos_workspaces.model.metering.figures import FIGURES, LEVELS, UNKNOWN, Kind, Row, grouped, level_for

_AMOUNT = st.none() | st.integers(0, 1 << 40) | st.just(0)
_SAMPLES = st.lists(
    st.tuples(
        st.integers(1, 4000),
        st.integers(1, 60_000),
        st.lists(_AMOUNT, min_size=len(FIGURES), max_size=len(FIGURES)),
    ),
    min_size=1,
    max_size=40,
)
"""Seconds since the sample before, milliseconds that it covers, amounts."""


def raw(samples: list[tuple[int, int, list[int | None]]]) -> list[Row]:
    rows, now = [], 1_700_000_000
    for gap, milliseconds, amounts in samples:
        now += gap
        rows.append(row_of(amounts, milliseconds, now))
    return rows


def compare(rows: list[Row], samples: list[Row]) -> None:
    """The sums, counts and extremes of all rows are those of all samples."""
    assert sum(row.count for row in rows) == len(samples)
    assert sum(row.milliseconds for row in rows) == sum(one.milliseconds for one in samples)
    for index in range(len(FIGURES)):
        assert sum(row.sums[index] for row in rows) == sum(one.sums[index] for one in samples)
        lows, highs = ([one.lows[index] for one in group if one.lows[index] >= 0] for group in (rows, samples))
        assert min(lows, default=UNKNOWN) == min(highs, default=UNKNOWN)
        lows, highs = ([one.highs[index] for one in group if one.highs[index] >= 0] for group in (rows, samples))
        assert max(lows, default=UNKNOWN) == max(highs, default=UNKNOWN)


@settings(max_examples=60, deadline=None)
@given(_SAMPLES, st.sampled_from([10, 60, 300, 3600, 7200, 86400]))
def test_sums_and_extremes_survive_any_step_and_gaps_stay(
    samples: list[tuple[int, int, list[int | None]]], step: int
) -> None:
    rows = raw(samples)
    found = grouped(rows, step)
    compare(found, rows)
    assert [row.begin for row in found] == sorted({row.begin - row.begin % step for row in rows})
    wider = grouped(found, step * 3)
    assert [row.at(0) for row in wider] == [row.at(0) for row in grouped(rows, step * 3)]


@settings(max_examples=60, deadline=None)
@given(_SAMPLES, st.sampled_from([0, len(LEVELS)]))
def test_every_level_holds_all_samples_while_they_grow_and_when_they_are_complete(
    samples: list[tuple[int, int, list[int | None]]], completed: int
) -> None:
    rows, pending = raw(samples), Pending()
    for row in rows:
        pending.add(row)
    pending.finish(completed)
    for number, level in enumerate(LEVELS):
        compare(grouped(pending.rows(number), level.step), rows)
    assert pending.idle is False
    assert all(row is None for row in pending.open) is bool(completed)


@settings(max_examples=60, deadline=None)
@given(_SAMPLES)
def test_stored_rows_are_read_as_they_were(samples: list[tuple[int, int, list[int | None]]]) -> None:
    rows = grouped(raw(samples), 10)
    assert decode(encode(rows)) == rows
    middle, end = rows[len(rows) // 2].begin, rows[-1].begin + 1
    chunks = [encode(rows[at : at + 7]) for at in range(0, len(rows), 7)]
    for ordered in (chunks, chunks[::-1]):
        for step in (10, 300):
            wanted = grouped((row for row in rows if row.begin >= middle), step)
            assert decode_grouped(ordered, middle, end, step) == wanted


def test_figures_that_came_later_are_unknown_in_older_rows() -> None:
    row = row_of([1] * len(FIGURES), 1000, 1_700_000_000)
    (version, count, figures), stored = (1, 1, len(FIGURES)), encode([row])
    assert (stored[0], int.from_bytes(stored[1:3], "little"), int.from_bytes(stored[3:5], "little")) == (
        version,
        count,
        figures,
    )
    assert decode(b"\x02" + stored[1:]) == []


@given(st.integers(1, 10_000).map(lambda number: number * 10), st.floats(0, 500 * 86400))
def test_the_level_that_is_read_divides_the_step_and_reaches_back(step: int, age: float) -> None:
    level = level_for(step, age)
    assert level.kept >= age or level is LEVELS[-1]
    assert step % level.step == 0 or level.step > LEVELS[0].step
    assert {one.kind for one in FIGURES} == set(Kind)
