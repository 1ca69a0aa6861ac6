"""Run a command as an unprivileged user who sees no more of this machine's private directories than it needs.

A checkout and its Python interpreter often lie below a directory that only their owner may enter (``/root``, a home).
Opening that directory to the service would show it everything else in there. Instead the command gets a mount
namespace of its own, in which each such directory is covered by an empty one that holds just the needed paths.

Run by root below ``unshare --mount --propagation private`` as
``python -m nixos_workspaces.cli.operate.confine USER PATH... -- COMMAND...``; replaced by the
command. Paths that end with ``=rw`` may be written to, the others are read-only.
Source: mount(2), user_namespaces(7), prctl(2).
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from nixos_workspaces.node.kernel import mounts

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


@dataclass(frozen=True, slots=True)
class Visible:
    """A path that the command needs."""

    path: Path
    writable: bool = False


def closed_ancestor(path: Path, user: pwd.struct_passwd) -> Path | None:
    """Return the topmost directory above ``path`` that ``user`` may not enter, or None."""
    for directory in [*reversed(path.parents)]:
        status = directory.stat()
        if status.st_uid == user.pw_uid:
            bit = stat.S_IXUSR
        elif status.st_gid == user.pw_gid:
            bit = stat.S_IXGRP
        else:
            bit = stat.S_IXOTH
        if not status.st_mode & bit:
            return directory
    return None


def cover(needed: Sequence[Visible], user: pwd.struct_passwd) -> None:
    """Cover every directory that is closed to ``user``, leaving only the needed paths in it.

    Call it in a mount namespace of its own.
    """
    behind = [(item, closed_ancestor(item.path, user)) for item in needed]
    # The descriptors reach the paths after the directories above them are covered.
    kept = [(item, closed, os.open(item.path, os.O_PATH | os.O_CLOEXEC)) for item, closed in behind if closed]
    for closed in sorted({closed for _, closed, _ in kept}):
        mounts.mount("tmpfs", closed, "tmpfs", mounts.MS_NOSUID | mounts.MS_NODEV, "mode=711,size=64k")
    for item, _, descriptor in sorted(kept, key=lambda one: len(one[0].path.parts)):
        if not item.path.exists():
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                item.path.mkdir(parents=True)
            else:
                item.path.parent.mkdir(parents=True, exist_ok=True)
                item.path.touch()
        mounts.mount(f"/proc/self/fd/{descriptor}", item.path, None, mounts.MS_BIND | mounts.MS_REC)
        if not item.writable:
            flags = mounts.MS_BIND | mounts.MS_REMOUNT | mounts.MS_RDONLY | mounts.MS_NOSUID | mounts.MS_NODEV
            mounts.mount(None, item.path, None, flags)
        os.close(descriptor)


def become(user: pwd.struct_passwd) -> None:
    """Give up root for good, in the order that leaves nothing behind, and end with the parent."""
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    libc = ctypes.CDLL(None, use_errno=True)
    # A change of user clears the parent-death signal: set it last.
    for option, value in ((_PR_SET_NO_NEW_PRIVS, 1), (_PR_SET_PDEATHSIG, signal.SIGTERM)):
        if libc.prctl(option, value, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


def main(argv: Sequence[str]) -> NoReturn:
    """Confine this process and replace it by the command.

    Refuses to run in the mount namespace of its parent.
    """
    split = argv.index("--")
    user = pwd.getpwnam(argv[0])
    needed = [Visible(Path(word.removesuffix("=rw")), word.endswith("=rw")) for word in argv[1:split]]
    command = list(argv[split + 1 :])
    if Path("/proc/self/ns/mnt").readlink() == Path(f"/proc/{os.getppid()}/ns/mnt").readlink():
        sys.exit("confine: covering directories of the machine itself is refused: run it below `unshare --mount`")
    cover(needed, user)
    os.chdir("/")
    become(user)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
