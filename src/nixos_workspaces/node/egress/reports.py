"""Connections that workspaces were refused, or made while they are observed: bounded, equal ones counted."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from nixos_workspaces.model.network import DeniedConnection

MOST_REPORTS = 1000
_LOOKS_A_SECOND, _LOOKS_AT_ONCE = 20, 50
"""Of all workspaces together."""
_NAMES = {socket.IPPROTO_ICMP: "icmp", socket.IPPROTO_TCP: "tcp", socket.IPPROTO_UDP: "udp"}
_LEAST_HEADER = 20
_PORTS = struct.Struct(">HH")


@dataclass(frozen=True, slots=True)
class Packet:
    """The beginning of a connection, as the packet log has it."""

    source: str
    source_port: int
    address: str
    port: int
    protocol: str


FindProgram = Callable[[int, Packet], str | None]


class Reports:
    """The last different connections of one workspace."""

    def __init__(self) -> None:
        """Have none."""
        self._kept: OrderedDict[tuple[str | None, str, int, str], DeniedConnection] = OrderedDict()

    def note(self, seen: DeniedConnection) -> None:
        """Keep a connection, or count it with an equal one."""
        key = (seen.name, seen.address, seen.port, seen.protocol)
        before = self._kept.pop(key, None)
        if before is not None:
            seen = replace(seen, count=before.count + seen.count, program=seen.program or before.program)
        self._kept[key] = seen
        while len(self._kept) > MOST_REPORTS:
            self._kept.popitem(last=False)

    def since(self, when: datetime | None) -> Sequence[DeniedConnection]:
        """Return those after a time, oldest first."""
        return [one for one in self._kept.values() if when is None or one.at > when]


class Reported:
    """The reports of all workspaces by their index; methods may be called from any thread."""

    def __init__(self) -> None:
        """Have none."""
        self._denied: dict[int, Reports] = {}
        self._observed: dict[int, Reports] = {}
        self._lock = threading.Lock()
        self.find_program: FindProgram = lambda _index, _packet: None
        """Finds the program of a workspace that a connection belongs to; it may block."""
        self._looks, self._looked = float(_LOOKS_AT_ONCE), time.monotonic()

    def refuse_name(self, index: int, name: str, address: str, asked: Packet) -> None:
        """Report a question for a name that was refused, with the address that was the reason, if one was."""
        self._note(self._denied, index, replace(asked, address=address, protocol="dns"), name, asked)

    def take(self, index: int, packet: Packet, name: str | None, *, observed: bool) -> None:
        """Report a connection that was refused or is observed."""
        self._note(self._observed if observed else self._denied, index, packet, name, packet)

    def told(self, index: int, *, observed: bool, since: datetime | None) -> Sequence[DeniedConnection]:
        """Return a workspace's connections that were refused, or those that were observed."""
        with self._lock:
            kept = (self._observed if observed else self._denied).get(index)
            return () if kept is None else kept.since(since)

    def drop(self, index: int) -> None:
        """Forget the reports about a workspace that is deleted."""
        with self._lock:
            for reports in (self._denied, self._observed):
                reports.pop(index, None)

    def _note(self, kept: dict[int, Reports], index: int, seen: Packet, name: str | None, asked: Packet) -> None:
        program = self.find_program(index, asked) if self._may_look() else None
        found = DeniedConnection(datetime.now(UTC), name, seen.address, seen.port, seen.protocol, program)
        with self._lock:
            kept.setdefault(index, Reports()).note(found)

    def _may_look(self) -> bool:
        """Tell whether a program may be looked for now: it takes milliseconds, and workspaces bring it about."""
        with self._lock:
            now = time.monotonic()
            self._looks = min(_LOOKS_AT_ONCE, self._looks + (now - self._looked) * _LOOKS_A_SECOND)
            self._looked = now
            if self._looks < 1:
                return False
            self._looks -= 1
            return True


def packet_of(data: bytes) -> Packet | None:
    """Read the beginning of an IPv4 packet; None for anything else."""
    if len(data) < _LEAST_HEADER or data[0] >> 4 != 4:  # noqa: PLR2004 - the version
        return None
    header = (data[0] & 15) * 4
    number = data[9]
    source_port = port = 0
    if number in {socket.IPPROTO_TCP, socket.IPPROTO_UDP} and len(data) >= header + _PORTS.size:
        source_port, port = _PORTS.unpack_from(data, header)
    source, address = socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20])
    return Packet(source, source_port, address, port, _NAMES.get(number, str(number)))
