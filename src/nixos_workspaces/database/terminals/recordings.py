"""The choices of workspaces about their terminals, and the recordings that there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import recordings as table
from nixos_workspaces.database.schema import terminal_choices as choices
from nixos_workspaces.database.schema import workspaces
from nixos_workspaces.model.terminals import CutReason, Recording, RecordingState, TerminalChoices

MOST_AT_ONCE = 1000


class TerminalChoiceRepository:
    """The choices of workspaces about their terminals, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def find(self, workspace_id: str) -> TerminalChoices:
        """Return the choices of a workspace."""
        wanted = select(choices.c.record, choices.c.moderated).where(choices.c.workspace_id == workspace_id)
        row = (await self._connection.execute(wanted)).one_or_none()
        return TerminalChoices() if row is None else TerminalChoices(row.record, row.moderated)

    async def replace(self, workspace_id: str, chosen: TerminalChoices) -> None:
        """Store the choices of a workspace."""
        await self._connection.execute(delete(choices).where(choices.c.workspace_id == workspace_id))
        await self._connection.execute(insert(choices).values(workspace_id=workspace_id, **asdict(chosen)))

    async def recorded(self) -> frozenset[str]:
        """Return the workspaces that are to be recorded."""
        rows = await self._connection.execute(select(choices.c.workspace_id).where(choices.c.record))
        return frozenset(rows.scalars())


class RecordingRepository:
    """The recordings, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def ids(self) -> frozenset[str]:
        """Return the ids of all recordings."""
        return frozenset((await self._connection.execute(select(table.c.id))).scalars())

    async def add(self, recording: Recording) -> None:
        """Store a new recording."""
        await self._connection.execute(insert(table).values(**asdict(recording)))

    async def save(self, recording: Recording) -> bool:
        """Store how far a recording has come; tell whether it was there and running."""
        running = and_(table.c.id == recording.id, table.c.state == RecordingState.RUNNING)
        changed = await self._connection.execute(update(table).where(running).values(**asdict(recording)))
        return bool(changed.rowcount)

    async def find(self, workspace_id: str, recording_id: str) -> Recording | None:
        """Return one recording of a workspace."""
        wanted = select(table).where(table.c.id == recording_id, table.c.workspace_id == workspace_id)
        row = (await self._connection.execute(wanted)).one_or_none()
        return None if row is None else _recording(row)

    async def of_workspace(self, workspace_id: str, terminal_id: str = "") -> list[Recording]:
        """Return the recordings of a workspace, or of one terminal, the latest first."""
        wanted = select(table).where(table.c.workspace_id == workspace_id)
        if terminal_id:
            wanted = wanted.where(table.c.terminal_id == terminal_id)
        wanted = wanted.order_by(table.c.started_at.desc(), table.c.id).limit(MOST_AT_ONCE)
        return [_recording(row) for row in await self._connection.execute(wanted)]

    async def running(self) -> list[Recording]:
        """Return the recordings of terminals whose end is not known."""
        wanted = select(table).where(table.c.state == RecordingState.RUNNING)
        return [_recording(row) for row in await self._connection.execute(wanted)]

    async def due(self, before: datetime, *, with_workspace: bool) -> list[Recording]:
        """Return some that ended before a time and, ``with_workspace``, those of deleted workspaces."""
        old = and_(table.c.state != RecordingState.RUNNING, table.c.ended_at < before)
        gone = workspaces.c.deleted_at.is_not(None)
        wanted = select(table).join(workspaces, workspaces.c.id == table.c.workspace_id)
        wanted = wanted.where(or_(old, gone) if with_workspace else old).limit(MOST_AT_ONCE)
        return [_recording(row) for row in await self._connection.execute(wanted)]

    async def remove(self, ids: Sequence[str]) -> None:
        """Forget recordings."""
        await self._connection.execute(delete(table).where(table.c.id.in_(ids)))


def _recording(row: Row[Any]) -> Recording:
    stored = dict(row._mapping)  # noqa: SLF001  how SQLAlchemy calls a row's names
    return Recording(**{**stored, "state": RecordingState(row.state), "reason": CutReason(row.reason)})
