"""The passkeys of people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import passkeys as table
from nixos_workspaces.model.access.passkeys import Passkey


class PasskeyRepository:
    """The passkeys, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def add(self, passkey: Passkey) -> None:
        """Store a new passkey."""
        await self._connection.execute(
            insert(table).values(
                id=passkey.id,
                user_id=passkey.user_id,
                name=passkey.name,
                credential_id=passkey.credential_id,
                public_key=passkey.public_key,
                sign_count=passkey.sign_count,
                rp_id=passkey.rp_id,
                created_at=passkey.created_at,
            )
        )

    async def of_user(self, user_id: str) -> tuple[Passkey, ...]:
        """Return a person's passkeys, oldest first."""
        wanted = select(table).where(table.c.user_id == user_id).order_by(table.c.created_at, table.c.id)
        return tuple(_passkey(row) for row in await self._connection.execute(wanted))

    async def find(self, credential_id: str) -> Passkey | None:
        """Return the passkey that an authenticator knows by that id."""
        wanted = select(table).where(table.c.credential_id == credential_id)
        row = (await self._connection.execute(wanted)).one_or_none()
        return None if row is None else _passkey(row)

    async def any_for(self, rp_id: str) -> bool:
        """Tell whether there is a passkey for a host name."""
        found = await self._connection.execute(select(table.c.id).where(table.c.rp_id == rp_id).limit(1))
        return found.one_or_none() is not None

    async def rename(self, passkey_id: str, user_id: str, name: str) -> bool:
        """Rename one of a person's passkeys; False if there is none of that id."""
        return (
            await self._connection.execute(update(table).where(_own(passkey_id, user_id)).values(name=name))
        ).rowcount == 1

    async def remove(self, passkey_id: str, user_id: str) -> bool:
        """Remove one of a person's passkeys; False if there is none of that id."""
        return (await self._connection.execute(delete(table).where(_own(passkey_id, user_id)))).rowcount == 1

    async def used(self, passkey_id: str, sign_count: int, at: datetime) -> None:
        """Note a use, and the authenticator's count with it."""
        changed = {"sign_count": sign_count, "last_used_at": at}
        await self._connection.execute(update(table).where(table.c.id == passkey_id).values(changed))


def _own(passkey_id: str, user_id: str) -> Any:
    return (table.c.id == passkey_id) & (table.c.user_id == user_id)


def _passkey(row: Row[Any]) -> Passkey:
    return Passkey(
        row.id,
        row.user_id,
        row.name,
        row.credential_id,
        bytes(row.public_key),
        row.sign_count,
        row.rp_id,
        row.created_at,
        row.last_used_at,
    )
