"""Adding addresses to sets of nftables past its library, which would first read all sets of all tables.

Source: linux/netfilter/nf_tables.h, linux/netfilter/nfnetlink.h, netlink(7).
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping

from nixos_workspaces.node.kernel.nfnetlink import HEADER, attribute, connected, message, nested

_BATCH_BEGIN, _BATCH_END = 16, 17
_NFTABLES = 10
_ADD, _DELETE = 12, 14
_TABLE, _SET, _ELEMENTS = 1, 2, 3
_ELEMENT, _KEY, _VALUE, _TIMEOUT = 1, 1, 1, 4
_REQUEST, _ACKNOWLEDGE, _CREATE = 1, 4, 0x400
_INET = 1
_ERROR = 2
_ANSWER = struct.Struct("=i")


class Elements:
    """The sets of one table; blocks for about a tenth of a millisecond a call."""

    def __init__(self, table: str) -> None:
        """Open a socket to the kernel."""
        self._table = table
        self._socket = connected()
        self._sequence = 0

    def add(self, names: Mapping[str, Mapping[str, int]]) -> None:
        """Add IPv4 addresses to sets, each for so many seconds from now on; raises ``OSError``.

        All or none are added. One that is there already gets the new time.
        """
        self._sequence += 1
        batch = self._message(_BATCH_BEGIN, _REQUEST, socket.AF_UNSPEC, _NFTABLES, b"")
        for name, addresses in names.items():
            for verb in (_ADD, _DELETE, _ADD):  # older kernels do not change an element that is there
                batch += self._change(verb, name, addresses)
        batch += self._message(_BATCH_END, _REQUEST | _ACKNOWLEDGE, socket.AF_UNSPEC, _NFTABLES, b"")
        self._socket.send(batch)
        while True:
            answer = self._socket.recv(1 << 16)
            _, kind, _, sequence, _ = HEADER.unpack_from(answer)
            if kind == _ERROR and sequence == self._sequence:  # more than one failure is told of one batch
                (code,) = _ANSWER.unpack_from(answer, HEADER.size)
                if code:
                    raise OSError(-code, os.strerror(-code), "nftables element")
                return

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _change(self, verb: int, name: str, addresses: Mapping[str, int]) -> bytes:
        elements = b"".join(
            nested(
                _ELEMENT,
                nested(_KEY, attribute(_VALUE, socket.inet_aton(address))),
                b"" if verb == _DELETE else attribute(_TIMEOUT, struct.pack(">Q", seconds * 1000)),
            )
            for address, seconds in addresses.items()
        )
        body = attribute(_TABLE, self._table.encode() + b"\0") + attribute(_SET, name.encode() + b"\0")
        flags = _REQUEST | (0 if verb == _DELETE else _CREATE)
        return self._message(_NFTABLES << 8 | verb, flags, _INET, 0, body + nested(_ELEMENTS, elements))

    def _message(self, kind: int, flags: int, family: int, resource: int, body: bytes) -> bytes:
        return message(kind, flags, self._sequence, family, resource, body)
