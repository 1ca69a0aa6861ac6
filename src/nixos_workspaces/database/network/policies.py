"""The networks of workspaces as they are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.network.forms import learning_form, learning_of, policy_form, policy_of
from nixos_workspaces.database.schema import workspace_networks as table
from nixos_workspaces.model.network.entries import NetworkPolicy
from nixos_workspaces.model.network.proposals import Learning, StoredNetwork
from nixos_workspaces.model.network.rules import next_expiry, pruned


class NetworkRepository:
    """The networks, each with a version, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def find(self, workspace_id: str) -> StoredNetwork:
        """Return the network of a workspace; that of version 0 where none was stored."""
        wanted = select(table.c.version, table.c.policy, table.c.learning).where(table.c.workspace_id == workspace_id)
        row = (await self._connection.execute(wanted)).one_or_none()
        if row is None:
            return StoredNetwork()
        return StoredNetwork(row.version, policy_of(row.policy), learning_of(row.learning))

    async def replace(
        self, workspace_id: str, version: int, policy: NetworkPolicy, learning: Learning | None, now: datetime
    ) -> bool:
        """Store the network that follows ``version`` (0: none); tell whether that was the one in force."""
        values = {
            "version": version + 1,
            "policy": policy_form(policy),
            "learning": learning_form(learning),
            "expires_at": _first_end(policy, learning, now),
        }
        if version:
            changed = await self._connection.execute(
                update(table).where(table.c.workspace_id == workspace_id, table.c.version == version).values(values)
            )
            return bool(changed.rowcount)
        if (await self.find(workspace_id)).version:
            return False
        await self._connection.execute(insert(table).values(workspace_id=workspace_id, **values))
        return True

    async def due(self, now: datetime) -> Sequence[str]:
        """Return the workspaces of whose network something has ended."""
        wanted = select(table.c.workspace_id).where(table.c.expires_at.is_not(None), table.c.expires_at <= now)
        return [row.workspace_id for row in await self._connection.execute(wanted)]

    async def next_end(self) -> datetime | None:
        """Return when the next of all networks has something that ends."""
        wanted = select(table.c.expires_at).where(table.c.expires_at.is_not(None)).order_by(table.c.expires_at).limit(1)
        row = (await self._connection.execute(wanted)).one_or_none()
        end: datetime | None = None if row is None else row.expires_at
        return end

    async def refresh(self, workspace_id: str, stored: StoredNetwork, now: datetime) -> None:
        """Drop the parts that have ended from a network, if it is still of that version, which it keeps."""
        policy = pruned(stored.policy, now)
        await self._connection.execute(
            update(table)
            .where(table.c.workspace_id == workspace_id, table.c.version == stored.version)
            .values(policy=policy_form(policy), expires_at=_first_end(policy, stored.learning, now))
        )


def _first_end(policy: NetworkPolicy, learning: Learning | None, now: datetime) -> datetime | None:
    """Return when the first part of a network ends."""
    ends = [next_expiry(policy, now), None if learning is None else learning.until]
    return min((end for end in ends if end is not None), default=None)
