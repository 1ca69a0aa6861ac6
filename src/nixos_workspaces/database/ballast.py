"""Ballast: a file without content that is given up when its disk is full, so that what must be recorded has room."""

from __future__ import annotations

import errno
import logging
import os
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

MOST_BYTES = 64 << 20
SHARE = 50
"""The ballast takes at most one part in so many of its disk."""
_LEAST_BYTES = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Ballast:
    """The ballast beside one file: made while there is room, given up when there is none."""

    def __init__(self, path: Path) -> None:
        """Keep it at ``path``; nothing is there before ``restore``."""
        self._path = path

    def restore(self) -> bool:
        """Make it where it is missing and there is room for some times its size; tell whether it is there."""
        size, (_, free) = self.missing(), _space(self._path.parent)
        if not size:
            return True
        if free < 3 * size:
            return False
        unfinished = self._path.with_suffix(".new")
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, size)
            finally:
                os.close(descriptor)
            unfinished.replace(self._path)
        except OSError as refused:
            log.warning("The room that is kept for a full disk cannot be reserved: %s", refused)
            with suppress(OSError):
                unfinished.unlink()
            return False
        return True

    def missing(self) -> int:
        """Return the bytes that it takes when it is made; 0 while it is there."""
        if self._path.exists():
            return 0
        total, _ = _space(self._path.parent)
        return max(min(MOST_BYTES, total // SHARE), _LEAST_BYTES)

    def make_room(self) -> None:
        """Give it up if the disk has next to nothing left; to be called before something that must be stored."""
        with suppress(OSError):
            _, free = _space(self._path.parent)
            if free < _LEAST_BYTES:
                self.give_up()

    def give_up(self) -> bool:
        """Give it up; tell whether it was there."""
        try:
            self._path.unlink()
        except OSError:
            return False
        log.warning("The disk of %s is full: the room that was kept for this is given up.", self._path.parent)
        return True


def _space(directory: Path) -> tuple[int, int]:
    """Return the bytes of a directory's disk, and those that are left for this user."""
    figures = os.statvfs(directory)
    return figures.f_blocks * figures.f_frsize, figures.f_bavail * figures.f_frsize
