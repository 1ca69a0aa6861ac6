"""Links, pipes, sockets, devices and directories swapped under the service's hands, for long: nothing of the host is
read or changed, and no answer is a 5xx.

    .venv/bin/python benchmarks/race_files.py [--operations 100000] [--add]

The suite plays a few thousand requests of the same race; what a long one saw is kept in ``results/files_race.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from system.files_race import SLOWEST, race
from system.service import running_service

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--add", action="store_true", help="Add to what is kept, instead of replacing it.")
    chosen = parser.parse_args()
    kept = RESULTS / "files_race.json"
    nothing: dict[str, Any] = {"operations": 0, "seen": {}}
    before = json.loads(kept.read_text()) if chosen.add and kept.exists() else nothing
    with running_service() as service, tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        workspace = service.create("raced", cpu=1, memory=0.5, storage=0.5)
        seen = Counter(race(service, workspace, Path(directory) / "canary", chosen.operations))
    slowest = max(seen[SLOWEST], before["seen"].get(SLOWEST, 0))
    together = dict(seen + Counter(before["seen"])) | {SLOWEST: slowest}
    found = {"operations": chosen.operations + before["operations"], "seen": together}
    print(json.dumps(found, indent=1))
    kept.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
