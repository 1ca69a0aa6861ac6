"""The records that advice about the size of workspaces is made of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.metering.advice_tables import advice_records as table


class AdviceRepository:
    """The records that advice is made of, as JSON, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def find(self, workspace_id: str) -> Any | None:
        """Return the record of a workspace; None if there is none."""
        wanted = select(table.c.record).where(table.c.workspace_id == workspace_id)
        return (await self._connection.execute(wanted)).scalar_one_or_none()

    async def replace(self, records: Mapping[str, Any], now: datetime) -> None:
        """Store records of workspaces in place of their earlier ones."""
        if not records:
            return
        ids = list(records)
        await self._connection.execute(delete(table).where(table.c.workspace_id.in_(ids)))
        rows = [{"workspace_id": one, "stored_at": now, "record": record} for one, record in records.items()]
        await self._connection.execute(insert(table), rows)
