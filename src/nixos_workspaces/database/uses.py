"""When tokens and workspaces were last used: gathered in memory, stored together once a minute.

A request that only reads must not write: a write costs a sync of the disk, waits for other writers, and would lock
everybody out of reading when the database cannot be written.
"""

from __future__ import annotations

from datetime import datetime

from nixos_workspaces.database.engine import Database

STORE_SECONDS = 60.0


class Uses:
    """The last uses that are not stored yet. A process that is killed loses those of its last minute."""

    def __init__(self, database: Database) -> None:
        """Store into ``database``."""
        self._database = database
        self._tokens: dict[str, tuple[datetime, datetime | None]] = {}
        self._workspaces: dict[str, datetime] = {}

    def token(self, token_id: str, at: datetime, idle_until: datetime | None = None) -> None:
        """Note that a token was used, and when it ends if it is not used again."""
        self._tokens[token_id] = at, idle_until

    def workspace(self, workspace_id: str, at: datetime) -> None:
        """Note that a workspace was used."""
        self._workspaces[workspace_id] = at

    def of_token(self, token_id: str) -> datetime | None:
        """Return the last use of a token if it is not stored yet."""
        noted = self._tokens.get(token_id)
        return None if noted is None else noted[0]

    async def store(self) -> None:
        """Store what was gathered, in one transaction.

        Raises ``Unavailable`` where the database cannot take it; then it is kept for the next time.
        """
        tokens, workspaces = self._tokens.copy(), self._workspaces.copy()
        if not tokens and not workspaces:
            return
        async with self._database.transaction() as tx:
            for token_id, (at, idle_until) in tokens.items():
                await tx.tokens.used(token_id, at, idle_until)
            for workspace_id, at in workspaces.items():
                await tx.workspaces.touch(workspace_id, at)
        self._tokens = {one: noted for one, noted in self._tokens.items() if tokens.get(one) != noted}
        self._workspaces = {one: at for one, at in self._workspaces.items() if workspaces.get(one) != at}
