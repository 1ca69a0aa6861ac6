"""Layouts: how each person has arranged the terminals of a workspace."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import terminal_layouts as table

Stored = tuple[int, Mapping[str, object]]
"""A version, counted from 1, and the layout."""


class LayoutRepository:
    """The layouts, each with a version, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def find(self, workspace_id: str, principal_id: str) -> Stored | None:
        """Return a person's layout, if there is one."""
        wanted = select(table.c.version, table.c.layout).where(
            table.c.workspace_id == workspace_id, table.c.principal_id == principal_id
        )
        row = (await self._connection.execute(wanted)).one_or_none()
        return None if row is None else (row.version, row.layout)

    async def replace(self, workspace_id: str, principal_id: str, version: int, layout: Mapping[str, object]) -> bool:
        """Store the layout that follows ``version`` (0: none); tell whether that was the one in force."""
        if version:
            changed = await self._connection.execute(
                update(table)
                .where(
                    table.c.workspace_id == workspace_id,
                    table.c.principal_id == principal_id,
                    table.c.version == version,
                )
                .values(version=version + 1, layout=layout)
            )
            return bool(changed.rowcount)
        if await self.find(workspace_id, principal_id) is not None:
            return False
        await self._connection.execute(
            insert(table).values(workspace_id=workspace_id, principal_id=principal_id, version=1, layout=layout)
        )
        return True
