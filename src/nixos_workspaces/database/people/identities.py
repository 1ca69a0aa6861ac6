"""Accounts at the OpenID provider, the sessions that began there, and its logout tokens that were used."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import identities, provider_logouts, provider_sessions, tokens
from nixos_workspaces.database.tokens import valid_at
from nixos_workspaces.model.access.identities import Identity, ProviderSession


class IdentityRepository:
    """Identities, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def add(self, identity: Identity) -> None:
        """Store a new one."""
        await self._connection.execute(
            insert(identities).values(
                id=identity.id,
                user_id=identity.user_id,
                issuer=identity.issuer,
                subject=identity.subject,
                created_at=identity.created_at,
                used_at=identity.used_at,
            )
        )

    async def find(self, issuer: str, subject: str) -> Identity | None:
        """Return the identity of a provider's subject."""
        wanted = select(identities).where(identities.c.issuer == issuer, identities.c.subject == subject)
        row = (await self._connection.execute(wanted)).one_or_none()
        return None if row is None else _identity(row)

    async def of_user(self, user_id: str) -> tuple[Identity, ...]:
        """Return a user's identities, oldest first."""
        wanted = select(identities).where(identities.c.user_id == user_id)
        found = await self._connection.execute(wanted.order_by(identities.c.created_at, identities.c.id))
        return tuple(_identity(row) for row in found)

    async def remove(self, identity_id: str, user_id: str) -> bool:
        """Remove a user's identity; False if there is none of that id."""
        one = (identities.c.id == identity_id) & (identities.c.user_id == user_id)
        return (await self._connection.execute(delete(identities).where(one))).rowcount == 1

    async def used(self, identity_id: str, at: datetime) -> None:
        """Note the last sign-in."""
        await self._connection.execute(update(identities).where(identities.c.id == identity_id).values(used_at=at))


class ProviderSessionRepository:
    """Browser sessions that began at a provider, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def add(self, session: ProviderSession) -> None:
        """Store a new one."""
        await self._connection.execute(
            insert(provider_sessions).values(
                token_id=session.token_id, issuer=session.issuer, subject=session.subject, sid=session.sid
            )
        )

    async def find(self, token_id: str) -> ProviderSession | None:
        """Return the provider's side of a browser session."""
        wanted = select(provider_sessions).where(provider_sessions.c.token_id == token_id)
        row = (await self._connection.execute(wanted)).one_or_none()
        return None if row is None else ProviderSession(row.token_id, row.issuer, row.subject, row.sid)

    async def valid(self, issuer: str, subject: str, sid: str, now: datetime) -> tuple[tuple[str, str], ...]:
        """Return ids of session and user of the valid sessions of a subject, of one ``sid``, or of both.

        An empty ``subject`` or ``sid`` chooses nothing out.
        """
        wanted = select(tokens.c.id, tokens.c.principal_id).join(
            provider_sessions, provider_sessions.c.token_id == tokens.c.id
        )
        wanted = wanted.where(provider_sessions.c.issuer == issuer, valid_at(now))
        if subject:
            wanted = wanted.where(provider_sessions.c.subject == subject)
        if sid:
            wanted = wanted.where(provider_sessions.c.sid == sid)
        return tuple((row.id, row.principal_id) for row in await self._connection.execute(wanted))

    async def use_logout(self, digest: str, now: datetime, until: datetime) -> bool:
        """Use up a logout token, of which the digest is kept until then; False where it was used before."""
        await self._connection.execute(delete(provider_logouts).where(provider_logouts.c.expires_at <= now))
        known = select(provider_logouts.c.hash).where(provider_logouts.c.hash == digest)
        if (await self._connection.execute(known)).one_or_none() is not None:
            return False
        await self._connection.execute(insert(provider_logouts).values(hash=digest, expires_at=until))
        return True


def _identity(row: Row[Any]) -> Identity:
    return Identity(row.id, row.user_id, row.issuer, row.subject, row.created_at, row.used_at)
