"""The records of use, the open intervals, and what the ledger must know of each workspace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.audit.tree import leaf_hash
from nixos_workspaces.database.metering.tables import meter_intervals, meter_records
from nixos_workspaces.database.sqlite import Run, in_one_trip
from nixos_workspaces.model.metering.records import DAY_US, METERS, MeterRecord, MeterState, Quantities

_FIELDS = "workspace_id, number, begin_us, end_us, duration_us, owner_id, groups, template, state"
_AMOUNTS = ", ".join(METERS)
_COLUMNS = f"{_FIELDS}, {_AMOUNTS}"
_WIDTH = 10 + len(METERS)
_MEMBERS = "SELECT user_id, group_id FROM group_members ORDER BY group_id"
_SUBJECTS = (
    "SELECT w.id, w.owner_id, w.template, w.status, coalesce(w.scaled_cpu, w.cpu), "
    "coalesce(w.scaled_memory_bytes, w.memory_bytes), w.volume_bytes, w.deleted_at IS NOT NULL, i.body "
    "FROM workspaces w LEFT JOIN meter_intervals i ON i.workspace_id = w.id "
    "WHERE w.deleted_at IS NULL OR i.workspace_id IS NOT NULL"
)
_OPEN = "SELECT body FROM meter_intervals WHERE workspace_id = ?"
_PUT = (
    "INSERT INTO meter_intervals (workspace_id, body) VALUES (?, ?) "
    "ON CONFLICT (workspace_id) DO UPDATE SET body = excluded.body"
)
_DROP = "DELETE FROM meter_intervals WHERE workspace_id = ?"
_LAST = "SELECT coalesce(max(id), 0) FROM meter_records"
_ADD = f"INSERT INTO meter_records (id, {_COLUMNS}, hash) VALUES ({', '.join('?' * (_WIDTH + 1))})"  # noqa: S608
_UNCONNECTED = (
    "SELECT r.id, r.workspace_id FROM meter_records r LEFT JOIN meter_records p "
    "ON p.workspace_id = r.workspace_id AND p.number = r.number - 1 "
    "WHERE r.end_us < r.begin_us OR r.duration_us < 0 OR r.number < 1 "
    "OR (r.number > 1 AND (p.id IS NULL OR p.end_us <> r.begin_us)) ORDER BY r.id"
)
_SUMS = ", ".join(f"sum({meter})" for meter in METERS)


@dataclass(frozen=True, slots=True)
class Metered:
    """A workspace as the ledger has to know it."""

    workspace_id: str
    owner_id: str
    groups: tuple[str, ...]
    template: str
    status: str
    cpu: float
    memory_bytes: int
    volume_bytes: int
    is_gone: bool
    body: bytes | None
    """Its open interval; None before the first."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The changes of one turn of the ledger."""

    records: Sequence[MeterRecord]
    intervals: Mapping[str, bytes | None]
    """Open intervals by workspace; None ends one."""


Settle = Callable[[Sequence[Metered], bytes | None], Settled]
"""Makes of all workspaces and of the machine's own open interval what is to be stored."""


@dataclass(frozen=True, slots=True)
class Summed:
    """Use of one workspace within one day, under one owner."""

    day: int
    """Days since 1970."""
    workspace_id: str
    owner_id: str
    groups: tuple[str, ...]
    template: str
    quantities: Quantities


class UsageRepository:
    """The records of use, inside one transaction. They are added, and never changed."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def settle(self, settle: Settle, machine: str) -> int:
        """Store what ``settle`` makes of everything that is metered, in the database's thread; count the new records.

        ``machine`` stands for the machine in the intervals.
        """

        def turn(run: Run) -> int:
            members: dict[str, list[str]] = {}
            for user_id, group_id in run(_MEMBERS, ()):
                members.setdefault(user_id, []).append(group_id)
            subjects = [_metered(row, tuple(members.get(row[1], ()))) for row in run(_SUBJECTS, ())]
            own = run(_OPEN, (machine,))
            settled = settle(subjects, own[0][0] if own else None)
            for workspace_id, body in settled.intervals.items():
                run(*((_DROP, (workspace_id,)) if body is None else (_PUT, (workspace_id, body))))
            if settled.records:
                [(last,)] = run(_LAST, ())
                for number, record in enumerate(settled.records, last + 1):
                    run(_ADD, (number, *_row(record), leaf_hash(record.body())))
            return len(settled.records)

        return await in_one_trip(self._connection, turn)

    async def intervals(self) -> list[bytes]:
        """Return the open intervals in their stored form."""
        return list((await self._connection.execute(select(meter_intervals.c.body))).scalars())

    async def head(self) -> tuple[int, int]:
        """Return how many records there are, and the last one's id."""
        found = await self._connection.execute(select(func.count(), func.coalesce(func.max(meter_records.c.id), 0)))
        count, last = found.one()
        return count, last

    async def hashes(self, first: int, last: int) -> list[tuple[int, bytes, bytes]]:
        """Return id, stored hash and body of the records of these ids, in order."""
        columns = meter_records.c
        chosen = select(meter_records).where(columns.id >= first, columns.id <= last).order_by(columns.id)
        found: list[tuple[Any, ...]] = [tuple(row) for row in await self._connection.execute(chosen)]
        return [(row[0], row[-1], _body(row[1:-1])) for row in found]

    async def records(self, begin_us: int, end_us: int, after: int, limit: int) -> list[tuple[int, MeterRecord]]:
        """Return records that reach into a window with their ids, of larger ids than ``after``, in order."""
        columns = meter_records.c
        chosen = select(meter_records).where(
            *(columns.id > after, columns.begin_us < end_us, columns.end_us >= begin_us),
        )
        found: list[tuple[Any, ...]] = [
            tuple(row) for row in await self._connection.execute(chosen.order_by(columns.id).limit(limit))
        ]
        return [(row[0], _record(row[1:-1])) for row in found]

    async def sums(self, begin_us: int, end_us: int) -> list[Summed]:
        """Return the sums of the records that lie within a window and within one day, by day and workspace."""
        statement = (
            f"SELECT begin_us / {DAY_US}, workspace_id, owner_id, groups, template, {_SUMS} FROM meter_records "  # noqa: S608
            f"WHERE begin_us >= ? AND begin_us < ? AND end_us <= ? AND {_IN_A_DAY} GROUP BY 1, 2, 3, 4, 5"
        )
        found = await self._connection.exec_driver_sql(statement, (begin_us, end_us, end_us))
        return [_summed(tuple(row)) for row in found]

    async def crossing(self, begin_us: int, end_us: int) -> list[MeterRecord]:
        """Return the records that reach into a window, and that ``sums`` leaves out."""
        statement = (
            f"SELECT {_COLUMNS} FROM meter_records WHERE begin_us < ? AND end_us > ? "  # noqa: S608
            f"AND NOT (begin_us >= ? AND end_us <= ? AND {_IN_A_DAY})"
        )
        parameters = (end_us, begin_us, begin_us, end_us)
        return [_record(tuple(row)) for row in await self._connection.exec_driver_sql(statement, parameters)]

    async def unconnected(self) -> list[tuple[int, str]]:
        """Return id and workspace of the records that do not begin where the one before ends, or end before."""
        found: Iterable[Any] = await self._connection.exec_driver_sql(_UNCONNECTED)
        return [(one, name) for one, name in found]


_IN_A_DAY = f"(begin_us = end_us OR begin_us / {DAY_US} = (end_us - 1) / {DAY_US})"


def _metered(row: Sequence[Any], groups: tuple[str, ...]) -> Metered:
    workspace_id, owner_id, template, status, cpu, memory_bytes, volume_bytes, is_gone, body = row
    return Metered(
        *(workspace_id, owner_id, groups, template, status, cpu, memory_bytes, volume_bytes, bool(is_gone), body)
    )


def _row(record: MeterRecord) -> Iterable[object]:
    """Return a record's columns."""
    head = (record.workspace_id, record.number, record.begin_us, record.end_us, record.duration_us, record.owner_id)
    groups = f" {' '.join(record.groups)} " if record.groups else ""
    return (*head, groups, record.template, record.state.value, *record.quantities)


def _summed(row: Sequence[Any]) -> Summed:
    day, workspace_id, owner_id, groups, template, *quantities = row
    return Summed(day, workspace_id, owner_id, tuple(groups.split()), template, tuple(quantities))


def _record(row: Sequence[Any]) -> MeterRecord:
    """Return a record from its columns."""
    workspace_id, number, begin_us, end_us, duration_us, owner_id, groups, template, state, *quantities = row
    return MeterRecord(
        *(workspace_id, number, begin_us, end_us, duration_us, owner_id),
        *(tuple(groups.split()), template, MeterState(state), tuple(quantities)),
    )


def _body(row: Sequence[Any]) -> bytes:
    """Return a record's canonical bytes; none for columns that no record has."""
    try:
        return _record(row).body()
    except (ValueError, AttributeError, TypeError):
        return b""
