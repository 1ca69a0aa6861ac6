"""Sealed files: pieces encrypted one by one, each bound to its file and place; appended, never changed.

A file has a key of its own, which its head holds sealed under the master key: removing the file removes the key. A
piece that a crash left half written is cut off when the file is opened again.
"""

from __future__ import annotations

import errno
import os
import secrets
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nixos_workspaces.errors import NotFound, RuntimeFailed
from nixos_workspaces.keys.store import KeyStore

_MAGIC = b"nixws-sealed-1\n"
_LENGTH = struct.Struct("<I")
_NONCE_BYTES = 12
_KEY_BYTES = 32
MOST_PIECE_BYTES = 1 << 26


class SealedFile:
    """One file that is appended to. Nothing is asynchronous: callers use a thread."""

    def __init__(self, path: Path, key: bytes, purpose: str, count: int, size: int) -> None:
        self.size = size
        """Bytes on the disk."""
        self._path = path
        self._cipher = AESGCM(key)
        self._purpose = purpose
        self._count = count

    @classmethod
    def create(cls, path: Path, keys: KeyStore, purpose: str) -> SealedFile:
        """Make a new file. Raises ``OSError``, and then there is none."""
        key = secrets.token_bytes(_KEY_BYTES)
        sealed = keys.seal(purpose, key)
        head = _MAGIC + _LENGTH.pack(len(sealed)) + sealed
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = cls(path, key, purpose, 0, 0)
        try:
            made._write(head)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return made

    @classmethod
    def reopen(cls, path: Path, keys: KeyStore, purpose: str) -> SealedFile:
        """Open a file to go on with it, without a piece that was written in part.

        Raises ``NotFound`` where it is gone and ``RuntimeFailed`` where it does not open.
        """
        with _opened(path) as file:
            key = _key(file, keys, purpose)
            end, count = file.tell(), 0
            for _ in _pieces(file, AESGCM(key), purpose):
                end, count = file.tell(), count + 1
        os.truncate(path, end)
        return cls(path, key, purpose, count, end)

    def append(self, piece: bytes) -> None:
        """Write a piece behind the others. Raises ``OSError``; then the file is as it was."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, piece, _place(self._purpose, self._count))
        self._write(_LENGTH.pack(len(sealed)) + sealed)
        self._count += 1

    def sync(self) -> None:
        """Have the disk take it."""
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _write(self, data: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _write_all(descriptor, data)
            self.size += len(data)
        except OSError:
            os.ftruncate(descriptor, self.size)
            raise
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    if os.write(descriptor, data) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def pieces(path: Path, keys: KeyStore, purpose: str) -> Iterator[bytes]:
    """Return the pieces of a file, which may be written meanwhile; raises as ``SealedFile.reopen``."""
    with _opened(path) as file:
        yield from _pieces(file, AESGCM(_key(file, keys, purpose)), purpose)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as gone:
        raise NotFound("The recording's file is gone.", code="recording_not_found") from gone


def _key(file: BinaryIO, keys: KeyStore, purpose: str) -> bytes:
    magic, length = file.read(len(_MAGIC)), file.read(_LENGTH.size)
    if magic != _MAGIC or len(length) < _LENGTH.size:
        raise _unreadable()
    return keys.unseal(purpose, file.read(_LENGTH.unpack(length)[0] & 0xFFFF))


def _pieces(file: BinaryIO, cipher: AESGCM, purpose: str) -> Iterator[bytes]:
    """Return whole pieces; what is last and does not open was written in part."""
    count = 0
    while len(length := file.read(_LENGTH.size)) == _LENGTH.size:
        (size,) = _LENGTH.unpack(length)
        sealed = file.read(min(size, MOST_PIECE_BYTES))
        if len(sealed) < size:
            return
        try:
            yield cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _place(purpose, count))
        except InvalidTag as wrong:
            if not file.read(1):
                return
            raise _unreadable() from wrong
        count += 1


def _place(purpose: str, number: int) -> bytes:
    return f"nixws-piece:{purpose}:{number}".encode()


def _unreadable() -> RuntimeFailed:
    return RuntimeFailed("The recording is damaged.", code="recording_unreadable")
