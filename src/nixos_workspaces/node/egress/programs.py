"""The program behind a connection of a workspace: from its addresses to the socket to the process.

Source: sock_diag(7), proc(5).
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from nixos_workspaces.node.egress.reports import Packet
from nixos_workspaces.node.kernel.namespaces import network_namespace

_HEADER = struct.Struct("=IHHII")
_SOCK_DIAG, _BY_FAMILY, _REQUEST = 4, 20, 1
_QUESTION = struct.Struct("=BBBxI")
_INODE_AT = 68
_INODE = struct.Struct("=I")
_NO_COOKIE = b"\xff" * 8
_LONGEST_NAME = 64
_PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}


def program_of(network: int, processes: Iterable[int], packet: Packet) -> str | None:
    """Return the name of the program that has a connection's socket in a network namespace; None if it is not found."""
    inode = _inode_of(network, packet)
    if not inode:
        return None
    wanted = f"socket:[{inode}]"
    for process in processes:
        with suppress(OSError):
            for entry in os.scandir(f"/proc/{process}/fd"):
                with suppress(OSError):
                    if str(Path(entry.path).readlink()) == wanted:
                        name = Path(f"/proc/{process}/comm").read_bytes()[:_LONGEST_NAME]
                        return "".join(one for one in name.decode(errors="replace").strip() if one.isprintable())
    return None


def _inode_of(network: int, packet: Packet) -> int:
    protocol = _PROTOCOLS.get(packet.protocol)
    if protocol is None:
        return 0
    near, far = (packet.source_port, packet.source), (packet.port, packet.address)
    nobody = (0, "0.0.0.0")  # noqa: S104 - the far end of a datagram's socket that is not connected
    # For datagrams the kernel takes the two ends the other way round.
    for one, other in ((near, far), (far, near), (nobody, near)):
        addresses = b"".join(socket.inet_aton(address) + bytes(12) for _, address in (one, other))
        place = struct.pack(">HH", one[0], other[0]) + addresses + bytes(4) + _NO_COOKIE
        body = _QUESTION.pack(socket.AF_INET, protocol, 0, 0xFFFFFFFF) + place
        with suppress(OSError), network_namespace(network):
            with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _SOCK_DIAG) as asking:
                asking.send(_HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST, 1, 0) + body)
                answer = asking.recv(1 << 12)
            _, kind, _, _, _ = _HEADER.unpack_from(answer)
            if kind == _BY_FAMILY:
                return int(_INODE.unpack_from(answer, _HEADER.size + _INODE_AT)[0])
    return 0
