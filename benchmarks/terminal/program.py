"""The command line: chooses measures and peers, prints tables, keeps results."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
from pathlib import Path

import uvloop
from benchmarks.terminal import bulk, latency, memory, software
from benchmarks.terminal.far_end import workspace
from benchmarks.terminal.peers import PEERS, PLAIN, running
from benchmarks.terminal.setting import Setting

RESULTS = Path(__file__).resolve().parent.parent / "results" / "terminal.json"
MEASURES = {
    "echo": latency.echo,
    "neighbour": latency.neighbour,
    "flood": bulk.flood,
    "interrupt": bulk.interrupt,
    "stalled": memory.stalled,
    "crowd": memory.crowd,
    "typists": latency.typists,
    "prompt": latency.prompt,
    "replay": bulk.replay,
}


def machine() -> dict[str, object]:
    """Describe where the figures come from."""
    return {
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "memory_mib": int(Path("/proc/meminfo").read_text().split()[1]) // 1024,
        "python": platform.python_version(),
        "software": software.versions(),
    }


def keep(name: str, measured: dict[str, object]) -> None:
    """Put one measure's result in the place of its former one; results of another machine go."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    here = machine()
    measures = kept.get("measures", {}) if kept.get("machine") == here else {}
    measures[name] = measured
    content = {"machine": here, "measures": {known: measures[known] for known in MEASURES if known in measures}}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


def options(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measures", default=",".join(MEASURES), help=f"of {', '.join(MEASURES)} (default: all)")
    parser.add_argument("--peers", default=",".join(PEERS), help=f"of {', '.join(PEERS)} (default: all)")
    parser.add_argument("--keys", type=int, default=2000, help="keys of each peer (default 2000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of what is not a key (default 5)")
    parser.add_argument("--megabytes", type=float, default=20, help="of a flood (default 20)")
    parser.add_argument("--terminals", type=int, default=500, help="open at once (default 500)")
    parser.add_argument("--typists", type=int, default=200, help="at 5 keys a second each (default 200)")
    parser.add_argument(
        "--seconds", type=float, default=5, help="of a round of typists or a stalled client (default 5)"
    )
    parser.add_argument("--no-save", action="store_true", help="print only")
    return parser.parse_args()


def main(description: str) -> None:
    """Measure, print, keep."""
    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.default_int_handler)
    chosen = options(description)
    peers = tuple(chosen.peers.split(","))
    with workspace() as place, running(peers, place.far_end) as ways:
        setting = Setting(
            place=place,
            ways=ways,
            peers=peers,
            keys=chosen.keys,
            rounds=chosen.rounds,
            megabytes=chosen.megabytes,
            terminals=chosen.terminals,
            typists=chosen.typists,
            seconds=chosen.seconds,
        )
        for name in chosen.measures.split(","):
            result = uvloop.run(MEASURES[name](setting))
            print(result.table(name, PLAIN), flush=True)
            if not chosen.no_save:
                keep(name, result.as_json(PLAIN))
