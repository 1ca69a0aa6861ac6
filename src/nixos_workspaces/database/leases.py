"""Leases: which control plane works on which workspace."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import leases


class LeaseRepository:
    """The leases: one holder per key, until it releases the lease or lets it expire."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def acquire(self, key: str, holder: str, now: datetime, expires_at: datetime) -> bool:
        """Take or renew the lease; False while another holder has it."""
        done = await self._connection.execute(
            update(leases)
            .where(leases.c.key == key, or_(leases.c.holder == holder, leases.c.expires_at <= now))
            .values(holder=holder, expires_at=expires_at)
        )
        if done.rowcount:
            return True
        try:
            async with self._connection.begin_nested():
                await self._connection.execute(insert(leases).values(key=key, holder=holder, expires_at=expires_at))
        except IntegrityError:
            return False
        return True

    async def held(self, key: str, holder: str, now: datetime) -> bool:
        """Tell whether ``holder`` holds the lease."""
        found = await self._connection.execute(
            select(leases.c.key).where(leases.c.key == key, leases.c.holder == holder, leases.c.expires_at > now)
        )
        return found.one_or_none() is not None

    async def release(self, key: str, holder: str) -> None:
        """Release the lease; does nothing if it is not held."""
        await self._connection.execute(delete(leases).where(leases.c.key == key, leases.c.holder == holder))

    async def holders(self) -> tuple[str, ...]:
        """Return the holders of all leases, expired ones included."""
        return tuple((await self._connection.execute(select(leases.c.holder).distinct())).scalars())

    async def release_all(self, holder: str) -> None:
        """Release every lease of ``holder``."""
        await self._connection.execute(delete(leases).where(leases.c.holder == holder))
