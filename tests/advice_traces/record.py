"""Record how real processes use cores and memory, for the tests of advice: one file for each load.

``python record.py DIRECTORY [LOAD …]`` runs each load for some seconds and reads its processes' CPU time and anonymous
memory four times a second, out of ``/proc``. A test plays a recording slower, so that some seconds are some hours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

SAMPLES, APART = 24, 0.25
_TICKS = os.sysconf("SC_CLK_TCK")
_BUSY = """
import time
def work(share, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        until = time.monotonic() + share * 0.05
        while time.monotonic() < until: pass
        time.sleep(max(0.0, (1 - share) * 0.05))
"""
_HOLD = "import time\nx = bytearray({mib} * 2**20)\nfor i in range(0, len(x), 4096): x[i] = 1\n"
LOADS = {
    "idle": "import time\ntime.sleep(60)",
    "half-a-core": f"{_BUSY}work(0.5, 60)",
    "a-core": f"{_BUSY}work(0.95, 60)",
    "seldom-busy": f"{_BUSY}\nfor _ in range(9): work(0.9, 0.4); time.sleep(9)",
    "busy-a-third-of-the-time": f"{_BUSY}\nfor _ in range(9): work(0.8, 1.0); time.sleep(2)",
    "holds-300": f"{_HOLD.format(mib=300)}time.sleep(60)",
    "holds-1000": f"{_HOLD.format(mib=1000)}time.sleep(60)",
    "peak-then-little": f"{_HOLD.format(mib=600)}time.sleep(2)\ndel x\ntime.sleep(60)",
    "ramp": "import time\nx = []\nfor _ in range(200):\n x.append(b'x' * (10 * 2**20)); time.sleep(0.25)",
    "two-processes": f"{_BUSY}\nimport os\nos.fork()\nx = b'x' * (200 * 2**20)\nwork(0.4, 60)",
}
"""Programs by their names."""


def family(root: int) -> list[int]:
    """Return a process and its children."""
    return [root, *map(int, Path(f"/proc/{root}/task/{root}/children").read_text().split())]


def reading(root: int) -> tuple[float, int]:
    """Return the CPU seconds and the anonymous bytes of a process and its children."""
    ticks, anonymous = 0, 0
    for pid in family(root):
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(words[11]) + int(words[12])
        status = Path(f"/proc/{pid}/status").read_text().split("RssAnon:")
        anonymous += int(status[1].split()[0]) * 1024 if len(status) > 1 else 0
    return ticks / _TICKS, anonymous


def record(program: str) -> list[list[float]]:
    """Return the readings of a load: seconds since its begin, CPU seconds, bytes."""
    child = subprocess.Popen([sys.executable, "-c", program])
    try:
        began, found = time.monotonic(), []
        for number in range(1, SAMPLES + 1):
            time.sleep(max(0.0, began + number * APART - time.monotonic()))
            cpu, memory = reading(child.pid)
            found.append([round(time.monotonic() - began, 3), round(cpu, 2), memory])
        return found
    finally:
        for pid in reversed(family(child.pid)):
            os.kill(pid, 9)
        child.wait()


if __name__ == "__main__":
    for name in sys.argv[2:] or LOADS:
        Path(sys.argv[1], f"{name}.json").write_text(json.dumps(record(LOADS[name])) + "\n")
