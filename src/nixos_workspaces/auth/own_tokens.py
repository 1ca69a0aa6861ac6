"""API tokens that people make for themselves and administrators for service accounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from nixos_workspaces.auth.people.rules import WantedToken, bounds_of
from nixos_workspaces.auth.people.users import found
from nixos_workspaces.auth.policy import Action, Principal, Role, authorise
from nixos_workspaces.auth.tokens import Token, TokenKind, Tokens, digest_of
from nixos_workspaces.database import Database, TokenRecord, Transaction
from nixos_workspaces.errors import Conflict, Unauthenticated
from nixos_workspaces.model.access.people import UserKind


@dataclass(frozen=True, slots=True)
class Link:
    """A token or session that others come from, which may have ended."""

    id: str
    kind: TokenKind
    name: str


class OwnTokens:
    """The API tokens of a principal, over the credentials of the service."""

    def __init__(
        self, database: Database, tokens: Tokens, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Make them with ``tokens``."""
        self._database = database
        self._tokens = tokens
        self._clock = clock

    async def make(
        self, wanted: WantedToken, *, principal: Principal, credential: str, user: str | None = None
    ) -> tuple[str, Token]:
        """Make a token, within the bounds of ``credential``; returns its secret, this once only, with its record.

        One that is made with an API token ends with that one. ``user`` names a service account to make it for, which
        administrators may. Raises ``Forbidden`` for more than the credential may itself.
        """
        now = self._clock()
        async with self._database.reading() as tx:
            given = await tx.tokens.find(digest_of(credential), now)
            if given is None:
                raise Unauthenticated("The credential was revoked or has expired.")
            parent = await _root(tx, given, now)
            owner = principal if user is None else await _service_account(tx, user, principal)
        bounds = replace(bounds_of(principal, wanted), chain=(*given.chain, given.id))
        lifetime = wanted.lifetime
        if parent is not None and user is None:
            bounds = replace(bounds, parent_id=parent.id)
            if parent.expires_at is not None:
                left = parent.expires_at - now
                lifetime = left if lifetime is None else min(lifetime, left)
        return await self._tokens.create(wanted.name, principal=owner, lifetime=lifetime, bounds=bounds)

    async def list(self, *, principal: Principal) -> tuple[Token, ...]:
        """Return the principal's API tokens, newest first."""
        authorise(principal, Action.MANAGE_CREDENTIALS)
        every = await self._tokens.list(principal=principal)
        return tuple(one for one in every if one.kind is TokenKind.API)

    async def links(self, listed: tuple[Token, ...]) -> dict[str, Link]:
        """Return what tokens come from, by its id."""
        ids = {one for token in listed for one in token.chain}
        async with self._database.reading(once=True) as tx:
            found = await tx.tokens.links(ids)
        return {one: Link(one, TokenKind(kind), name) for one, (kind, name) in found.items()}

    async def revoke(self, token_id: str, *, principal: Principal) -> None:
        """Revoke a token with all that were made with it; ``NotFound`` with code ``token_not_found``.

        Administrators may revoke anybody's.
        """
        authorise(principal, Action.MANAGE_CREDENTIALS)
        owner_id = principal.id
        if principal.role is Role.ADMIN:
            async with self._database.reading(once=True) as tx:
                known = await tx.tokens.by_id(token_id, self._clock())
            owner_id = principal.id if known is None else known.principal_id
        await self._tokens.revoke(token_id, principal=principal, owner_id=owner_id)

    async def of_user(self, reference: str, *, principal: Principal) -> tuple[Token, ...]:
        """Return a user's API tokens, for administrators."""
        authorise(principal, Action.MANAGE_PEOPLE)
        async with self._database.reading(once=True) as tx:
            user = await found(tx, reference)
        every = await self._tokens.list(principal=Principal(user.id, user.handle))
        return tuple(one for one in every if one.kind is TokenKind.API)


async def _root(tx: Transaction, given: TokenRecord, now: datetime) -> TokenRecord | None:
    """Return the API token that a credential is, or that its sessions were made with; None for other sessions."""
    known: TokenRecord | None = given
    while known is not None and known.kind != TokenKind.API:
        known = None if known.parent_id is None else await tx.tokens.by_id(known.parent_id, now)
    return known


async def _service_account(tx: Transaction, reference: str, principal: Principal) -> Principal:
    authorise(principal, Action.MANAGE_PEOPLE)
    user = await found(tx, reference)
    if user.kind is not UserKind.SERVICE_ACCOUNT or not user.is_active:
        raise Conflict(
            f"{user.handle} is no active service account: people make their tokens themselves.",
            code="no_service_account",
            field="user",
        )
    return Principal(user.id, user.handle, Role(user.role))
