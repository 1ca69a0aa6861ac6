"""Root's work in a data directory of the service's user, done as that user.

Who owns a directory decides where its names lead: root that opened ``nixws.db`` there by its name would make or change
a file wherever a link leads. As the owner, root can do no more than the owner could.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nixos_workspaces.errors import Forbidden

_CAP_DAC_READ_SEARCH = 2
_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    """The lower or the upper half of a thread's capabilities (capget(2))."""

    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def as_owner(data: Path) -> Iterator[None]:
    """Be the owner of the data directory, which is made if it is absent, while the block runs; does nothing for others.

    A directory above it may be closed to its owner, as a checkout below ``/root`` is: what only reads stays allowed.
    Call it where no other thread runs. Raises ``Forbidden`` where the caller may not write there.
    """
    try:
        data.mkdir(mode=0o711, parents=True, exist_ok=True)
        owner = data.stat()
        if not os.access(data, os.W_OK | os.X_OK):
            raise PermissionError
    except OSError as closed:
        raise Forbidden(f"You may not write in {data}; give --data DIR, or ask its owner (sudo).") from closed
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([owner.st_gid])
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        _allow_passing()
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def _allow_passing() -> None:
    """Let this thread, and those that it starts, pass directories that are closed to its user, where it may at all."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(_VERSION_3, 0), (_Sets * 2)()
    if libc.capget(ctypes.byref(header), sets) == 0:
        sets[0].effective = sets[0].permitted & 1 << _CAP_DAC_READ_SEARCH
        libc.capset(ctypes.byref(header), sets)
