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
from benchmarks.terminal.peers import OURS, PEERS, PLAIN, running
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


def main(description: str) -> None:
    """Measure, print, keep."""
    # Ctrl-C works even if whoever started this ignores it, and so do the children's.
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.default_int_handler)
    chosen = _options(description)
    amounts = {
        name: getattr(chosen, name) for name in ("keys", "rounds", "megabytes", "terminals", "typists", "seconds")
    }
    with workspace() as place, running(chosen.peers, place.far_end) as ways:
        setting = Setting(place, ways, chosen.peers, **amounts)
        for name in chosen.measures:
            result = uvloop.run(MEASURES[name](setting))
            print(result.table(name, PLAIN), flush=True)
            if not chosen.no_save:
                _keep(name, {"amounts": amounts} | result.as_json(PLAIN))


def _options(description: str) -> argparse.Namespace:
    there = tuple(peer for peer in PEERS if peer not in software.missing())
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measures", default=",".join(MEASURES), help=f"some of {','.join(MEASURES)} (default: all)")
    parser.add_argument("--peers", default=",".join(there), help=f"some of {','.join(PEERS)} (default: all)")
    parser.add_argument("--keys", type=int, default=2000, help="typed at each peer (default 2000)")
    parser.add_argument("--rounds", type=int, default=5, help="of whatever is not a key (default 5)")
    parser.add_argument("--megabytes", type=float, default=20, help="of each flood (default 20)")
    parser.add_argument("--terminals", type=int, default=500, help="open at once (default 500)")
    parser.add_argument("--typists", type=int, default=200, help="at 5 keys a second each (default 200)")
    parser.add_argument("--seconds", type=float, default=5, help="of typists' rounds and a stalled client (default 5)")
    parser.add_argument("--no-save", action="store_true", help="print only")
    chosen = parser.parse_args()
    chosen.measures, chosen.peers = tuple(chosen.measures.split(",")), tuple(chosen.peers.split(","))
    if unknown := {*chosen.measures} - {*MEASURES} or {*chosen.peers} - {*there}:
        parser.error(f"not here: {', '.join(sorted(unknown))}")
    if OURS not in chosen.peers:
        parser.error(f"{OURS} is what is measured")
    return chosen


def _keep(name: str, measured: dict[str, object]) -> None:
    """Put one measure's result in the place of its former one; results of another machine go."""
    here = _machine()
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    measures = kept["measures"] if kept.get("machine") == here else {}
    measures[name] = measured
    content = {"machine": here, "measures": {known: measures[known] for known in MEASURES if known in measures}}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


def _machine() -> dict[str, object]:
    """Describe where the figures come from, and what was measured."""
    return {
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "memory_mib": int(Path("/proc/meminfo").read_text().split()[1]) // 1024,
        "python": platform.python_version(),
        "software": software.versions(),
    }
