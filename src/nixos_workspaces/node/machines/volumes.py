"""Volumes: one image file per workspace, which is its storage limit and its encryption in one.

An image holds an ext4 file system; everything of the workspace lies in one encrypted directory of it. Ids on disk
start at 0 and are mapped when the volume is shown to the workspace, so that an image fits any range of host ids. The
image's space is reserved when it is made: a sparse file would lose what was written once the disk is full.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nixos_workspaces.errors import InsufficientResources, RuntimeFailed
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.node.kernel import fscrypt
from nixos_workspaces.node.kernel.cgroups import KeptFiles, number
from nixos_workspaces.node.kernel.mounts import (
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    bind_mapped,
    loop_device,
    mount,
    open_beneath,
    unmount,
    wait_until_detached,
)
from nixos_workspaces.node.kernel.namespaces import file_owner
from nixos_workspaces.process import CommandFailed, run

ENCRYPTION = "fscrypt"
IDS_PER_WORKSPACE = 65536
_ROOT = "root"
_DIRECTORIES = ("dev", "etc", "home", "nix", "nix/store", "proc", "root", "run", "sys", "tmp", "usr", "var")
_SUPERBLOCK_OFFSET = 1024
_LEAST_RESERVE = 1 << 30
_RESERVED_SHARE = 0.05
_RELEASE_SECONDS = 10.0
_SECTOR_BYTES = 512
_READ_SECTORS, _WRITTEN_SECTORS = 2, 6


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes of the disk that volumes lie on."""

    total: int
    free: int
    """Bytes for new volumes; the rest is kept for the service itself."""


def space(directory: Path) -> Space:
    """Return what new volumes may take of the disk below a directory."""
    figures = os.statvfs(directory)
    total = figures.f_blocks * figures.f_frsize
    reserve = max(_LEAST_RESERVE, int(total * _RESERVED_SHARE))
    return Space(total, max(0, figures.f_bavail * figures.f_frsize - reserve))


def create(image: Path, size: int, key: bytes, scratch: Path) -> None:
    """Make a volume that nothing is in yet but empty directories.

    ``scratch`` is an empty directory to mount it at meanwhile. Raises ``InsufficientResources`` when the disk has not
    enough left. The caller removes the image if this fails.
    """
    _reserve(image, size)
    options = "nodiscard,lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0"
    run(["mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-O", "encrypt", "-E", options, image])
    with _mounted(image, scratch):
        identifier = fscrypt.add_key(scratch, key)
        root = scratch / _ROOT
        root.mkdir(mode=0o755)
        fscrypt.encrypt(root, identifier)
        for name in _DIRECTORIES:
            (root / name).mkdir(mode=0o755)
        (root / "root").chmod(0o700)
        (root / "tmp").chmod(0o1777)
        # systemd takes a tree without this file for none at all.
        (root / "etc/os-release").touch(mode=0o644)


def attach(image: Path, key: bytes, users: int, place: Path, files: Mapping[str, tuple[int, bytes]]) -> Path:
    """Show a volume's content at ``place/rootfs``, ids as in the user namespace ``users``, and return that path.

    ``files`` (names in ``/etc/nixws``, each with mode and content) are written first. Raises ``RuntimeFailed`` when
    the key is not the volume's; then nothing was changed.
    """
    raw, shown = place / "raw", place / "rootfs"
    for directory in (raw, shown):
        directory.mkdir(mode=0o000, exist_ok=True)
    with _mounted(image, raw):
        identifier = fscrypt.add_key(raw, key)
        try:
            fscrypt.verify(raw / _ROOT, identifier)
        except RuntimeFailed:
            fscrypt.remove_key(raw, identifier)
            raise
        top = os.open(raw / _ROOT, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _write_identity(top, files)
        finally:
            os.close(top)
        bind_mapped(raw / _ROOT, shown, users)
        if shown.stat().st_dev == place.stat().st_dev:
            unmount(shown)
            raise RuntimeFailed("The volume is not where it was mounted; nothing was started.", code="volume_mount")
    return shown


def rewrite(shown: Path, owner: int, files: Mapping[str, tuple[int, bytes]]) -> None:
    """Replace files in ``/etc/nixws`` of a volume that is in use, shown at ``shown``; ``owner`` is root's id there.

    It is done with the rights of the workspace's own root, which may have put anything anywhere. Raises ``OSError``.
    """
    top = os.open(shown, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with file_owner(owner):
            _write_identity(top, files, owner)
    finally:
        os.close(top)


def detach(place: Path) -> None:
    """Undo ``attach`` and what may be left of one that was interrupted."""
    for name in ("rootfs", "raw"):
        while unmount(place / name):
            pass


def grow(image: Path, size: int) -> None:
    """Bring a detached volume to ``size`` bytes; does nothing when it has as many.

    Raises ``InsufficientResources`` when the disk has not enough left; the volume is then as it was.
    """
    now = image.stat().st_size
    if now < size:
        _check_space(image.parent, size - now)
        _allocate(image, now, size - now)
    if file_system_bytes(image) < image.stat().st_size:
        _require_detached(image)
        try:
            run(["e2fsck", "-f", "-p", image], check=False, timeout=600)
            run(["resize2fs", image], timeout=600)
        except CommandFailed as failed:
            message = f"The volume could not be grown: {failed}. It keeps its old size; start with that size."
            raise RuntimeFailed(message, code="volume_growth") from failed


def file_system_bytes(image: Path) -> int:
    """Return the size of the file system in an image, which a growth that was interrupted leaves smaller."""
    with image.open("rb") as file:
        file.seek(_SUPERBLOCK_OFFSET)
        block = file.read(1024)
    low = int.from_bytes(block[4:8], "little")
    high = int.from_bytes(block[0x150:0x154], "little")
    shift = int.from_bytes(block[24:28], "little")
    return (low | high << 32) * (1024 << shift)


def _reserve(image: Path, size: int) -> None:
    _check_space(image.parent, size)
    image.touch(mode=0o600, exist_ok=False)
    _allocate(image, 0, size)


def _check_space(directory: Path, wanted: int) -> None:
    left = space(directory).free
    if wanted > left:
        gigabyte = 1 << 30
        values = {"left": f"{left / gigabyte:.1f}", "needed": f"{wanted / gigabyte:.1f}"}
        raise InsufficientResources(Sentence("refused.disk_left", values), code="insufficient_storage", field="storage")


def _allocate(image: Path, offset: int, length: int) -> None:
    descriptor = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.posix_fallocate(descriptor, offset, length)
        os.fsync(descriptor)
    except OSError as full:
        os.ftruncate(descriptor, offset)
        message = f"The disk could not give {length} bytes to a volume: {full.strerror}."
        raise InsufficientResources(message, code="insufficient_storage", field="storage") from full
    finally:
        os.close(descriptor)


@contextmanager
def _mounted(image: Path, target: Path) -> Iterator[None]:
    """Mount a volume as it is on disk, for the time of this context; never twice at once."""
    _require_detached(image)
    with loop_device(image) as device:
        mount(device, target, "ext4", MS_NODEV | MS_NOSUID | MS_NOEXEC)
    try:
        yield
    finally:
        unmount(target)


def _require_detached(image: Path) -> None:
    if not wait_until_detached(image, _RELEASE_SECONDS):
        message = "The volume is still in use by a process of its last run. Try again in a minute."
        raise RuntimeFailed(message, code="volume_busy")


def _write_identity(top: int, files: Mapping[str, tuple[int, bytes]], owner: int = 0) -> None:
    """Replace files in ``/etc/nixws`` of a tree whose owner may have put anything anywhere."""
    directory = _own_directory(_own_directory(top, "etc"), "nixws", closing=True)
    try:
        for name, (mode, content) in files.items():
            _replace(directory, name, mode, content, owner)
        os.fsync(directory)
    finally:
        os.close(directory)


def _own_directory(parent: int, name: str, *, closing: bool = False) -> int:
    """Open a directory below another one; whatever else has its name is moved out of the way."""
    try:
        try:
            return open_beneath(parent, name, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            pass
        except OSError:
            os.rename(name, f"{name}.{os.urandom(4).hex()}", src_dir_fd=parent, dst_dir_fd=parent)
        os.mkdir(name, mode=0o755, dir_fd=parent)
        return open_beneath(parent, name, os.O_RDONLY | os.O_DIRECTORY)
    finally:
        if closing:
            os.close(parent)


def _replace(directory: int, name: str, mode: int, content: bytes, owner: int) -> None:
    """Write a file of root's (inside) under a new name, then give it its own.

    One that is right already is left alone: a volume that its owner has filled can still be started.
    """
    if _is_file(directory, name, mode, content, owner):
        return
    fresh = f".{name}.new"
    _discard(directory, fresh)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode, dir_fd=directory)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    _discard(directory, name, only_directories=True)
    os.rename(fresh, name, src_dir_fd=directory, dst_dir_fd=directory)


def _is_file(directory: int, name: str, mode: int, content: bytes, owner: int) -> bool:
    """Return whether a name is a file of root's alone with that mode and content."""
    try:
        # Not blocking: a pipe in the file's place would wait for a writer.
        descriptor = open_beneath(directory, name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        status = os.fstat(descriptor)
        right = (stat.S_IFREG | mode, owner, owner, 1, len(content))
        found = (status.st_mode, status.st_uid, status.st_gid, status.st_nlink, status.st_size)
        return found == right and os.read(descriptor, len(content) + 1) == content
    finally:
        os.close(descriptor)


def _discard(directory: int, name: str, *, only_directories: bool = False) -> None:
    """Take a name out of the way; a directory, which cannot be replaced by a file, is moved aside."""
    try:
        kind = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(kind):
        os.rename(name, f"{name}.{os.urandom(4).hex()}", src_dir_fd=directory, dst_dir_fd=directory)
    elif not only_directories:
        os.unlink(name, dir_fd=directory)


def transferred(rootfs: Path, files: KeptFiles) -> tuple[int, int]:
    """Return the bytes read from and written to a mounted volume's device, which may have been another's before.

    The groups' own counters do not serve: those of version 1 stand still unless the disk is limited, and those of
    version 2 count what goes to the volume's file once more for the disk below.
    Source: Linux, Documentation/admin-guide/iostats.rst.
    """
    device = rootfs.stat().st_dev
    counted = files.read_if_any(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").split()
    if len(counted) <= _WRITTEN_SECTORS:
        return 0, 0
    return number(counted[_READ_SECTORS]) * _SECTOR_BYTES, number(counted[_WRITTEN_SECTORS]) * _SECTOR_BYTES
