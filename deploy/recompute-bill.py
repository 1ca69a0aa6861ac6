#!/usr/bin/env python3
"""Compute the bill of a month again, from the exported meter records and the price book alone.

    nixws costs --export csv --month 2026-11 > records.csv
    nixws --json prices show > prices.json
    python3 recompute-bill.py records.csv prices.json --month 2026-11 --by workspace

It shares no code with the service and needs nothing but Python 3.11, so that two programs have to agree on every
amount. The rules, which it states anew:

- Times are microseconds since 1970, in UTC. A record is [begin, end); its quantities are spread evenly over that time.
  One whose begin is its end lies wholly at that moment.
- A record is divided at midnight, where prices change, and at the ends of the month.
- Prices are per core-hour of CPU, GB-hour of memory, GB-month of storage, GB sent. A GB is 2^30 bytes, a month 730
  hours. Before the first price list everything is free.
- A line is one workspace, owner, set of groups and template on one day. The amount of each meter of a line is rounded
  once, to millionths, half to even. Everything else is a sum of such amounts.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000
GB = 2**30
HOUR = 3_600_000_000
# Column of the export, field of the price list, quantity that the price is for.
METERS = (
    ("cpu_used", "cpu_hour_used", HOUR),
    ("cpu_reserved", "cpu_hour_reserved", HOUR),
    ("memory_used", "memory_gb_hour_used", GB * 3600),
    ("memory_reserved", "memory_gb_hour_reserved", GB * 3600),
    ("storage", "storage_gb_month", GB * 3600 * 730),
    ("snapshots", "snapshot_gb_month", GB * 3600 * 730),
    ("egress", "egress_gb", GB),
)


def microseconds(text: str) -> int:
    """Return an RFC 3339 time in microseconds since 1970."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def month_of(text: str) -> tuple[int, int]:
    """Return begin and end of a month such as 2026-11."""
    year, month = (int(part) for part in text.split("-"))
    begin = datetime(year, month, 1, tzinfo=UTC)
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return (begin - EPOCH) // timedelta(microseconds=1), (end - EPOCH) // timedelta(microseconds=1)


def read_prices(path: str) -> tuple[str, list[tuple[int, list[Fraction]]]]:
    """Return the currency and, ascending, when each price list begins, with its prices in millionths."""
    with Path(path).open(encoding="utf-8") as file:
        book = json.load(file)
    lists = []
    for one in book["prices"]:
        prices = [Fraction(Decimal(one.get(field, "0"))) * 1_000_000 for _, field, _ in METERS]
        lists.append((microseconds(one["valid_from"]), prices))
    return book["currency"], sorted(lists)


def price_at(lists: list[tuple[int, list[Fraction]]], moment: int) -> list[Fraction]:
    """Return the prices that hold at a moment."""
    found = [Fraction(0)] * len(METERS)
    for begins, prices in lists:
        if begins <= moment:
            found = prices
    return found


def pieces(begin: int, end: int, cuts: list[int], window: tuple[int, int]) -> list[tuple[int, Fraction]]:
    """Return the parts of an interval: where each begins, and its share of the whole."""
    if begin == end:
        return [(begin, Fraction(1))] if window[0] <= begin < window[1] else []
    first, last = max(begin, window[0]), min(end, window[1])
    if first >= last:
        return []
    midnights = range(first // DAY * DAY + DAY, last, DAY)
    edges = sorted({first, last, *midnights, *(cut for cut in cuts if first < cut < last)})
    return [(one, Fraction(two - one, end - begin)) for one, two in pairwise(edges)]


def bill(records: str, prices: str, month: str) -> tuple[str, dict[tuple[str, ...], int]]:
    """Return the currency and the amount of each line in millionths."""
    currency, lists = read_prices(prices)
    window, cuts = month_of(month), [begins for begins, _ in lists]
    exact: dict[tuple[str, ...], list[Fraction]] = defaultdict(lambda: [Fraction(0)] * len(METERS))
    with Path(records).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for begins, share in pieces(int(row["begin_us"]), int(row["end_us"]), cuts, window):
                day = (EPOCH + timedelta(days=begins // DAY)).strftime("%Y-%m-%d")
                line = exact[(day, row["workspace_id"], row["owner_id"], row["groups"], row["template"])]
                for at, ((column, _, unit), price) in enumerate(zip(METERS, price_at(lists, begins), strict=True)):
                    line[at] += int(row[column]) * share * price / unit
    return currency, {key: sum(round(amount) for amount in amounts) for key, amounts in exact.items()}


def main() -> None:
    """Print the sums by one property, and the whole."""
    parser = argparse.ArgumentParser(description="Compute the bill of a month again.")
    parser.add_argument("records", help="CSV of `nixws costs --export csv`")
    parser.add_argument("prices", help="JSON of `nixws --json prices show`")
    parser.add_argument("--month", required=True, help="such as 2026-11")
    parser.add_argument("--by", choices=("day", "workspace", "owner", "template"), default="workspace")
    parser.add_argument("--json", action="store_true", help="print millionths as JSON")
    given = parser.parse_args()
    currency, lines = bill(given.records, given.prices, given.month)
    place = {"day": 0, "workspace": 1, "owner": 2, "template": 4}[given.by]
    sums: dict[str, int] = defaultdict(int)
    for key, amount in lines.items():
        sums[key[place]] += amount
    total = sum(sums.values())
    if given.json:
        json.dump({"currency": currency, "total": total, "by": dict(sorted(sums.items()))}, sys.stdout)
        return
    for name, amount in sorted(sums.items(), key=lambda one: (-one[1], one[0])):
        print(f"{name:<40} {Decimal(amount) / 1_000_000:>16.6f} {currency}")
    print(f"{'total':<40} {Decimal(total) / 1_000_000:>16.6f} {currency}")


if __name__ == "__main__":
    main()
