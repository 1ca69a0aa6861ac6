"""How long a user waits for a workspace: created, started, stopped, deleted, and what an idle one costs.

Measured against the real service through its API, as a client on the same machine, with the closure already built.
"First command" ends when an OpenSSH client has logged in, run ``true`` and ended. Prints a table and writes
``results/workspace.json`` with the machine described.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from system.service import Service, running_service
from waiting import until

RESULTS = Path(__file__).resolve().parent / "results"


def machine() -> dict[str, object]:
    """Describe where the figures come from."""
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    return {
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "memory_mib": memory,
        "python": platform.python_version(),
    }


def first_command(service: Service, workspace_id: str) -> None:
    """Run one SSH command as soon as the workspace says that it runs."""
    made = until("it runs", lambda: running(service, workspace_id), 120, 0.01)
    service.ssh(made, "true")


def running(service: Service, workspace_id: str) -> dict[str, object] | None:
    """Return the workspace once it runs."""
    shown = service.show(workspace_id)
    return shown if shown["status"] == "running" else None


def idle_memory(workspace_id: str) -> float:
    """Return the proportional set size in MiB of every process of the workspace, PID 1 included."""
    total = 0
    for group in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            if workspace_id in group.read_text():
                rollup = (group.parent / "smaps_rollup").read_text()
                total += int(rollup.split("Pss:")[1].split()[0])
        except OSError:
            continue  # the process ended meanwhile
    return total / 1024


def measure(service: Service, rounds: int) -> dict[str, list[float]]:
    """Return the figures of every round, in seconds and MiB."""
    figures: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        figures.setdefault(name, []).append(value)

    service.delete(service.create("warm-up")["id"])
    for number in range(rounds):
        started = time.perf_counter()
        made = service.create(f"bench-{number}", wait=False)
        note("create: request answered", time.perf_counter() - started)
        first_command(service, made["id"])
        note("create to first command", time.perf_counter() - started)
        time.sleep(2)
        note("idle memory, PSS MiB", idle_memory(made["id"]))
        started = time.perf_counter()
        service.api("POST", f"/workspaces/{made['id']}/stop", 202)
        service.reaches(made["id"], "stopped")
        note("stop", time.perf_counter() - started)
        started = time.perf_counter()
        service.api("POST", f"/workspaces/{made['id']}/start", 202)
        first_command(service, made["id"])
        note("start to first command", time.perf_counter() - started)
        started = time.perf_counter()
        service.delete(made["id"])
        note("delete", time.perf_counter() - started)
    return figures


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    with running_service() as service:
        figures = measure(service, rounds)
    rows = {
        name: {"p50": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}
        for name, values in figures.items()
    }
    print(f"{'':28s} {'p50':>8s} {'min':>8s} {'max':>8s}   (seconds unless named, n={rounds})")
    for name, row in rows.items():
        print(f"{name:28s} {row['p50']:8.3f} {row['min']:8.3f} {row['max']:8.3f}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "workspace.json").write_text(json.dumps({"machine": machine(), "figures": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
