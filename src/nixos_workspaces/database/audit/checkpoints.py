"""Signed checkpoints of the audit log, and which of them the witness has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.audit.tables import audit_checkpoints


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint as it was signed, and when."""

    size: int
    at: datetime
    note: str
    witnessed_at: datetime | None = None


class CheckpointRepository:
    """The checkpoints: one for each size of the log that was signed."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def add(self, size: int, at: datetime, note: str) -> None:
        """Store a checkpoint; one of this size must not be there yet."""
        await self._connection.execute(insert(audit_checkpoints).values(size=size, at=at, note=note))

    async def latest(self, *, witnessed: bool = False) -> StoredCheckpoint | None:
        """Return the largest checkpoint; with ``witnessed`` the largest that the witness has."""
        query = select(audit_checkpoints).order_by(audit_checkpoints.c.size.desc()).limit(1)
        if witnessed:
            query = query.where(audit_checkpoints.c.witnessed_at.is_not(None))
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else StoredCheckpoint(row.size, row.at, row.note, row.witnessed_at)

    async def witness(self, size: int, at: datetime) -> None:
        """Note that the witness has the checkpoint of this size."""
        change = update(audit_checkpoints).where(audit_checkpoints.c.size == size)
        await self._connection.execute(change.values(witnessed_at=at))

    async def thin(self, before: datetime) -> None:
        """Of checkpoints from before an instant, keep the last of each day."""
        columns = audit_checkpoints.c
        kept = select(func.max(columns.size)).group_by(func.date(columns.at))
        await self._connection.execute(delete(audit_checkpoints).where(columns.at < before, columns.size.not_in(kept)))
