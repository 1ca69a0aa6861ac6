"""The judgement of ssh-audit on an SSH server."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

CURVE25519 = frozenset({"curve25519-sha256", "curve25519-sha256@libssh.org"})
"""Warned of because quantum computers may break them; kept because many clients have nothing newer."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The weaknesses of an SSH server."""

    failed: frozenset[str]
    """Algorithms that are broken."""
    warned: frozenset[str]
    """Algorithms that are weak."""
    cves: tuple[str, ...]
    exchanges: int
    """How many key exchanges it offers."""


def judge(host: str, port: int) -> Judgement:
    """Ask ssh-audit about the server that listens there."""
    audit = [sys.executable, "-m", "ssh_audit.ssh_audit", "--json", "--skip-rate-test", "-p", str(port), host]
    said = subprocess.run(audit, capture_output=True, text=True, check=False, timeout=60)
    found = json.loads(said.stdout)
    algorithms = [one for part in ("kex", "key", "enc", "mac") for one in found[part]]
    failed, warned = (
        frozenset(one["algorithm"] for one in algorithms if one["notes"].get(kind)) for kind in ("fail", "warn")
    )
    return Judgement(failed, warned, tuple(map(str, found["cves"])), len(found["kex"]))
