"""Idle truth: labelled scenarios as real processes, what the service makes of them, and how soon a pause is over.

    .venv/bin/python benchmarks/bench_idle.py [--only TEXT] [--workspaces N] [--rounds N] [--no-wake]

Every scenario of ``idle/scenarios.py`` runs in a real workspace whose policy pauses it after 10 seconds without work;
looks are 2 seconds apart (in use: minutes, and 20 seconds). The service decides by itself, timers included. A
workspace that is not paused within 26 seconds counts as working. Beside it stands the usual way, "connections only":
a workspace works as long as anything outside is connected to it (a terminal, SSH, a socket).

Waking is measured through the service: a key in an open terminal until its echo, a key in an open session of the SSH
gateway, a request for a page, each to a workspace that the service itself has paused; a new SSH login until its output,
beside the same to a workspace that runs; and a new terminal's first output in one that it has stopped.

Prints both tables and writes ``results/idle.json`` with every scenario.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import platform
import queue
import statistics
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "tests"))

from benchmarks.idle import clients, waking
from benchmarks.idle.scenarios import ALL, Scenario
from system.service import Service, free_port, running_service

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ["python3", "gcc", "gnumake", "ninja", "gdb", "vim", "tmux", "redis", "rsync", "nodejs", "wget", "curl",
            "gzip", "procps", "less", "findutils", "gnutar"]  # fmt: skip
POLICY = {"pause_after": "10s", "warn": "1s"}
SETTLE_SECONDS = 4.0
MOST_SECONDS = 26.0
LOOPBACK = ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")


def outside_connections(service: Service, made: dict[str, Any]) -> int:
    """Return how many connections from outside a workspace has, without the one that asks."""
    count = -1
    for line in service.ssh(made, "cat /proc/net/tcp /proc/net/tcp6").splitlines():
        words = line.split()
        if len(words) > 3 and words[3] == "01" and words[2].partition(":")[0] not in LOOPBACK:
            count += 1
    return max(0, count)


def status_of(service: Service, made: dict[str, Any]) -> str:
    """Return the status as lists tell it: asking for one workspace looks into it, which is work."""
    found = service.api("GET", "/workspaces?limit=50")["workspaces"]
    return str(next(one["status"] for one in found if one["id"] == made["id"]))


def judged(service: Service, made: dict[str, Any], one: Scenario) -> dict[str, Any]:
    """Run one scenario; return what the service and the usual way made of it."""
    where = f"/workspaces/{made['id']}"
    script = base64.b64encode(one.script.encode()).decode()
    start = (
        f"rm -rf ~/b ~/n ~/in ~/p; echo {script} | base64 -d > ~/s.sh; "
        'systemd-run --user --quiet --collect --unit=scenario --setenv=PATH="$PATH" --setenv=HOME="$HOME" bash ~/s.sh'
    )
    service.ssh(made, start)
    with clients.running(service, made, one.client):
        time.sleep(SETTLE_SECONDS)
        attached = one.client.partition(":")[0] in {"terminal", "typing"}
        by_connections = attached or outside_connections(service, made) > 0
        service.api("PUT", f"{where}/idle", json=POLICY | {"units": list(one.units)})
        began, status = time.monotonic(), "running"
        while status == "running" and time.monotonic() - began < MOST_SECONDS:
            time.sleep(1.0)
            status = status_of(service, made)
        took = time.monotonic() - began
        told = service.api("GET", f"{where}/idle")["idle"]
        service.api("PUT", f"{where}/idle", json={})
        if status != "running":
            service.api("POST", f"{where}/start", 202)
            service.reaches(made["id"], "running")
    service.ssh(
        made,
        "systemctl --user stop scenario soon.timer late.timer keep-me 2>/dev/null; tmux -L t kill-server",
        check=False,
    )
    works = status == "running"
    print(
        f"{'ok   ' if works is one.works else 'WRONG'} {'works' if works else 'rests'} {took:4.0f} s  {one.name}",
        flush=True,
    )
    return asdict(one) | {
        "judged_working": works,
        "by_connections_working": by_connections,
        "seconds": round(took, 1),
        "because": [f"{said['code']} {said['values']}" for said in told["because"]],
    }


def all_judged(service: Service, chosen: list[Scenario], count: int) -> list[dict[str, Any]]:
    """Run all scenarios, so many workspaces at a time."""
    waiting: queue.SimpleQueue[Scenario] = queue.SimpleQueue()
    for one in chosen:
        waiting.put(one)
    results: list[dict[str, Any]] = []
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            made = service.create(
                f"bench-{number}", cpu=1, memory=1, storage=2, packages=PACKAGES, ports=[clients.PORT], canaries=False
            )
            service.ssh(made, "true")
            with contextlib.suppress(queue.Empty):
                while True:
                    results.append(judged(service, made, waiting.get_nowait()))
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    return results


def table(results: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """Return the confusion of one way of judging."""
    right = sum(one[key] is one["works"] for one in results)
    return {
        "right": right,
        "of": len(results),
        "percent": round(100 * right / len(results), 1),
        "working machines that would rest": sum(one["works"] and not one[key] for one in results),
        "idle machines that stay awake": sum(one[key] and not one["works"] for one in results),
    }


def main() -> None:
    """Judge, measure, print and write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "--only", default="", help="scenarios whose name holds this (or: a|b); the others keep their results"
    )
    options.add_argument("--workspaces", type=int, default=4)
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--no-wake", action="store_true")
    options.add_argument("--no-scenarios", action="store_true")
    chosen = options.parse_args()
    path = RESULTS / "idle.json"
    result: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    result["machine"] = {
        "kernel": platform.release(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }
    if not chosen.no_scenarios:
        scenarios = [one for one in ALL if any(part in one.name for part in chosen.only.split("|"))]
        with running_service(NIXWS_IDLE_LOOK="2") as service:
            found = all_judged(service, scenarios, min(chosen.workspaces, len(scenarios)))
        again = {one["name"] for one in found}
        found += [one for one in result.get("scenarios", []) if one["name"] not in again]
        order = [each.name for each in ALL]
        found.sort(key=lambda one: order.index(one["name"]))
        result["policy"] = POLICY | {"look seconds": 2, "most seconds": MOST_SECONDS}
        result["judged"] = {
            "ours": table(found, "judged_working"),
            "connections only": table(found, "by_connections_working"),
        }
        result["scenarios"] = found
        print(json.dumps(result["judged"], indent=1))
    if not chosen.no_wake:
        settings = {"NIXWS_SSH_PORT": str(free_port()), "NIXWS_IDLE_LOOK": "0.5"}
        times = waking.measured(settings, chosen.rounds)
        result["waking"] = {
            name: {"p50 ms": round(statistics.median(each), 1), "worst ms": round(max(each), 1), "rounds": len(each)}
            for name, each in times.items()
        }
        print(json.dumps(result["waking"], indent=1))
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
