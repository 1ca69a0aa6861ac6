"""Signed checkpoints: one a minute, if the log grew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from nixos_workspaces.audit.notes import Signer
from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.database import Database, StoredCheckpoint

SIGN_SECONDS = 60.0
_ALL_KEPT = timedelta(days=2)
"""Of older checkpoints the last of each day is kept."""


class Signing:
    """Signs the log's state. ``verifier_key`` is the public key, to be written down where nobody changes it."""

    def __init__(
        self, database: Database, signer: Signer, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Sign with ``signer``."""
        self._database = database
        self._signer = signer
        self._clock = clock
        self.verifier_key = signer.verifier_key

    async def sign(self) -> None:
        """Sign the present state, if it is another than the last that was signed; call it once a minute."""
        async with self._database.reading() as tx:
            last, head = await tx.checkpoints.latest(), await tx.audit.head()
        if head.size > (0 if last is None else last.size):
            await self._sign()

    async def checkpoint(self, *, principal: Principal) -> StoredCheckpoint:
        """Return a checkpoint of the log as it is now. For administrators and auditors."""
        authorise(principal, Action.READ_AUDIT)
        await self.sign()
        async with self._database.reading() as tx:
            last = await tx.checkpoints.latest()
        return last or await self._sign()

    async def _sign(self) -> StoredCheckpoint:
        now = self._clock()
        async with self._database.transaction() as tx:
            last, head = await tx.checkpoints.latest(), await tx.audit.head()
            # Another may have signed meanwhile; a smaller size is never signed, it would hide a roll-back.
            if last is not None and last.size >= head.size:
                return last
            note = self._signer.sign(head.size, head.root())
            await tx.checkpoints.add(head.size, now, note)
            await tx.checkpoints.thin(now - _ALL_KEPT)
        return StoredCheckpoint(head.size, now, note)
