"""The programs of a machine by systemd unit: CPU time, memory and processes of the groups below its own.

A workspace's root makes these groups as it likes: the walk is bounded, a name that cannot be shown is not, and nothing
that is found there is an error.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from nixos_workspaces.model.usage import LONGEST_UNIT, Program
from nixos_workspaces.node.kernel.cgroups import Hierarchies, figure, number

_MOST_GROUPS, _MOST_DEPTH, _MOST_PROCESSES = 1024, 12, 4096
_MOST_TOLD = 5
_UNITS = (".service", ".scope")
_ROOT = "init.scope"
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_TIMES = slice(11, 13)
"""User and system time among the words after a process's name in ``/proc/PID/stat``."""


@dataclass(slots=True)
class _Unit:
    """CPU time and processes of one unit."""

    cpu_seconds: float = 0.0
    processes: list[int] = field(default_factory=list)


class Look:
    """One look at a machine's units; two make rates. Blocks for up to some hundredths of a second."""

    def __init__(self, machine: Hierarchies, path: str) -> None:
        """Walk through the groups below the machine's own."""
        self.taken_at = time.monotonic()
        self.units: dict[str, _Unit] = {}
        root = machine.unified or machine.controllers.get("name=systemd")
        self._groups, self._processes = _MOST_GROUPS, _MOST_PROCESSES
        if root is not None:
            self._walk(f"{root}{path}", _ROOT, 0)

    def since(self, before: Look) -> list[Program]:
        """Return the five units that used the most CPU since an earlier look, and the five with the most memory."""
        seconds = max(self.taken_at - before.taken_at, 1e-3)
        found = []
        for name, unit in self.units.items():
            earlier = before.units.get(name)
            used = max(0.0, unit.cpu_seconds - earlier.cpu_seconds) if earlier else 0.0
            memory = sum(map(_memory, unit.processes))
            if unit.processes:
                found.append(Program(name, used / seconds, memory, len(unit.processes)))
        busiest = sorted(found, key=lambda one: (-one.cpu, one.name))
        largest = sorted(found, key=lambda one: (-one.memory_bytes, one.name))
        told = {one.name for one in (*busiest[:_MOST_TOLD], *largest[:_MOST_TOLD])}
        return [one for one in busiest if one.name in told]

    def _walk(self, group: str, unit: str, depth: int) -> float:
        """Take in a group and those below it; return the CPU seconds of all of them."""
        if depth > _MOST_DEPTH or self._groups <= 0:
            return 0.0
        self._groups -= 1
        inside = 0.0
        with suppress(OSError):
            with os.scandir(group) as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            for name in names:
                own = _shown(name) if name.endswith(_UNITS) else unit
                inside += self._walk(f"{group}/{name}", own, depth + 1)
        found = self.units.setdefault(unit, _Unit())
        processes = self._members(group)
        found.processes += processes
        used = _cpu_seconds(group)
        if used is None:  # version 1 alone counts it for no unit
            used = inside + sum(map(_process_seconds, processes))
        found.cpu_seconds += max(0.0, used - inside)
        return used

    def _members(self, group: str) -> list[int]:
        if self._processes <= 0:
            return []
        with suppress(OSError):
            words = Path(f"{group}/cgroup.procs").read_bytes().split()
            found = [int(word) for word in words[: self._processes] if word.isdigit() and word != b"0"]
            self._processes -= len(found)
            return found
        return []


def _cpu_seconds(group: str) -> float | None:
    """Return the CPU seconds of a group with all below it; None where its hierarchy does not count them."""
    with suppress(OSError):
        return figure(Path(f"{group}/cpu.stat").read_bytes(), b"usage_usec") / 1e6
    return None


def _process_seconds(process: int) -> float:
    with suppress(OSError):
        words = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
        return sum(map(number, words[_TIMES])) / _TICKS
    return 0.0


def _memory(process: int) -> int:
    """Return the memory of a process that it shares with no file."""
    with suppress(OSError):
        words = Path(f"/proc/{process}/statm").read_bytes().split()
        if len(words) > 2:  # noqa: PLR2004 - size, resident, shared
            return max(0, number(words[1]) - number(words[2])) * _PAGE
    return 0


def _shown(name: str) -> str:
    """Return the name of a unit as it may be shown: the kernel lets names hold nearly any byte."""
    shown = "".join(filter(str.isprintable, os.fsencode(name).decode(errors="replace")))
    return shown[:LONGEST_UNIT]
