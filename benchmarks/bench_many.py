"""Ten thousand workspaces: what looking at them costs an idle service, and what a list and a creation ask of them.

The control plane's own parts over a database of 10,000 stopped workspaces and a node with as many machines: the node is
another process that speaks the real protocol, without containers behind it. Idle processor time is that of this process
(the control plane) over some periods of the reconciler; how long the event loop was held is told twice: in processor
time of its thread for the longest callback, and in time passed for the longest delay of a task that wants to run
every millisecond. Writes ``results/many.json``; with ``--label before`` the figures are kept beside the new ones.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from fakes import FakeEnvironments, FakeRuntime, World, outside

from nixos_workspaces.auth.policy import ADMIN, Principal
from nixos_workspaces.model.machine import BYTES_PER_GB, MachineState, Observed, Resources
from nixos_workspaces.model.workspace import Sort, WorkspaceQuery
from nixos_workspaces.node import protocol
from nixos_workspaces.node.rpc import Answer, listen, serve_calls
from nixos_workspaces.runtimes.local import LocalRuntime
from nixos_workspaces.services import DATABASE, Services, open_services
from nixos_workspaces.settings import Settings

RESULTS = Path(__file__).resolve().parent / "results" / "many.json"
COUNT = 10_000
OWNERS = 20
ROUNDS = 60
TOPLEVEL = f"/nix/store/{'0' * 32}-nixos-system-workspace"


def name_of(number: int) -> str:
    """Return an id whose order is not that of creation."""
    return f"ws-{number * 7919 % COUNT:012d}"


def serve_node(path: str, count: int) -> None:
    """Answer as a node with ``count`` stopped machines does."""
    machines = {
        name_of(number): Observed(
            name_of(number),
            MachineState.STOPPED,
            generation=1,
            toplevel=TOPLEVEL,
            resources=Resources(1.0, BYTES_PER_GB, BYTES_PER_GB),
            encryption="fscrypt",
        )
        for number in range(count)
    }
    info: dict[str, Any] = {"engine": "none", "encryption": "fscrypt", "live_storage_growth": False, "cpu_total": 16.0}
    info |= {f"{kind}_bytes": 1 << 60 for kind in ("memory_total", "storage_total", "storage_free")}

    async def answer(method: str, parameters: dict[str, Any]) -> Answer:
        if method == "info":
            return Answer(info)
        assert method == "list", (method, parameters)
        return Answer(listed(machines, parameters["after"]))

    asyncio.run(serve_calls(listen(Path(path)), {os.getuid()}, answer))


def listed(machines: Mapping[str, Observed], after: str) -> dict[str, object]:
    """Return the answer to ``list``, as the node makes it."""
    chosen, last = protocol.page_of(machines, after)
    return {"machines": [protocol.observed_to_wire(machines[one]) for one in chosen], "next": last}


def fill(database: Path, count: int) -> None:
    """Put stopped workspaces with their volumes into a database."""
    begin = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    with sqlite3.connect(database) as raw:
        columns = [row[1] for row in raw.execute("PRAGMA table_info(workspaces)")]
        for number in range(count):
            stamps = [
                datetime.fromtimestamp(begin + offset, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
                for offset in (number * 60, (number * 104_729) % (count * 60))
            ]
            given: dict[str, object] = dict.fromkeys(columns)
            given |= {"id": name_of(number), "name": f"row-{number}", "hostname": f"row-{number}"}
            given |= {"owner_id": f"owner-{number % OWNERS}", "created_at": stamps[0], "last_accessed": stamps[1]}
            given |= {"desire": "stopped", "status": "stopped", "cpu": 1.0, "memory_bytes": BYTES_PER_GB}
            given |= {"storage_bytes": BYTES_PER_GB, "volume_bytes": BYTES_PER_GB, "template": "minimal"}
            given |= {"packages": '["git", "python3", "nodejs"]', "ports": "[8080]", "open_ports": "[8080]"}
            given |= {"intent": 1, "revision": 1, "built_revision": 1, "restarts": 0, "restarts_done": 0}
            given |= {"package_set": "Debian 12 packages", "generation": 1, "toplevel": TOPLEVEL, "oom_kills": 0}
            given |= {"encryption": "fscrypt", "host_key": "ssh-ed25519 " + "A" * 68, "forgotten": 0}
            given |= {"ready_at": stamps[0]}
            places = ", ".join("?" * len(columns))
            raw.execute(f"INSERT INTO workspaces VALUES ({places})", [given[column] for column in columns])


class Stalls:
    """Notes for how long the event loop was held."""

    def __init__(self) -> None:
        self.longest_cpu = 0.0
        self.longest_delay = 0.0

    def watch(self) -> None:
        """Measure the processor time of every callback from now on."""
        run = asyncio.Handle._run  # noqa: SLF001 - no other way in

        def measured(handle: asyncio.Handle) -> None:
            began = time.thread_time()
            run(handle)
            self.longest_cpu = max(self.longest_cpu, time.thread_time() - began)

        setattr(asyncio.Handle, "_run", measured)  # noqa: B010 - no other way in

    async def tick(self) -> None:
        """Measure how late a task runs that wants to run every millisecond."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            self.longest_delay = max(self.longest_delay, time.perf_counter() - before - 0.001)


async def timed(ask: Callable[[], Awaitable[object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the milliseconds that ``ask`` takes, and those of processor time, which a busy machine leaves alone."""
    await ask()
    took, used = [], []
    for _ in range(rounds):
        before, began = time.perf_counter(), time.process_time()
        await ask()
        took.append((time.perf_counter() - before) * 1000)
        used.append((time.process_time() - began) * 1000)
    return {
        "p50_ms": round(statistics.median(took), 2),
        "p95_ms": round(statistics.quantiles(took, n=20)[-1], 2),
        "p95_cpu_ms": round(statistics.quantiles(used, n=20)[-1], 2),
    }


async def idle(stalls: Stalls, seconds: float) -> dict[str, float]:
    """Return what an idle service costs, then for how long it holds its event loop."""
    before, began = time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    percent = (time.process_time() - before) / (time.perf_counter() - began) * 100
    stalls.watch()
    ticking = asyncio.create_task(stalls.tick())
    await asyncio.sleep(seconds)
    ticking.cancel()
    return {
        "percent_of_a_core": round(percent, 2),
        "longest_callback_cpu_ms": round(stalls.longest_cpu * 1000, 1),
        "longest_delay_ms": round(stalls.longest_delay * 1000, 1),
    }


async def pages(services: Services) -> dict[str, dict[str, float]]:
    """Return the times of the first page and of one in the middle, for every sort and for one owner and all."""
    found = {}
    for who, principal in (("everything", ADMIN), ("one owner", Principal("owner-3", "Ann"))):
        for sort in Sort:
            cursor = None
            for place in ("first", "later"):
                query = WorkspaceQuery(limit=100, sort=sort, cursor=cursor)
                ask = partial(services.workspaces.page, query, principal=principal)
                found[f"{who}, {sort.value}, {place} page"] = await timed(ask)
                for _ in range(2):
                    query = WorkspaceQuery(limit=100, sort=sort, cursor=cursor)
                    cursor = (await services.workspaces.page(query, principal=principal)).next_cursor
    return found


async def measure(data: Path, seconds: float) -> dict[str, object]:
    """Return all figures."""
    stalls = Stalls()
    world = World()
    settings = Settings(data=data)
    async with open_services(settings, backends=outside(FakeRuntime(world), FakeEnvironments(world))):
        pass
    fill(data / DATABASE, COUNT)
    runtime: Any = LocalRuntime(data / "node")
    async with open_services(settings, backends=outside(runtime, FakeEnvironments(world))) as services:
        await services.reconciler.sweep()
        await asyncio.sleep(10)
        figures: dict[str, object] = {"idle": await idle(stalls, seconds)}
        alone = time.process_time()
        await services.reconciler.sweep()
        figures["one sweep, cpu ms"] = round((time.process_time() - alone) * 1000, 1)
        figures["sums at create"] = await timed(services.workspaces.capacity)
        figures["pages of 100"] = await pages(services)
    return figures


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--label", default="now", help="the name under which the figures are kept")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the idle service is looked at")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        data = Path(directory)
        node = multiprocessing.get_context("fork").Process(target=serve_node, args=(str(data / "node"), COUNT))
        node.start()
        try:
            figures = asyncio.run(measure(data, options.seconds))
        finally:
            node.terminate()
            node.join()
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    here = {"kernel": platform.release(), "cores": os.cpu_count(), "python": platform.python_version()}
    kept[options.label] = {"machine": {**here, "load": round(os.getloadavg()[0], 1)}, "figures": figures}
    RESULTS.write_text(json.dumps(kept, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
