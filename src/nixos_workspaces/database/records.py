"""Every query about credentials, audit entries, idempotency keys and leases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import audit_entries, idempotency_keys, leases, login_codes, tokens


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
        """Return somebody's valid tokens, newest first."""
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
        """Make somebody's token invalid; False if they have none of that id."""
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


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who asked for what, when, and what came of it. Holds no secret."""

    at: datetime
    actor: str
    action: str
    workspace_id: str
    outcome: str
    """``accepted``, or the code of the error it was refused with."""
    request_id: str = ""
    detail: Mapping[str, Any] | None = None


class AuditRepository:
    """The audit entries; they can be added and read, nothing else."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def append(self, entry: AuditEntry) -> None:
        """Store an entry with the intent whose transaction this is: both or neither."""
        await self._connection.execute(
            insert(audit_entries).values(
                at=entry.at,
                actor=entry.actor,
                action=entry.action,
                workspace_id=entry.workspace_id,
                outcome=entry.outcome,
                request_id=entry.request_id,
                detail=None if entry.detail is None else dict(entry.detail),
            )
        )

    async def entries(
        self, workspace_id: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[tuple[int, AuditEntry]]:
        """Return entries with their numbers, oldest first."""
        query = select(audit_entries).where(audit_entries.c.number > after).order_by(audit_entries.c.number)
        if workspace_id is not None:
            query = query.where(audit_entries.c.workspace_id == workspace_id)
        found = await self._connection.execute(query.limit(limit))
        return [
            (
                row.number,
                AuditEntry(row.at, row.actor, row.action, row.workspace_id, row.outcome, row.request_id, row.detail),
            )
            for row in found
        ]


class IdempotencyRepository:
    """Which request made which workspace."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def find(self, principal_id: str, key: str, now: datetime) -> tuple[str, str] | None:
        """Return the request hash and workspace id of a key that has not expired."""
        row = (
            await self._connection.execute(
                select(idempotency_keys.c.request_hash, idempotency_keys.c.workspace_id).where(
                    idempotency_keys.c.principal_id == principal_id,
                    idempotency_keys.c.key == key,
                    idempotency_keys.c.expires_at > now,
                )
            )
        ).one_or_none()
        return None if row is None else (row.request_hash, row.workspace_id)

    async def add(
        self, principal_id: str, key: str, request_hash: str, workspace_id: str, now: datetime, expires_at: datetime
    ) -> None:
        """Remember a key and forget those that have expired."""
        await self._connection.execute(delete(idempotency_keys).where(idempotency_keys.c.expires_at <= now))
        await self._connection.execute(
            insert(idempotency_keys).values(
                principal_id=principal_id,
                key=key,
                request_hash=request_hash,
                workspace_id=workspace_id,
                expires_at=expires_at,
            )
        )


class LeaseRepository:
    """Who works on what: one holder per key, until it gives the lease back or lets it run out."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def acquire(self, key: str, holder: str, now: datetime, expires_at: datetime) -> bool:
        """Take or renew the lease; False while somebody else holds it."""
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
        """Give the lease back; nothing happens if it is not held."""
        await self._connection.execute(delete(leases).where(leases.c.key == key, leases.c.holder == holder))

    async def holders(self) -> tuple[str, ...]:
        """Return everybody who holds a lease, or let one run out."""
        return tuple((await self._connection.execute(select(leases.c.holder).distinct())).scalars())

    async def release_all(self, holder: str) -> None:
        """Give back everything that ``holder`` held."""
        await self._connection.execute(delete(leases).where(leases.c.holder == holder))
