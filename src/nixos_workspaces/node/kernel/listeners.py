"""The listening TCP sockets of a network namespace, and the processes that hold them (sock_diag(7), proc(5)).

The kernel is asked for listening sockets alone: a workspace may have a hundred thousand connections, which its
``/proc/net/tcp`` would list too. Processes are found by their parents from PID 1 on, and every walk is bounded.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

MOST_SOCKETS = 2048
"""Listening sockets that are read; a workspace that has more shows some of them."""
MOST_PROCESSES = 4096
MOST_FILES = 32_768
LOOK_SECONDS = 0.15
"""Longest time for one look at the processes; sockets that were not found then have no known program."""

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY, _NLMSG_ERROR, _NLMSG_DONE = 20, 2, 3
_REQUEST_AND_DUMP = 0x1 | 0x300
_LISTEN = 1 << 10
_MESSAGE = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BBBxI48x")
_PORT_AT, _SOURCE_AT, _INODE_AT = 4, 8, 68
_ANSWER_SECONDS = 1.0
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """One listening socket."""

    port: int
    address: str
    inode: int
    """Its number in ``/proc/PID/fd``; no two sockets of this computer have the same."""


def listening_sockets(make_socket: Callable[[socket.AddressFamily, int, int], socket.socket]) -> list[ListeningSocket]:
    """Return the listening TCP sockets of a network namespace, at most ``MOST_SOCKETS``. Raises ``OSError``.

    ``make_socket`` makes a socket there of a family, kind and protocol.
    """
    with make_socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as asked:
        asked.settimeout(_ANSWER_SECONDS)
        found: list[ListeningSocket] = []
        for family in (socket.AF_INET, socket.AF_INET6):
            question = _QUESTION.pack(family, socket.IPPROTO_TCP, 0, _LISTEN)
            header = _MESSAGE.pack(_MESSAGE.size + len(question), _SOCK_DIAG_BY_FAMILY, _REQUEST_AND_DUMP, 1, 0)
            asked.send(header + question)
            for one in _answers(asked):
                found.append(one)
                if len(found) >= MOST_SOCKETS:
                    return found
    return found


def _answers(asked: socket.socket) -> Iterator[ListeningSocket]:
    while True:
        piece, at = asked.recv(_PIECE), 0
        while at < len(piece):
            size, kind, *_ = _MESSAGE.unpack_from(piece, at)
            if kind == _NLMSG_DONE:
                return
            if kind == _NLMSG_ERROR:
                (number,) = struct.unpack_from("=i", piece, at + _MESSAGE.size)
                raise OSError(-number, os.strerror(-number))
            yield _socket(piece[at + _MESSAGE.size : at + size])
            at += (size + 3) & ~3


def _socket(message: bytes) -> ListeningSocket:
    wide = message[0] == socket.AF_INET6
    address = ipaddress.ip_address(message[_SOURCE_AT : _SOURCE_AT + (16 if wide else 4)])
    (port,) = struct.unpack_from(">H", message, _PORT_AT)
    (inode,) = struct.unpack_from("=I", message, _INODE_AT)
    return ListeningSocket(port, str(address), inode)


def holders(first: int, inodes: Collection[int]) -> dict[int, int]:
    """Return the process that holds each of these sockets, among ``first`` and all its descendants.

    Of several that hold one, the one that is furthest from ``first``: a program, not the manager that gave it to it.
    """
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[int, int] = {}
    until, files = time.monotonic() + LOOK_SECONDS, 0
    for process in _descendants(first):
        with suppress(OSError), os.scandir(f"/proc/{process}/fd") as entries:
            for entry in entries:
                files += 1
                if files > MOST_FILES or time.monotonic() > until:
                    return found
                with suppress(OSError):
                    inode = wanted.get(os.readlink(entry.path))  # noqa: PTH115 - thousands
                    if inode is not None:
                        found[inode] = process
    return found


def _descendants(first: int) -> Iterator[int]:
    """Yield a process and its descendants, the nearest first; at most ``MOST_PROCESSES``."""
    waiting, count = deque([first]), 0
    while waiting and count < MOST_PROCESSES:
        process = waiting.popleft()
        count += 1
        yield process
        with suppress(OSError), os.scandir(f"/proc/{process}/task") as threads:
            for thread in threads:
                if count + len(waiting) >= MOST_PROCESSES:
                    break
                with suppress(OSError), open(f"{thread.path}/children", "rb") as children:  # noqa: PTH123 - many
                    waiting.extend(map(int, children.read(_PIECE).split()))
