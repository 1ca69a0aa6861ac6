"""Tokens as the SSH certificates know them: by their ids."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime

from nixos_workspaces.auth.policy import Principal, Role
from nixos_workspaces.auth.tokens import Token, digest_of, principal_of, token_of
from nixos_workspaces.database import Database
from nixos_workspaces.errors import Unauthenticated


class TokenLookup:
    """Finds tokens for what is made with them and ends with them."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Look into ``database``."""
        self._database = database
        self._clock = clock

    async def find(self, secret: str) -> Token:
        """Return the token with this secret; ``Unauthenticated`` where it is not valid."""
        async with self._database.reading(once=True) as tx:
            found = await tx.tokens.find(digest_of(secret), self._clock())
        if found is None:
            raise Unauthenticated("The token is not valid: it is unknown, was revoked or has expired.")
        return token_of(found)

    async def principal_of(self, token_id: str) -> Principal | None:
        """Return the principal of the token with this id; None where it is not valid any more."""
        async with self._database.reading(once=True) as tx:
            found = await tx.tokens.by_id(token_id, self._clock())
        return None if found is None else principal_of(found)

    async def person(self, user_id: str) -> Principal | None:
        """Return the principal of an active user, who came with a key of their own; None for others."""
        async with self._database.reading(once=True) as tx:
            found = await tx.users.principal(user_id)
        if found is None:
            return None
        user, groups = found
        return Principal(user.id, user.handle, Role(user.role), frozenset(groups))

    async def ended(self, ids: Collection[str]) -> frozenset[str]:
        """Return those of some tokens' ids that are not valid any more."""
        async with self._database.reading(once=True) as tx:
            return frozenset(ids) - await tx.ssh_keys.valid_tokens(ids, self._clock())
