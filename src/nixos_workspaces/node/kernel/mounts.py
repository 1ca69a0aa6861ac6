"""Mounts and loop devices by system call: what Python's standard library does not offer."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_OPENAT2, _SYS_MOUNT_SETATTR = 428, 429, 437, 442
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH, _MOVE_MOUNT_T_EMPTY_PATH = 4, 64
_STATX_MNT_ID, _STATX_MNT_ID_AT = 0x1000, 144
_MOUNT_ATTR_NOSUID, _MOUNT_ATTR_NODEV, _MOUNT_ATTR_NOEXEC, _MOUNT_ATTR_IDMAP = 2, 4, 8, 0x100000
_MOUNT_ATTR = struct.Struct("=QQQQ")  # set, clear, propagation, descriptor of the user namespace
_OPEN_HOW = struct.Struct("=QQQ")  # flags, mode, resolve
_RESOLVE_NO_XDEV, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 1, 4, 8

_LOOP_CTL_GET_FREE, _LOOP_CONFIGURE, _LOOP_GET_STATUS64 = 0x4C82, 0x4C0A, 0x4C05
_LO_FLAGS_AUTOCLEAR, _LO_FLAGS_DIRECT_IO = 4, 16
_LOOP_INFO64 = struct.Struct("=QQQQQIIII64s64s32s16s")
_LOOP_CONFIG_SIZE = 8 + 232 + 64
_BLOCK_SIZE = 4096


def _checked(result: int, what: object) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(what))
    return result


def mount(source: str | Path | None, target: Path, kind: str | None, flags: int, data: str | None = None) -> None:
    """Mount as the system call of that name does; raises ``OSError`` naming the target."""
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    result = _libc.mount(*words, ctypes.c_ulong(flags), None if data is None else data.encode())
    _checked(result, target)


def unmount(target: Path) -> bool:
    """Unmount a path; returns whether anything was mounted there."""
    if _libc.umount2(os.fsencode(target), 0) == 0:
        return True
    number = ctypes.get_errno()
    if number in {errno.EINVAL, errno.ENOENT}:
        return False
    raise OSError(number, os.strerror(number), str(target))


def detach_all(target: Path) -> None:
    """Take away everything that is mounted on a path, in use or not, and also if what serves it is dead."""
    while _libc.umount2(os.fsencode(target), MNT_DETACH) == 0:
        pass


def mount_points(below: Path) -> list[Path]:
    """Return the mount points under a directory, innermost first."""
    prefix = f"{below}/"
    fields = (line.split(" ") for line in Path("/proc/thread-self/mountinfo").read_text().splitlines())
    return [Path(field[4]) for field in fields if field[4].startswith(prefix)][::-1]


def bind_read_only(source: Path, target: Path) -> None:
    """Show a directory at another place, read-only and without devices or setuid programs."""
    mount(source, target, None, MS_BIND)
    mount(None, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)


def bind_mapped(source: Path, target: Path, user_namespace: int) -> None:
    """Show a directory at another place with its ids seen through a user namespace's map, setuid programs allowed."""
    tree = clone_tree(source)
    try:
        cleared = _MOUNT_ATTR_NOSUID | _MOUNT_ATTR_NOEXEC
        attributes = _MOUNT_ATTR.pack(_MOUNT_ATTR_IDMAP | _MOUNT_ATTR_NODEV, cleared, 0, user_namespace)
        _checked(_libc.syscall(_SYS_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, attributes, _MOUNT_ATTR.size), source)
        attach_tree(tree, target)
    finally:
        os.close(tree)


def clone_tree(source: Path) -> int:
    """Return a descriptor of a copy of the mount that shows a path, attached nowhere."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC
    return _checked(_libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, os.fsencode(source), flags), source)


def attach_tree(tree: int, target: Path | int) -> None:
    """Attach a mount that ``clone_tree`` made at a path, or at what a descriptor names."""
    if isinstance(target, int):
        words = (target, b"", _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH)
    else:
        words = (_AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH)
    _checked(_libc.syscall(_SYS_MOVE_MOUNT, tree, b"", *words), target)


def mount_id(descriptor: int) -> int:
    """Return the number of the mount that shows an open file."""
    found = ctypes.create_string_buffer(256)
    _checked(_libc.statx(descriptor, b"", _AT_EMPTY_PATH, _STATX_MNT_ID, found), descriptor)
    return int.from_bytes(found.raw[_STATX_MNT_ID_AT : _STATX_MNT_ID_AT + 8], sys.byteorder)


def open_beneath(directory: int, path: str, flags: int, mode: int = 0, *, across_mounts: bool = False) -> int:
    """Open a path below a directory whose content is not trusted.

    No symbolic link is ever followed, and no other mount unless ``across_mounts``: such a path raises ``OSError``
    (``ELOOP``, ``EXDEV``).
    """
    resolve = _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | (0 if across_mounts else _RESOLVE_NO_XDEV)
    how = _OPEN_HOW.pack(flags | os.O_CLOEXEC, mode, resolve)
    return _checked(_libc.syscall(_SYS_OPENAT2, directory, os.fsencode(path), how, len(how)), path)


@contextmanager
def loop_device(image: Path) -> Iterator[Path]:
    """Yield a block device that is an image file; it lives as long as it is mounted or within this context."""
    try:
        backing = os.open(image, os.O_RDWR | os.O_CLOEXEC | os.O_DIRECT)
        flags = _LO_FLAGS_AUTOCLEAR | _LO_FLAGS_DIRECT_IO
    except OSError as refused:
        if refused.errno != errno.EINVAL:  # the file system below cannot do direct input and output
            raise
        backing, flags = os.open(image, os.O_RDWR | os.O_CLOEXEC), _LO_FLAGS_AUTOCLEAR
    try:
        path, device = _configured(backing, flags, image.name)
    finally:
        os.close(backing)
    try:
        yield path
    finally:
        os.close(device)


def _configured(backing: int, flags: int, name: str) -> tuple[Path, int]:
    """Bind a file to a free loop device; another program may take the free one first, then try the next."""
    info = _LOOP_INFO64.pack(0, 0, 0, 0, 0, 0, 0, 0, flags, name.encode()[:63], b"", b"", b"")
    config = (struct.pack("=II", backing, _BLOCK_SIZE) + info).ljust(_LOOP_CONFIG_SIZE, b"\0")
    while True:
        control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
        try:
            number = fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
        finally:
            os.close(control)
        path = Path(f"/dev/loop{number}")
        device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(device, _LOOP_CONFIGURE, config)
        except OSError as refused:
            os.close(device)
            if refused.errno != errno.EBUSY:
                raise
        else:
            return path, device


def wait_until_detached(image: Path, timeout: float) -> bool:
    """Wait until no loop device uses an image any more; mounting it twice would destroy it."""
    status = image.stat()
    deadline = time.monotonic() + timeout
    while _in_use(status.st_ino, image):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def _in_use(inode: int, image: Path) -> bool:
    device = image.stat().st_dev
    for bound in Path("/sys/block").glob("loop*/loop"):
        try:
            loop = os.open(f"/dev/{bound.parent.name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            info = bytearray(_LOOP_INFO64.size)
            fcntl.ioctl(loop, _LOOP_GET_STATUS64, info)
        except OSError:
            continue
        finally:
            os.close(loop)
        seen_device, seen_inode = struct.unpack_from("=QQ", info)
        # The kernel encodes the device as it does for user space's old form; the inode alone would do nearly always.
        if seen_inode == inode and seen_device in {device, _kernel_encoded(device)}:
            return True
    return False


def _kernel_encoded(device: int) -> int:
    """Return a device number as ``huge_encode_dev`` writes it."""
    major, minor = os.major(device), os.minor(device)
    return (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)
