"""The price of figures for who types: the echo of a terminal while 200 workspaces are sampled each second, and not.

    .venv/bin/python benchmarks/bench_sampling.py [--workspaces N] [--rounds N] [--seconds N]

The web service (uvloop) over a real sshd and terminal holder, in this process; the machines' figures come from a
process that answers as the node does, out of a reading of kernel files for each; the typist is a third. In turn nobody
watches, and somebody watches the figures of all workspaces. Prints both and writes ``results/sampling.json``; ends with
an error where the bound is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "tests"))

import uvloop
from fakes import FakeRuntime
from terminal_web import RAW_CAT, terminal_place, viewer
from waiting import until
from web_service import Web

from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.metering.watchers import Topic
from nixos_workspaces.model.machine import Usage
from nixos_workspaces.runtimes.local import LocalRuntime

RESULTS = Path(__file__).resolve().parent / "results"
NODE = Path(__file__).resolve().parent / "bench_metering.py"
MOST_COST = 1.10
PAUSE = (0.01, 0.03)
"""Seconds between two keys."""


def typed(url: str, workspace: str, terminal: str, seconds: float) -> list[float]:
    """Type for so long; return the milliseconds of each echo."""
    dice, times = random.Random(1), []
    with viewer(url, workspace, {"Authorization": f"Bearer {os.environ['TOKEN']}"}, session=terminal) as client:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            time.sleep(dice.uniform(*PAUSE))
            before, began = len(client.output), time.perf_counter()
            client.type("x")
            while len(client.output) == before:
                client.next()
            times.append((time.perf_counter() - began) * 1000)
    return times[10:]


def echoes(web: Web, workspace: str, terminal: str, seconds: float) -> list[float]:
    """Return what a typist in a process of its own measures."""
    words = [sys.executable, __file__, "--typist", web.url, workspace, terminal, str(seconds)]
    done = subprocess.run(words, env={**os.environ, "TOKEN": web.token}, capture_output=True, check=True, text=True)
    found: list[float] = json.loads(done.stdout)
    return found


def watched(web: Web, ids: frozenset[str], ended: threading.Event, count: Callable[[], None]) -> None:
    """Watch the figures of all workspaces until the end."""

    async def take() -> None:
        with web.services.live.watching(ADMIN) as watcher:
            watcher.want(Topic.USAGE, ids)
            while not ended.is_set():
                for _ in await watcher.take():
                    count()

    web.loop.call_soon_threadsafe(lambda: tasks.append(web.loop.create_task(take())))


tasks: list[Any] = []


def measured(web: Web, count: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Measure in turn."""
    ids = [web.create(f"w{number}")["id"] for number in range(count)]
    with web.http() as http:
        made = http.post(f"/api/nixos/workspaces/{ids[0]}/terminals", json={"command": RAW_CAT}).json()["terminal"][
            "id"
        ]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        words = [sys.executable, str(NODE), "--node", place]
        environ = {**os.environ, "PYTHONPATH": str(NODE.parent.parent)}
        node = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)
        assert node.stdin is not None
        assert node.stdout is not None
        node.stdin.write(json.dumps(ids))
        node.stdin.close()
        assert node.stdout.readline() == "ready\n"
        real = LocalRuntime(Path(place) / "node.sock")

        async def usage_all(self: FakeRuntime) -> Mapping[str, Usage]:
            del self
            return await real.usage_all()

        FakeRuntime.usage_all = usage_all  # type: ignore[method-assign]
        times: dict[bool, list[float]] = {False: [], True: []}
        told = 0

        def note() -> None:
            nonlocal told
            told += 1

        try:
            echoes(web, ids[0], made, 3)
            for turn in range(2 * rounds):
                ended = threading.Event()
                if is_watched := bool(turn % 2):
                    watched(web, frozenset(ids), ended, note)
                times[is_watched] += echoes(web, ids[0], made, seconds)
                ended.set()
                until("nobody watches", lambda: all(task.done() for task in tasks))
        finally:
            node.terminate()
            node.wait(10)
    alone, beside = ({"p50": statistics.median(each), "p99": _p99(each)} for each in times.values())
    return {
        "keys": len(times[True]),
        "figures told": told,
        "alone (ms)": alone,
        "while all are sampled (ms)": beside,
        "p99 ratio": beside["p99"] / alone["p99"],
    }


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[-1]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspaces", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--typist", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.typist:
        url, workspace, terminal, seconds = given.typist
        print(json.dumps(typed(url, workspace, terminal, float(seconds))))
        return
    sys.setswitchinterval(0.0005)  # as the service does
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp") as data,
        terminal_place(Path(data), new_loop=uvloop.new_event_loop) as (web, _),
    ):
        result = measured(web, given.workspaces, given.rounds, given.seconds)
    machine = {"kernel": platform.release(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    result = {"machine": machine, **result}
    print(json.dumps(result, indent=1))
    (RESULTS / "sampling.json").write_text(json.dumps(result, indent=1) + "\n")
    if result["p99 ratio"] > MOST_COST:
        sys.exit("The bound is missed.")


if __name__ == "__main__":
    main()
