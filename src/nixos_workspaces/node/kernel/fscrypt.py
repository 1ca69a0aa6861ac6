"""File encryption of ext4 by ioctl (fscrypt policies of version 2): no tool, no key in any argument or file.

Encrypted are names and contents below one directory; the kernel derives both from a key of 64 bytes that it keeps as
long as the file system is mounted. A key is known by an identifier that the kernel derives from it, so a wrong key
can be told from the right one, which the kernel itself does not do at mounting.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path

from nixos_workspaces.errors import RuntimeFailed

_SET_POLICY, _GET_POLICY_EX = 0x800C6613, 0xC0096616
_ADD_KEY, _REMOVE_KEY = 0xC0506617, 0xC0406618
_KEY_BY_IDENTIFIER = 2
_POLICY_V2 = struct.Struct("=BBBBB3x16s")
_AES_256_XTS, _AES_256_CTS, _PAD_32 = 1, 4, 3
_IDENTIFIER_BYTES = 16


def supported() -> bool:
    """Return whether this kernel's ext4 can encrypt."""
    return Path("/sys/fs/ext4/features/encryption").exists()


def add_key(mounted: Path, key: bytes) -> bytes:
    """Give a mounted file system a key and return the key's identifier."""
    argument = bytearray(struct.pack("=II32xIII28x", _KEY_BY_IDENTIFIER, 0, len(key), 0, 0) + key)
    _ioctl(mounted, _ADD_KEY, argument)
    identifier = bytes(argument[8 : 8 + _IDENTIFIER_BYTES])
    argument[-len(key) :] = bytes(len(key))
    return identifier


def remove_key(mounted: Path, identifier: bytes) -> None:
    """Take a key away again; does nothing when it is not there."""
    try:
        _ioctl(mounted, _REMOVE_KEY, bytearray(struct.pack("=II16s16xI20x", _KEY_BY_IDENTIFIER, 0, identifier, 0)))
    except OSError as refused:
        if refused.errno != errno.ENOKEY:
            raise


def encrypt(directory: Path, identifier: bytes) -> None:
    """Encrypt everything that will ever be made below an empty directory with an added key."""
    policy = _POLICY_V2.pack(2, _AES_256_XTS, _AES_256_CTS, _PAD_32, 0, identifier)
    _ioctl(directory, _SET_POLICY, bytearray(policy))


def verify(directory: Path, identifier: bytes) -> None:
    """Make sure that a directory is encrypted with this key; raises ``RuntimeFailed`` otherwise."""
    argument = bytearray(struct.pack("=Q", _POLICY_V2.size) + bytes(_POLICY_V2.size))
    try:
        _ioctl(directory, _GET_POLICY_EX, argument)
    except OSError as refused:
        if refused.errno != errno.ENODATA:
            raise
        message = "The volume is not encrypted; it is not used. Delete the workspace and make it again."
        raise RuntimeFailed(message, code="volume_not_encrypted") from refused
    if _POLICY_V2.unpack_from(argument, 8)[5] != identifier:
        message = "The volume's key is wrong; nothing was changed. Start again with the key the volume was made with."
        raise RuntimeFailed(message, code="volume_key_wrong")


def _ioctl(path: Path, request: int, argument: bytearray) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, request, argument, True)
    finally:
        os.close(descriptor)
