"""The price of figures: 200 running workspaces measured each second while somebody watches all of them.

The control plane is the real one over the real database; the machines are those of a node in a process of its own that
answers as the node does, with a reading of kernel files for each, so that both sides' processor time is measured apart.
The event loop's longest callback is in processor time of its thread. Writes ``results/metering.json``; ends with an
error where a bound is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from benchmarks.bench_many import Stalls
from fakes import FakeRuntime, World, fake_services
from typing_extensions import override

from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.events import Event
from nixos_workspaces.metering.metrics.history import ROWS_AT_ONCE, History
from nixos_workspaces.metering.metrics.rates import metrics_between, row_between
from nixos_workspaces.metering.watchers import Topic
from nixos_workspaces.model.environment import environment
from nixos_workspaces.model.machine import BYTES_PER_GB, Pressure, Resources, Usage
from nixos_workspaces.model.workspace import Status, WorkspaceConfig
from nixos_workspaces.node import protocol, rpc
from nixos_workspaces.node.kernel.cgroups import ControlGroup, Hierarchies
from nixos_workspaces.node.machines.usage.groups import group_figures
from nixos_workspaces.runtimes.local import LocalRuntime

RESULTS = Path(__file__).resolve().parent / "results"
LIMITS = Resources(1.0, BYTES_PER_GB, BYTES_PER_GB)
MOST_SHARE, MOST_LOOP_MS, MOST_BLOCKED_MS, MOST_QUERY_MS = 0.05, 5.0, 50.0, 200.0
_MEMORY = "cache 1\nrss 2\n" + "".join(f"filler_{number} {number}\n" for number in range(30))
FILES = {
    "cpu/cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_time 250000000\n",
    "cpuacct/cpuacct.usage": "2500000000\n",
    "memory/memory.usage_in_bytes": "104857600\n",
    "memory/memory.stat": _MEMORY + "total_cache 41943040\ntotal_rss 52428800\ntotal_shmem 10485760\n",
    "memory/memory.kmem.usage_in_bytes": "1048576\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    "pids/pids.current": "17\n",
    "unified/cpu.pressure": "some avg10=1.00 avg60=0.00 avg300=0.00 total=1500000\n",
    "unified/memory.pressure": "some avg10=0.00 total=2000000\nfull avg10=0.00 total=250000\n",
    "unified/io.pressure": "some avg10=0.00 total=4000000\nfull avg10=0.00 total=3000000\n",
    "net/tx_bytes": "1000\n",
    "net/rx_bytes": "1000\n",
    "disk/stat": "1 2 3 4 5 6 7 8 9 10 11\n",
}


# ---- the node's side


async def serve_node(place: Path, ids: list[str]) -> None:
    """Answer ``usage_all`` out of files, as the node does."""
    groups = {}
    for one in ids:
        for name, text in FILES.items():
            directory = place / name.partition("/")[0] / one
            directory.mkdir(parents=True, exist_ok=True)
            (directory / name.partition("/")[2]).write_text(text)
        names = ("cpu", "cpuacct", "memory", "pids")
        hierarchies = Hierarchies({name: place / name for name in names}, place / "unified")
        groups[one] = ControlGroup(hierarchies, f"/{one}")

    def read() -> dict[str, Any]:
        told = {}
        for one, group in groups.items():
            seen = group_figures(group)
            for name in ("net/{}/tx_bytes", "net/{}/rx_bytes", "disk/{}/stat"):
                group.files.read(str(place / name.format(one)))
            disk = os.statvfs(place)
            now = time.monotonic()
            usage = Usage(
                now / 10, seen.memory_bytes, disk.f_blocks, disk.f_blocks * 4, seen.processes, 1, 2, now, "run",
                seen.throttled_seconds, seen.memory_cache_bytes, 100, 1000, 5, 6, 0, seen.oom_kills, seen.pressure,
            )  # fmt: skip
            told[one] = protocol.usage_to_wire(usage)
        return told

    async def answer(_method: str, _parameters: dict[str, Any]) -> rpc.Answer:
        return rpc.Answer({"usage": await asyncio.to_thread(read), "next": None})

    with rpc.listen(place / "node.sock") as server:
        print("ready", flush=True)
        await rpc.serve_calls(server, {os.getuid()}, answer)


# ---- the control plane's side


class MeasuredRuntime(FakeRuntime):
    """Fake machines with the figures of the other process."""

    node: LocalRuntime | None = None

    @override
    async def usage_all(self) -> Mapping[str, Usage]:
        return await (super().usage_all() if self.node is None else self.node.usage_all())


async def _made(services: Any, count: int) -> list[str]:
    ids = []
    for number in range(count):
        config = WorkspaceConfig(f"w{number}", LIMITS, environment("minimal", [], []))
        ids.append((await services.orchestrator.create_workspace(config, principal=ADMIN)).id)
    while True:
        async with services.database.reading(once=True) as tx:
            statuses = (await tx.summaries.statuses()).values()
        if all(status == Status.RUNNING for status in statuses):
            return ids
        await asyncio.sleep(0.1)


async def measure(count: int, seconds: float) -> dict[str, float]:
    """Measure the cost of passes, on the whole and of the longest turn of the loop."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        world = World()
        runtime = MeasuredRuntime(world)
        async with fake_services(Path(place) / "data", world=world, runtime=runtime) as services:
            ids = await _made(services, count)
            runtime.node = LocalRuntime(Path(place) / "node.sock")
            argv = [sys.executable, __file__, "--node", place]
            node = await asyncio.create_subprocess_exec(
                *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            assert node.stdin is not None
            assert node.stdout is not None
            node.stdin.write(json.dumps(ids).encode())
            node.stdin.close()
            await node.stdout.readline()
            try:
                return await _watched(services, node.pid, ids, seconds)
            finally:
                node.terminate()
                await node.wait()


async def _watched(services: Any, node: int, ids: list[str], seconds: float) -> dict[str, float]:
    stalls, told = Stalls(), 0

    def cpu() -> tuple[float, float]:
        words = Path(f"/proc/{node}/stat").read_text().rpartition(")")[2].split()
        return time.process_time(), (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    async def idle() -> tuple[float, float]:
        before = cpu()
        await asyncio.sleep(seconds)
        after = cpu()
        return (after[0] - before[0]) / seconds, (after[1] - before[1]) / seconds

    before = await idle()
    with services.live.watching(ADMIN) as watcher:
        watcher.want(Topic.USAGE, frozenset(ids))

        async def take() -> None:
            nonlocal told
            while True:
                for event in await watcher.take():
                    told += isinstance(event, Event)

        taking = asyncio.create_task(take())
        await asyncio.sleep(3)  # everything is read and written for the first time
        told = 0
        watched = await idle()
        passes = told / len(ids) / seconds
        # Looking for long turns costs as much as the figures: it is done in a time of its own.
        stalls.watch()
        ticking = asyncio.create_task(stalls.tick())
        await asyncio.sleep(seconds)
        for task in (taking, ticking):
            task.cancel()
    await asyncio.sleep(1)
    again = await idle()
    nobody = (before[0] + again[0]) / 2, (before[1] + again[1]) / 2
    return {
        "passes a second": passes,
        "control plane, nobody watches (cores)": nobody[0],
        "node, nobody watches (cores)": nobody[1],
        "control plane, all watched (cores)": watched[0],
        "node, all watched (cores)": watched[1],
        "cost of watching all (cores)": watched[0] - nobody[0] + watched[1] - nobody[1],
        "longest turn of the loop (ms)": stalls.longest_cpu * 1000,
    }


# ---- the database's side


async def database(workspaces: int, days: int) -> dict[str, float]:
    """Measure size, questions and removal over days of workspaces that always run, busy in different ways."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        async with fake_services(Path(place)) as services:
            now = datetime(2026, 5, 1, tzinfo=UTC)
            history = History(services.database, clock=lambda: now)
            used = {f"ws-{number:012d}": _start(number) for number in range(workspaces)}
            began = time.thread_time()
            for turn in range(days * 8640):
                now += timedelta(seconds=10)
                rows = {}
                for number, (one, before) in enumerate(used.items()):
                    used[one] = after = _next(before, number, turn)
                    seen = metrics_between(before, after, LIMITS)
                    rows[one] = row_between(before, after, seen, now.timestamp(), started=False)
                history.take_in(rows, now.timestamp())
                if turn % 30 == 29:
                    await history.store()
            samples = days * 8640 * workspaces
            took = time.thread_time() - began
            await history.store(everything=True)
            async with services.database.reading(once=True) as tx:
                stored = "SELECT sum(length(data) + 120) FROM metrics"
                grown = int((await tx.connection.exec_driver_sql(stored)).scalar_one())
            queries, used_by_queries = await _queries(history, list(used), now)
            quiet = await _longest_wait(services, asyncio.sleep(2))
            blocked = await _longest_wait(services, history.expire())  # no such workspace exists: every row goes
    return {
        "bytes of a workspace and day": grown / workspaces / days,
        "time of a sample (us)": took / samples * 1e6,
        "query p95 (ms)": statistics.quantiles(queries, n=20)[-1],
        "query p95 (ms of a processor)": statistics.quantiles(used_by_queries, n=20)[-1],
        "longest wait of a write (ms)": quiet,
        "longest wait of a write while rows expire (ms)": blocked,
    }


def _start(number: int) -> Usage:
    return Usage(
        0.0, 200 << 20, 300 << 20, BYTES_PER_GB, 20, 0, 0, 0.0, f"run-{number}", pressure=Pressure(0, 0, 0, 0, 0)
    )


def _next(before: Usage, number: int, turn: int) -> Usage:
    """Return the next reading: nine of ten are idle, as an editor that is open is; one builds."""
    wave = (turn * 2654435761 + number * 40503) % 1000 / 1000
    busy = number % 10 == 0
    cores = wave if busy else 0.002 + wave / 1000
    pressure = before.pressure or Pressure(0, 0, 0, 0, 0)
    return replace(
        before,
        cpu_seconds=before.cpu_seconds + cores * 10,
        throttled_seconds=before.throttled_seconds + (wave if busy else 0),
        memory_bytes=(200 << 20) + int(wave * (300 << 20 if busy else 1 << 16)),
        memory_cache_bytes=(100 << 20) + int(wave * (300 << 20 if busy else 1 << 16)),
        network_received_bytes=before.network_received_bytes + int(wave * (1 << 20 if busy else 200)),
        network_sent_bytes=before.network_sent_bytes + int(wave * (1 << 18 if busy else 200)),
        disk_written_bytes=before.disk_written_bytes + (int(wave * (1 << 24)) if busy else 4096 * (turn % 6 == 0)),
        taken_at=before.taken_at + 10,
        pressure=replace(pressure, cpu=pressure.cpu + (wave if busy else wave / 1000)),
    )


async def _queries(history: History, ids: list[str], now: datetime) -> tuple[list[float], list[float]]:
    """Return the times that questions take which the page of a workspace asks, and those of the processor."""
    end, times, used = int(now.timestamp()), [], []
    for number in range(100):
        back, step = [(3600, 10), (86400, 300), (7 * 86400, 1800), (30 * 86400, 3600)][number % 4]
        began, before = time.perf_counter(), time.process_time()
        await history.rows(ids[number % len(ids)], end - back, end, step)
        times.append((time.perf_counter() - began) * 1000)
        used.append((time.process_time() - before) * 1000)
    return times, used


async def _longest_wait(services: Any, meanwhile: Coroutine[Any, Any, None]) -> float:
    """Return the longest time that a write takes while something else is done."""
    longest, over = 0.0, asyncio.Event()

    async def write() -> None:
        nonlocal longest
        while not over.is_set():
            began = time.perf_counter()
            async with services.database.transaction() as tx:
                await tx.connection.exec_driver_sql("DELETE FROM leases WHERE key = ''")
            longest = max(longest, (time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.001)

    writing = asyncio.create_task(write())
    await meanwhile
    over.set()
    await writing
    return longest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspaces", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--kept", type=int, default=20, help="workspaces whose rows are stored")
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--node", help=argparse.SUPPRESS)
    given = parser.parse_args()
    sys.setswitchinterval(0.0005)  # as the service does
    if given.node:
        asyncio.run(serve_node(Path(given.node), json.loads(sys.stdin.read())))
        return
    figures = asyncio.run(measure(given.workspaces, given.seconds)) | asyncio.run(database(given.kept, given.days))
    for name, figure in figures.items():
        print(f"{name:<50}{figure:12.4f}")
    bounds = {
        "cost of watching all (cores)": MOST_SHARE,
        "longest turn of the loop (ms)": MOST_LOOP_MS,
        "query p95 (ms of a processor)": MOST_QUERY_MS,
        "longest wait of a write while rows expire (ms)": MOST_BLOCKED_MS,
    }
    failed = {name: most for name, most in bounds.items() if figures[name] > most}
    for name, most in bounds.items():
        print("FAILS" if name in failed else "holds", f"{name} <= {most:g}")
    RESULTS.mkdir(exist_ok=True)
    machine = {"kernel": platform.release(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    shown = {name: round(figure, 4) for name, figure in figures.items()}
    result = {"machine": machine, "arguments": vars(given), "rows removed at once": ROWS_AT_ONCE, "figures": shown}
    result["threads"] = threading.active_count()
    (RESULTS / "metering.json").write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
