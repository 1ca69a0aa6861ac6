"""Every query about workspaces."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Dialect,
    Row,
    Text,
    case,
    cast,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.access.seen import EVERY, EVERYTHING, PRESENT, ROWS, Seen, column_of, page_statement
from nixos_workspaces.database.access.shares import read_grants
from nixos_workspaces.database.automation.reasons import reason_from_json, reason_to_json
from nixos_workspaces.database.automation.scaling_tables import CPU, MEMORY_BYTES, scaling_decisions, workspace_scaling
from nixos_workspaces.database.automation.tables import workspace_idle, workspace_schedules
from nixos_workspaces.database.metering.advice_tables import advice_records
from nixos_workspaces.database.schema import (
    network_proposals,
    port_shares,
    preview_sessions,
    repositories,
    secret_scopes,
    secrets,
    terminal_choices,
    terminal_layouts,
    transfer_offers,
    workspace_networks,
    workspace_shares,
)
from nixos_workspaces.database.schema import workspaces as table
from nixos_workspaces.errors import Conflict, InvalidInput
from nixos_workspaces.model.access.shares import Grant
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import Address, Resources
from nixos_workspaces.model.service import sentence_from_json, sentence_to_json
from nixos_workspaces.model.workspace import (
    MAX_PAGE,
    Desire,
    Failure,
    Fault,
    Page,
    Phase,
    Phases,
    PhaseTime,
    Progress,
    Sort,
    Status,
    Workspace,
    WorkspaceQuery,
)

_PARTS = (
    *(terminal_layouts, terminal_choices, workspace_networks, network_proposals),
    *(port_shares, preview_sessions, repositories, workspace_shares, transfer_offers),
    *(workspace_idle, workspace_schedules),
    *(workspace_scaling, scaling_decisions, advice_records),
)
"""The tables that hold parts of a workspace, which go when it goes."""
_REMEMBERED_ROWS = 1024
_LIKE_SPECIAL = re.compile(r"[%_/]")
_FIELD, _RECORD = "\x1f", "\x1e"
"""Separators that neither ids nor JSON hold."""


def _joined(columns: Iterable[ColumnElement[Any]]) -> ColumnElement[str]:
    """Return the values of a row's columns as one text, beginning with its id."""
    record: ColumnElement[str] = cast(table.c.id, Text)
    for column in columns:
        record += _FIELD + func.coalesce(cast(column, Text), "")
    return record


_DECIDING = select(
    func.aggregate_strings(
        _joined(
            (
                *(table.c.intent, table.c.desire, table.c.status, table.c.progress, table.c.cpu),
                *(table.c.memory_bytes, table.c.storage_bytes, table.c.revision, table.c.built_revision),
                *(table.c.pinned, table.c.restarts, table.c.restarts_done, table.c.toplevel, table.c.address),
                *(table.c.encryption, table.c.volume_bytes, table.c.started_at, table.c.ready_at),
                *(table.c.oom_kills, table.c.forgotten, table.c.build_failure, table.c.step_failure),
                *(table.c.ports, table.c.open_ports, table.c.scaled_cpu, table.c.scaled_memory_bytes),
            )
        ),
        _RECORD,
    )
).where(PRESENT)
"""All in one value: the database makes it without the interpreter, which ten thousand rows would keep busy."""
_STATUSES = select(table.c.id, table.c.status).where(PRESENT)
_IDS_AT_ONCE = 500


class WorkspaceRepository:
    """The workspaces, inside one transaction. A deleted one stays as a tombstone, which no method here sees.

    Each comes with the shares that are in force when it is read.
    """

    def __init__(self, connection: AsyncConnection, clock: Callable[[], datetime]) -> None:
        """Work in the transaction of ``connection``; ``clock`` tells which shares have expired."""
        self._connection = connection
        self._clock = clock

    async def add(self, workspace: Workspace) -> None:
        """Store a new workspace; ``Conflict`` with code ``name_taken`` if its owner has one of that name."""
        if await self.find(workspace.name, workspace.owner_id) is not None:
            raise _taken(workspace.name)
        try:
            await self._connection.execute(
                insert(table).values(**_identity(workspace), **_desired(workspace), **_seen(workspace))
            )
        except IntegrityError as wrong:
            raise _taken(workspace.name) from wrong

    async def get(self, workspace_id: str, *, lock: bool = False) -> Workspace | None:
        """Return the workspace of that id; ``lock`` keeps others from changing it until the transaction ends."""
        query = EVERYTHING.where(table.c.id == workspace_id)
        row = (await self._connection.execute(query.with_for_update(of=table) if lock else query)).one_or_none()
        return None if row is None else self._read(row, self._clock())

    async def find(self, name: str, owner_id: str) -> Workspace | None:
        """Return the owner's workspace of that name, unless it is being deleted."""
        query = ROWS.where(table.c.owner_id == owner_id, table.c.name == name, table.c.desire != Desire.DELETED.value)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else self._read(row, self._clock())

    async def several(self, ids: Sequence[str]) -> tuple[Workspace, ...]:
        """Return those of these workspaces that are not gone, in any order; for some hundred ids at most."""
        rows = await self._connection.execute(EVERYTHING.where(table.c.id.in_(ids)))
        now = self._clock()
        return tuple(self._read(row, now) for row in rows)

    async def page(self, query: WorkspaceQuery, seen: Seen = EVERY) -> Page:
        """Return one page of a list of the workspaces that may be ``seen``.

        Raises ``InvalidInput`` for a limit out of range and for a cursor that is not of this list.
        """
        if not 1 <= query.limit <= MAX_PAGE:
            raise InvalidInput(f"limit must be between 1 and {MAX_PAGE}.", field="limit")
        asked: dict[str, Any] = {"owner_id": seen.owner_id, "template": query.template}
        asked["ids"] = None if seen.ids is None else sorted(seen.ids)
        asked["status"] = None if query.status is None else query.status.value
        asked["pattern"] = "%" + _LIKE_SPECIAL.sub(r"/\g<0>", query.q.lower()) + "%" if query.q else None
        if query.cursor is not None:
            asked["value"], asked["last"] = _read_cursor(query.cursor, query.sort)
        given = {name: value for name, value in asked.items() if value is not None}
        statement = page_statement(query.sort, frozenset(given))
        now = self._clock()
        given["rows"] = query.limit + 1
        if seen.owner_id is not None:
            given |= {"subjects": sorted(seen.subjects), "now": now}
        found = await self._connection.execute(statement, given)
        items = tuple(self._read(row, now) for row in found)
        more = len(items) > query.limit
        items = items[: query.limit]
        return Page(items, _cursor(items[-1], query.sort) if more else None)

    async def save_desired(self, workspace: Workspace) -> None:
        """Store the desired half, and the status that the verb shows at once.

        Raises ``Conflict`` with code ``name_taken`` as ``add`` does.
        """
        values = _desired(workspace) | {"status": workspace.status.value, "progress": _progress(workspace)}
        try:
            await self._connection.execute(update(table).where(table.c.id == workspace.id).values(**values))
        except IntegrityError as wrong:
            raise _taken(workspace.name) from wrong

    async def save_seen(self, workspace: Workspace) -> bool:
        """Store the observed half; tell whether that includes status and progress.

        It does unless a verb has opened a new intent since ``workspace`` was read: then they are the verb's, until the
        reconciler has looked again.
        """
        values: dict[str, Any] = _seen(workspace)
        status, progress = values.pop("status"), values.pop("progress")
        where = table.c.id == workspace.id
        await self._connection.execute(update(table).where(where).values(**values))
        done = await self._connection.execute(
            update(table).where(where, table.c.intent == workspace.intent).values(status=status, progress=progress)
        )
        return done.rowcount == 1

    async def promised_bytes(self) -> int:
        """Return the bytes that are promised to workspaces and not yet taken by their volumes."""
        open_bytes = table.c.storage_bytes - table.c.volume_bytes
        counted = func.coalesce(func.sum(case((open_bytes > 0, open_bytes), else_=0)), 0)
        found = await self._connection.execute(select(counted).where(PRESENT, table.c.desire != Desire.DELETED.value))
        return int(found.scalar_one())

    async def limits_in_force(self) -> tuple[float, int]:
        """Return the cores and the bytes of memory that workspaces which are to run may use together."""
        found = await self._connection.execute(
            select(func.coalesce(func.sum(CPU), 0.0), func.coalesce(func.sum(MEMORY_BYTES), 0)).where(
                PRESENT, table.c.desire.in_([Desire.RUNNING.value, Desire.PAUSED.value])
            )
        )
        cpu, memory_bytes = found.one()
        return float(cpu), int(memory_bytes)

    async def touch(self, workspace_id: str, at: datetime) -> None:
        """Note the last use."""
        await self._connection.execute(update(table).where(table.c.id == workspace_id).values(last_accessed=at))

    def _read(self, row: Row[Any], now: datetime) -> Workspace:
        stored: tuple[Any, ...] = tuple(row)
        return _workspace(self._connection.dialect, stored[:-1], read_grants(stored[-1], now))


class SummaryRepository:
    """A few values of every workspace that is not gone, inside one transaction: many rows at a small cost."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def deciding(self) -> str:
        """Return for every workspace the values that decide its next step, for ``parted``."""
        return (await self._connection.execute(_DECIDING)).scalar_one() or ""

    async def statuses(self) -> Mapping[str, str]:
        """Return the status of every workspace by its id."""
        return {row[0]: row[1] for row in await self._connection.execute(_STATUSES)}

    async def running(self, owner_id: str | None) -> tuple[str, ...]:
        """Return the ids of all workspaces, or of a person's, that run or are paused."""
        wanted = select(table.c.id).where(PRESENT, table.c.status.in_([Status.RUNNING.value, Status.PAUSED.value]))
        if owner_id is not None:
            wanted = wanted.where(table.c.owner_id == owner_id)
        return tuple((await self._connection.execute(wanted)).scalars())

    async def promises(self) -> Mapping[str, int]:
        """Return the bytes that are promised to each workspace, its volume's included, by its id."""
        found = await self._connection.execute(
            select(table.c.id, table.c.storage_bytes).where(PRESENT, table.c.desire != Desire.DELETED.value)
        )
        return {row[0]: row[1] for row in found}


def parted(deciding: str) -> Iterator[tuple[str, str]]:
    """Yield the id of every workspace with the values that decide its next step.

    The values are for comparing only, with those of another time.
    """
    for record in deciding.split(_RECORD) if deciding else ():
        yield record.partition(_FIELD)[0], record


class TombstoneRepository:
    """The tombstones of deleted workspaces, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def add(self, workspace_id: str, at: datetime) -> None:
        """Turn a workspace into its tombstone."""
        await self._connection.execute(
            update(table).where(table.c.id == workspace_id).values(deleted_at=at, packages=[], ports=[], toplevel="")
        )
        for part in _PARTS:
            await self._connection.execute(delete(part).where(part.c.workspace_id == workspace_id))
        for kept in (secrets, secret_scopes):
            await self._connection.execute(delete(kept).where(kept.c.scope == workspace_id))

    async def among(self, ids: Iterable[str]) -> frozenset[str]:
        """Return those of these ids whose workspaces were deleted."""
        asked, found = sorted(ids), set[str]()
        for begin in range(0, len(asked), _IDS_AT_ONCE):
            wanted = table.c.id.in_(asked[begin : begin + _IDS_AT_ONCE])
            rows = await self._connection.execute(select(table.c.id).where(wanted, table.c.deleted_at.is_not(None)))
            found.update(rows.scalars())
        return frozenset(found)


def _cursor(last: Workspace, sort: Sort) -> str:
    """Return the cursor of the next page, in URL-safe letters."""
    value = getattr(last, column_of(sort))
    text = json.dumps([sort.value, value.isoformat() if isinstance(value, datetime) else value, last.id])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str, sort: Sort) -> tuple[str | datetime, str]:
    """Return the value and id that a page ended with; ``InvalidInput`` for anything but our own cursor."""
    foreign = InvalidInput("cursor is not one of this list: leave it out to begin anew.", field="cursor")
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        match json.loads(base64.b64decode(padded, altchars=b"-_", validate=True)):
            case [str(of), str(value), str(last)] if of == sort:
                (value + last).encode()
            case _:
                raise foreign
        if column_of(sort) == Sort.NAME:
            return value, last
        return datetime.fromisoformat(value).astimezone(UTC), last
    except (ValueError, OverflowError, RecursionError, binascii.Error) as wrong:
        raise foreign from wrong


def _taken(name: str) -> Conflict:
    """Return the error of a name that another workspace of its owner has."""
    message = f"You have a workspace named {name!r} already: choose another name."
    return Conflict(message, code="name_taken", field="name")


def _identity(workspace: Workspace) -> dict[str, Any]:
    """Return the columns that neither verbs nor the reconciler write."""
    return {
        "id": workspace.id,
        "owner_id": workspace.owner_id,
        "created_at": workspace.created_at,
        "last_accessed": workspace.last_accessed,
        "withholds_personal": workspace.withholds_personal,
    }


def _desired(workspace: Workspace) -> dict[str, Any]:
    """Return the columns that verbs write."""
    return {
        "name": workspace.name,
        "hostname": workspace.hostname,
        "desire": workspace.desire.value,
        "cpu": workspace.resources.cpu,
        "memory_bytes": workspace.resources.memory_bytes,
        "storage_bytes": workspace.resources.storage_bytes,
        "template": workspace.environment.template,
        "packages": list(workspace.environment.packages),
        "ports": list(workspace.environment.ports),
        "intent": workspace.intent,
        "revision": workspace.revision,
        "pinned": workspace.pinned,
        "restarts": workspace.restarts,
        "stop_reason": reason_to_json(workspace.stop_reason),
        "scaled_cpu": workspace.scaled_cpu,
        "scaled_memory_bytes": workspace.scaled_memory_bytes,
    }


def _seen(workspace: Workspace) -> dict[str, Any]:
    """Return the columns that the reconciler writes."""
    return {
        "status": workspace.status.value,
        "progress": _progress(workspace),
        "package_set": workspace.package_set,
        "generation": workspace.generation,
        "toplevel": workspace.toplevel,
        "open_ports": list(workspace.open_ports),
        "built_revision": workspace.built_revision,
        "restarts_done": workspace.restarts_done,
        "address": None if workspace.address is None else asdict(workspace.address),
        "encryption": workspace.encryption,
        "volume_bytes": workspace.volume_bytes,
        "started_at": workspace.started_at,
        "ready_at": workspace.ready_at,
        "oom_kills": workspace.oom_kills,
        "host_key": workspace.host_key,
        "forgotten": workspace.forgotten,
        "build_failure": _failure(workspace.build_failure),
        "step_failure": _failure(workspace.step_failure),
    }


def _progress(workspace: Workspace) -> dict[str, Any] | None:
    """Return progress and the times of its phases as JSON; ``phase`` is null once nothing is under way."""
    progress, times = workspace.progress, workspace.phases.times
    if progress is None and not times:
        return None
    now = {"phase": None} if progress is None else asdict(progress)
    return now | {"phases": [[one.phase, one.started_at.isoformat(), _iso(one.ended_at)] for one in times]}


def _iso(at: datetime | None) -> str | None:
    """Return an instant as text."""
    return None if at is None else at.isoformat()


def _read_progress(data: dict[str, Any] | None) -> tuple[Progress | None, Phases]:
    """Return progress and the times of its phases out of JSON."""
    if data is None:
        return None, Phases()
    idle = data["phase"] is None
    said = sentence_from_json(data.get("said"))  # rows of before have an English message in its place
    now = None if idle else Progress(Phase(data["phase"]), data["fraction"], said)
    # Rows of before have no times.
    times = (
        PhaseTime(Phase(phase), datetime.fromisoformat(began), None if ended is None else datetime.fromisoformat(ended))
        for phase, began, ended in data.get("phases", ())
    )
    return now, Phases(tuple(times))


def _failure(failure: Failure | None) -> dict[str, Any] | None:
    """Return a failure as JSON."""
    if failure is None:
        return None
    return {
        "step": str(failure.step),
        "code": failure.fault.code,
        "message": failure.fault.message,
        "at": failure.fault.at.isoformat(),
        "said": None if failure.fault.said is None else sentence_to_json(failure.fault.said),
        "count": failure.count,
        "retry_at": _iso(failure.retry_at),
        "intent": failure.intent,
    }


def _read_failure(data: dict[str, Any] | None) -> Failure | None:
    """Return a failure out of JSON."""
    if data is None:
        return None
    said = sentence_from_json(data.get("said"))  # rows of before have none
    return Failure(
        step=data["step"],
        fault=Fault(data["code"], data["message"], datetime.fromisoformat(data["at"]), said),
        count=data["count"],
        retry_at=None if data["retry_at"] is None else datetime.fromisoformat(data["retry_at"]),
        intent=data["intent"],
    )


@lru_cache(8)
def _conversions(dialect: Dialect) -> tuple[tuple[str, Callable[[Any], Any] | None], ...]:
    """Return the name of every column, and what makes its value out of the stored one; None where they are the same."""
    types = ((column.key, column.type.dialect_impl(dialect)) for column in table.c)
    return *((key, kind.result_processor(dialect, None)) for key, kind in types), ("owner_name", None)


@lru_cache(_REMEMBERED_ROWS)
def _workspace(dialect: Dialect, stored: tuple[Any, ...], grants: tuple[Grant, ...]) -> Workspace:
    """Return a row as the domain's value, with the shares that are in force.

    Remembered by all that is stored: lists are asked for every few seconds, and few of their rows change meanwhile.
    """
    named = zip(_conversions(dialect), stored, strict=True)
    row = {key: value if convert is None else convert(value) for (key, convert), value in named}
    progress, phases = _read_progress(row["progress"])
    return Workspace(
        id=row["id"],
        name=row["name"],
        owner_id=row["owner_id"],
        hostname=row["hostname"],
        created_at=row["created_at"],
        last_accessed=row["last_accessed"],
        desire=Desire(row["desire"]),
        resources=Resources(row["cpu"], row["memory_bytes"], row["storage_bytes"]),
        environment=Environment(row["template"], tuple(row["packages"]), tuple(row["ports"])),
        intent=row["intent"],
        revision=row["revision"],
        pinned=row["pinned"],
        restarts=row["restarts"],
        stop_reason=reason_from_json(row["stop_reason"]),
        scaled_cpu=row["scaled_cpu"],
        scaled_memory_bytes=row["scaled_memory_bytes"],
        status=Status(row["status"]),
        progress=progress,
        phases=phases,
        package_set=row["package_set"],
        generation=row["generation"],
        toplevel=row["toplevel"],
        open_ports=tuple(row["open_ports"]),
        built_revision=row["built_revision"],
        restarts_done=row["restarts_done"],
        address=None if row["address"] is None else Address(**row["address"]),
        encryption=row["encryption"],
        volume_bytes=row["volume_bytes"],
        started_at=row["started_at"],
        ready_at=row["ready_at"],
        oom_kills=row["oom_kills"],
        host_key=row["host_key"],
        forgotten=row["forgotten"],
        build_failure=_read_failure(row["build_failure"]),
        step_failure=_read_failure(row["step_failure"]),
        withholds_personal=row["withholds_personal"],
        owner_name=row["owner_name"] or "",
        grants=grants,
    )
