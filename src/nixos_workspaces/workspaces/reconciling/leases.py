"""The lease on one workspace: one control plane at a time works on it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from nixos_workspaces.database import Database, Transaction
from nixos_workspaces.errors import Unavailable


class LeaseLost(Exception):
    """Another control plane works on this workspace."""


class Leases:
    """The leases of one control plane. Call it from one event loop.

    A lease is renewed once a third of its ``length`` is over; ``clock`` tells the
    time of day, which other machines compare.
    """

    def __init__(self, database: Database, length: timedelta, clock: Callable[[], datetime]) -> None:
        """Take leases in ``database`` under a name that no other process has."""
        self._database = database
        self._length = length
        self._clock = clock
        self._holder = f"{_boot_id()}/{os.getpid()}/{_started(os.getpid())}/{secrets.token_hex(4)}"
        self._renewed: dict[str, datetime] = {}

    async def take_over(self) -> None:
        """Release the leases of control planes that died on this machine."""
        async with self._database.transaction() as tx:
            for holder in await tx.leases.holders():
                if not _alive(holder):
                    await tx.leases.release_all(holder)

    async def hold(self, workspace_id: str) -> None:
        """Take or renew the lease where it is due; raise ``LeaseLost`` if another control plane has it.

        A renewal that the database cannot take is tried again with the next call. Raises ``Unavailable`` only once the
        lease has really run out.
        """
        renewed = self._renewed.get(workspace_id)
        if renewed is not None and timedelta() <= self._clock() - renewed < self._length / 3:
            return
        try:
            async with self._database.transaction() as tx:
                now = await self.renew(tx, workspace_id)
        except Unavailable:
            if renewed is None or not timedelta() <= self._clock() - renewed < self._length:
                raise
            return
        self.renewed(workspace_id, now)

    async def renew(self, tx: Transaction, workspace_id: str) -> datetime:
        """Take or renew the lease within a transaction and return the time; raise ``LeaseLost`` as ``hold`` does."""
        now = self._clock()
        if not await tx.leases.acquire(workspace_id, self._holder, now, now + self._length):
            raise LeaseLost(workspace_id)
        return now

    def renewed(self, workspace_id: str, at: datetime) -> None:
        """Note that a transaction with ``renew`` was committed."""
        self._renewed[workspace_id] = at

    async def require(self, tx: Transaction, workspace_id: str) -> datetime:
        """Return the time if the lease is held; raise ``LeaseLost`` otherwise."""
        now = self._clock()
        if not await tx.leases.held(workspace_id, self._holder, now):
            raise LeaseLost(workspace_id)
        return now

    async def release(self, workspace_id: str) -> None:
        """Give one lease back."""
        async with self._database.transaction() as tx:
            await tx.leases.release(workspace_id, self._holder)

    async def release_all(self) -> None:
        """Give every lease back."""
        async with self._database.transaction() as tx:
            await tx.leases.release_all(self._holder)

    def forget(self, workspace_id: str) -> None:
        """Ask the database again before the next step on this workspace."""
        self._renewed.pop(workspace_id, None)


def _boot_id() -> str:
    """Return the id that tells this boot of this machine from all others."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _started(pid: int) -> str:
    """Return when a process started, in ticks since boot; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _alive(holder: str) -> bool:
    """Tell whether a holder of leases may still live: a process on another machine always may."""
    boot, pid, started, _ = (*holder.split("/"), "", "", "")[:4]
    return boot != _boot_id() or (bool(started) and _started(int(pid)) == started)
