"""An index as large as that of nixpkgs, of made-up names."""

from __future__ import annotations

import random

from nixos_workspaces.model.environment import Package
from nixos_workspaces.nix.index import PackageIndex

COUNT = 100_000
RARE = "zebrafinch"
_PARTS = (
    "lib",
    "py",
    "rust",
    "go",
    "net",
    "graph",
    "text",
    "zip",
    "test",
    "core",
    "util",
    "json",
    "async",
    "web",
    "db",
)
_WORDS = ("library", "for", "the", "Python", "fast", "tool", "to", "read", "and", "write", "files", "client", "simple")


def large_index() -> PackageIndex:
    """Return ``COUNT`` packages, one of them ``RARE``; the same each time."""
    chosen = random.Random(1)
    names = {RARE}
    while len(names) < COUNT:
        letters = "".join(chosen.choices("abcdefghijklmnopqrstuvwxyz", k=3))
        names.add("-".join(chosen.choices(_PARTS, k=chosen.randint(1, 3))) + "." + letters)
    return PackageIndex(Package(name, "1.0", " ".join(chosen.choices(_WORDS, k=8))) for name in sorted(names))
