"""Users and their password hashes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import users
from nixos_workspaces.database.tokens import groups_of
from nixos_workspaces.model.access.people import User, UserKind, UserState


class UserRepository:
    """The users, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def add(self, user: User) -> None:
        """Store a new user, without a password."""
        await self._connection.execute(
            insert(users).values(
                id=user.id,
                handle=user.handle,
                display_name=user.display_name,
                role=user.role,
                kind=user.kind,
                state=user.state,
                created_at=user.created_at,
            )
        )

    async def save(self, user: User) -> None:
        """Store display name, role and state."""
        changed = {"display_name": user.display_name, "role": user.role, "state": user.state}
        await self._connection.execute(update(users).where(users.c.id == user.id).values(changed))

    async def all(self) -> tuple[User, ...]:
        """Return all users, by their handles."""
        return tuple(user_of(row) for row in await self._connection.execute(select(users).order_by(users.c.handle)))

    async def find(self, reference: str) -> User | None:
        """Return the user with that id or handle; an id is looked for first."""
        wanted = select(users).where((users.c.id == reference) | (users.c.handle == reference))
        found = [user_of(row) for row in await self._connection.execute(wanted)]
        return next((one for one in found if one.id == reference), found[0] if found else None)

    async def suspended(self, ids: Collection[str]) -> frozenset[str]:
        """Return those of some ids that are of suspended users."""
        wanted = select(users.c.id).where(users.c.id.in_(ids), users.c.state == UserState.SUSPENDED)
        return frozenset((await self._connection.execute(wanted)).scalars())

    async def principal(self, user_id: str) -> tuple[User, tuple[str, ...]] | None:
        """Return an active user with the ids of their groups, by one statement."""
        wanted = select(users, groups_of(users.c.id).label("group_ids")).where(users.c.id == user_id)
        row = (await self._connection.execute(wanted.where(users.c.state == UserState.ACTIVE))).one_or_none()
        return None if row is None else (user_of(row), tuple(row.group_ids.split(",")) if row.group_ids else ())

    async def password_of(self, handle: str) -> tuple[User, str] | None:
        """Return the user with that handle and the hash of the password, which is empty where there is none."""
        row = (await self._connection.execute(select(users).where(users.c.handle == handle))).one_or_none()
        return None if row is None else (user_of(row), row.password_hash or "")

    async def set_password(self, user_id: str, hashed: str, at: datetime) -> None:
        """Store the hash of a password."""
        changed = {"password_hash": hashed, "password_at": at}
        await self._connection.execute(update(users).where(users.c.id == user_id).values(changed))

    async def active_with_role(self, role: str) -> int:
        """Return how many active people have a role."""
        wanted = (
            select(func.count())
            .select_from(users)
            .where(users.c.role == role, users.c.state == UserState.ACTIVE, users.c.kind == UserKind.PERSON)
        )
        return int((await self._connection.execute(wanted)).scalar_one())


def user_of(row: Row[Any]) -> User:
    """Return the user of a row of the table."""
    return User(
        row.id,
        row.handle,
        row.display_name,
        row.role,
        UserKind(row.kind),
        UserState(row.state),
        row.created_at,
        bool(row.password_hash),
    )
