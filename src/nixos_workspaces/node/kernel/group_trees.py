"""Trees of control groups whose shape a workspace's root decides: emptied of processes and removed.

Depth, number and names are not bounded by version 1, so nothing here recurses, holds a descriptor for each level or
uses a path longer than one name.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from enum import Enum
from itertools import islice
from pathlib import Path

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_AT_ONCE = 1024


class Removal(Enum):
    """How far a removal has come."""

    DONE = "done"
    """The tree is gone."""
    ADVANCED = "advanced"
    """Groups were removed, others are left."""
    STUCK = "stuck"
    """Nothing could be removed: processes have not ended yet."""


def remove_tree(top: str, until: float) -> Removal:
    """Kill the processes that are met and remove empty groups, from the leaves on, until that monotonic time."""
    walk = _Walk(top)
    try:
        return walk.run(until)
    except FileNotFoundError:
        return Removal.ADVANCED if os.path.lexists(top) else Removal.DONE
    finally:
        walk.close()


class _Walk:
    """One descent into a tree: a descriptor of the present group, and the names that lead to it."""

    def __init__(self, top: str) -> None:
        parent, self._name = os.path.split(top)
        self._here = os.open(parent, _OPEN) if os.path.isdir(parent) else -1  # noqa: PTH112 - the parent is ours
        self._way: list[str] = []
        self._removed = 0

    def close(self) -> None:
        if self._here >= 0:
            os.close(self._here)
            self._here = -1

    def run(self, until: float) -> Removal:
        if self._here < 0:
            return Removal.DONE
        self._enter(self._name)
        while time.monotonic() < until:
            inner = self._first_kept()
            if inner is not None:
                self._enter(inner)
            elif not self._leave_and_remove():
                break
            elif not self._way:
                return Removal.DONE
        return Removal.ADVANCED if self._removed else Removal.STUCK

    def _enter(self, name: str) -> None:
        self._move(name)
        self._way.append(name)
        _kill(self._here)

    def _first_kept(self) -> str | None:
        """Remove groups right below the present one; return the first that cannot be removed yet."""
        while True:
            names = list(islice(_groups(self._here), _AT_ONCE))
            for name in names:
                try:
                    os.rmdir(name, dir_fd=self._here)
                except FileNotFoundError:
                    continue
                except OSError:
                    return name
                self._removed += 1
            if len(names) < _AT_ONCE:
                return None

    def _leave_and_remove(self) -> bool:
        """Go back to the parent and remove the group that was left; returns whether it is gone."""
        name = self._way.pop()
        self._move("..")
        try:
            os.rmdir(name, dir_fd=self._here)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        self._removed += 1
        return True

    def _move(self, name: str) -> None:
        there = os.open(name, _OPEN, dir_fd=self._here)
        os.close(self._here)
        self._here = there


def _groups(directory: int) -> Iterator[str]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield entry.name


def _kill(directory: int) -> None:
    """Kill every process of one group: at once where the kernel can, else one after the other."""
    for name, flags in (("cgroup.kill", os.O_WRONLY), ("cgroup.procs", os.O_RDONLY)):
        try:
            file = os.open(name, flags | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory)
        except OSError:
            continue
        with contextlib.suppress(OSError):
            if flags == os.O_WRONLY:
                os.write(file, b"1")
            else:
                _kill_listed(file)
        os.close(file)


def _kill_listed(file: int) -> None:
    text = Path(f"/proc/self/fd/{file}").read_bytes()
    for word in text.split():
        if word.isdigit() and int(word) > 0:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(word), signal.SIGKILL)
