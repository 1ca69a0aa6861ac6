"""The settings of a person that their workspaces are made with: their dotfiles."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from nixos_workspaces.auth.policy import Action, Principal
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.model.contents.repositories import Dotfiles


class Profiles:
    """The profiles, each its person's own."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Keep them in ``database``."""
        self._database = database
        self._clock = clock

    async def dotfiles(self, principal: Principal) -> Dotfiles | None:
        """Return the caller's dotfiles, if they have any."""
        async with self._database.reading(once=True) as tx:
            return await tx.repositories.dotfiles(principal.id)

    async def put_dotfiles(self, principal: Principal, dotfiles: Dotfiles | None, *, request_id: str = "") -> None:
        """Set the caller's dotfiles, for the workspaces that they make from now on; None for none."""
        detail = {"dotfiles": "" if dotfiles is None else dotfiles.source.url}
        entry = AuditEntry(self._clock(), principal.id, Action.CHANGE_PROFILE, "", "accepted", request_id, detail)
        async with self._database.transaction() as tx:
            await tx.repositories.put_dotfiles(principal.id, dotfiles, self._clock())
            await tx.audit.append(entry)
