"""Audit entries: accepted and refused actions of principals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import audit_entries


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One audited action: time, actor, workspace and outcome. Holds no secret."""

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
        """Store an entry in the transaction of its intent: both or neither."""
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
