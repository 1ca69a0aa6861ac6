"""The audit entries and the tree over them: appended, read, and shortened; never changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.audit.entries import (
    BLANK,
    LONGEST,
    AuditClass,
    AuditEntry,
    AuditQuery,
    asker,
    body_of,
    cells_of,
    complete,
    fields_of,
    read_body,
)
from nixos_workspaces.audit.tree import Frontier, leaf_hash
from nixos_workspaces.database.audit.tables import audit_entries, audit_head, audit_nodes
from nixos_workspaces.database.sqlite import Run, in_one_trip
from nixos_workspaces.errors import Unavailable

_READ_HEAD = "SELECT size, peaks FROM audit_head WHERE id = 1"
_WRITE_HEAD = "UPDATE audit_head SET size = ?, peaks = ? WHERE id = 1 AND size = ?"
_WRITE_NODE = "INSERT INTO audit_nodes (position, hash) VALUES (?, ?)"
_WRITE_ENTRY = (
    "INSERT INTO audit_entries (number, at, actor, action, workspace_id, outcome, request_id, class, body) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True)
class Expirable:
    """Entries whose bodies may go: their numbers, ascending, all of one class."""

    kind: AuditClass
    numbers: tuple[int, ...]


class AuditRepository:
    """The audit entries; they can be added and read, and their bodies removed when their time is over."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def append(self, entry: AuditEntry) -> int:
        """Store an entry in the transaction of its intent, both or neither; return its number.

        Numbers have no gaps: a transaction that is rolled back gives its number back. Raises ``Unavailable`` if the
        tree cannot grow, so that nothing happens that the log does not tell.
        """
        completed = complete(entry, asker.get())

        def grow(run: Run) -> int:
            return append_entries(run, [completed])

        return await in_one_trip(self._connection, grow)

    async def entries(
        self, workspace_id: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[tuple[int, AuditEntry]]:
        """Return entries with their numbers, oldest first; those without a body are left out."""
        query = select(audit_entries.c.body).where(audit_entries.c.number > after, audit_entries.c.body.is_not(None))
        if workspace_id is not None:
            query = query.where(audit_entries.c.workspace_id == workspace_id)
        found = await self._connection.execute(query.order_by(audit_entries.c.number).limit(limit))
        return [read_body(body) for body in found.scalars()]

    async def bodies(self, query: AuditQuery, after: int, limit: int) -> list[str]:
        """Return bodies of entries of larger numbers than ``after``, oldest first."""
        columns = audit_entries.c
        chosen = select(columns.body).where(columns.number > after, columns.body.is_not(None), *_conditions(query))
        return list((await self._connection.execute(chosen.order_by(columns.number).limit(limit))).scalars())

    async def page(self, query: AuditQuery, limit: int) -> list[tuple[int, AuditEntry]]:
        """Return entries with their numbers, newest first; those without a body are left out."""
        columns = audit_entries.c
        chosen = select(columns.body).where(columns.body.is_not(None), *_conditions(query))
        found = await self._connection.execute(chosen.order_by(columns.number.desc()).limit(limit))
        return [read_body(body) for body in found.scalars()]

    async def head(self) -> Frontier:
        """Return the tree; ``Unavailable`` (``audit_damaged``) if its stored form is none."""
        found = await self._connection.execute(select(audit_head.c.size, audit_head.c.peaks))
        return _frontier(found.all())

    async def nodes(self, positions: Iterable[int]) -> dict[int, bytes]:
        """Return the hashes of complete subtrees by position; ``Unavailable`` (``audit_damaged``) if one is missing."""
        wanted = set(positions)
        query = select(audit_nodes.c.position, audit_nodes.c.hash).where(audit_nodes.c.position.in_(wanted))
        found = {row.position: row.hash for row in await self._connection.execute(query)}
        if found.keys() != wanted:
            raise _damaged()
        return found

    async def expirable(self, kind: AuditClass, before: datetime, limit: int) -> Expirable:
        """Return the oldest entries of a class from before an instant that still have their body."""
        columns = audit_entries.c
        old = (columns["class"] == kind.value, columns.at < before, columns.body.is_not(None))
        query = select(columns.number).where(*old).order_by(columns.number).limit(limit)
        return Expirable(kind, tuple((await self._connection.execute(query)).scalars()))

    async def expire(self, expirable: Expirable, by: int) -> None:
        """Remove the bodies; their hashes stay. ``by`` is the number of the entry that tells of it."""
        blank: dict[str, Any] = dict(zip(("at", *LONGEST, "class"), BLANK, strict=True))
        blank["at"] = datetime.fromtimestamp(0, UTC)
        change = update(audit_entries).where(audit_entries.c.number.in_(expirable.numbers))
        await self._connection.execute(change.values(body=None, expired_by=by, **blank))

    async def counts(self) -> dict[str, int]:
        """Return how many entries of each class still have their body."""
        kinds = audit_entries.c["class"]
        query = select(kinds, func.count()).where(audit_entries.c.body.is_not(None)).group_by(kinds)
        return {row[0]: row[1] for row in await self._connection.execute(query)}


def append_entries(run: Run, entries: Sequence[AuditEntry]) -> int:
    """Append complete entries with the nodes that they complete; return the last number."""
    tree = _frontier(run(_READ_HEAD, ()))
    before = tree.size
    for entry in entries:
        tree = _append(run, tree, entry)
    run(_WRITE_HEAD, (tree.size, b"".join(tree.peaks), before))
    return tree.size


def _append(run: Run, tree: Frontier, entry: AuditEntry) -> Frontier:
    number = tree.size + 1
    fields = fields_of(number, entry)
    body = body_of(fields)
    grown, nodes = tree.append(leaf_hash(body))
    run(_WRITE_ENTRY, (number, *cells_of(fields), body.decode()))
    for node in nodes:
        run(_WRITE_NODE, node)
    return grown


def _conditions(query: AuditQuery) -> list[Any]:
    columns = audit_entries.c
    equal = {"actor": query.actor, "action": query.action, "workspace_id": query.workspace_id, "outcome": query.outcome}
    conditions: list[Any] = [columns[name] == value for name, value in equal.items() if value]
    if query.kind is not None:
        conditions.append(columns["class"] == query.kind.value)
    if query.since is not None:
        conditions.append(columns.at >= query.since)
    if query.until is not None:
        conditions.append(columns.at < query.until)
    if query.before is not None:
        conditions.append(columns.number < query.before)
    return conditions


def _frontier(rows: Sequence[Sequence[Any]]) -> Frontier:
    try:
        [(size, peaks)] = rows
        return Frontier.read(size, peaks)
    except (ValueError, TypeError, AttributeError) as wrong:
        raise _damaged() from wrong


def _damaged() -> Unavailable:
    return Unavailable(
        "The tree of the audit log is damaged, and nothing may happen that it does not tell. `nixws audit verify` "
        "names the first bad entry; put a copy of the database back.",
        code="audit_damaged",
    )
