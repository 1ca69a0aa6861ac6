"""Secrets, sealed, and the revision of each scope: a person, or a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Delete, case, delete, func, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import secret_scopes as scopes
from nixos_workspaces.database.schema import secrets as table
from nixos_workspaces.database.schema import workspaces
from nixos_workspaces.model.contents.secrets import Secret, SecretKind, SecretLength, person_scope
from nixos_workspaces.model.workspace import Status


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """One secret as it is stored."""

    secret: Secret
    sealed: bytes


@dataclass(frozen=True, slots=True)
class SecretsDue:
    """A running workspace with the state of the secrets that it has to have; equal ones need no second delivery."""

    workspace_id: str
    owner_id: str
    started_at: datetime | None
    of_person: int
    """The revision of its owner's secrets; 0: there never were any, or they are withheld."""
    of_workspace: int
    withholds_personal: bool = False
    """It is given its own secrets only."""


class SecretRepository:
    """The secrets, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def of(self, scope: str) -> list[SealedSecret]:
        """Return the secrets of a scope, by name."""
        rows = await self._connection.execute(select(table).where(table.c.scope == scope).order_by(table.c.name))
        return [
            SealedSecret(
                Secret(
                    row.name,
                    SecretKind(row.kind),
                    row.place,
                    row.mode,
                    row.username,
                    SecretLength(row.length),
                    row.updated_at,
                ),
                row.sealed,
            )
            for row in rows
        ]

    async def put(self, scope: str, secret: Secret, sealed: bytes) -> None:
        """Store a secret in place of the one of its name."""
        await self._connection.execute(_named(scope, secret.name))
        await self._connection.execute(
            insert(table).values(
                scope=scope,
                name=secret.name,
                kind=secret.kind.value,
                place=secret.place,
                mode=secret.mode,
                username=secret.username,
                length=secret.length.value,
                sealed=sealed,
                updated_at=secret.updated_at,
            )
        )
        await self.note_change(scope)

    async def remove(self, scope: str, name: str) -> bool:
        """Delete a secret; tell whether there was one."""
        gone = await self._connection.execute(_named(scope, name))
        if gone.rowcount:
            await self.note_change(scope)
        return bool(gone.rowcount)

    async def due(self, workspace_id: str | None = None) -> Sequence[SecretsDue]:
        """Return the running workspaces (or the one with an id, running or not) that have or had secrets."""
        mine, owners = scopes.alias("mine"), scopes.alias("owners")
        query = (
            select(
                workspaces.c.id,
                workspaces.c.owner_id,
                workspaces.c.started_at,
                case((workspaces.c.withholds_personal, 0), else_=func.coalesce(owners.c.revision, 0)),
                func.coalesce(mine.c.revision, 0),
                workspaces.c.withholds_personal,
            )
            .outerjoin(mine, mine.c.scope == workspaces.c.id)
            .outerjoin(owners, owners.c.scope == literal(person_scope("")) + workspaces.c.owner_id)
            .where(workspaces.c.deleted_at.is_(None), or_(mine.c.revision > 0, owners.c.revision > 0))
        )
        if workspace_id is None:
            query = query.where(workspaces.c.status == Status.RUNNING.value)
        else:
            query = query.where(workspaces.c.id == workspace_id)
        rows = await self._connection.execute(query)
        return [SecretsDue(*row) for row in rows]

    async def note_change(self, scope: str) -> None:
        """Count a change of the scope: its secrets are delivered anew."""
        counted = await self._connection.execute(
            update(scopes).where(scopes.c.scope == scope).values(revision=scopes.c.revision + 1)
        )
        if not counted.rowcount:
            await self._connection.execute(insert(scopes).values(scope=scope, revision=1))


def _named(scope: str, name: str) -> Delete:
    return delete(table).where(table.c.scope == scope, table.c.name == name)
