"""Offers of workspaces to new owners, and all that another owner changes in the tables."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import port_shares, transfer_offers, users, workspace_shares, workspaces
from nixos_workspaces.model.access.people import UserState
from nixos_workspaces.model.access.transfers import Offer
from nixos_workspaces.model.workspace import Desire

_offers = transfer_offers.c


class TransferRepository:
    """Offers, inside one transaction. Those that are not valid any more are not seen.

    An offer is valid until it expires, as long as its maker owns the workspace, neither person is suspended, and the
    workspace is not being deleted.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def offer(self, workspace_id: str, owner_id: str, to_id: str, now: datetime, expires_at: datetime) -> None:
        """Store an offer in place of the workspace's earlier one, and forget those that have expired."""
        await self._connection.execute(
            delete(transfer_offers).where(or_(_offers.expires_at <= now, _offers.workspace_id == workspace_id))
        )
        values = {"workspace_id": workspace_id, "owner_id": owner_id, "to_id": to_id}
        await self._connection.execute(
            insert(transfer_offers).values(**values, offered_at=now, expires_at=expires_at),
        )

    async def of(self, workspace_id: str, now: datetime) -> Offer | None:
        """Return the offer of a workspace."""
        return next(iter(await self._found(_offers.workspace_id == workspace_id, now)), None)

    async def to(self, user_id: str, now: datetime) -> tuple[Offer, ...]:
        """Return the offers to a user, oldest first."""
        return await self._found(_offers.to_id == user_id, now)

    async def by(self, user_id: str, now: datetime) -> tuple[Offer, ...]:
        """Return the offers that a user has made, oldest first."""
        return await self._found(_offers.owner_id == user_id, now)

    async def remove(self, workspace_id: str) -> None:
        """Remove the offer of a workspace."""
        await self._connection.execute(delete(transfer_offers).where(_offers.workspace_id == workspace_id))

    async def remove_of(self, user_id: str) -> None:
        """Remove all offers by and to a user."""
        either = or_(_offers.owner_id == user_id, _offers.to_id == user_id)
        await self._connection.execute(delete(transfer_offers).where(either))

    async def give(self, workspace_id: str, owner_id: str) -> None:
        """Give a workspace to another owner: without offers, shares and links, and without the owner's secrets."""
        values = {"owner_id": owner_id, "withholds_personal": True}
        await self._connection.execute(update(workspaces).where(workspaces.c.id == workspace_id).values(values))
        for table in (transfer_offers, workspace_shares, port_shares):
            await self._connection.execute(delete(table).where(table.c.workspace_id == workspace_id))

    async def withhold(self, workspace_id: str, *, withholds: bool) -> None:
        """Store whether its owner's personal secrets are kept from a workspace."""
        values = {"withholds_personal": withholds}
        await self._connection.execute(update(workspaces).where(workspaces.c.id == workspace_id).values(values))

    async def _found(self, which: ColumnElement[bool], now: datetime) -> tuple[Offer, ...]:
        giver, receiver = users.alias("giver"), users.alias("receiver")
        wanted = (
            select(
                *(workspaces.c.id, workspaces.c.name, giver.c.id, giver.c.handle, receiver.c.id, receiver.c.handle),
                *(_offers.offered_at, _offers.expires_at),
            )
            .join_from(transfer_offers, workspaces, workspaces.c.id == _offers.workspace_id)
            .join(giver, giver.c.id == _offers.owner_id)
            .join(receiver, receiver.c.id == _offers.to_id)
            .where(which, _offers.expires_at > now, workspaces.c.owner_id == _offers.owner_id)
            .where(workspaces.c.desire != Desire.DELETED.value, workspaces.c.deleted_at.is_(None))
            .where(giver.c.state == UserState.ACTIVE, receiver.c.state == UserState.ACTIVE)
            .order_by(_offers.offered_at, workspaces.c.id)
        )
        return tuple(Offer(*row) for row in await self._connection.execute(wanted))
