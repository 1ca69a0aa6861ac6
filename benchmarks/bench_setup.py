"""How long a new machine takes to its first workspace: set-up, create, ssh, in minimal roots of Debian.

    python3 dev.py bench bench_setup        both suites; figures go to results/setup.json
    .venv/bin/python benchmarks/bench_setup.py trixie

The package registries are those of this machine: their speed is part of the figures. The roots share its network: run
no other node meanwhile, for Debian 12's libnftables crashes on the rules that Debian 13's has loaded.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from free_network import free_network
from fresh_root import FreshRoot, fresh_root, interrupt
from system.service import free_port
from waiting import until

RESULTS = Path(__file__).resolve().parent / "results"
SUITES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
_LINK = re.compile(r"^Sign in, once, within an hour: (\S+)$", re.MULTILINE)
_STEP = re.compile(r"^dev: ([a-z ]+) done in ([\d.]+) s$", re.MULTILINE)


def measure(suite: str) -> dict[str, object]:
    """Return the seconds of every step in one new root."""
    figures: dict[str, object] = {"load before": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory() as kept, fresh_root(suite) as root:
        output, port = Path(kept) / "output", free_port()
        figures["python"] = root.run("python3", "--version").split()[1]
        begun = time.monotonic()
        started = root.start(
            "python3", "dev.py", "run", "--port", str(port), output=output, NIXWS_NETWORK=free_network(16)
        )
        try:
            until("the login link", lambda: started.poll() is not None or _LINK.search(output.read_text()), 1800)
            if started.poll() is not None:
                sys.exit(output.read_text())
            figures["dev.py run to the login link"] = _since(begun)
            figures["steps"] = {name: float(seconds) for name, seconds in _STEP.findall(output.read_text())}
            figures |= use(root, f"http://127.0.0.1:{port}")
        finally:
            interrupt(started)
        begun = time.monotonic()
        output.write_text("")
        started = root.start(
            "python3", "dev.py", "run", "--port", str(port), output=output, NIXWS_NETWORK=free_network(16)
        )
        try:
            until("the second start", lambda: "answers at" in output.read_text(), 120)
            figures["dev.py run again"] = _since(begun)
        finally:
            interrupt(started)
    return figures


def use(root: FreshRoot, url: str) -> dict[str, object]:
    """Return the seconds of two creates and an ssh command."""
    figures: dict[str, object] = {}
    wanted = ("--cpu", "1", "--memory", "0.5", "--storage", "0.5", "--template", "minimal")
    for name, what in (
        ("first", "first workspace, its environment built"),
        ("second", "second workspace, same environment"),
    ):
        begun = time.monotonic()
        root.run(".venv/bin/nixws", "create", name, *wanted, timeout=900, NIXWS_URL=url)
        figures[what] = _since(begun)
    begun = time.monotonic()
    root.run(".venv/bin/nixws", "ssh", "first", "--", "true", NIXWS_URL=url)
    figures["nixws ssh true"] = _since(begun)
    figures["store, MB"] = int(root.run("du", "-sm", "--exclude=.links", "/nix/store", timeout=600).split()[0])
    for name in ("first", "second"):
        root.run(".venv/bin/nixws", "delete", name, "--yes", NIXWS_URL=url)
    return figures


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 1)


def main() -> None:
    results = RESULTS / "setup.json"
    figures = json.loads(results.read_text()) if results.exists() else {}
    for suite in sys.argv[1:] or SUITES:
        figures[SUITES[suite]] = measure(suite)
        print(json.dumps({SUITES[suite]: figures[SUITES[suite]]}, indent=1))
    figures["unit"] = f"seconds; {os.cpu_count()} cores, shared with other work where the load says so"
    results.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
