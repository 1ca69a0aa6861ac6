"""Find the Debian packages that a list of attributes needs.

Debian's dependency graph is larger than what a relocated tree needs at run time (maintainer scripts, boot machinery)
and has cycles, which Nix cannot have: packages of the ``skip`` list are left out, and every cycle is cut where it
closes.
"""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any


@dataclass(frozen=True)
class DebianPackage:
    """One package of the index."""

    name: str
    full_version: str
    path: str
    sha256: str
    description: str
    installed_bytes: int
    """The size of its files once it is unpacked."""
    wanted: tuple[tuple[str, ...], ...]
    """Its dependencies: of each group one name must be there."""
    provides: tuple[str, ...]
    dependencies: tuple[str, ...] = ()
    """The names chosen for ``wanted``."""

    @property
    def file(self) -> str:
        """The name under which it is kept: its hash makes it unique for ever."""
        return f"{self.sha256[:12]}-{PurePosixPath(self.path).name}"

    def locked(self) -> dict[str, Any]:
        """Return its entry of ``lock.json``, for the Nix files."""
        version = re.sub(r"^\d+:", "", self.full_version)
        return {
            "version": version,
            "file": self.file,
            "sha256": self.sha256,
            "description": self.description,
            "size": self.installed_bytes,
            "dependencies": list(self.dependencies),
        }


@dataclass(frozen=True)
class Resolution:
    """The packages that are needed, by name, without cycles."""

    packages: Mapping[str, DebianPackage]

    def missing_from(self, store: Path) -> list[str]:
        """Return the names of those that a directory does not hold yet."""
        return sorted(name for name, package in self.packages.items() if not (store / package.file).is_file())


@dataclass(frozen=True)
class Index:
    """All packages of a suite, the newest version of each, and the providers of each name."""

    packages: dict[str, DebianPackage] = field(default_factory=dict)
    providers: dict[str, list[str]] = field(default_factory=dict)


def read_index(stanzas: Iterable[Mapping[str, str]]) -> Index:
    """Read the package lists; of a package in several suites the newest version counts."""
    index = Index()
    for stanza in stanzas:
        package = _package(stanza)
        known = index.packages.get(package.name)
        if known is None or _newer(package.full_version, known.full_version):
            index.packages[package.name] = package
    for name in sorted(index.packages):
        for provided in index.packages[name].provides:
            index.providers.setdefault(provided, []).append(name)
    return index


def resolve(index: Index, packages: Mapping[str, Any]) -> Resolution:
    """Return the packages that attributes of ``packages.json`` need; raise ``ValueError`` naming an unknown one."""
    skip = frozenset(packages["skip"])
    attributes = [*packages["attributes"].values(), *packages["python3Packages"].values()]
    roots = [name for attribute in attributes for name in attribute.get("debs", [])]
    chosen: dict[str, DebianPackage] = {}
    todo = [*packages["always"], *packages["foreign"], *roots]
    while todo:
        name = todo.pop()
        if name in chosen:
            continue
        if name not in index.packages:
            raise ValueError(f"packages.json names the Debian package {name}, which the suite does not have.")
        chosen[name] = replace(index.packages[name], dependencies=_choose(index, name, skip))
        todo += chosen[name].dependencies
    # libc6 needs nothing; starting at the roots cuts cycles on their far side, where nobody asked for the package.
    return Resolution(_without_cycles(chosen, ["libc6", *roots, *sorted(chosen)]))


def _choose(index: Index, name: str, skip: frozenset[str]) -> tuple[str, ...]:
    picked: list[str] = []
    for group in index.packages[name].wanted:
        if not skip.isdisjoint(group):
            continue
        known = [alternative for alternative in group if alternative in index.packages]
        provided = [provider for alternative in group for provider in index.providers.get(alternative, [])]
        pick = next(iter((*known, *provided)), None)
        if pick and pick not in skip and pick not in picked:
            picked.append(pick)
    return tuple(picked)


def _without_cycles(chosen: Mapping[str, DebianPackage], order: list[str]) -> dict[str, DebianPackage]:
    """Drop each dependency that leads back to a package still being visited."""
    result: dict[str, DebianPackage] = {}
    open_names: set[str] = set()

    def visit(name: str) -> None:
        open_names.add(name)
        wanted = (
            () if name == "libc6" else tuple(other for other in chosen[name].dependencies if other not in open_names)
        )
        for other in wanted:
            if other not in result:
                visit(other)
        open_names.remove(name)
        result[name] = replace(chosen[name], dependencies=wanted)

    for name in order:
        if name not in result:
            visit(name)
    return result


def _package(stanza: Mapping[str, str]) -> DebianPackage:
    wanted = [
        tuple(re.split(r"[\s:(]", alternative.strip())[0] for alternative in group.split("|"))
        for part in ("Pre-Depends", "Depends")
        for group in filter(None, re.split(r"\s*,\s*", stanza.get(part, "")))
    ]
    provides = tuple(group.split()[0] for group in filter(None, re.split(r"\s*,\s*", stanza.get("Provides", ""))))
    return DebianPackage(
        name=stanza["Package"],
        full_version=stanza["Version"],
        path=stanza["Filename"],
        sha256=stanza["SHA256"],
        description=stanza.get("Description", ""),
        installed_bytes=int(stanza.get("Installed-Size", "0")) * 1024,
        wanted=tuple(wanted),
        provides=provides,
    )


@functools.cache
def _newer(candidate: str, known: str) -> bool:
    """Compare two versions by Debian's own rules."""
    if candidate == known:
        return False
    return subprocess.run(["dpkg", "--compare-versions", candidate, "gt", known], check=False).returncode == 0
