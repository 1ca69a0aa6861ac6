"""Tokens, sessions and login codes: 256 random bits each, stored as SHA-256 only.

So many random bits need no slow hash, and looking them up by their hash leaks nothing by its timing.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from nixos_workspaces.audit.entries import current_request
from nixos_workspaces.auth.policy import ADMIN, Principal, Role, Scope
from nixos_workspaces.auth.recent import KNOWN_FOR, RecentTokens
from nixos_workspaces.database import AuditEntry, Database, TokenRecord, Uses
from nixos_workspaces.database.uses import STORE_SECONDS
from nixos_workspaces.errors import InvalidInput, NotFound, Unauthenticated
from nixos_workspaces.model.access.people import is_token_name

PREFIX = "nixws_"
"""So that a leaked token is recognised by people and scanners."""
SESSION_LIFETIME = timedelta(days=14)
CODE_LIFETIME = timedelta(hours=1)
BY_LINK = "login-link"
"""The name of sessions that a login link began."""
_PREFIX_LETTERS = len(PREFIX) + 6


__all__ = [
    "KNOWN_FOR",
    "Bounds",
    "Device",
    "Lifetimes",
    "Token",
    "TokenKind",
    "Tokens",
    "digest_of",
    "principal_of",
    "token_of",
]


class TokenKind(StrEnum):
    """How a token is carried."""

    API = "api"
    """In ``Authorization: Bearer``."""
    SESSION = "session"
    """In a browser's cookie."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long sessions live."""

    absolute: timedelta = SESSION_LIFETIME
    idle: timedelta | None = None
    """A session that is not used for so long ends; None: it may lie unused."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of a credential within what its user may do."""

    scopes: frozenset[Scope] | None = None
    workspaces: frozenset[str] | None = None
    parent_id: str | None = None
    """The token that it ends with."""
    chain: tuple[str, ...] = ()
    """All that it comes from, the first one first."""


@dataclass(frozen=True, slots=True)
class Device:
    """A program that begins a session, and its address."""

    agent: str = ""
    """As it says itself."""
    address: str = ""


NO_BOUNDS, NO_DEVICE = Bounds(), Device()


@dataclass(frozen=True, slots=True)
class Token:
    """The record of a token, without its secret."""

    id: str
    name: str
    kind: TokenKind
    principal: Principal
    created_at: datetime
    expires_at: datetime | None
    """None: valid until it is revoked."""
    last_used_at: datetime | None = None
    """To the minute; None if never."""
    parent_id: str | None = None
    """The token or session that it was made with, and ends with."""
    chain: tuple[str, ...] = ()
    """All that it comes from, the first one first: a session in which it was made, too, that it outlives."""
    prefix: str = ""
    """The first letters of the secret; empty where it is older than they are kept."""
    device: Device = NO_DEVICE
    idle_until: datetime | None = None
    """A session ends then unless it is used."""

    @property
    def lifetime(self) -> timedelta | None:
        """The time from its making to its end."""
        return None if self.expires_at is None else self.expires_at - self.created_at

    def has_ended(self, now: datetime) -> bool:
        """Tell whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now


class Tokens:
    """The credentials of the service."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        uses: Uses | None = None,
        recent: RecentTokens[Token] | None = None,
        lifetimes: Lifetimes = Lifetimes(),
    ) -> None:
        """Keep the credentials in ``database``; ``clock`` tells the time, ``uses`` is told when they are used.

        ``recent`` is shared with everything else that makes tokens invalid.
        """
        self._database = database
        self._clock = clock
        self._uses = Uses(database) if uses is None else uses
        self._recent: RecentTokens[Token] = RecentTokens() if recent is None else recent
        self._lifetimes = lifetimes
        self.revoked: asyncio.Event = self._recent.changed
        """Set by each revocation of this process, for a watch that waits for one and clears it."""

    async def create(
        self,
        name: str,
        *,
        principal: Principal,
        kind: TokenKind = TokenKind.API,
        lifetime: timedelta | None = None,
        bounds: Bounds = NO_BOUNDS,
        device: Device = NO_DEVICE,
    ) -> tuple[str, Token]:
        """Make a token and return its secret, which is shown this once only, with its record.

        Without ``lifetime`` an API token is valid until it is revoked, a session as long as sessions live.
        """
        now = self._clock()
        if lifetime is None and kind is TokenKind.SESSION:
            lifetime = self._lifetimes.absolute
        expires_at = None if lifetime is None else now + lifetime
        return await self._add(name, principal, kind, now=now, expires_at=expires_at, bounds=bounds, device=device)

    async def open_session(self, credential: str, device: Device = NO_DEVICE) -> tuple[str, Token]:
        """Make a browser session with a token or another session, and return its secret with its record.

        It may do no more, and ends with what it was made with, at the latest when that would have ended. Raises
        ``Unauthenticated`` where ``credential`` is not valid.
        """
        now = self._clock()
        given = await self._look_up(digest_of(credential), now)
        expires_at = now + self._lifetimes.absolute
        if given.expires_at is not None:
            expires_at = min(expires_at, given.expires_at)
        bounds = Bounds(given.principal.scopes, given.principal.workspaces, given.id, (*given.chain, given.id))
        named = "browser", given.principal, TokenKind.SESSION
        return await self._add(*named, now=now, expires_at=expires_at, bounds=bounds, device=device)

    async def _add(
        self,
        name: str,
        principal: Principal,
        kind: TokenKind,
        *,
        now: datetime,
        expires_at: datetime | None,
        bounds: Bounds,
        device: Device,
    ) -> tuple[str, Token]:
        """Store a new token with its audit entry."""
        if not is_token_name(name):
            raise InvalidInput(
                "A token's name has 1 to 63 letters, digits, blanks and . _ @ -, and begins with a letter or digit.",
                field="name",
            )
        secret = PREFIX + secrets.token_urlsafe(32)
        record = TokenRecord(
            id=f"tok-{secrets.token_hex(6)}",
            name=name,
            kind=kind,
            principal_id=principal.id,
            principal_name=principal.name,
            role=principal.role,
            created_at=now,
            expires_at=expires_at,
            parent_id=bounds.parent_id,
            chain=bounds.chain,
            scopes=None if bounds.scopes is None else tuple(sorted(bounds.scopes)),
            workspace_ids=None if bounds.workspaces is None else tuple(sorted(bounds.workspaces)),
            prefix=secret[:_PREFIX_LETTERS],
            device=device.agent,
            address=device.address,
            idle_until=self._idle_end(kind, now),
            group_ids=tuple(sorted(principal.groups)),
        )
        detail: dict[str, object] = {"token": record.id, "kind": kind}
        detail |= {"parent": bounds.parent_id} if bounds.parent_id else {}
        detail |= {"chain": [*bounds.chain]} if bounds.chain else {}
        async with self._database.transaction() as tx:
            await tx.tokens.add(record, digest_of(secret))
            await tx.audit.append(_entry(now, principal.id, "create-token", detail))
        return secret, token_of(record)

    async def authenticate(self, secret: str) -> Principal:
        """Return the principal of a token; ``Unauthenticated`` if it is unknown, revoked or has expired."""
        now, digest = self._clock(), digest_of(secret)
        token = self._recent.get(digest, now) or await self._look_up(digest, now)
        self._uses.token(token.id, now, self._idle_end(token.kind, now))
        return token.principal

    def _idle_end(self, kind: TokenKind, now: datetime) -> datetime | None:
        """Return when a credential that is used now ends if it is not used again; uses are stored some time later."""
        if kind is TokenKind.API or self._lifetimes.idle is None:
            return None
        return now + self._lifetimes.idle + timedelta(seconds=STORE_SECONDS)

    async def _look_up(self, digest: str, now: datetime) -> Token:
        """Return the valid token with that digest out of the database, and know it for a moment."""
        changes = self._recent.changes
        self._recent.drop(digest)
        async with self._database.reading(once=True) as tx:
            found = await tx.tokens.find(digest, now)
        if found is None:
            raise Unauthenticated("The token is not valid: it is unknown, was revoked or has expired.")
        token = token_of(found)
        self._recent.put(digest, token, now, changes)
        return token

    async def invalid(self, credentials: Collection[str]) -> frozenset[str]:
        """Return those of some credentials in use that are not valid any more, by one look into the database.

        A session under which something is open is used: it does not end for lying idle.
        """
        now, idle = self._clock(), self._lifetimes.idle
        digests = {digest_of(one): one for one in credentials}
        async with self._database.reading(once=True) as tx:
            valid = await tx.tokens.valid(digests.keys(), now)
        for token_id, idle_until in valid.values():
            # Not at each look: it is stored, and looking writes nothing.
            if idle is not None and idle_until is not None and idle_until < now + idle / 2:
                self._uses.token(token_id, now, self._idle_end(TokenKind.SESSION, now))
        return frozenset(credential for digest, credential in digests.items() if digest not in valid)

    async def list(self, *, principal: Principal) -> tuple[Token, ...]:
        """Return the principal's valid tokens, newest first."""
        async with self._database.reading() as tx:
            found = await tx.tokens.of_principal(principal.id, self._clock())
        return tuple(
            replace(token_of(one), last_used_at=self._uses.of_token(one.id) or one.last_used_at) for one in found
        )

    async def revoke(self, token_id: str, *, principal: Principal, owner_id: str | None = None) -> None:
        """Revoke one of the principal's tokens, or ``owner_id``'s, and all that were made with it.

        Raises ``NotFound`` if there is none of that id.
        """
        now = self._clock()
        async with self._database.transaction() as tx:
            if not await tx.tokens.revoke(token_id, owner_id or principal.id, now):
                raise NotFound(f"You have no token {token_id!r}.", code="token_not_found", field="token_id")
            await tx.audit.append(_entry(now, principal.id, "revoke-token", {"token": token_id}))
        self._recent.forget()

    async def sign_out(self, secret: str) -> None:
        """Revoke the token with this secret; does nothing where it is not valid."""
        now = self._clock()
        async with self._database.transaction() as tx:
            found = await tx.tokens.find(digest_of(secret), now)
            if found is not None:
                await tx.tokens.revoke(found.id, found.principal_id, now)
                await tx.audit.append(_entry(now, found.principal_id, "sign-out", {"token": found.id}))
        self._recent.forget()

    async def login_code(
        self,
        user_id: str = ADMIN.id,
        *,
        by: str = ADMIN.id,
        action: str = "create-login-code",
        request_id: str = "",
    ) -> str:
        """Make a code that signs one browser in as that user, once, within an hour; ``by`` is who wants it."""
        now = self._clock()
        code = secrets.token_urlsafe(32)
        async with self._database.transaction() as tx:
            await tx.login_codes.add(digest_of(code), now, now + CODE_LIFETIME, user_id)
            await tx.audit.append(_entry(now, by, action, {"user": user_id}, request_id))
        return code

    async def redeem(self, code: str, device: Device = NO_DEVICE) -> tuple[str, Token]:
        """Trade a login code for a session token; ``Unauthenticated`` if it is unknown, used or has expired."""
        now, digest = self._clock(), digest_of(code)
        async with self._database.reading(once=True) as tx:
            usable = await tx.login_codes.has(digest, now)
        principal: Principal | None = None
        # Who has no code must not write: not even an audit entry, which costs a sync of the disk.
        if usable:
            async with self._database.transaction() as tx:
                user_id = await tx.login_codes.use(digest, now)
                found = None if user_id is None else await tx.users.principal(user_id)
                if found is not None:
                    user, groups = found
                    principal = Principal(user.id, user.handle, Role(user.role), frozenset(groups))
                    await tx.audit.append(_entry(now, user.id, "login"))
        if principal is None:
            raise Unauthenticated(
                "The login code is not valid: it works once, within an hour. Make another with `nixws login-link`.",
                code="login_code_invalid",
            )
        return await self.create(BY_LINK, principal=principal, kind=TokenKind.SESSION, device=device)

    async def never_used(self) -> bool:
        """Tell whether no token was ever made: whether a login code should be printed."""
        async with self._database.reading() as tx:
            return not await tx.tokens.any_ever()


def _entry(
    now: datetime, actor: str, action: str, detail: Mapping[str, object] | None = None, request_id: str = ""
) -> AuditEntry:
    """Return the entry of what was done, by the request that is being answered where it was by one."""
    return AuditEntry(now, actor, action, "", "accepted", request_id or current_request(), detail)


def digest_of(secret: str) -> str:
    """Return the stored digest of a secret, which may hold any text."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def token_of(record: TokenRecord) -> Token:
    """Return a stored token as the domain's value."""
    return Token(
        id=record.id,
        name=record.name,
        kind=TokenKind(record.kind),
        principal=principal_of(record),
        created_at=record.created_at,
        expires_at=record.expires_at,
        last_used_at=record.last_used_at,
        parent_id=record.parent_id,
        chain=record.chain,
        prefix=record.prefix,
        device=Device(record.device, record.address),
        idle_until=record.idle_until,
    )


def principal_of(record: TokenRecord) -> Principal:
    """Return the principal that a token acts as."""
    return Principal(
        record.principal_id,
        record.principal_name,
        Role(record.role),
        frozenset(record.group_ids),
        None if record.scopes is None else frozenset(Scope(one) for one in record.scopes),
        None if record.workspace_ids is None else frozenset(record.workspace_ids),
        (*record.share_ids, *record.chain, record.id),
    )
