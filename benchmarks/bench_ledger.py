"""The ledger against the kernel: a workspace works for an hour while node and control plane are killed every minute.

    .venv/bin/python benchmarks/bench_ledger.py [--minutes N]

Before it six hours go by in simulation: the real ledger over a real database, two planes of control, readings that come
late or not at all, kills within its transactions, and a wall clock that is put forward and back.

The workspace's use of CPU and memory changes by chance every few seconds to minutes. Its control group is read twice a
second from outside, and what the kernel counted is compared with the exported records at the moment that the last of
them ends. ``deploy/recompute-bill.py``, which shares no code with the service, makes the bill again. Prints and writes
``results/ledger.json``; ends with an error where a bound is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import contextlib
import csv
import io
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from system.service import Service, running_service
from usage_fixture import Meters, open_meters
from waiting import until

from nixos_workspaces.metering.usage.ledger import read_interval
from nixos_workspaces.metering.usage.recording import settled
from nixos_workspaces.model.machine import Usage
from nixos_workspaces.model.metering.records import MACHINE, METERS, MICRO, Meter
from nixos_workspaces.model.workspace import Status

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
MOST_PERCENT = 0.5
KILL_SECONDS = 60.0
SAMPLE_SECONDS = 0.5
PRICES = {"cpu_hour_used": "0.04", "cpu_hour_reserved": "0.01", "memory_gb_hour_used": "0.02",
          "memory_gb_hour_reserved": "0.004", "storage_gb_month": "0.1", "egress_gb": "0.09"}  # fmt: skip
LOAD = """
import random, time
dice = random.Random(7)
held, next_size, next_share = b"", 0.0, 0.0
while True:
    now = time.monotonic()
    if now >= next_size:
        held = b""
        held = b"x" * (dice.randrange(10, 400) << 20)
        next_size = now + dice.uniform(40, 200)
    if now >= next_share:
        share, next_share = dice.choice([0.0, 0.1, 0.4, 0.8]), now + dice.uniform(5, 60)
    while time.monotonic() < now + 0.1 * share:
        pass
    time.sleep(max(0.001, now + 0.1 - time.monotonic()))
"""
"""Runs in the workspace."""


@dataclass
class Kernel:
    """The counters of a control group, read from outside."""

    name: str
    walls: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Seconds since the group was made."""
    held: list[float] = field(default_factory=list)
    """Byte-seconds of memory since the first sample."""
    _last: tuple[float, int] | None = None
    _groups: tuple[Path, Path] | None = None

    def sample(self) -> None:
        """Read once, if there is such a group."""
        if self._groups is None:
            cpu, memory = _group("cpuacct", self.name), _group("memory", self.name)
            if cpu is None or memory is None:
                return
            self._groups = cpu, memory
        cpu, memory = self._groups
        try:
            told = dict(line.split() for line in (memory / "memory.stat").read_text().splitlines())
            used = int((memory / "memory.usage_in_bytes").read_text())
            seconds = int((cpu / "cpuacct.usage").read_text()) / 1e9
        except OSError:
            return
        bytes_ = used - (int(told["total_cache"]) - int(told["total_shmem"]))
        now = time.monotonic()
        before = self._last or (now, bytes_)
        self._last = now, bytes_
        self.walls.append(time.time())
        self.cpu.append(seconds)
        self.held.append((self.held[-1] if self.held else 0.0) + (before[1] + bytes_) / 2 * (now - before[0]))

    def at(self, wall: float) -> tuple[float, float]:
        """Return CPU seconds and byte-seconds at a moment between two samples."""
        after = bisect.bisect(self.walls, wall)
        one, two = after - 1, after
        share = (wall - self.walls[one]) / (self.walls[two] - self.walls[one])
        return tuple(each[one] + (each[two] - each[one]) * share for each in (self.cpu, self.held))  # type: ignore[return-value]


def _group(controller: str, name: str) -> Path | None:
    """Return a control group's directory in a hierarchy of version 1."""
    for root in Path("/sys/fs/cgroup").iterdir():
        if controller in root.name.split(","):
            return next((Path(at) for at, *_ in os.walk(root) if Path(at).name == name), None)
    return None


def watch(kernel: Kernel, ended: threading.Event) -> None:
    """Sample until the end."""
    while not ended.wait(SAMPLE_SECONDS):
        kernel.sample()


def records(service: Service, workspace_id: str, month: str) -> list[dict[str, str]]:
    """Return the exported records of a workspace, with the one that is still open."""
    text = service.http.get(f"{service.url}/api/nixos/costs/export?format=csv&month={month}").text
    return [one for one in csv.DictReader(io.StringIO(text)) if one["workspace_id"] == workspace_id]


def killed(service: Service, minutes: float) -> dict[str, int]:
    """Kill node and control plane in turn, one each minute; return how often."""
    count = {"node": 0, "serve": 0}
    ends = time.monotonic() + minutes * 60
    while time.monotonic() < ends:
        time.sleep(max(0.0, min(KILL_SECONDS, ends - time.monotonic())))
        verb = "serve" if sum(count.values()) % 2 else "node"
        os.kill(service.pid_of(verb), signal.SIGKILL)
        count[verb] += 1
    return count


def compared(found: list[dict[str, str]], kernel: Kernel) -> dict[str, Any]:
    """Compare records with the kernel at the moment that the last of them ends."""
    end = int(found[-1]["end_us"]) / MICRO
    cpu, held = kernel.at(end)
    ours = sum(int(one["cpu_used"]) for one in found) / MICRO, sum(int(one["memory_used"]) for one in found)
    breaks = [
        f"{one['number']} to {two['number']}"
        for one, two in pairwise(found)
        if (int(one["number"]) + 1, one["end_us"]) != (int(two["number"]), two["begin_us"])
    ]
    wall = int(found[-1]["end_us"]) - int(found[0]["begin_us"])
    return {
        "records": len(found),
        "minutes": round(wall / MICRO / 60, 1),
        "gaps or overlaps": breaks,
        "negative": sum(int(one["duration_us"]) < 0 for one in found),
        "CPU seconds": {"kernel": round(cpu, 1), "ledger": round(ours[0], 1), "off percent": _off(ours[0], cpu)},
        "memory byte-hours": {
            "kernel": round(held / 3600),
            "ledger": round(ours[1] / 3600),
            "off percent": _off(ours[1], held),
        },
        "time off percent": _off(sum(int(one["duration_us"]) for one in found), wall),
    }


def _off(ours: float, theirs: float) -> float:
    return round(100 * (ours / theirs - 1), 3)


def bills(service: Service, month: str) -> dict[str, str]:
    """Return the bill of the month by the service and by the independent script."""
    asked = f"{service.url}/api/nixos/costs"
    with tempfile.TemporaryDirectory() as place:
        rows, prices = Path(place) / "records.csv", Path(place) / "prices.json"
        rows.write_text(service.http.get(f"{asked}/export?format=csv&month={month}").text)
        ours = service.http.get(f"{asked}?window=month").json()["total"]["total_cost"]
        prices.write_text(service.nixws("--json", "prices", "show"))
        program = str(ROOT / "deploy" / "recompute-bill.py")
        script = [sys.executable, program, str(rows), str(prices), "--month", month, "--json"]
        theirs = json.loads(subprocess.run(script, check=True, capture_output=True).stdout)["total"]
    return {"service": str(ours), "script": str(Decimal(theirs) / MICRO)}


class Killed(BaseException):
    """The process dies here."""


async def simulated(place: Path, hours: int) -> dict[str, Any]:
    """Let hours pass second by second, and compare what was counted with what happened."""
    dice = random.Random(11)
    cpu = held = 0.0
    kills, takes = 0, 0
    async with open_meters(place) as meters:
        planes = [meters.ledger(), meters.ledger()]
        await meters.make("ws-a")
        await meters.set("ws-a", Status.RUNNING)
        await planes[0].take(meters.up)
        share, memory, due = 0.5, 200 << 20, 10
        for second in range(hours * 3600):
            share = dice.random() if second % 20 == 0 else share
            before, memory = memory, dice.randrange(10, 400) << 20 if second % 100 == 0 else memory
            meters.passes(1, {"ws-a": share})
            meters.up["ws-a"] = usage = replace(meters.up["ws-a"], memory_bytes=memory)
            cpu, held = cpu + share, held + (before + memory) / 2
            if dice.random() < 1 / 600:
                meters.wall += timedelta(seconds=dice.uniform(-300, 300))
            if second % 60 == 0:
                kills += 1
                await _die_within(meters, usage)
            if second >= due:
                await planes[second % 2].take({} if dice.random() < 0.02 else {"ws-a": usage})
                takes, due = takes + 1, second + dice.choice([10, 10, 10, 11, 13])
        await planes[0].take(meters.up)
        async with meters.database.reading() as tx:
            found = [one for _, one in await tx.usage.records(0, 1 << 60, 0, 100_000)]
            found += [read_interval(body).record() for body in await tx.usage.intervals()]
    ours = [one for one in found if one.workspace_id == "ws-a"]
    counted = {meter: sum(one.quantities[METERS.index(meter)] for one in ours) for meter in METERS}
    return {
        "hours": hours,
        "kills": kills,
        "turns": takes,
        "CPU seconds off percent": _off(counted[Meter.CPU_USED] / MICRO, cpu),
        "memory byte-hours off percent": _off(counted[Meter.MEMORY_USED], held),
        "time off percent": _off(sum(one.duration_us for one in ours) / MICRO, hours * 3600),
        "gaps or overlaps": sum(one.end_us != two.begin_us for one, two in pairwise(ours)),
    }


async def _die_within(meters: Meters, usage: Usage) -> None:
    """Count, and die before the transaction ends."""
    with contextlib.suppress(Killed):
        async with meters.database.transaction() as tx:
            await tx.usage.settle(
                lambda subjects, own: settled(subjects, own, {"ws-a": usage}, None, meters.now()), MACHINE
            )
            raise Killed


def main() -> None:
    """Run, compare, print and write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=60.0)
    minutes = options.parse_args().minutes
    with tempfile.TemporaryDirectory() as place:
        hours = asyncio.run(simulated(Path(place), 6))
    print(json.dumps(hours, indent=1), flush=True)
    ended = threading.Event()
    with running_service() as service:
        service.api("PUT", "/prices", 204, json={"currency": "EUR", "prices": [
            {"valid_from": "2020-01-01T00:00:00Z", **PRICES}]})  # fmt: skip
        made = service.create("measured", cpu=1, memory=1, storage=1, packages=["python3"], wait=False)
        kernel = Kernel(made["id"])
        threading.Thread(target=watch, args=(kernel, ended), daemon=True).start()
        made = service.reaches(made["id"], "running")
        service.ssh(made, f"cat > load.py <<'END'\n{LOAD}\nEND")
        service.ssh(made, "systemd-run --user --quiet --collect --unit=load $(command -v python3) $HOME/load.py")
        kills = killed(service, minutes)
        until("the service answers", service.answers)
        time.sleep(30)  # a checkpoint after the last kill
        month = datetime.now(UTC).strftime("%Y-%m")
        found = records(service, made["id"], month)
        time.sleep(2 * SAMPLE_SECONDS)
        ended.set()
        result = {
            "machine": {"kernel": platform.release(), "cores": len(os.sched_getaffinity(0))},
            "simulated": hours,
            "kills": kills,
            **compared(found, kernel),
        }
        print(json.dumps(result, indent=1), flush=True)
        service.ssh(made, "systemctl --user stop load")
        service.api("POST", f"/workspaces/{made['id']}/stop", 202)
        service.reaches(made["id"], "stopped")
        result["bill"] = bills(service, month)
        result["verification"] = service.api("GET", "/usage/verification")
    print(json.dumps(result, indent=1))
    (RESULTS / "ledger.json").write_text(json.dumps(result, indent=1) + "\n")
    off = [abs(result[name]["off percent"]) for name in ("CPU seconds", "memory byte-hours")]
    off += [abs(hours[f"{name} off percent"]) for name in ("CPU seconds", "memory byte-hours", "time")]
    amounts = [Decimal(one).quantize(Decimal("0.01")) for one in result["bill"].values()]
    findings = result["verification"]["findings"]
    if (
        max(off) > MOST_PERCENT
        or result["gaps or overlaps"]
        or result["negative"]
        or amounts[0] != amounts[1]
        or findings
    ):
        sys.exit("A bound is missed.")


if __name__ == "__main__":
    main()
