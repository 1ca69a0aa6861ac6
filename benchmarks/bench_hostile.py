"""A workspace whose root makes ten thousand hostile shapes, and what its neighbour and the service notice of it.

The real service with real machines. A quiet neighbour is asked ``ssh true`` again and again, first alone, then while
the hostile workspace makes groups, processes, files, names, sockets, mounts, links and output at random (the shapes of
``tests/node_shapes.py``) wherever the node reads. What a round leaves may keep the next from logging in: the workspace
is stopped and started after each, as a user would, and made anew where it can no longer start. At last it is stopped
and deleted. Neither process of the service may have been replaced, and nothing of the workspace may be left. Prints the
figures and writes ``results/hostile.json`` with the machine described.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from system.service import JSON, Service, running_service
from waiting import until

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "hostile.json"
SHAPES = (ROOT / "tests" / "node_shapes.py").read_text()
A_ROUND, A_ROUND_SECONDS = 500, 60
"""Shapes of one program, and how long it may take: what it does to its own machine may hold it up for ever."""
ALONE = 200
MOST_RATIO = 2.0
MOST_SECONDS = 15.0


class Neighbour:
    """Logs in to a workspace without a pause and keeps how long each login took."""

    def __init__(self, service: Service, workspace: JSON) -> None:
        self._service = service
        self._workspace = workspace
        self.seconds: list[float] = []
        self.failed: list[str] = []

    def log_in(self) -> None:
        """Log in once."""
        began = time.perf_counter()
        try:
            self._service.ssh(self._workspace, "true", timeout=30)
        except (AssertionError, subprocess.TimeoutExpired) as failed:
            self.failed.append(str(failed)[:200])
        self.seconds.append(time.perf_counter() - began)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Log in again and again for the time of the body."""
        ended = threading.Event()

        def work() -> None:
            while not ended.is_set():
                self.log_in()

        worker = threading.Thread(target=work)
        worker.start()
        try:
            yield
        finally:
            ended.set()
            worker.join()

    def p95(self) -> float:
        """Return the 95th percentile in milliseconds."""
        return statistics.quantiles(self.seconds, n=20)[-1] * 1000


def left_over(workspace_id: str, data: Path) -> list[str]:
    """Return what of a workspace this machine still has: groups, mounts, processes, records, devices."""
    found = [str(path) for path in Path("/sys/fs/cgroup").rglob(workspace_id)]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if workspace_id in line]
    found += [str(path) for path in data.rglob(f"*{workspace_id}*") if "logs" not in path.parts]
    loops = subprocess.run(["losetup", "--list", "--noheadings"], check=True, capture_output=True, text=True).stdout
    return found + [line for line in loops.splitlines() if workspace_id in line]


def be_hostile(service: Service, hostile: JSON, count: int) -> dict[str, int]:
    """Let the workspace's root make ``count`` shapes; return how often its machine was started again and made anew."""
    seen = {"started again": 0, "made anew": 0, "cut off": 0}

    def status() -> str:
        return str(service.show(hostile["id"])["status"])

    for seed in range(0, count, A_ROUND):
        put = f"echo {SHAPES.encode().hex()} | xxd -r -p > shapes.py"
        try:
            service.ssh(
                hostile, f"{put}; sudo python3 shapes.py {seed} {A_ROUND}", check=False, timeout=A_ROUND_SECONDS
            )
        except subprocess.TimeoutExpired:
            seen["cut off"] += 1
        path = f"{service.url}/api/nixos/workspaces/{hostile['id']}"
        service.http.post(f"{path}/stop")
        until("it has stopped", lambda: status() in {"stopped", "error"}, MOST_SECONDS * 2)
        service.http.post(f"{path}/start")
        until("it has started, or cannot", lambda: status() in {"running", "error"}, 120)
        seen["started again"] += 1
        if status() == "error":
            service.delete(hostile["id"])
            hostile |= create_hostile(service)
            seen["made anew"] += 1
    return seen


def create_hostile(service: Service) -> JSON:
    """Make the workspace whose root is hostile."""
    return service.create("hostile", packages=["python3", "vim"], storage=1, memory=1)


def seconds_of(work: object, *arguments: object) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    assert callable(work)
    work(*arguments)
    return time.perf_counter() - began


def measure(service: Service, count: int) -> dict[str, object]:
    """Return the figures."""
    quiet = service.create("neighbour")
    hostile = create_hostile(service)
    alone, beside = Neighbour(service, quiet), Neighbour(service, quiet)
    for _ in range(ALONE):
        alone.log_in()
    lived = {verb: service.pid_of(verb) for verb in ("serve", "node")}
    with beside.at_work():
        ends = be_hostile(service, hostile, count)
    workspace_id = hostile["id"]

    def stop() -> None:
        service.api("POST", f"/workspaces/{workspace_id}/stop", 202)
        until("it has stopped", lambda: service.show(workspace_id)["status"] == "stopped", 60)

    figures: dict[str, object] = {
        "shapes": count,
        **ends,
        "neighbour's ssh true p95 alone, ms": round(alone.p95(), 1),
        "neighbour's ssh true p95 beside it, ms": round(beside.p95(), 1),
        "ratio": round(beside.p95() / alone.p95(), 2),
        "logins beside it": len(beside.seconds),
        "logins that failed": beside.failed,
        "stop, s": round(seconds_of(stop), 2),
        "delete, s": round(seconds_of(service.delete, workspace_id), 2),
        "replaced processes": [verb for verb, pid in lived.items() if service.pid_of(verb) != pid],
        "left over": left_over(workspace_id, service.data),
    }
    service.delete(quiet["id"])
    return figures


def broken_promises(figures: dict[str, object]) -> list[str]:
    """Return the figures that are not what is promised."""
    bounds = {"ratio": MOST_RATIO, "stop, s": MOST_SECONDS, "delete, s": MOST_SECONDS}
    late = [name for name, most in bounds.items() if float(str(figures[name])) > most]
    return late + [name for name in ("logins that failed", "replaced processes", "left over") if figures[name]]


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="how many shapes are made")
    count = parser.parse_args().count
    with running_service() as service:
        figures = measure(service, count)
    for name, figure in figures.items():
        print(f"{name:<42} {figure}")
    RESULTS.parent.mkdir(exist_ok=True)
    machine = {"kernel": platform.release(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    RESULTS.write_text(json.dumps({"machine": machine, "figures": figures}, indent=2) + "\n")
    if broken := broken_promises(figures):
        sys.exit(f"not as promised: {', '.join(broken)}")


if __name__ == "__main__":
    main()
