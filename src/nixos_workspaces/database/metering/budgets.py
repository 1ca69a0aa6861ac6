"""Budgets, and what has been told about them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.metering.tables import budgets
from nixos_workspaces.database.schema import group_members, user_groups, users, workspaces
from nixos_workspaces.model.metering.budgets import AtLimit, Budget, BudgetSubject
from nixos_workspaces.model.workspace import Desire


class BudgetRepository:
    """The budgets, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def all(self) -> tuple[Budget, ...]:
        """Return every budget."""
        wanted = select(budgets).order_by(budgets.c.kind, budgets.c.subject_id)
        return tuple(_budget(row) for row in await self._connection.execute(wanted))

    async def find(self, kind: BudgetSubject, subject_id: str) -> Budget | None:
        """Return the budget of a subject."""
        wanted = select(budgets).where((budgets.c.kind == kind) & (budgets.c.subject_id == subject_id))
        row = (await self._connection.execute(wanted)).one_or_none()
        return None if row is None else _budget(row)

    async def over(self, owner_id: str, workspace_id: str) -> tuple[Budget, ...]:
        """Return the budgets that bound a workspace: its own, its owner's, and those of the owner's groups."""
        memberships = select(group_members.c.group_id).where(group_members.c.user_id == owner_id)
        chosen = (
            ((budgets.c.kind == BudgetSubject.USER) & (budgets.c.subject_id == owner_id))
            | ((budgets.c.kind == BudgetSubject.GROUP) & budgets.c.subject_id.in_(memberships))
            | ((budgets.c.kind == BudgetSubject.WORKSPACE) & (budgets.c.subject_id == workspace_id))
        )
        return tuple(_budget(row) for row in await self._connection.execute(select(budgets).where(chosen)))

    async def replace(self, budget: Budget) -> None:
        """Store a budget in place of the subject's present one."""
        await self.remove(budget.kind, budget.subject_id)
        row = {
            "kind": budget.kind,
            "subject_id": budget.subject_id,
            "amount_micro": budget.amount_micro,
            "at_limit": budget.at_limit,
            "thresholds": list(budget.thresholds),
            "month": budget.month,
            "told": list(budget.told),
            "reached": budget.reached,
        }
        await self._connection.execute(insert(budgets).values(row))

    async def remove(self, kind: BudgetSubject, subject_id: str) -> bool:
        """Remove a budget; False if there was none."""
        one = (budgets.c.kind == kind) & (budgets.c.subject_id == subject_id)
        return (await self._connection.execute(delete(budgets).where(one))).rowcount == 1

    async def subjects(self, kind: BudgetSubject, reference: str) -> tuple[str, ...]:
        """Return the ids of what is named by id or name; a workspace's name only while it is not deleted."""
        match kind:
            case BudgetSubject.USER:
                wanted = select(users.c.id).where((users.c.id == reference) | (users.c.handle == reference))
            case BudgetSubject.GROUP:
                wanted = select(user_groups.c.id).where(
                    (user_groups.c.id == reference) | (user_groups.c.name == reference)
                )
            case BudgetSubject.WORKSPACE:
                named = (workspaces.c.name == reference) & (workspaces.c.desire != Desire.DELETED)
                wanted = select(workspaces.c.id).where((workspaces.c.id == reference) | named)
        return tuple((await self._connection.execute(wanted)).scalars())

    async def names(self) -> dict[str, dict[str, str]]:
        """Return the names of all users, groups and workspaces, deleted ones too, by kind and id."""
        columns = {
            BudgetSubject.USER: (users.c.id, users.c.handle),
            BudgetSubject.GROUP: (user_groups.c.id, user_groups.c.name),
            BudgetSubject.WORKSPACE: (workspaces.c.id, workspaces.c.name),
        }
        return {
            kind.value: {row[0]: row[1] for row in await self._connection.execute(select(*pair))}
            for kind, pair in columns.items()
        }


def _budget(row: Row[Any]) -> Budget:
    return Budget(
        BudgetSubject(row.kind),
        row.subject_id,
        row.amount_micro,
        AtLimit(row.at_limit),
        tuple(row.thresholds),
        row.month,
        tuple(row.told),
        row.reached,
    )
