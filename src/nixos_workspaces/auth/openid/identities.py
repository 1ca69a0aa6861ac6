"""The accounts at an OpenID provider that sign a user in, as that user sees them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from nixos_workspaces.audit.entries import AuditClass
from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.errors import Conflict, NotFound
from nixos_workspaces.model.access.identities import Identity


class Identities:
    """A principal's accounts at a provider."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Read them from ``database``."""
        self._database = database
        self._clock = clock

    async def list(self, *, principal: Principal) -> tuple[Identity, ...]:
        """Return the principal's, oldest first."""
        authorise(principal, Action.MANAGE_CREDENTIALS)
        async with self._database.reading(once=True) as tx:
            return await tx.identities.of_user(principal.id)

    async def disconnect(self, identity_id: str, *, principal: Principal, request_id: str = "") -> None:
        """Have an account sign nobody in any more; ``NotFound`` with code ``identity_not_found``.

        Raises ``Conflict`` with code ``last_way_in`` where the person could not sign in any more.
        """
        authorise(principal, Action.MANAGE_CREDENTIALS)
        now = self._clock()
        async with self._database.transaction() as tx:
            if not await tx.identities.remove(identity_id, principal.id):
                raise NotFound("You have no such account.", code="identity_not_found", field="identity_id")
            user = await tx.users.find(principal.id)
            others = (*await tx.identities.of_user(principal.id), *await tx.passkeys.of_user(principal.id))
            if not others and not (user and user.has_password):
                raise Conflict(
                    "This is your only way to sign in. Set a password or add a passkey first.", code="last_way_in"
                )
            await tx.audit.append(
                AuditEntry(
                    *(now, principal.id, "disconnect-identity", "", "accepted", request_id),
                    detail={"identity": identity_id},
                    kind=AuditClass.ACCESS,
                )
            )
