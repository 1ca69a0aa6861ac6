"""The device nodes of a workspace: its own, in a small file system in memory, so that none is this machine's inode.

They are made here because a workspace's root may not make any.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from nixos_workspaces.node.kernel.mounts import MS_NOEXEC, MS_NOSUID, mount, unmount

_NODES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
    "core": "/proc/kcore",
}
_DIRECTORIES = {"pts": 0o755, "shm": 0o1777, "mqueue": 0o1777}
"""With their modes, which the engine gives to what it mounts there."""
_MOST_ENTRIES = 512
_EVERYBODY = 0o666
NULL = Path("/dev/null")


def furnish(place: Path, owner: int) -> None:
    """Make the nodes for a user id (and group id) of this machine: the workspace's root."""
    remove(place)
    place.mkdir(mode=0o700)
    mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NOEXEC, f"mode=755,size=64k,nr_inodes={_MOST_ENTRIES}")
    for name, (major, minor) in _NODES.items():
        os.mknod(place / name, stat.S_IFCHR | _EVERYBODY, os.makedev(major, minor))
        (place / name).chmod(_EVERYBODY)
    for name, target in _LINKS.items():
        (place / name).symlink_to(target)
    for name, mode in _DIRECTORIES.items():
        (place / name).mkdir()
        (place / name).chmod(mode)
    for name in (".", *_NODES, *_LINKS, *_DIRECTORIES):
        os.chown(place / name, owner, owner, follow_symlinks=False)


def flaw(null: Path) -> str:
    """Return what keeps a path from being a null device that everybody may use, in a sentence; empty if it is one.

    Empty as well where there are no devices at all: a machine that an earlier version started has this computer's.
    """
    if not null.parent.is_dir():
        return ""
    try:
        status = null.lstat()
    except OSError as missing:
        return f"{NULL} cannot be looked at: {missing.strerror}."
    if not stat.S_ISCHR(status.st_mode) or status.st_rdev != os.makedev(*_NODES["null"]):
        return f"{NULL} is not the null device: it was replaced by something else."
    if status.st_mode & _EVERYBODY != _EVERYBODY:
        mode = stat.S_IMODE(status.st_mode)
        return f"{NULL} may not be read and written by everybody: its mode is {mode:o}, not {_EVERYBODY:o}."
    return ""


def remove(place: Path) -> None:
    """Remove the nodes; does nothing when there are none."""
    while unmount(place):
        pass
    if place.exists():
        place.rmdir()
