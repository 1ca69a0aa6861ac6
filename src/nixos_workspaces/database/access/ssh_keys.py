"""The public SSH keys of people."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import ssh_keys as table
from nixos_workspaces.database.schema import tokens
from nixos_workspaces.database.tokens import suspended, valid_at
from nixos_workspaces.model.access.public_keys import PublicKey, RegisteredKey


class SshKeyRepository:
    """The registered keys, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def add(self, key: RegisteredKey) -> None:
        """Store a new key."""
        await self._connection.execute(
            insert(table).values(
                id=key.id,
                principal_id=key.principal_id,
                principal_name=key.principal_name,
                role=key.role,
                name=key.name,
                type=key.key.type,
                blob=key.key.blob,
                fingerprint=key.key.fingerprint,
                created_at=key.created_at,
            )
        )

    async def of_principal(self, principal_id: str) -> tuple[RegisteredKey, ...]:
        """Return a person's keys, oldest first; none of one who is suspended."""
        wanted = (
            select(table)
            .where(table.c.principal_id == principal_id, ~suspended(table))
            .order_by(table.c.created_at, table.c.id)
        )
        return tuple(_key(row) for row in await self._connection.execute(wanted))

    async def having(self, fingerprint: str) -> tuple[RegisteredKey, ...]:
        """Return the registrations of one key: several people may have it. None of those who are suspended."""
        wanted = (
            select(table)
            .where(table.c.fingerprint == fingerprint, ~suspended(table))
            .order_by(table.c.created_at, table.c.id)
        )
        return tuple(_key(row) for row in await self._connection.execute(wanted))

    async def remove(self, key_id: str, principal_id: str) -> bool:
        """Remove one of a person's keys; False if there is none of that id."""
        done = await self._connection.execute(
            delete(table).where(table.c.id == key_id, table.c.principal_id == principal_id)
        )
        return done.rowcount == 1

    async def used(self, key_id: str, at: datetime, noted_before: datetime) -> None:
        """Note the last use, unless one after ``noted_before`` is noted."""
        is_old = or_(table.c.last_used_at.is_(None), table.c.last_used_at < noted_before)
        await self._connection.execute(update(table).where(table.c.id == key_id, is_old).values(last_used_at=at))

    async def ids_of(self, principal_id: str) -> tuple[str, ...]:
        """Return the ids of a person's keys, of one who is suspended, too."""
        found = await self._connection.execute(select(table.c.id).where(table.c.principal_id == principal_id))
        return tuple(found.scalars())

    async def valid_tokens(self, ids: Collection[str], now: datetime) -> frozenset[str]:
        """Return those of some tokens' ids, as certificates name them, that are valid at ``now``."""
        found = await self._connection.execute(select(tokens.c.id).where(tokens.c.id.in_(ids), valid_at(now)))
        return frozenset(found.scalars())


def _key(row: Row[Any]) -> RegisteredKey:
    return RegisteredKey(
        row.id,
        row.principal_id,
        row.principal_name,
        row.role,
        row.name,
        PublicKey(row.type, row.blob),
        row.created_at,
        row.last_used_at,
    )
