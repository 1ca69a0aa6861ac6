"""The packets that workspaces were denied, as the packet filter counts them: all of them in one question.

Source: linux/netfilter/nf_tables.h, netlink(7).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from nixos_workspaces.node.kernel.nfnetlink import HEADER, attribute, attributes, connected, message

_NFTABLES = 10
_NEW_OBJECT, _GET_OBJECT = 18, 19
_REQUEST, _DUMP = 1, 0x300
_TABLE, _NAME, _TYPE, _DATA = 1, 2, 3, 4
_COUNTER = 1
_PACKETS = 2
_INET = 1
_ERROR, _DONE = 2, 3
_GENERAL_BYTES = 4
_CODE = struct.Struct("=i")
_NUMBER = struct.Struct(">Q")
_SECONDS = 2.0
PREFIX = "c"
"""Begins the name of each workspace's counter; its index follows."""


class Counters:
    """The counters of one table; may be called from any thread, blocks for about a millisecond."""

    def __init__(self, table: str) -> None:
        """Ask nothing yet."""
        self._table = table

    def denied(self) -> dict[int, int]:
        """Return the packets by the workspaces' indices; none where the kernel does not tell them."""
        found: dict[int, int] = {}
        try:
            for name, packets in self._dumped():
                if name.startswith(PREFIX) and name[len(PREFIX) :].isdecimal():
                    found[int(name[len(PREFIX) :])] = packets
        except OSError:
            return {}
        return found

    def _dumped(self) -> Iterator[tuple[str, int]]:
        body = attribute(_TABLE, self._table.encode() + b"\0") + attribute(_TYPE, struct.pack(">I", _COUNTER))
        with connected() as asked:
            asked.settimeout(_SECONDS)
            asked.send(message(_NFTABLES << 8 | _GET_OBJECT, _REQUEST | _DUMP, 1, _INET, 0, body))
            while True:
                received = asked.recv(1 << 18)
                while len(received) >= HEADER.size:
                    length, kind, _, _, _ = HEADER.unpack_from(received)
                    if kind == _DONE or not HEADER.size <= length <= len(received):
                        return
                    if kind == _ERROR:
                        (code,) = _CODE.unpack_from(received, HEADER.size)
                        raise OSError(-code, os.strerror(-code), "nftables counters")
                    if kind == _NFTABLES << 8 | _NEW_OBJECT:
                        yield from _counter(received[HEADER.size + _GENERAL_BYTES : length])
                    received = received[length + 3 & ~3 :]


def _counter(body: bytes) -> Iterator[tuple[str, int]]:
    parts = dict(attributes(body))
    packets = dict(attributes(parts.get(_DATA, b""))).get(_PACKETS, b"")
    if len(packets) == _NUMBER.size:
        yield parts.get(_NAME, b"").rstrip(b"\0").decode(errors="replace"), _NUMBER.unpack(packets)[0]
