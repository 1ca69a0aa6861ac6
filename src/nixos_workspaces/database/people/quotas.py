"""Quotas of users and groups, and what of them is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, case, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.automation.scaling_tables import CPU, MEMORY_BYTES
from nixos_workspaces.database.schema import group_members, quotas, user_groups, users, workspaces
from nixos_workspaces.model.access.people import DIMENSIONS, NO_BOUND, Amounts, Quota, QuotaSubject
from nixos_workspaces.model.workspace import Desire

_RUNS = workspaces.c.desire.in_((Desire.RUNNING, Desire.PAUSED))


class QuotaRepository:
    """The quotas, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def replace(self, kind: QuotaSubject, subject_id: str, allowed: Amounts) -> None:
        """Store a quota; one without any bound is removed."""
        one = (quotas.c.kind == kind) & (quotas.c.subject_id == subject_id)
        await self._connection.execute(delete(quotas).where(one))
        if allowed != NO_BOUND:
            await self._connection.execute(insert(quotas).values(kind=kind, subject_id=subject_id, **asdict(allowed)))

    async def find(self, kind: QuotaSubject, subject_id: str) -> Amounts:
        """Return the quota of a user or a group alone; without any bound if there is none."""
        wanted = select(quotas).where((quotas.c.kind == kind) & (quotas.c.subject_id == subject_id))
        row = (await self._connection.execute(wanted)).one_or_none()
        return NO_BOUND if row is None else Amounts(*(getattr(row, dimension) for dimension in DIMENSIONS))

    async def of_user(self, user_id: str) -> tuple[Quota, ...]:
        """Return the quotas that bound a user, with what is used: the user's own and those of their groups."""
        memberships = select(group_members.c.group_id).where(group_members.c.user_id == user_id)
        own = (quotas.c.kind == QuotaSubject.USER) & (quotas.c.subject_id == user_id)
        groups = (quotas.c.kind == QuotaSubject.GROUP) & quotas.c.subject_id.in_(memberships)
        return await self._with_use(own | groups)

    async def all(self) -> tuple[Quota, ...]:
        """Return every quota, with what is used."""
        return await self._with_use(quotas.c.kind.is_not(None))

    async def used_by(self, owner_ids: Sequence[str]) -> Amounts:
        """Return what some users have together."""
        return await self._used(workspaces.c.owner_id.in_(owner_ids))

    async def _with_use(self, chosen: Any) -> tuple[Quota, ...]:
        named = (
            select(quotas, users.c.handle, user_groups.c.name)
            .outerjoin(users, (quotas.c.kind == QuotaSubject.USER) & (users.c.id == quotas.c.subject_id))
            .outerjoin(user_groups, (quotas.c.kind == QuotaSubject.GROUP) & (user_groups.c.id == quotas.c.subject_id))
            .where(chosen)
            .order_by(quotas.c.kind.desc(), quotas.c.subject_id)
        )
        found = [*await self._connection.execute(named)]
        return tuple([await self._quota(row) for row in found])

    async def _quota(self, row: Row[Any]) -> Quota:
        kind = QuotaSubject(row.kind)
        if kind is QuotaSubject.USER:
            owners = workspaces.c.owner_id == row.subject_id
        else:
            members = select(group_members.c.user_id).where(group_members.c.group_id == row.subject_id)
            owners = workspaces.c.owner_id.in_(members)
        allowed = Amounts(*(getattr(row, dimension) for dimension in DIMENSIONS))
        name = row.handle if kind is QuotaSubject.USER else row.name
        return Quota(kind, row.subject_id, name or row.subject_id, allowed, await self._used(owners))

    async def _used(self, owners: Any) -> Amounts:
        def of_running(column: Any) -> Any:
            return func.coalesce(func.sum(case((_RUNS, column), else_=0)), 0)

        sums = select(
            func.count(),
            of_running(1),
            of_running(CPU),
            of_running(MEMORY_BYTES),
            func.coalesce(func.sum(workspaces.c.storage_bytes), 0),
        ).where(owners, workspaces.c.desire != Desire.DELETED)
        row = (await self._connection.execute(sums)).one()
        return Amounts(*row)
