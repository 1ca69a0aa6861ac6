"""The processes of a workspace as far as they tell of work: name, state, disks, terminal.

Only files that the kernel answers by itself are read: reading a process's command line or environment touches its
memory, which it can make wait for ever.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from nixos_workspaces.node.kernel.unit_groups import shown

LOOK_SECONDS = 0.3
"""Longest time for one look at a workspace's processes."""
_PIECE = 4096
_TRACED = "t"
_TERMINALS = range(136, 144)
"""The major numbers of pseudo-terminals (Documentation/admin-guide/devices.txt)."""
_STATE_AT, _TERMINAL_AT = 0, 4


@dataclass
class Look:
    """The findings of a look at processes so far."""

    until: float
    """``time.monotonic()`` at which it ends."""
    programs: set[str] = field(default_factory=set)
    traced: set[str] = field(default_factory=set)
    last_read: float = 0.0
    """The time at which a program last read from a terminal; 0: never."""

    def add(self, processes: Iterable[int]) -> int:
        """Look at these processes; return the bytes that they read from and wrote to disks."""
        count = 0
        for process in processes:
            if time.monotonic() > self.until:
                break
            with suppress(OSError, ValueError, IndexError):
                count += self._one(process)
        return count

    def _one(self, process: int) -> int:
        text = _read(f"/proc/{process}/stat")
        name = shown(text[text.index("(") + 1 : text.rindex(")")])
        values = text[text.rindex(")") + 1 :].split()
        self.programs.add(name)
        if values[_STATE_AT] == _TRACED:
            self.traced.add(name)
        if values[_TERMINAL_AT] != "0":
            self.last_read = max(self.last_read, _last_read(process))
        return _disk_bytes(process)


def _last_read(process: int) -> float:
    """Return when the terminal that is a process's input was last read from; 0 where it has none."""
    with suppress(OSError):
        place = f"/proc/{process}/fd/0"
        if os.readlink(place).startswith("/dev/pts/"):  # noqa: PTH115 - many
            seen = os.stat(place)  # noqa: PTH116
            if stat.S_ISCHR(seen.st_mode) and os.major(seen.st_rdev) in _TERMINALS:
                return min(seen.st_atime, time.time())
    return 0.0


def _disk_bytes(process: int) -> int:
    count = 0
    with suppress(OSError, ValueError):
        for line in _read(f"/proc/{process}/io").splitlines():
            if line.startswith(("read_bytes:", "write_bytes:")):
                count += int(line.partition(":")[2])
    return count


def _read(path: str) -> str:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, _PIECE).decode(errors="replace")
    finally:
        os.close(file)
