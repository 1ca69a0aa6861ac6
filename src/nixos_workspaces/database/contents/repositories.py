"""Git repositories of workspaces, and the dotfiles of people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import profiles, workspaces
from nixos_workspaces.database.schema import repositories as table
from nixos_workspaces.model.contents.repositories import (
    DOTFILES_DIRECTORY,
    CloneState,
    Dotfiles,
    GitSource,
    Purpose,
    Repository,
)
from nixos_workspaces.model.workspace import Status


class RepositoryRepository:
    """The repositories and profiles, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def of(self, workspace_id: str) -> Sequence[Repository]:
        """Return the repositories of a workspace."""
        wanted = select(table).where(table.c.workspace_id == workspace_id).order_by(table.c.purpose)
        return [_repository(row) for row in await self._connection.execute(wanted)]

    async def ask(self, repository: Repository) -> None:
        """Store a repository that is to be put there, in place of the one of its purpose."""
        before = {one.purpose: one for one in await self.of(repository.workspace_id)}.get(repository.purpose)
        await self._connection.execute(
            delete(table).where(
                table.c.workspace_id == repository.workspace_id, table.c.purpose == repository.purpose.value
            )
        )
        await self._connection.execute(
            insert(table).values(
                workspace_id=repository.workspace_id,
                purpose=repository.purpose.value,
                url=repository.source.url,
                ref=repository.source.ref,
                directory=repository.source.directory,
                script=repository.script,
                state=CloneState.WAITING.value,
                message="",
                asked=1 if before is None else before.asked + 1,
                updated_at=repository.updated_at,
            )
        )

    async def note(self, repository: Repository, state: CloneState, message: str, at: datetime) -> bool:
        """Store how far a repository has got; tell whether it was not asked for anew meanwhile."""
        changed = await self._connection.execute(
            update(table)
            .where(
                table.c.workspace_id == repository.workspace_id,
                table.c.purpose == repository.purpose.value,
                table.c.asked == repository.asked,
            )
            .values(state=state.value, message=message, updated_at=at)
        )
        return bool(changed.rowcount)

    async def unfinished(self) -> Sequence[tuple[Repository, str]]:
        """Return what is to be put into running workspaces, with their owners' ids; dotfiles first."""
        rows = await self._connection.execute(
            select(table, workspaces.c.owner_id)
            .join(workspaces, workspaces.c.id == table.c.workspace_id)
            .where(
                workspaces.c.status == Status.RUNNING.value,
                workspaces.c.deleted_at.is_(None),
                table.c.state.in_((CloneState.WAITING.value, CloneState.CLONING.value)),
            )
            .order_by(table.c.purpose)
        )
        return [(_repository(row), row.owner_id) for row in rows]

    async def dotfiles(self, principal_id: str) -> Dotfiles | None:
        """Return the dotfiles of a person, if they have any."""
        row = (
            await self._connection.execute(select(profiles).where(profiles.c.principal_id == principal_id))
        ).one_or_none()
        if row is None or not row.dotfiles_url:
            return None
        return Dotfiles(GitSource(row.dotfiles_url, row.dotfiles_ref, DOTFILES_DIRECTORY), row.dotfiles_script)

    async def put_dotfiles(self, principal_id: str, dotfiles: Dotfiles | None, at: datetime) -> None:
        """Store the dotfiles of a person, or that they have none."""
        await self._connection.execute(delete(profiles).where(profiles.c.principal_id == principal_id))
        if dotfiles is not None:
            await self._connection.execute(
                insert(profiles).values(
                    principal_id=principal_id,
                    dotfiles_url=dotfiles.source.url,
                    dotfiles_ref=dotfiles.source.ref,
                    dotfiles_script=dotfiles.script,
                    updated_at=at,
                )
            )


def _repository(row: Any) -> Repository:
    return Repository(
        row.workspace_id,
        Purpose(row.purpose),
        GitSource(row.url, row.ref, row.directory),
        row.script,
        CloneState(row.state),
        row.message,
        row.asked,
        row.updated_at,
    )
