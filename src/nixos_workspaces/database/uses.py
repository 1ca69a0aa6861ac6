"""When tokens and workspaces were last used: gathered in memory, stored together once a minute.

A request that only reads must not write: a write costs a sync of the disk, waits for other writers, and would lock
everybody out of reading when the database cannot be written.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from nixos_workspaces.database.engine import Database
from nixos_workspaces.errors import WorkspacesError

log = logging.getLogger(__name__)

STORE_SECONDS = 60.0


class Uses:
    """The last uses that are not stored yet. A process that is killed loses those of its last minute."""

    def __init__(self, database: Database) -> None:
        """Store into ``database``."""
        self._database = database
        self._tokens: dict[str, datetime] = {}
        self._workspaces: dict[str, datetime] = {}

    def token(self, token_id: str, at: datetime) -> None:
        """Note that a token was used."""
        self._tokens[token_id] = at

    def workspace(self, workspace_id: str, at: datetime) -> None:
        """Note that a workspace was used."""
        self._workspaces[workspace_id] = at

    def of_token(self, token_id: str) -> datetime | None:
        """Return the last use of a token if it is not stored yet."""
        return self._tokens.get(token_id)

    async def store(self) -> None:
        """Store what was gathered, in one transaction; where that fails it is kept for the next time."""
        tokens, workspaces = self._tokens.copy(), self._workspaces.copy()
        if not tokens and not workspaces:
            return
        try:
            async with self._database.transaction() as tx:
                for token_id, at in tokens.items():
                    await tx.tokens.used(token_id, at)
                for workspace_id, at in workspaces.items():
                    await tx.workspaces.touch(workspace_id, at)
        except WorkspacesError as failed:
            log.warning("When tokens and workspaces were last used cannot be stored now: %s", failed)
            return
        self._tokens = {one: at for one, at in self._tokens.items() if tokens.get(one) != at}
        self._workspaces = {one: at for one, at in self._workspaces.items() if workspaces.get(one) != at}

    async def store_for_ever(self) -> None:
        """Store once a minute; ends only by cancellation."""
        while True:
            await asyncio.sleep(STORE_SECONDS)
            await self.store()
