"""A hundred thousand package names: how long a search and a suggestion take, and how long the event loop is held.

The loop is held for as long as another thread keeps the interpreter: told is the longest delay of a task that wants to
run every millisecond, while one question after the other is asked. Writes ``results/packages.json``.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from large_index import RARE, large_index

RESULTS = Path(__file__).resolve().parent / "results" / "packages.json"
ROUNDS = 40


async def measure(ask: Callable[[], object]) -> dict[str, float]:
    """Return what a question takes in a thread, and the longest delay of the loop meanwhile."""
    longest, took, used = 0.0, [], []

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - before - 0.001)

    def timed() -> None:
        began = time.thread_time()
        ask()
        used.append((time.thread_time() - began) * 1000)

    ticking = asyncio.create_task(tick())
    for _ in range(ROUNDS):
        before = time.perf_counter()
        await asyncio.to_thread(timed)
        took.append((time.perf_counter() - before) * 1000)
    ticking.cancel()
    return {
        "p50_ms": round(statistics.median(took), 1),
        "p95_ms": round(statistics.quantiles(took, n=20)[-1], 1),
        "p95_cpu_ms": round(statistics.quantiles(used, n=20)[-1], 1),
        "longest_delay_ms": round(longest * 1000, 1),
    }


async def figures() -> dict[str, dict[str, float]]:
    """Return the figures of every question."""
    index = large_index()
    sys.setswitchinterval(0.0005)  # as the service does
    asked: dict[str, Callable[[], object]] = {
        "nothing": lambda: None,
        "suggest for a name": lambda: index.names.nearest(RARE[:-1] + "x"),
        "suggest for a name like many": lambda: index.names.nearest("lib-graph-core.abcd"),
        "suggest for a long name": lambda: index.names.nearest("a" * 128),
        "search a rare word": lambda: index.search(RARE, 50),
        "search a common letter": lambda: index.search("e", 200),
        "search three words": lambda: index.search("the fast python", 50),
        "search everything": lambda: index.search("", 50),
    }
    return {name: await measure(ask) for name, ask in asked.items()}


def main() -> None:
    """Measure and keep the figures."""
    found = asyncio.run(figures())
    here = {"kernel": platform.release(), "cores": os.cpu_count(), "python": platform.python_version()}
    here["load"] = str(round(os.getloadavg()[0], 1))
    RESULTS.write_text(json.dumps({"machine": here, "figures": found}, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
