"""The units of a system manager in a container, by their control groups: CPU time and processes of each.

The groups are a workspace's own: their names are anything, and there may be thousands. Every walk goes by descriptors,
follows nothing, and is bounded; what lies beyond the bounds is in the figure of the whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from nixos_workspaces.model.automation.activity import LONGEST_NAME, MOST_UNITS

MOST_PROCESSES = 1024
"""Processes of one workspace that are looked at."""
_MOST_DEPTH = 8
_MOST_GROUPS = 1024
_PIECE = 1 << 16
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class UnitGroup:
    """One unit's control group."""

    name: str
    cpu_seconds: float
    """0 where the kernel does not count it by group."""
    processes: tuple[int, ...]


def unit_groups(top: str) -> list[UnitGroup]:
    """Return the units below a group, at most ``MOST_UNITS`` with ``MOST_PROCESSES`` together. Raises ``OSError``."""
    walk = _Walk()
    descriptor = os.open(top, _OPEN)
    try:
        walk.look_into(descriptor, 0)
    finally:
        os.close(descriptor)
    return walk.found


def shown(name: str) -> str:
    """Return a name that a workspace has chosen as it may be shown."""
    text = os.fsencode(name).decode(errors="replace")
    return "".join(one if one.isprintable() else "?" for one in text[:LONGEST_NAME])


class _Walk:
    """One walk over a tree: slices and users' managers are looked into, everything else is a unit."""

    def __init__(self) -> None:
        self.found: list[UnitGroup] = []
        self._groups = 0
        self._processes = 0

    def look_into(self, directory: int, depth: int) -> None:
        for name in self._inner(directory):
            if len(self.found) >= MOST_UNITS:
                return
            with suppress(OSError):
                group = os.open(name, _OPEN, dir_fd=directory)
                try:
                    if _holds_units(name) and depth < _MOST_DEPTH:
                        self.look_into(group, depth + 1)
                    else:
                        processes = tuple(self._members(group, depth))
                        self.found.append(UnitGroup(shown(name), _cpu_seconds(group), processes))
                finally:
                    os.close(group)

    def _members(self, group: int, depth: int) -> Iterator[int]:
        """Yield the processes of a group and of those below it."""
        with suppress(OSError):
            for word in _read(group, "cgroup.procs").split():
                if self._processes >= MOST_PROCESSES:
                    return
                if word.isdigit() and int(word) > 0:
                    self._processes += 1
                    yield int(word)
        if depth >= _MOST_DEPTH:
            return
        for name in self._inner(group):
            with suppress(OSError):
                inner = os.open(name, _OPEN, dir_fd=group)
                try:
                    yield from self._members(inner, depth + 1)
                finally:
                    os.close(inner)

    def _inner(self, directory: int) -> list[str]:
        names: list[str] = []
        with suppress(OSError), os.scandir(directory) as entries:
            for entry in entries:
                if self._groups >= _MOST_GROUPS:
                    break
                if entry.is_dir(follow_symlinks=False):
                    self._groups += 1
                    names.append(entry.name)
        return names


def _holds_units(name: str) -> bool:
    return name.endswith(".slice") or (name.startswith("user@") and name.endswith(".service"))


def _cpu_seconds(group: int) -> float:
    with suppress(OSError, ValueError, IndexError):
        for line in _read(group, "cpu.stat").splitlines():
            if line.startswith("usage_usec "):
                return int(line.split()[1]) / 1e6
    return 0.0


def _read(directory: int, name: str) -> str:
    file = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory)
    try:
        return os.read(file, _PIECE).decode(errors="replace")
    finally:
        os.close(file)
