"""Idempotency keys: which workspace an earlier request made."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import idempotency_keys


class IdempotencyRepository:
    """The idempotency keys, each with its request's hash and its workspace's id."""

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
