"""The policies of rest and the holds of workspaces."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time, timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.automation.tables import workspace_idle as table
from nixos_workspaces.model.automation.idle import Hold, IdlePolicy, QuietHours, RestTimes, StoredIdle


class IdleRepository:
    """The policies of rest, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def find(self, workspace_id: str) -> StoredIdle:
        """Return what is stored about the rest of a workspace."""
        row = (await self._connection.execute(select(table).where(table.c.workspace_id == workspace_id))).one_or_none()
        return StoredIdle() if row is None else _stored(row)

    async def all(self) -> Mapping[str, StoredIdle]:
        """Return what is stored about every workspace of which anything is, by its id."""
        return {row.workspace_id: _stored(row) for row in await self._connection.execute(select(table))}

    async def replace(self, workspace_id: str, stored: StoredIdle) -> None:
        """Store it."""
        await self._connection.execute(delete(table).where(table.c.workspace_id == workspace_id))
        if stored == StoredIdle():
            return
        hold = stored.hold
        await self._connection.execute(
            insert(table).values(
                workspace_id=workspace_id,
                policy=None if stored.policy is None else policy_to_json(stored.policy),
                hold_until=None if hold is None else hold.until,
                hold_reason="" if hold is None else hold.reason,
                hold_by="" if hold is None else hold.by,
            )
        )


def policy_to_json(policy: IdlePolicy) -> dict[str, Any]:
    """Return a policy as JSON; times in seconds."""
    quiet = policy.quiet
    return {
        **_times(policy.times),
        "quiet": None
        if quiet is None
        else {
            **_times(quiet.times),
            "begin": quiet.begin.isoformat(),
            "end": quiet.end.isoformat(),
            "zone": quiet.zone,
        },
        "warn": policy.warn.total_seconds(),
        "units": list(policy.units),
        "cpu_percent": policy.cpu_percent,
        "io_kb": policy.io_kb,
        "timer_within": policy.timer_within.total_seconds(),
    }


def _policy(data: dict[str, Any]) -> IdlePolicy:
    quiet = data["quiet"]
    hours = None
    if quiet is not None:
        begin, end = time.fromisoformat(quiet["begin"]), time.fromisoformat(quiet["end"])
        hours = QuietHours(begin, end, quiet["zone"], _read_times(quiet))
    return IdlePolicy(
        times=_read_times(data),
        quiet=hours,
        warn=timedelta(seconds=data["warn"]),
        units=tuple(data["units"]),
        cpu_percent=data["cpu_percent"],
        io_kb=data["io_kb"],
        timer_within=timedelta(seconds=data["timer_within"]),
    )


def _times(times: RestTimes) -> dict[str, float | None]:
    return {"pause_after": _seconds(times.pause_after), "stop_after": _seconds(times.stop_after)}


def _seconds(time: timedelta | None) -> float | None:
    return None if time is None else time.total_seconds()


def _read_times(data: dict[str, Any]) -> RestTimes:
    pause, stop = data["pause_after"], data["stop_after"]
    return RestTimes(
        None if pause is None else timedelta(seconds=pause), None if stop is None else timedelta(seconds=stop)
    )


def _stored(row: Row[Any]) -> StoredIdle:
    hold = None if row.hold_until is None else Hold(row.hold_until, row.hold_reason, row.hold_by)
    return StoredIdle(None if row.policy is None else _policy(row.policy), hold)
