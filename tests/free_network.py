"""Ranges of addresses that nothing on this machine uses: two nodes that want the same ones refuse each other."""

from __future__ import annotations

import ipaddress
import json
import random
import subprocess

_POOL = ipaddress.IPv4Network("10.128.0.0/9")


def free_network(prefix: int) -> str:
    """Return a random range of ``10.128.0.0/9`` with that prefix length, which no route of this machine overlaps.

    A run of tests that was killed leaves its barrier behind, and another may be under way: a fixed range would fail
    because of either.
    """
    listed = subprocess.run(["ip", "-j", "-4", "route"], check=True, capture_output=True, text=True).stdout
    taken = [ipaddress.IPv4Network(route["dst"]) for route in json.loads(listed) if route["dst"] != "default"]
    while True:
        start = int(_POOL.network_address) + random.randrange(1 << 23)
        found = ipaddress.IPv4Network((start, prefix), strict=False)
        if not any(found.overlaps(other) for other in taken):
            return str(found)
