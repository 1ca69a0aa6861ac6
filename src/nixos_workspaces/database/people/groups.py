"""Groups and their members."""

from __future__ import annotations

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import group_members, provisioned_groups, quotas, user_groups
from nixos_workspaces.model.access.people import Group, QuotaSubject


class GroupRepository:
    """The groups, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def all(self) -> tuple[Group, ...]:
        """Return all groups with their members, by their names."""
        members: dict[str, list[str]] = {}
        wanted = select(group_members).order_by(group_members.c.user_id)
        for row in await self._connection.execute(wanted):
            members.setdefault(row.group_id, []).append(row.user_id)
        found = await self._connection.execute(select(user_groups).order_by(user_groups.c.name))
        return tuple(Group(row.id, row.name, row.created_at, tuple(members.get(row.id, ()))) for row in found)

    async def find(self, reference: str) -> Group | None:
        """Return the group with that id or name, with its members."""
        wanted = select(user_groups).where((user_groups.c.id == reference) | (user_groups.c.name == reference))
        rows = [*await self._connection.execute(wanted)]
        if not rows:
            return None
        row = next((one for one in rows if one.id == reference), rows[0])
        ids = select(group_members.c.user_id).where(group_members.c.group_id == row.id)
        members = (await self._connection.execute(ids.order_by(group_members.c.user_id))).scalars()
        return Group(row.id, row.name, row.created_at, tuple(members))

    async def add(self, group: Group) -> None:
        """Store a new group, without members."""
        await self._connection.execute(
            insert(user_groups).values(id=group.id, name=group.name, created_at=group.created_at)
        )

    async def remove(self, group_id: str) -> None:
        """Remove a group with its memberships and its quota."""
        await self._connection.execute(delete(group_members).where(group_members.c.group_id == group_id))
        of_group = (quotas.c.kind == QuotaSubject.GROUP) & (quotas.c.subject_id == group_id)
        await self._connection.execute(delete(quotas).where(of_group))
        told = provisioned_groups.c.group_id == group_id
        await self._connection.execute(delete(provisioned_groups).where(told))
        await self._connection.execute(delete(user_groups).where(user_groups.c.id == group_id))

    async def join(self, group_id: str, user_id: str) -> None:
        """Make a user a member; who is one stays it."""
        await self.leave(group_id, user_id)
        await self._connection.execute(insert(group_members).values(group_id=group_id, user_id=user_id))

    async def leave(self, group_id: str, user_id: str) -> bool:
        """End a membership; False if there was none."""
        one = (group_members.c.group_id == group_id) & (group_members.c.user_id == user_id)
        return (await self._connection.execute(delete(group_members).where(one))).rowcount == 1
