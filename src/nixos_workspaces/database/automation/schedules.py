"""The schedules of workspaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.automation.tables import workspace_schedules as table
from nixos_workspaces.model.automation.schedules import Schedule, ScheduledAction, ScheduledRun


class ScheduleRepository:
    """The schedules, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def find(self, workspace_id: str) -> Schedule:
        """Return the schedule of a workspace; one without runs where there is none."""
        row = (await self._connection.execute(select(table).where(table.c.workspace_id == workspace_id))).one_or_none()
        return Schedule() if row is None else _schedule(row)

    async def all(self) -> Mapping[str, Schedule]:
        """Return every schedule by the id of its workspace."""
        return {row.workspace_id: _schedule(row) for row in await self._connection.execute(select(table))}

    async def replace(self, workspace_id: str, runs: tuple[ScheduledRun, ...], now: datetime) -> None:
        """Store a schedule whose runs are due from ``now`` on; one without runs is removed."""
        await self._connection.execute(delete(table).where(table.c.workspace_id == workspace_id))
        if runs:
            told = [asdict(one) for one in runs]
            await self._connection.execute(insert(table).values(workspace_id=workspace_id, runs=told, done_until=now))

    async def done(self, workspace_id: str, before: datetime, until: datetime) -> bool:
        """Note that the runs until then were done; tell whether another has not been quicker since ``before``."""
        where = (table.c.workspace_id == workspace_id) & (table.c.done_until == before)
        return (await self._connection.execute(update(table).where(where).values(done_until=until))).rowcount == 1


def _schedule(row: Row[Any]) -> Schedule:
    runs = tuple(ScheduledRun(ScheduledAction(one["action"]), one["cron"], one["zone"]) for one in row.runs)
    return Schedule(runs, row.done_until)
