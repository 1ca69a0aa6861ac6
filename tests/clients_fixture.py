"""Clients of others, in an environment of their own: their needs must not meet what the service is pinned to."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "tests" / "clients.lock"
NODE = ROOT / ".dev" / "node" / "node"
"""Node.js with the packages of ``ui/``, of which one is a client of tus."""


@cache
def clients() -> Path:
    """Return the directory of the clients' programs, after installing what ``clients.lock`` pins."""
    home, stamp = ROOT / ".dev" / "clients", ROOT / ".dev" / "clients.done"
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    with (ROOT / ".dev" / "clients.taken").open("w") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
            pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
            subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", str(LOCK)], check=True)
            stamp.write_text(wanted)
    return home / "bin"
