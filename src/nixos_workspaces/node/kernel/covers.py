"""Files of running containers, covered by others of the same names from outside, and uncovered again.

A container's mount namespace is entered by a thread that ends there. Its root may have made anything of it: no symbolic
link is followed, nothing is read but whether a file can be opened, and what goes wrong concerns that container only.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from nixos_workspaces.node.kernel.mounts import MNT_DETACH, attach_tree, clone_tree, mount_id, open_beneath
from nixos_workspaces.node.kernel.namespaces import birth, enter_by_thread, owners

_log = logging.getLogger(__name__)
_UMOUNT_NOFOLLOW = 8
_MOST_LAYERS, _MOST_NAMESPACES, _MOST_TOLD = 16, 128, 5
_LOOK = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_DEAD = {errno.ENOTCONN, errno.ECONNABORTED}
"""Answers of a file in a FUSE file system whose program has ended."""

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Container:
    """A container whose files are covered."""

    pid: int
    """Its PID 1."""
    born: int
    """The birth of that process, which tells it from a later one with the same id."""
    members: Callable[[], Iterable[int]] = field(compare=False)
    """Returns its processes, at least those that were there before the call and still are."""


class Covers:
    """The files of one directory, shown in containers at the same places as long as the directory is served."""

    def __init__(self, directory: Path, places: Sequence[str]) -> None:
        """Take the files at ``places``, relative to ``directory`` and to each container's root."""
        self._directory = directory
        self._places = tuple(places)
        self._served = False
        self._containers: set[Container] = set()
        self._lock = threading.Lock()

    def put(self, container: Container) -> None:
        """Cover the files of a container, now if the directory is served and whenever it is served anew."""
        with self._lock:
            self._containers.add(container)
            self._fit(container, everywhere=False)

    def serve(self, *, served: bool) -> None:
        """Say whether the directory is served: cover the files of all containers, or take dead covers away."""
        with self._lock:
            self._served = served
            for container in list(self._containers):
                self._fit(container, everywhere=True)

    def _fit(self, container: Container, *, everywhere: bool) -> None:
        """Make a container's files what they should be; forget one that has ended.

        ``everywhere`` is also where its processes have mounts of their own, as some units of systemd do.
        """
        refused = []
        with ExitStack() as closing:
            try:
                for namespace in _namespaces(container, closing, everywhere=everywhere):
                    refused += self._fit_namespace(namespace)
            except (FileNotFoundError, ProcessLookupError):
                self._containers.discard(container)
                return
            except OSError as failed:
                refused.append(str(failed))
        if refused:
            _log.warning("process %d sees this machine's figures: %s", container.pid, "; ".join(refused[:_MOST_TOLD]))

    def _fit_namespace(self, namespace: int) -> list[str]:
        """Make the files in a mount namespace what they should be; return what was refused."""
        with ExitStack() as closing:
            clones = {}
            for place in self._places if self._served else ():
                with suppress(FileNotFoundError):  # another version of lxcfs may not have it
                    # Attached nowhere yet; one that stays so vanishes with its descriptor.
                    clones[place] = clone_tree(self._directory / place)
                    closing.callback(os.close, clones[place])
            return enter_by_thread(namespace, lambda: _fit_files(self._places, clones))


def _namespaces(container: Container, closing: ExitStack, *, everywhere: bool) -> list[int]:
    """Return descriptors of a container's mount namespaces, PID 1's first; raises ``OSError`` if that has ended."""

    def opened(pid: int) -> int:
        descriptor = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        closing.callback(os.close, descriptor)
        return descriptor

    first = opened(container.pid)
    if birth(container.pid) != container.born:
        raise ProcessLookupError(container.pid)
    found, seen, owner = [first], {os.fstat(first).st_ino}, owners(first)[0]
    for pid in container.members() if everywhere else ():
        with suppress(OSError):
            if len(found) < _MOST_NAMESPACES and Path(f"/proc/{pid}/ns/mnt").stat().st_ino not in seen:
                namespace = opened(pid)
                seen.add(os.fstat(namespace).st_ino)
                # The number may be another process's by now, even of one of this machine's own.
                if owner in owners(namespace):
                    found.append(namespace)
    return found


def _fit_files(places: Sequence[str], sources: Mapping[str, int]) -> list[str]:
    """Take dead covers away from files below ``/``, cover those that show themselves; return what was refused."""
    refused = []
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for place in places:
            try:
                _uncover(root, place)
                if place in sources:
                    _cover(root, place, sources[place])
            except OSError as failed:
                refused.append(f"/{place}: {failed.strerror}")
    finally:
        os.close(root)
    return refused


def _uncover(root: int, place: str) -> None:
    for _ in range(_MOST_LAYERS):
        if not _is_dead(root, place):
            return
        _libc.umount2(os.fsencode(f"/{place}"), MNT_DETACH | _UMOUNT_NOFOLLOW)


def _is_dead(root: int, place: str) -> bool:
    try:
        os.close(open_beneath(root, place, _LOOK, across_mounts=True))
    except OSError as refused:
        return refused.errno in _DEAD
    return False


def _cover(root: int, place: str, source: int) -> None:
    """Cover a file on which nothing lies yet; what does has been put there inside."""
    directory, _, name = place.rpartition("/")
    with ExitStack() as closing:

        def opened(base: int, path: str) -> int:
            descriptor = open_beneath(base, path, os.O_PATH, across_mounts=True)
            closing.callback(os.close, descriptor)
            return descriptor

        parent = opened(root, directory)
        target = opened(parent, name)
        if mount_id(target) == mount_id(parent):
            attach_tree(source, target)
