"""Proposals for the networks of workspaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.network.forms import entries_form, entries_of
from nixos_workspaces.database.schema import network_proposals as table
from nixos_workspaces.model.network.proposals import Proposal, ProposalSource, ProposalState

MOST_KEPT = 100
"""Proposals of one workspace that are kept once they are decided."""


class ProposalRepository:
    """The proposals, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def add(self, proposal: Proposal) -> None:
        """Store a new one; the oldest decided ones beyond ``MOST_KEPT`` go."""
        decided = (
            select(table.c.id)
            .where(table.c.workspace_id == proposal.workspace_id, table.c.state != ProposalState.PENDING.value)
            .order_by(table.c.created_at.desc(), table.c.id)
            .offset(MOST_KEPT)
            .limit(-1)
        )
        old = [row.id for row in await self._connection.execute(decided)]
        if old:
            await self._connection.execute(delete(table).where(table.c.id.in_(old)))
        await self._connection.execute(
            insert(table).values(
                id=proposal.id,
                workspace_id=proposal.workspace_id,
                entries=entries_form(proposal.entries),
                reason=proposal.reason,
                source=proposal.source.value,
                state=proposal.state.value,
                created_at=proposal.created_at,
                created_by=proposal.created_by,
                decided_at=proposal.decided_at,
                decided_by=proposal.decided_by,
            )
        )

    async def get(self, workspace_id: str, proposal_id: str) -> Proposal | None:
        """Return one proposal for a workspace, if there is one."""
        wanted = select(table).where(table.c.workspace_id == workspace_id, table.c.id == proposal_id)
        row = (await self._connection.execute(wanted)).one_or_none()
        return None if row is None else _proposal(row)

    async def of(self, workspace_id: str) -> Sequence[Proposal]:
        """Return all proposals for a workspace that are kept, newest first."""
        wanted = select(table).where(table.c.workspace_id == workspace_id)
        found = await self._connection.execute(wanted.order_by(table.c.created_at.desc(), table.c.id))
        return [_proposal(row) for row in found]

    async def pending(self, workspace_id: str) -> int:
        """Return how many wait for a decision."""
        wanted = select(func.count()).where(
            table.c.workspace_id == workspace_id, table.c.state == ProposalState.PENDING.value
        )
        return int((await self._connection.execute(wanted)).scalar_one())

    async def decide(self, decided: Proposal) -> None:
        """Store what has become of a proposal."""
        await self._connection.execute(
            update(table)
            .where(table.c.id == decided.id)
            .values(state=decided.state.value, decided_at=decided.decided_at, decided_by=decided.decided_by)
        )


def _proposal(row: Row[Any]) -> Proposal:
    return Proposal(
        id=row.id,
        workspace_id=row.workspace_id,
        entries=entries_of(row.entries),
        reason=row.reason,
        source=ProposalSource(row.source),
        created_at=row.created_at,
        created_by=row.created_by,
        state=ProposalState(row.state),
        decided_at=row.decided_at,
        decided_by=row.decided_by,
    )
