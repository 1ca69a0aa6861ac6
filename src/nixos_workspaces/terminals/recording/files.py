"""The files of recordings: one directory, a bound on all of them together."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from nixos_workspaces.keys.store import KeyStore
from nixos_workspaces.model.terminals import Recording
from nixos_workspaces.terminals.recording import sealed
from nixos_workspaces.terminals.recording.sealed import SealedFile


class RecordingFiles:
    """Makes, reads and removes the files. Nothing is asynchronous: callers use a thread."""

    def __init__(self, directory: Path, keys: KeyStore, most_bytes: int) -> None:
        """Keep at most ``most_bytes`` below ``directory``."""
        self._directory = directory
        self._keys = keys
        self._most_bytes = most_bytes
        self._used = sum(path.stat().st_size for path in directory.glob("*.sealed")) if directory.exists() else 0

    def create(self, recording: Recording) -> SealedFile:
        """Make a recording's file. Raises ``OSError``."""
        self._make_room(0)
        file = SealedFile.create(self._path(recording), self._keys, _purpose(recording))
        self._used += file.size
        return file

    def reopen(self, recording: Recording) -> SealedFile:
        """Open a recording's file to go on with it; raises as ``SealedFile.reopen``."""
        return SealedFile.reopen(self._path(recording), self._keys, _purpose(recording))

    def append(self, file: SealedFile, piece: bytes) -> None:
        """Append a piece to a file that was opened here. Raises ``OSError``, also where the bound is reached."""
        self._make_room(len(piece))
        before = file.size
        file.append(piece)
        self._used += file.size - before

    def pieces(self, recording: Recording) -> Iterator[bytes]:
        """Return what is stored of a recording; raises as ``sealed.pieces``."""
        return sealed.pieces(self._path(recording), self._keys, _purpose(recording))

    def remove(self, recording: Recording) -> None:
        """Remove a recording's file, and with it the key of its content; nothing happens where there is none."""
        path = self._path(recording)
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return
        self._used -= size

    def size(self, recording: Recording) -> int:
        """Return the bytes that a recording takes on the disk."""
        try:
            return self._path(recording).stat().st_size
        except FileNotFoundError:
            return 0

    def sweep(self, known: Collection[str], *, older_than: float) -> None:
        """Remove files of no known recording that were last written ``older_than`` (seconds since 1970)."""
        for path in self._directory.glob("*.sealed"):
            stat = path.stat()
            if path.stem not in known and stat.st_mtime < older_than:
                path.unlink()
                self._used -= stat.st_size

    def _make_room(self, size: int) -> None:
        if self._used + size > self._most_bytes:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    def _path(self, recording: Recording) -> Path:
        return self._directory / f"{recording.id}.sealed"


def _purpose(recording: Recording) -> str:
    """Return the place that a file is bound to: moved to another recording, it does not open."""
    return f"recording:{recording.workspace_id}:{recording.id}"
