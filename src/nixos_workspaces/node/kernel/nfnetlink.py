"""Messages of the kernel's packet filter (nfnetlink): written and read without a library that takes long.

Source: netlink(7), linux/netfilter/nfnetlink.h, linux/netfilter/nfnetlink_log.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

HEADER = struct.Struct("=IHHII")  # length, kind, flags, sequence, port
_GENERAL = struct.Struct("=BB")  # family, version; the number of a resource follows in network order
_ATTRIBUTE = struct.Struct("=HH")
_NESTED = 0x8000
_NETFILTER = 12
_ANSWER = struct.Struct("=i")

_LOG = 4
_PACKET, _CONFIG = 0, 1
_COMMAND, _MODE, _TIMEOUT, _THRESHOLD = 1, 2, 4, 5
_BIND, _COPY_PACKET = 1, 2
_PAYLOAD, _PREFIX = 9, 10
_REQUEST, _ACKNOWLEDGE = 1, 4
_RECEIVED = 1 << 20


def connected() -> socket.socket:
    """Return a socket to the packet filter of the thread's network namespace."""
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
    opened.bind((0, 0))
    return opened


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def nested(kind: int, *parts: bytes) -> bytes:
    """Return an attribute of attributes."""
    return attribute(kind | _NESTED, b"".join(parts))


def message(kind: int, flags: int, sequence: int, family: int, resource: int, body: bytes) -> bytes:
    """Return one message."""
    rest = _GENERAL.pack(family, 0) + struct.pack(">H", resource) + body
    return HEADER.pack(HEADER.size + len(rest), kind, flags, sequence, 0) + rest


def packet_log(group: int) -> socket.socket:
    """Return a non-blocking socket on which the packets of a group of the packet log arrive.

    Raises ``OSError``: EBUSY when another process reads the group.
    """
    opened = connected()
    try:
        bind = attribute(_COMMAND, bytes([_BIND]))
        # Of each packet the first 64 bytes, each at once: the timeout counts in hundredths of a second.
        copy = attribute(_MODE, struct.pack(">IBB", 64, _COPY_PACKET, 0))
        copy += attribute(_THRESHOLD, struct.pack(">I", 1)) + attribute(_TIMEOUT, struct.pack(">I", 1))
        for body in (bind, copy):
            opened.send(message(_LOG << 8 | _CONFIG, _REQUEST | _ACKNOWLEDGE, 1, socket.AF_UNSPEC, group, body))
            (code,) = _ANSWER.unpack_from(opened.recv(1 << 16), HEADER.size)
            if code:
                raise OSError(-code, os.strerror(-code), "packet log")  # noqa: TRY301 - it is closed as on any failure
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED)
        opened.setblocking(False)
    except BaseException:
        opened.close()
        raise
    return opened


def packets(received: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield prefix and first bytes of each packet in what arrived on a packet log; what is malformed is left out."""
    while len(received) >= HEADER.size + 4:
        length, kind, _, _, _ = HEADER.unpack_from(received)
        if not HEADER.size + 4 <= length <= len(received):
            return
        if kind == _LOG << 8 | _PACKET:
            found = dict(attributes(received[HEADER.size + 4 : length]))
            yield found.get(_PREFIX, b"").rstrip(b"\0").decode(errors="replace"), found.get(_PAYLOAD, b"")
        received = received[length + 3 & ~3 :]


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the attributes of a message; what is malformed ends them."""
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if not _ATTRIBUTE.size <= length <= len(data):
            return
        yield kind & ~_NESTED, data[_ATTRIBUTE.size : length]
        data = data[length + 3 & ~3 :]
