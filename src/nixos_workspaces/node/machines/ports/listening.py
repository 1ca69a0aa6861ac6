"""The programs that listen in a machine: its listening sockets, with their programs remembered between two looks.

The processes are gone through only for sockets that are new since the last look, so that watching costs a question to
the kernel and a line of each program that listens.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nixos_workspaces.errors import Conflict, RuntimeFailed
from nixos_workspaces.model.reach.ports import LONGEST_PROGRAM, MOST_LISTENERS, Listener
from nixos_workspaces.node.kernel.listeners import ListeningSocket, holders, listening_sockets
from nixos_workspaces.node.kernel.namespaces import birth
from nixos_workspaces.node.machines.machines import NOT_RUNNING
from nixos_workspaces.node.machines.runs import Run

_SEARCH_SECONDS = 5.0
"""Time after which processes are gone through again for sockets whose holder was not found."""
_TICKS = os.sysconf("SC_CLK_TCK")


class Listening:
    """Looks at one run's listening programs. Calls must not overlap."""

    def __init__(self, run: Run) -> None:
        """Begin without memory."""
        self.run = run
        self._holders: dict[int, tuple[int, int]] = {}
        """Process and its time of birth, by the socket."""
        self._missed: dict[int, float] = {}
        """Until when a socket whose holder was not found is not looked for again."""

    def look(self) -> list[Listener]:
        """Return what listens now, by port, at most ``MOST_LISTENERS``; raises ``Conflict`` once the run is over."""
        try:
            found = listening_sockets(self.run.socket)
        except OSError as refused:
            if self.run.ended():
                raise Conflict(NOT_RUNNING, code="not_running") from refused
            message = f"This machine's kernel does not tell what listens in a workspace: {refused.strerror}."
            raise RuntimeFailed(message, code="listeners_unseen") from refused
        self._find_holders({one.inode for one in found})
        by_port: dict[int, list[ListeningSocket]] = {}
        for one in found:
            by_port.setdefault(one.port, []).append(one)
        return [self._listener(port, by_port[port]) for port in sorted(by_port)[:MOST_LISTENERS]]

    def _find_holders(self, inodes: set[int]) -> None:
        now = time.monotonic()
        known = {inode: held for inode, held in self._holders.items() if inode in inodes and _is_alive(*held)}
        self._missed = {inode: until for inode, until in self._missed.items() if inode in inodes and until > now}
        if fresh := inodes - known.keys() - self._missed.keys():
            for inode, process in holders(self.run.pid, fresh).items():
                with suppress(OSError):
                    known[inode] = (process, birth(process))
            self._missed |= dict.fromkeys(fresh - known.keys(), now + _SEARCH_SECONDS)
        self._holders = known

    def _listener(self, port: int, sockets: Iterable[ListeningSocket]) -> Listener:
        addresses = tuple(sorted({one.address for one in sockets}))
        held = next((self._holders[one.inode] for one in sockets if one.inode in self._holders), None)
        if held is None:
            return Listener(port, addresses, "", None)
        process, born = held
        with suppress(OSError):
            name = _name(process)
            since = datetime.now(UTC) - timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME) - born / _TICKS)
            return Listener(port, addresses, name, since.replace(microsecond=0))
        return Listener(port, addresses, "", None)


def _name(process: int) -> str:
    """Return the name of a process's program file.

    The process's own name is that of its first thread, which Node.js calls MainThread. Where a script of Nix's starts a
    program with its surroundings, that is called ``.NAME-wrapped``.
    """
    file = Path(f"/proc/{process}/exe").readlink().name.removesuffix(" (deleted)")
    if file.startswith(".") and file.endswith("-wrapped"):
        file = file[1:].removesuffix("-wrapped")
    shown = "".join(filter(str.isprintable, os.fsencode(file).decode(errors="replace")))
    return shown[:LONGEST_PROGRAM]


def _is_alive(process: int, born: int) -> bool:
    """Tell whether a process is still the one that was meant."""
    try:
        return birth(process) == born
    except (OSError, IndexError, ValueError):
        return False
