"""Every query about workspaces."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, case, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import workspaces as table
from nixos_workspaces.errors import Conflict, InvalidInput
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import Address, Resources
from nixos_workspaces.model.workspace import (
    MAX_PAGE,
    Desire,
    Failure,
    Fault,
    Page,
    Phase,
    Progress,
    Sort,
    Status,
    Workspace,
    WorkspaceQuery,
)

_COLUMNS = tuple(table.c.keys())
_PRESENT = table.c.deleted_at.is_(None)
"""The condition of a workspace that is not a tombstone; built once, as building costs as much as asking."""
_EVERYTHING = select(table).where(_PRESENT)
_LIKE_SPECIAL = re.compile(r"[%_/]")


class WorkspaceRepository:
    """The workspaces, inside one transaction. A deleted one stays as a tombstone, which no method here sees."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def add(self, workspace: Workspace) -> None:
        """Store a new workspace; ``Conflict`` with code ``name_taken`` if its owner has one of that name."""
        taken = Conflict(
            f"You have a workspace named {workspace.name!r} already: choose another name.",
            code="name_taken",
            field="name",
        )
        if await self.find(workspace.name, workspace.owner_id) is not None:
            raise taken
        try:
            await self._connection.execute(
                insert(table).values(**_identity(workspace), **_desired(workspace), **_seen(workspace))
            )
        except IntegrityError as wrong:
            raise taken from wrong

    async def get(self, workspace_id: str, *, lock: bool = False) -> Workspace | None:
        """Return the workspace of that id; ``lock`` keeps others from changing it until the transaction ends."""
        query = select(table).where(table.c.id == workspace_id, _PRESENT)
        row = (await self._connection.execute(query.with_for_update() if lock else query)).one_or_none()
        return None if row is None else _workspace(row)

    async def find(self, name: str, owner_id: str) -> Workspace | None:
        """Return the owner's workspace of that name, unless it is being deleted."""
        row = (
            await self._connection.execute(
                select(table).where(
                    table.c.owner_id == owner_id, table.c.name == name, table.c.desire != Desire.DELETED.value
                )
            )
        ).one_or_none()
        return None if row is None else _workspace(row)

    async def all(self) -> tuple[Workspace, ...]:
        """Return every workspace that is not gone, oldest first."""
        rows = await self._connection.execute(select(table).where(_PRESENT).order_by(table.c.created_at, table.c.id))
        return tuple(_workspace(row) for row in rows)

    async def page(self, query: WorkspaceQuery, owner_id: str | None) -> Page:
        """Return one page of a list; of one owner's workspaces, or of all with None.

        Raises ``InvalidInput`` for a limit out of range and for a cursor that is not of this list.
        """
        if not 1 <= query.limit <= MAX_PAGE:
            raise InvalidInput(f"limit must be between 1 and {MAX_PAGE}.", field="limit")
        asked: dict[str, Any] = {"owner_id": owner_id, "template": query.template}
        asked["status"] = None if query.status is None else query.status.value
        asked["pattern"] = "%" + _LIKE_SPECIAL.sub(r"/\g<0>", query.q.lower()) + "%" if query.q else None
        if query.cursor is not None:
            asked["value"], asked["last"] = _read_cursor(query.cursor, query.sort)
        given = {name: value for name, value in asked.items() if value is not None}
        found = await self._connection.execute(
            _page_statement(query.sort, frozenset(given)), given | {"rows": query.limit + 1}
        )
        items = tuple(_workspace(row) for row in found)
        more = len(items) > query.limit
        items = items[: query.limit]
        return Page(items, _cursor(items[-1], query.sort) if more else None)

    async def save_desired(self, workspace: Workspace) -> None:
        """Store the desired half, and the status that the verb shows at once."""
        values = _desired(workspace) | {"status": workspace.status.value, "progress": _progress(workspace.progress)}
        await self._connection.execute(update(table).where(table.c.id == workspace.id).values(**values))

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
        found = await self._connection.execute(select(counted).where(_PRESENT, table.c.desire != Desire.DELETED.value))
        return int(found.scalar_one())

    async def limits_in_force(self) -> tuple[float, int]:
        """Return the cores and the bytes of memory that workspaces which are to run may use together."""
        found = await self._connection.execute(
            select(func.coalesce(func.sum(table.c.cpu), 0.0), func.coalesce(func.sum(table.c.memory_bytes), 0)).where(
                _PRESENT, table.c.desire.in_([Desire.RUNNING.value, Desire.PAUSED.value])
            )
        )
        cpu, memory_bytes = found.one()
        return float(cpu), int(memory_bytes)

    async def touch(self, workspace_id: str, at: datetime) -> None:
        """Note the last use."""
        await self._connection.execute(update(table).where(table.c.id == workspace_id).values(last_accessed=at))


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

    async def has(self, workspace_id: str) -> bool:
        """Tell whether a workspace of that id was deleted."""
        found = await self._connection.execute(
            select(table.c.id).where(table.c.id == workspace_id, table.c.deleted_at.is_not(None))
        )
        return found.one_or_none() is not None


@cache
def _page_statement(sort: Sort, given: frozenset[str]) -> Select[Any]:
    """Return the query of a page for the values that are ``given`` by name, and ``rows``.

    Kept, as building one costs as much as asking it.
    """
    column, down = table.c[column_of(sort)], sort.startswith("-")
    value, last = bindparam("value", type_=column.type), bindparam("last", type_=table.c.id.type)
    beyond = (column < value, table.c.id < last) if down else (column > value, table.c.id > last)
    conditions: dict[str, ColumnElement[bool]] = {
        "owner_id": table.c.owner_id == bindparam("owner_id"),
        "status": table.c.status == bindparam("status"),
        "template": table.c.template == bindparam("template"),
        "pattern": func.lower(table.c.name).like(bindparam("pattern"), escape="/"),
        "last": or_(beyond[0], and_(column == value, beyond[1])),
    }
    order = (column.desc(), table.c.id.desc()) if down else (column, table.c.id)
    wanted = [condition for name, condition in conditions.items() if name in given]
    return _EVERYTHING.where(*wanted).order_by(*order).limit(bindparam("rows"))


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


def column_of(sort: Sort) -> str:
    """Return the name of the column that decides an order."""
    return sort.value.lstrip("-")


def _identity(workspace: Workspace) -> dict[str, Any]:
    """Return the columns that never change."""
    return {
        "id": workspace.id,
        "name": workspace.name,
        "owner_id": workspace.owner_id,
        "hostname": workspace.hostname,
        "created_at": workspace.created_at,
        "last_accessed": workspace.last_accessed,
    }


def _desired(workspace: Workspace) -> dict[str, Any]:
    """Return the columns that verbs write."""
    return {
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
    }


def _seen(workspace: Workspace) -> dict[str, Any]:
    """Return the columns that the reconciler writes."""
    return {
        "status": workspace.status.value,
        "progress": _progress(workspace.progress),
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


def _progress(progress: Progress | None) -> dict[str, Any] | None:
    """Return progress as JSON."""
    return None if progress is None else asdict(progress)


def _failure(failure: Failure | None) -> dict[str, Any] | None:
    """Return a failure as JSON."""
    if failure is None:
        return None
    return {
        "step": str(failure.step),
        "code": failure.fault.code,
        "message": failure.fault.message,
        "at": failure.fault.at.isoformat(),
        "count": failure.count,
        "retry_at": None if failure.retry_at is None else failure.retry_at.isoformat(),
        "intent": failure.intent,
    }


def _read_failure(data: dict[str, Any] | None) -> Failure | None:
    """Return a failure out of JSON."""
    if data is None:
        return None
    return Failure(
        step=data["step"],
        fault=Fault(data["code"], data["message"], datetime.fromisoformat(data["at"])),
        count=data["count"],
        retry_at=None if data["retry_at"] is None else datetime.fromisoformat(data["retry_at"]),
        intent=data["intent"],
    )


def _workspace(found: Row[Any]) -> Workspace:
    """Return a row as the domain's value."""
    # A dict is read ten times as fast as the row's own attributes: lists are made of many rows.
    row = dict(zip(_COLUMNS, found, strict=True))
    progress = row["progress"]
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
        status=Status(row["status"]),
        progress=progress and Progress(Phase(progress["phase"]), progress["fraction"], progress["message"]),
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
    )
