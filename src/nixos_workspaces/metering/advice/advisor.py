"""Keeps what advice about the size of workspaces is made of, and stores it now and then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from nixos_workspaces.database import Database
from nixos_workspaces.metering.advice.advice import Advice, Bounds, Record, advise, record_of
from nixos_workspaces.model.machine import Usage
from nixos_workspaces.model.workspace import Workspace

TAKE_SECONDS = 30.0
"""Between two readings that are taken in; more often would add nothing."""
STORE_SECONDS = 300.0
_AT_ONCE = 50


class Advisor:
    """Folds readings into a record of each workspace. Call it from one event loop.

    At most ``STORE_SECONDS`` of readings are lost with the process.
    """

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Store in ``database``."""
        self._database = database
        self._clock = clock
        self._records: dict[str, Record] = {}
        self._taken = 0.0
        self._stored = clock().timestamp()
        self._unstored: set[str] = set()

    def is_due(self) -> bool:
        """Tell whether readings would be taken in now."""
        return not 0 <= self._clock().timestamp() - self._taken < TAKE_SECONDS

    async def take(self, readings: Mapping[str, Usage]) -> None:
        """Take the readings of all that run in, unless it has just taken some; store when that is due."""
        if not self.is_due():
            return
        now = self._taken = self._clock().timestamp()
        ids = list(readings)
        for begin in range(0, len(ids), _AT_ONCE):
            async with self._database.reading(once=True) as tx:
                workspaces = await tx.workspaces.several(ids[begin : begin + _AT_ONCE])
            for one in workspaces:
                record = await self._record(one.id) or Record(now)
                record.take(readings[one.id], one.limits.cpu, one.limits.memory_bytes, now)
                self._records[one.id] = record
                self._unstored.add(one.id)
        if not 0 <= now - self._stored < STORE_SECONDS:
            await self.store()
        for gone in self._records.keys() - readings.keys() - self._unstored:
            # What does not run is read again when it does.
            del self._records[gone]

    async def store(self) -> None:
        """Store the records that have changed; those of workspaces that are gone are forgotten."""
        ids, self._stored = sorted(self._unstored), self._clock().timestamp()
        for begin in range(0, len(ids), _AT_ONCE):
            async with self._database.transaction() as tx:
                found = await tx.workspaces.several(ids[begin : begin + _AT_ONCE])
                await tx.advice.replace({one.id: self._records[one.id].form() for one in found}, self._clock())
        self._unstored.clear()

    async def advise(self, workspace: Workspace, machine: Bounds) -> Advice:
        """Return the advice for a workspace, beside the size that was chosen for it."""
        record, chosen = await self._record(workspace.id), workspace.resources
        return advise(record, chosen.cpu, chosen.memory_bytes, machine, self._clock())

    async def _record(self, workspace_id: str) -> Record | None:
        if (kept := self._records.get(workspace_id)) is not None:
            return kept
        async with self._database.reading(once=True) as tx:
            form = await tx.advice.find(workspace_id)
        return None if form is None else record_of(form)
