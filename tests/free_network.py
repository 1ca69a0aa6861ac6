"""Ranges of addresses that nothing on this machine uses: two nodes that want the same ones refuse each other."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
import random
import subprocess
from pathlib import Path

_POOL = ipaddress.IPv4Network("10.128.0.0/9")
_RESERVED = Path(f"/var/tmp/workspaces-test-networks-{os.geteuid()}")
"""A file for each range that a test process has taken: locked by the process for as long as it lives."""


def free_network(prefix: int) -> str:
    """Return a random range of ``10.128.0.0/9`` with that prefix length, and keep it for this process.

    No route of this machine overlaps it and no other test process has it, even before its node has made a route. A run
    of tests that was killed leaves its barrier behind, and another may be under way: a fixed range would fail because
    of either.
    """
    _RESERVED.mkdir(exist_ok=True)
    with (_RESERVED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        taken = [*_routes(), *_reserved()]
        while True:
            start = int(_POOL.network_address) + random.randrange(1 << 23)
            found = ipaddress.IPv4Network((start, prefix), strict=False)
            if not any(found.overlaps(other) for other in taken):
                _reserve(found)
                return str(found)


def _routes() -> list[ipaddress.IPv4Network]:
    listed = subprocess.run(["ip", "-j", "-4", "route"], check=True, capture_output=True, text=True).stdout
    return [ipaddress.IPv4Network(route["dst"]) for route in json.loads(listed) if route["dst"] != "default"]


def _reserved() -> list[ipaddress.IPv4Network]:
    """Return the ranges of processes that live, this one included, and forget those of others."""
    found = []
    for path in _RESERVED.glob("*_*"):
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append(ipaddress.IPv4Network(path.name.replace("_", "/")))
            else:
                path.unlink()
    return found


def _reserve(network: ipaddress.IPv4Network) -> None:
    """Take a range until this process ends: the descriptor stays open and no program that it starts inherits it."""
    held = os.open(_RESERVED / str(network).replace("/", "_"), os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
