"""Rows of figures as bytes: column by column, each as differences, compressed. An idle hour takes some 200 bytes."""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from operator import add, floordiv, sub

from nixos_workspaces.model.metering.figures import FIGURES, UNKNOWN, Kind, Row

_HEAD = struct.Struct("<BHH")  # version, rows, figures
_VERSION = 1
_FIXED = 4
_LENGTH = 2
_LIMIT = (1 << 62) - 1


def encode(rows: Sequence[Row]) -> bytes:
    """Return rows in their stored form."""
    columns: list[list[int]] = [
        [one.begin for one in rows],
        [one.through for one in rows],
        [one.milliseconds for one in rows],
        [one.count for one in rows],
        *([one.sums[index] for one in rows] for index in range(len(FIGURES))),
    ]
    # Extremes as their distance from the mean: for the one sample of a row that nobody watched it is 0.
    means = [_means(index, columns[_FIXED + index], columns[_LENGTH]) for index in range(len(FIGURES))]
    for index, mean in enumerate(means):
        columns.append([row.lows[index] - middle for row, middle in zip(rows, mean, strict=True)])
    for index, mean in enumerate(means):
        columns.append([row.highs[index] - middle for row, middle in zip(rows, mean, strict=True)])
    numbers = array("q")
    for column in columns:
        kept = [max(-_LIMIT, min(one, _LIMIT)) for one in column]
        numbers.append(kept[0])
        numbers.extend(map(sub, kept[1:], kept))
    if sys.byteorder == "big":
        numbers.byteswap()
    # The bytes of the same weight beside each other: most are zero.
    raw = numbers.tobytes()
    planes = b"".join(raw[weight::8] for weight in range(8))
    return _HEAD.pack(_VERSION, len(rows), len(FIGURES)) + zlib.compress(planes, 6)


def decode(stored: bytes) -> list[Row]:
    """Return the rows; none for what an unknown version has stored."""
    columns = _columns(stored)
    count = len(FIGURES)
    return [
        Row(
            *(line[0], line[1], line[2], line[3]),
            sums=[*line[_FIXED : _FIXED + count]],
            lows=[*line[_FIXED + count : _FIXED + 2 * count]],
            highs=[*line[_FIXED + 2 * count :]],
        )
        for line in zip(*columns, strict=True)
    ]


def decode_grouped(chunks: Iterable[bytes], begin: int, end: int, step: int) -> list[Row]:
    """Return the stored rows of a time in steps, as ``grouped`` makes them of rows; a day's are many."""
    columns: list[list[int]] = [[] for _ in range(_FIXED + 3 * len(FIGURES))]
    for chunk in chunks:
        for column, more in zip(columns, _columns(chunk), strict=False):
            column.extend(more)
    begins = columns[0]
    if any(after < before for before, after in pairwise(begins)):  # a clock was set back
        order = sorted(range(len(begins)), key=begins.__getitem__)
        columns = [[column[at] for at in order] for column in columns]
        begins = columns[0]
    first, last = bisect_left(begins, begin), bisect_left(begins, end)
    edges = [at for at in range(first, last) if at == first or begins[at] // step != begins[at - 1] // step]
    count = len(FIGURES)
    found = []
    for start, stop in pairwise([*edges, last]):
        parts = [column[start:stop] for column in columns]
        found.append(
            Row(
                *(begins[start] // step * step, max(parts[1]), sum(parts[2]), sum(parts[3])),
                sums=[sum(part) for part in parts[_FIXED : _FIXED + count]],
                lows=[_least(part) for part in parts[_FIXED + count : _FIXED + 2 * count]],
                highs=[max(part) for part in parts[_FIXED + 2 * count :]],
            )
        )
    return found


def _columns(stored: bytes) -> list[list[int]]:
    """Return the columns of rows, with unknown figures for those that came later."""
    version, count, figures = _HEAD.unpack_from(stored)
    if version != _VERSION or not count:
        return []
    planes = zlib.decompress(stored[_HEAD.size :])
    size = len(planes) // 8
    raw = bytearray(len(planes))
    for weight in range(8):
        raw[weight::8] = planes[weight * size : (weight + 1) * size]
    numbers = array("q", bytes(raw))
    if sys.byteorder == "big":
        numbers.byteswap()
    columns = [list(accumulate(numbers[at : at + count])) for at in range(0, len(numbers), count)]
    missing = len(FIGURES) - figures
    sums = columns[_FIXED : _FIXED + figures]
    means = [_means(index, column, columns[_LENGTH]) for index, column in enumerate(sums)]
    lows, highs = (
        [
            list(map(add, column, mean))
            for column, mean in zip(
                columns[_FIXED + figures * part : _FIXED + figures * (part + 1)], means, strict=True
            )
        ]
        for part in (1, 2)
    )
    unknown = [[UNKNOWN] * count for _ in range(missing)]
    return [*columns[:_FIXED], *sums, *([0] * count for _ in range(missing)), *lows, *unknown, *highs, *unknown]


def _means(index: int, sums: Sequence[int], milliseconds: Sequence[int]) -> list[int]:
    if not any(sums):
        return [0] * len(sums)
    if FIGURES[index].kind is Kind.LEVEL:
        return list(map(floordiv, sums, milliseconds))
    return [total * 1000 // length for total, length in zip(sums, milliseconds, strict=True)]


def _least(lows: Sequence[int]) -> int:
    """Return the least value that is known."""
    least = min(lows)
    return least if least >= 0 else min((one for one in lows if one >= 0), default=UNKNOWN)
