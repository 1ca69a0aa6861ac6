"""A zip archive as a stream: no seeking, memory that does not grow with the content.

Only the central directory is kept until the end, as bytes: about a hundred for each name. Names are bytes; those that
are UTF-8 say so.
"""

from __future__ import annotations

import struct
import time
import zlib
from dataclasses import dataclass

_LOCAL = struct.Struct("<4sHHHHHLLLHH")
_CENTRAL = struct.Struct("<4sBBHHHHHLLLHHHHHLL")
_END = struct.Struct("<4sHHHHLLH")
_END_64 = struct.Struct("<4sQHHLLQQQQ")
_LOCATOR_64 = struct.Struct("<4sLQL")

_STREAMED = 0x08
_UTF8 = 0x800
_DEFLATED = 8
_VERSION_64 = 45
_UNIX = 3
_FULL_32 = 0xFFFFFFFF
_FULL_16 = 0xFFFF
_LEVEL = 1
"""Fast: the network is seldom slower than the better levels."""
_EPOCH = 1980


@dataclass(slots=True)
class _Member:
    name: bytes
    flags: int
    when: tuple[int, int]
    attributes: int
    offset: int
    crc: int = 0
    size: int = 0
    packed: int = 0


class ZipStream:
    """A writer of zip archives, member by member: ``begin``, ``data`` ..., ``end``, and ``finish`` once."""

    def __init__(self) -> None:
        self._written = 0
        self._central = bytearray()
        self._count = 0
        self._member: _Member | None = None
        self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)

    def begin(self, name: bytes, mode: int, modified: int) -> bytes:
        """Start a member; ``mode`` is the whole Unix mode with its type, directories' names end with a slash."""
        flags = _STREAMED | (_UTF8 if _is_utf8(name) else 0)
        attributes = (mode & 0xFFFF) << 16 | (0x10 if name.endswith(b"/") else 0)
        self._member = _Member(name, flags, _dos_time(modified), attributes, self._written)
        self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        day, second = self._member.when
        # Sizes come after the data, with eight bytes each: the extra field announces that.
        extra = struct.pack("<HHQQ", 1, 16, 0, 0)
        sizes = (0, _FULL_32, _FULL_32, len(name), len(extra))
        return self._counted(_LOCAL.pack(b"PK\3\4", _VERSION_64, flags, _DEFLATED, second, day, *sizes) + name + extra)

    def data(self, content: bytes) -> bytes:
        """Add content to the member; may return nothing yet. Takes time: call it in a thread for large content."""
        assert self._member is not None
        self._member.crc = zlib.crc32(content, self._member.crc)
        self._member.size += len(content)
        packed = self._packer.compress(content)
        self._member.packed += len(packed)
        return self._counted(packed)

    def end(self) -> bytes:
        """Complete the member."""
        member = self._member
        assert member is not None
        packed = self._packer.flush()
        member.packed += len(packed)
        self._central += _central(member)
        self._count += 1
        self._member = None
        return self._counted(packed + struct.pack("<4sLQQ", b"PK\7\x08", member.crc, member.packed, member.size))

    def finish(self) -> bytes:
        """Complete the archive."""
        start, size = self._written, len(self._central)
        end_64 = _END_64.pack(
            b"PK\6\6", 44, _UNIX << 8 | _VERSION_64, _VERSION_64, 0, 0, self._count, self._count, size, start
        )
        locator = _LOCATOR_64.pack(b"PK\6\7", 0, start + size, 1)
        count, short_size, short_start = min(self._count, _FULL_16), min(size, _FULL_32), min(start, _FULL_32)
        is_long = (count, short_size, short_start) != (self._count, size, start) or count == _FULL_16
        end = _END.pack(b"PK\5\6", 0, 0, count, count, short_size, short_start, 0)
        return self._counted(bytes(self._central) + (end_64 + locator if is_long else b"") + end)

    def _counted(self, piece: bytes) -> bytes:
        self._written += len(piece)
        return piece


def _central(member: _Member) -> bytes:
    """Return a member's record of the central directory, with the sizes in its extra field."""
    extra = struct.pack("<HHQQQ", 1, 24, member.size, member.packed, member.offset)
    day, second = member.when
    head = (b"PK\1\2", _VERSION_64, _UNIX, _VERSION_64, member.flags, _DEFLATED, second, day, member.crc)
    tail = (_FULL_32, _FULL_32, len(member.name), len(extra), 0, 0, 0, member.attributes, _FULL_32)
    return _CENTRAL.pack(*head, *tail) + member.name + extra


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _dos_time(modified: int) -> tuple[int, int]:
    """Return a time as day and second of the zip format: UTC, two seconds exact, from 1980 on."""
    moment = time.gmtime(max(modified, 0))
    year = min(max(moment.tm_year, _EPOCH), _EPOCH + 127)
    day = (year - _EPOCH) << 9 | moment.tm_mon << 5 | moment.tm_mday
    return day, moment.tm_hour << 11 | moment.tm_min << 5 | moment.tm_sec // 2
