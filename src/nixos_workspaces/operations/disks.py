"""The disks that the service writes to: which of them are about to be full."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from nixos_workspaces.model.machine import BYTES_PER_GB
from nixos_workspaces.model.service import HealthItem, Sentence

SHARE = 0.02
"""The part of a disk that builds and new workspaces leave alone, so that all else goes on."""

SHORT_SHARE = 0.1
"""The part of a disk below which garbage is collected more often."""


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk, by what the service keeps on it."""

    purpose: str
    path: Path
    total: int
    free: int

    @property
    def is_full(self) -> bool:
        """Whether no more than ``SHARE`` of it is left."""
        return self.free < self.total * SHARE

    @property
    def is_short(self) -> bool:
        """Whether so little is left that garbage is worth collecting."""
        return self.free < self.total * SHORT_SHARE

    def finding(self) -> Sentence:
        """Return how much is left."""
        values = {
            "path": str(self.path),
            "purpose": self.purpose,
            "free": f"{self.free / BYTES_PER_GB:.3g}",
            "total": f"{self.total / BYTES_PER_GB:.3g}",
            "share": f"{self.free / max(self.total, 1) * 100:.1f}",
        }
        return Sentence("disk.full" if self.is_full else "disk.short" if self.is_short else "disk.room", values)


class Disks:
    """Looks at the disks of some directories, each disk once."""

    def __init__(
        self, directories: Mapping[str, Path], optional: Collection[str] = (), owed: Callable[[], int] = lambda: 0
    ) -> None:
        """Look at these directories by their purpose; one that does not exist yet is on the disk of its parent.

        Work goes on without room for what is ``optional``. ``owed`` tells the bytes of the first one's disk that are
        lent out of a reserve: they are not free.
        """
        self._directories = directories
        self._optional = optional
        self._owed = owed

    def look(self) -> list[Disk]:
        """Return every disk as it is now; one that cannot be asked is left out."""
        found: dict[int, Disk] = {}
        for purpose, path in self._directories.items():
            there = next(place for place in (path, *path.parents) if place.exists())
            try:
                device, figures = there.stat().st_dev, os.statvfs(there)
            except OSError:
                continue
            total, free = figures.f_blocks * figures.f_frsize, figures.f_bavail * figures.f_frsize
            owed = 0 if found else self._owed()
            found.setdefault(device, Disk(purpose, path, total, max(free - owed, 0)))
        return list(found.values())

    def full(self) -> Sentence | None:
        """Return the reason not to build or to make anything now; None where there is none."""
        full = (one.finding() for one in self.look() if one.is_full and one.purpose not in self._optional)
        return next(full, None)

    def is_short(self) -> bool:
        """Tell whether one of them has so little left that garbage is worth collecting."""
        return any(one.is_short for one in self.look())

    def items(self) -> list[HealthItem]:
        """Return the finding about every disk."""
        return [HealthItem(f"disk_{disk.purpose}", not disk.is_full, disk.finding()) for disk in self.look()]
