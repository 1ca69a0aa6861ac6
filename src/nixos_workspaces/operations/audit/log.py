"""Reading the audit log and proving what stands in it. Reading is audited too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from nixos_workspaces.audit.entries import ACCEPTED, AuditEntry, AuditQuery
from nixos_workspaces.audit.tree import consistency_ranges, covering, inclusion_ranges, position, prove
from nixos_workspaces.auth.counted import CountedAudit, Kind
from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.database import Database, Transaction
from nixos_workspaces.errors import InvalidInput, NotFound

_BATCH = 500


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries with their numbers, newest first."""

    entries: tuple[tuple[int, AuditEntry], ...]
    next_before: int | None
    """Entries of smaller numbers follow; None if there are none."""
    size: int
    """Entries of the whole log."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The path of an entry's hash to the root of a tree."""

    number: int
    size: int
    leaf: bytes
    path: tuple[bytes, ...]


class AuditLog:
    """The audit log for those who may read it: administrators and auditors; ``Forbidden`` for others."""

    def __init__(
        self, database: Database, counted: CountedAudit, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Read in ``database``; ``counted`` counts how often it is done."""
        self._database = database
        self._counted = counted
        self._clock = clock

    async def page(self, query: AuditQuery, limit: int, *, principal: Principal, request_id: str = "") -> AuditPage:
        """Return at most ``limit`` entries, newest first."""
        self._enter(principal, request_id)
        async with self._database.reading() as tx:
            found = await tx.audit.page(query, limit + 1)
            size = (await tx.audit.head()).size
        more = len(found) > limit
        return AuditPage(tuple(found[:limit]), found[limit - 1][0] if more else None, size)

    async def entry(self, number: int, *, principal: Principal, request_id: str = "") -> Mapping[str, Any]:
        """Return an entry as it stands in the tree; ``NotFound`` if there is none, or its time is over."""
        self._enter(principal, request_id)
        async with self._database.reading() as tx:
            bodies = await tx.audit.bodies(AuditQuery(before=number + 1), number - 1, 1)
        if not bodies:
            raise NotFound(
                f"There is no audit entry {number}, or its time is over.", code="audit_entry_not_found", field="seq"
            )
        entry: Mapping[str, Any] = orjson.loads(bodies[0])
        return entry

    async def proof(self, number: int, size: int | None, *, principal: Principal, request_id: str = "") -> Proof:
        """Prove that entry ``number`` stands in the tree of ``size`` entries; None: in that of now."""
        self._enter(principal, request_id)
        async with self._database.reading() as tx:
            size = await _known_size(tx, size)
            if number > size:
                raise NotFound(
                    f"The audit log has no entry {number} among its first {size}.",
                    code="audit_entry_not_found",
                    field="seq",
                )
            ranges, leaf = inclusion_ranges(number - 1, size), position(0, number - 1)
            nodes = await tx.audit.nodes({leaf, *(node for one in ranges for node in covering(one))})
        return Proof(number, size, nodes[leaf], prove(ranges, nodes.__getitem__))

    async def consistency(
        self, first: int, second: int | None, *, principal: Principal, request_id: str = ""
    ) -> tuple[int, tuple[bytes, ...]]:
        """Prove that the tree of ``second`` entries (None: of now) begins with that of ``first``; return its size."""
        self._enter(principal, request_id)
        async with self._database.reading() as tx:
            second = await _known_size(tx, second)
            if first > second:
                raise InvalidInput(
                    f"A log of {second} entries does not begin with {first}.", code="audit_size_unknown", field="from"
                )
            ranges = consistency_ranges(first, second)
            nodes = await tx.audit.nodes({node for one in ranges for node in covering(one)})
        return second, prove(ranges, nodes.__getitem__)

    async def export(
        self, query: AuditQuery, *, principal: Principal, request_id: str = ""
    ) -> AsyncIterator[list[Mapping[str, Any]]]:
        """Return entries as they stand in the tree, oldest first, in batches; the export has an entry of its own."""
        authorise(principal, Action.READ_AUDIT)
        detail = {
            name: str(value)
            for name in ("actor", "action", "workspace_id", "outcome", "kind", "since", "until")
            if (value := getattr(query, name))
        }
        entry = AuditEntry(self._clock(), principal.id, "export-audit", "", ACCEPTED, request_id, detail)
        async with self._database.transaction() as tx:
            end = await tx.audit.append(entry)
        return self._batches(replace(query, before=end))

    async def _batches(self, query: AuditQuery) -> AsyncIterator[list[Mapping[str, Any]]]:
        after = 0
        while True:
            async with self._database.reading(once=True) as tx:
                batch = [orjson.loads(body) for body in await tx.audit.bodies(query, after, _BATCH)]
            if not batch:
                return
            after = batch[-1]["seq"]
            yield batch

    def _enter(self, principal: Principal, request_id: str) -> None:
        authorise(principal, Action.READ_AUDIT)
        self._counted.note(Kind(Action.READ_AUDIT, actor=principal.id), request_id)


async def _known_size(tx: Transaction, size: int | None) -> int:
    """Return the size of a tree that there was; ``InvalidInput`` for one that there was not yet."""
    now = (await tx.audit.head()).size
    if size is not None and size > now:
        raise InvalidInput(f"The audit log has {now} entries, not {size}.", code="audit_size_unknown", field="size")
    return now if size is None else size
