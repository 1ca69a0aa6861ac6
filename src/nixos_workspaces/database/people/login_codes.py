"""One-time login codes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import login_codes
from nixos_workspaces.model.access.people import FIRST_USER


class LoginCodeRepository:
    """Login codes, found by the SHA-256 of the code."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def add(self, digest: str, created_at: datetime, expires_at: datetime, user_id: str | None = None) -> None:
        """Store a new login code of a user (None: the first administrator), and forget those that have expired."""
        await self._connection.execute(delete(login_codes).where(login_codes.c.expires_at <= created_at))
        await self._connection.execute(
            insert(login_codes).values(hash=digest, created_at=created_at, expires_at=expires_at, user_id=user_id)
        )

    async def has(self, digest: str, now: datetime) -> bool:
        """Tell whether a login code can be used at ``now``."""
        found = await self._connection.execute(select(login_codes.c.hash).where(_usable(digest, now)))
        return found.one_or_none() is not None

    async def use(self, digest: str, now: datetime) -> str | None:
        """Use up a login code and return its user's id; None if it is unknown, used or has expired."""
        row = (await self._connection.execute(select(login_codes.c.user_id).where(_usable(digest, now)))).one_or_none()
        if row is None:
            return None
        await self._connection.execute(update(login_codes).where(_usable(digest, now)).values(used_at=now))
        return row.user_id or FIRST_USER


def _usable(digest: str, now: datetime) -> Any:
    return (login_codes.c.hash == digest) & login_codes.c.used_at.is_(None) & (login_codes.c.expires_at > now)
