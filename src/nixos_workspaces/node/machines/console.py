"""The console of a machine while it boots: a file in a small file system in memory of its own.

The kernel bounds it, whether a node runs or not: the first mebibyte is kept, the rest is refused to the printer. It
is in memory because a workspace may print what must not lie on the disk in plain.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nixos_workspaces.node.kernel.mounts import MS_NODEV, MS_NOEXEC, MS_NOSUID, mount, unmount
from nixos_workspaces.node.protocol import MAX_LOG_CHUNK


@contextmanager
def opened(place: Path) -> Iterator[int]:
    """Make the file and yield a descriptor to print to."""
    place.mkdir(mode=0o700, exist_ok=True)
    mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, f"mode=700,size={MAX_LOG_CHUNK},nr_inodes=4")
    output = os.open(place / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        yield output
    finally:
        os.close(output)


def read(place: Path, offset: int) -> bytes:
    """Return what was printed from a byte on; empty when there is no file."""
    try:
        with (place / "log").open("rb") as file:
            file.seek(offset)
            return file.read(MAX_LOG_CHUNK)
    except FileNotFoundError:
        return b""


def remove(place: Path) -> None:
    """Remove the file; does nothing when there is none."""
    if unmount(place):
        place.rmdir()
