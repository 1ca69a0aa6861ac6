"""Sizes that change by themselves, under a real build: compilers beside each other until memory and cores run short.

    .venv/bin/python benchmarks/bench_scaling.py

A workspace of a quarter of a core and 256 MB may have as much as two cores and 1 GB. Inside, make compiles C programs,
six at a time, each of which needs more memory than the last. Told are the time to the first step up, the largest size,
OOM kills, and how long after the build it had its first size again beside the time that the service states. Writes
``results/scaling.json``; ends with an error where a bound is missed.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from system.service import Service, running_service
from waiting import until

RESULTS = Path(__file__).resolve().parent / "results"
LEAST, MOST = {"cpu": 0.25, "memory": 0.25}, {"cpu": 2.0, "memory": 1.0}
MOST_UP_SECONDS = 10.0
BUILD = """
set -e
mkdir -p ~/build && cd ~/build
for n in $(seq 24); do
  { echo "struct s$n { int a[8]; };"
    for f in $(seq $((n * 60))); do
      echo "int f${n}_$f(int x) { int s = 0; for (int i = 0; i < x; i++) s += i * $f ^ x; return s + $n; }"
    done; } > part$n.c
done
printf 'all: %s\\n' "$(seq -f 'part%g.o' -s ' ' 24)" > Makefile
make -s -j6 CC=gcc CFLAGS='-O3 -g3' && ls *.o | wc -l
"""


@dataclass
class Sizes:
    """The sizes that a workspace was seen with."""

    service: Service
    workspace_id: str
    ended: threading.Event = field(default_factory=threading.Event)
    seen: list[tuple[float, float, float]] = field(default_factory=list)
    """Seconds, cores and GB, whenever they changed."""

    def follow(self) -> None:
        """Look twice a second until the end."""
        while not self.ended.wait(0.5):
            told = self.service.api("GET", f"/workspaces/{self.workspace_id}/autoscale")["size"]
            now = time.monotonic(), float(told["cpu"]), float(told["memory"])
            if not self.seen or self.seen[-1][1:] != now[1:]:
                self.seen.append(now)


def measured(service: Service) -> dict[str, Any]:
    """Build, and watch."""
    made = service.create(
        "built", cpu=LEAST["cpu"], memory=LEAST["memory"], storage=1, packages=["gcc", "gnumake"], canaries=False
    )
    where = f"/workspaces/{made['id']}"
    bounds = {name: {"min": LEAST[name], "max": MOST[name]} for name in LEAST}
    told = service.api("PUT", f"{where}/autoscale", json=bounds | {"down_after": "1m"})
    sizes = Sizes(service, made["id"])
    watching = threading.Thread(target=sizes.follow, daemon=True)
    watching.start()
    service.ssh(made, "true")
    began = time.monotonic()
    objects = service.ssh(made, BUILD, timeout=600)
    ended = time.monotonic()
    until("it is small again", lambda: sizes.seen[-1][1:] == tuple(LEAST.values()), 600)
    sizes.ended.set()
    watching.join()
    first = next(at for at, cpu, memory in sizes.seen if (cpu, memory) > tuple(LEAST.values()) and at > began)
    decisions = service.api("GET", f"{where}/autoscale")["decisions"]
    return {
        "objects built": int(objects.split()[-1]),
        "build seconds": round(ended - began, 1),
        "first step up after seconds": round(first - began, 1),
        "largest": {"cores": max(one[1] for one in sizes.seen), "GB": max(one[2] for one in sizes.seen)},
        "OOM kills": service.show(made["id"])["metrics"]["oom_kills"],
        "small again after seconds": round(sizes.seen[-1][0] - ended, 1),
        "stated": told["down_within"],
        "decisions": [f"{one['kind']} {one['reason']['code']}" for one in reversed(decisions)],
    }


def main() -> None:
    """Measure, print and write."""
    with running_service() as service:
        result = {
            "machine": {"kernel": platform.release(), "cores": len(os.sched_getaffinity(0))},
            **measured(service),
        }
    print(json.dumps(result, indent=1))
    (RESULTS / "scaling.json").write_text(json.dumps(result, indent=1) + "\n")
    is_late = result["first step up after seconds"] > MOST_UP_SECONDS
    is_late |= result["small again after seconds"] > result["stated"] + MOST_UP_SECONDS
    if result["OOM kills"] or result["objects built"] != 24 or is_late:
        sys.exit("A bound is missed.")


if __name__ == "__main__":
    main()
