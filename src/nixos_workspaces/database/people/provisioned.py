"""Names and ids that identity providers give to users and groups."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.people.users import user_of
from nixos_workspaces.database.schema import group_members, provisioned_groups, provisioned_users, user_groups, users
from nixos_workspaces.model.access.people import Group, UserKind
from nixos_workspaces.model.access.provisioned import Named, ProvisionedGroup, ProvisionedUser

_SEEN = (users.c.kind == UserKind.PERSON) & provisioned_users.c.deleted_at.is_(None)
_group_name = func.coalesce(provisioned_groups.c.display_name, user_groups.c.name)
_user_name = func.coalesce(provisioned_users.c.user_name, users.c.handle)
_all_users = users.outerjoin(provisioned_users, provisioned_users.c.user_id == users.c.id)
_all_groups = user_groups.outerjoin(provisioned_groups, provisioned_groups.c.group_id == user_groups.c.id)


class ProvisionedRepository:
    """People and groups, also those that no provider named, inside one transaction; deleted people are left out.

    Names are compared by their keys, which the caller makes.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def users(
        self, *, user_id: str | None = None, key: str | None = None, external_id: str | None = None
    ) -> tuple[ProvisionedUser, ...]:
        """Return all people, or those with that id, name or external id, by their ids."""
        chosen: ColumnElement[bool] = _SEEN
        if user_id is not None:
            chosen &= users.c.id == user_id
        if key is not None:
            chosen &= func.coalesce(provisioned_users.c.user_name_key, users.c.handle) == key
        if external_id is not None:
            chosen &= provisioned_users.c.external_id == external_id
        wanted = select(users, *_OF_USER).select_from(_all_users).where(chosen).order_by(users.c.id)
        rows = [*await self._connection.execute(wanted)]
        groups = await self._groups_of(None if chosen is _SEEN else [row.id for row in rows])
        return tuple(_user(row, groups.get(row.id, ())) for row in rows)

    async def save_user(self, record: ProvisionedUser, key: str) -> None:
        """Store what a provider said of a user."""
        told = {
            "user_name": record.user_name,
            "user_name_key": key,
            "external_id": record.external_id,
            "attributes": dict(record.attributes),
            "changed_at": record.changed_at,
        }
        of_user = provisioned_users.c.user_id == record.user.id
        await self._connection.execute(delete(provisioned_users).where(of_user))
        await self._connection.execute(insert(provisioned_users).values(user_id=record.user.id, **told))

    async def delete_user(self, user_id: str, at: datetime) -> None:
        """Leave a user out from now on, and let another have the name."""
        gone = {"user_name_key": None, "deleted_at": at}
        await self._connection.execute(
            update(provisioned_users).where(provisioned_users.c.user_id == user_id).values(gone)
        )
        await self._connection.execute(delete(group_members).where(group_members.c.user_id == user_id))

    async def people(self, ids: Iterable[str]) -> frozenset[str]:
        """Return those of some ids that people have."""
        wanted = select(users.c.id).select_from(_all_users).where(_SEEN, users.c.id.in_(set(ids)))
        return frozenset((await self._connection.execute(wanted)).scalars())

    async def groups(
        self, *, group_id: str | None = None, key: str | None = None, external_id: str | None = None
    ) -> tuple[ProvisionedGroup, ...]:
        """Return all groups, or those with that id, name or external id, by their ids."""
        wanted = select(user_groups, *_OF_GROUP).select_from(_all_groups).order_by(user_groups.c.id)
        if group_id is not None:
            wanted = wanted.where(user_groups.c.id == group_id)
        if key is not None:
            wanted = wanted.where(func.coalesce(provisioned_groups.c.display_name_key, user_groups.c.name) == key)
        if external_id is not None:
            wanted = wanted.where(provisioned_groups.c.external_id == external_id)
        rows = [*await self._connection.execute(wanted)]
        is_all = group_id is None and key is None and external_id is None
        members = await self._members_of(None if is_all else [row.id for row in rows])
        return tuple(_group(row, members.get(row.id, ())) for row in rows)

    async def save_group(self, record: ProvisionedGroup, key: str) -> None:
        """Store what a provider said of a group, without its members."""
        await self.forget_group(record.group.id)
        await self._connection.execute(
            insert(provisioned_groups).values(
                group_id=record.group.id,
                display_name=record.display_name,
                display_name_key=key,
                external_id=record.external_id,
                changed_at=record.changed_at,
            )
        )

    async def forget_group(self, group_id: str) -> None:
        """Forget what a provider said of a group."""
        of_group = provisioned_groups.c.group_id == group_id
        await self._connection.execute(delete(provisioned_groups).where(of_group))

    async def _groups_of(self, ids: list[str] | None) -> dict[str, tuple[Named, ...]]:
        wanted = (
            select(group_members.c.user_id.label("of"), user_groups.c.id, _group_name.label("name"))
            .select_from(group_members.join(user_groups, user_groups.c.id == group_members.c.group_id))
            .outerjoin(provisioned_groups, provisioned_groups.c.group_id == user_groups.c.id)
            .order_by(user_groups.c.id)
        )
        return await self._named(wanted if ids is None else wanted.where(group_members.c.user_id.in_(ids)))

    async def _members_of(self, ids: list[str] | None) -> dict[str, tuple[Named, ...]]:
        wanted = (
            select(group_members.c.group_id.label("of"), users.c.id, _user_name.label("name"))
            .select_from(group_members.join(users, users.c.id == group_members.c.user_id))
            .outerjoin(provisioned_users, provisioned_users.c.user_id == users.c.id)
            .where(_SEEN)
            .order_by(users.c.id)
        )
        return await self._named(wanted if ids is None else wanted.where(group_members.c.group_id.in_(ids)))

    async def _named(self, wanted: Any) -> dict[str, tuple[Named, ...]]:
        found: dict[str, list[Named]] = {}
        for row in await self._connection.execute(wanted):
            found.setdefault(row.of, []).append(Named(row.id, row.name))
        return {of: tuple(named) for of, named in found.items()}


_OF_USER = (
    provisioned_users.c.user_name,
    provisioned_users.c.external_id,
    provisioned_users.c.attributes,
    provisioned_users.c.changed_at,
)
_OF_GROUP = (
    provisioned_groups.c.display_name,
    provisioned_groups.c.external_id,
    provisioned_groups.c.changed_at,
)


def _user(row: Row[Any], groups: tuple[Named, ...]) -> ProvisionedUser:
    user = user_of(row)
    if row.user_name is None:
        return ProvisionedUser(user, user.handle, user.created_at, None, {"displayName": user.display_name}, groups)
    return ProvisionedUser(user, row.user_name, row.changed_at, row.external_id, row.attributes, groups)


def _group(row: Row[Any], members: tuple[Named, ...]) -> ProvisionedGroup:
    group = Group(row.id, row.name, row.created_at)
    if row.display_name is None:
        return ProvisionedGroup(group, group.name, group.created_at, None, members)
    return ProvisionedGroup(group, row.display_name, row.changed_at, row.external_id, members)
