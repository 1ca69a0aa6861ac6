"""Tokens and one-time login codes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import login_codes, tokens


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token as it is kept: without its secret."""

    id: str
    name: str
    kind: str
    principal_id: str
    principal_name: str
    role: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = None


class TokenRepository:
    """Tokens and login codes, found by the SHA-256 of their secret."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def add(self, token: TokenRecord, digest: str) -> None:
        """Store a new token."""
        await self._connection.execute(
            insert(tokens).values(
                id=token.id,
                hash=digest,
                name=token.name,
                kind=token.kind,
                principal_id=token.principal_id,
                principal_name=token.principal_name,
                role=token.role,
                created_at=token.created_at,
                expires_at=token.expires_at,
            )
        )

    async def find(self, digest: str, now: datetime) -> TokenRecord | None:
        """Return the token with that digest if it is valid at ``now``."""
        row = (await self._connection.execute(select(tokens).where(tokens.c.hash == digest, _valid(now)))).one_or_none()
        return None if row is None else _token(row)

    async def of_principal(self, principal_id: str, now: datetime) -> tuple[TokenRecord, ...]:
        """Return the principal's valid tokens, newest first."""
        found = await self._connection.execute(
            select(tokens)
            .where(tokens.c.principal_id == principal_id, _valid(now))
            .order_by(tokens.c.created_at.desc(), tokens.c.id)
        )
        return tuple(_token(row) for row in found)

    async def used(self, token_id: str, at: datetime) -> None:
        """Note the last use."""
        await self._connection.execute(update(tokens).where(tokens.c.id == token_id).values(last_used_at=at))

    async def revoke(self, token_id: str, principal_id: str, at: datetime) -> bool:
        """Revoke the principal's token; False if there is none of that id."""
        done = await self._connection.execute(
            update(tokens)
            .where(tokens.c.id == token_id, tokens.c.principal_id == principal_id, _valid(at))
            .values(revoked_at=at)
        )
        return done.rowcount == 1

    async def add_login_code(self, digest: str, created_at: datetime, expires_at: datetime) -> None:
        """Store a new login code and forget those that have expired."""
        await self._connection.execute(delete(login_codes).where(login_codes.c.expires_at <= created_at))
        await self._connection.execute(
            insert(login_codes).values(hash=digest, created_at=created_at, expires_at=expires_at)
        )

    async def use_login_code(self, digest: str, now: datetime) -> bool:
        """Use up a login code; False if it is unknown, used or has expired."""
        done = await self._connection.execute(
            update(login_codes)
            .where(login_codes.c.hash == digest, login_codes.c.used_at.is_(None), login_codes.c.expires_at > now)
            .values(used_at=now)
        )
        return done.rowcount == 1

    async def any_ever(self) -> bool:
        """Tell whether any token was ever made: whether this is not the first start."""
        return bool((await self._connection.execute(select(func.count()).select_from(tokens))).scalar_one())


def _valid(now: datetime) -> Any:
    """Return the condition of a token that is neither revoked nor expired."""
    return tokens.c.revoked_at.is_(None) & or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now)


def _token(row: Row[Any]) -> TokenRecord:
    """Return a row as a value."""
    return TokenRecord(
        row.id,
        row.name,
        row.kind,
        row.principal_id,
        row.principal_name,
        row.role,
        row.created_at,
        row.expires_at,
        row.last_used_at,
    )
