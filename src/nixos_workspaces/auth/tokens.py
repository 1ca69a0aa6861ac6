"""Tokens, sessions and login codes: 256 random bits each, stored as SHA-256 only.

So many random bits need no slow hash, and looking them up by their hash leaks nothing by its timing.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from nixos_workspaces.auth.policy import ADMIN, Principal, Role
from nixos_workspaces.database import AuditEntry, Database, TokenRecord, Uses
from nixos_workspaces.errors import InvalidInput, NotFound, Unauthenticated

PREFIX = "nixws_"
"""So that a leaked token is recognised by people and scanners."""
SESSION_LIFETIME = timedelta(days=14)
CODE_LIFETIME = timedelta(hours=1)
KNOWN_FOR = timedelta(seconds=1)
"""How long a token that was valid counts as valid without being looked up again.

A token that this process revokes counts no more at once; one that another process revokes, after this time.
"""
_MOST_KNOWN = 4096
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,62}")


class TokenKind(StrEnum):
    """How a token is carried."""

    API = "api"
    """In ``Authorization: Bearer``."""
    SESSION = "session"
    """In a browser's cookie."""


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


class Tokens:
    """The credentials of the service."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        uses: Uses | None = None,
    ) -> None:
        """Keep the credentials in ``database``; ``clock`` tells the time, ``uses`` is told when they are used."""
        self._database = database
        self._clock = clock
        self._uses = Uses(database) if uses is None else uses
        self._known: dict[str, tuple[Token, datetime]] = {}
        self._revocations = 0

    async def create(
        self, name: str, *, principal: Principal, kind: TokenKind = TokenKind.API, lifetime: timedelta | None = None
    ) -> tuple[str, Token]:
        """Make a token and return its secret, which is shown this once only, with its record.

        Without ``lifetime`` an API token is valid until it is revoked, a session for ``SESSION_LIFETIME``.
        """
        if lifetime is None and kind is TokenKind.SESSION:
            lifetime = SESSION_LIFETIME
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                "A token's name has 1 to 63 letters, digits, blanks and . _ @ -, and begins with a letter or digit.",
                field="name",
            )
        now = self._clock()
        secret = PREFIX + secrets.token_urlsafe(32)
        record = TokenRecord(
            id=f"tok-{secrets.token_hex(6)}",
            name=name,
            kind=kind,
            principal_id=principal.id,
            principal_name=principal.name,
            role=principal.role,
            created_at=now,
            expires_at=None if lifetime is None else now + lifetime,
        )
        async with self._database.transaction() as tx:
            await tx.tokens.add(record, _digest(secret))
            await tx.audit.append(
                AuditEntry(now, principal.id, "create-token", "", "accepted", detail={"token": record.id, "kind": kind})
            )
        return secret, _token(record)

    async def authenticate(self, secret: str) -> Principal:
        """Return the principal of a token; ``Unauthenticated`` if it is unknown, revoked or has expired."""
        now, digest = self._clock(), _digest(secret)
        token, read_at = self._known.get(digest, (None, now))
        if token is None or not timedelta(0) <= now - read_at < KNOWN_FOR or _expired(token, now):
            token = await self._look_up(digest, now)
        self._uses.token(token.id, now)
        return token.principal

    async def _look_up(self, digest: str, now: datetime) -> Token:
        """Return the valid token with that digest out of the database, and know it for a moment."""
        revocations = self._revocations
        self._known.pop(digest, None)
        async with self._database.reading(once=True) as tx:
            found = await tx.tokens.find(digest, now)
        if found is None:
            raise Unauthenticated("The token is not valid: it is unknown, was revoked or has expired.")
        token = _token(found)
        # What was read before a revocation may say nothing after it.
        if revocations == self._revocations:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[digest] = (token, now)
        return token

    def _forget(self) -> None:
        """Look every token up again, those too that are being looked up now."""
        self._revocations += 1
        self._known.clear()

    async def list(self, *, principal: Principal) -> tuple[Token, ...]:
        """Return the principal's valid tokens, newest first."""
        async with self._database.reading() as tx:
            found = await tx.tokens.of_principal(principal.id, self._clock())
        return tuple(
            replace(_token(one), last_used_at=self._uses.of_token(one.id) or one.last_used_at) for one in found
        )

    async def revoke(self, token_id: str, *, principal: Principal) -> None:
        """Revoke one of the principal's tokens; ``NotFound`` if there is none of that id."""
        now = self._clock()
        async with self._database.transaction() as tx:
            if not await tx.tokens.revoke(token_id, principal.id, now):
                raise NotFound(f"You have no token {token_id!r}.", code="token_not_found", field="token_id")
            await tx.audit.append(
                AuditEntry(now, principal.id, "revoke-token", "", "accepted", detail={"token": token_id})
            )
        self._forget()

    async def sign_out(self, secret: str) -> None:
        """Revoke the token with this secret; does nothing where it is not valid."""
        now = self._clock()
        async with self._database.transaction() as tx:
            found = await tx.tokens.find(_digest(secret), now)
            if found is not None:
                await tx.tokens.revoke(found.id, found.principal_id, now)
                await tx.audit.append(
                    AuditEntry(now, found.principal_id, "sign-out", "", "accepted", detail={"token": found.id})
                )
        self._forget()

    async def login_code(self) -> str:
        """Make a code that logs in one browser as administrator, once, within an hour."""
        now = self._clock()
        code = secrets.token_urlsafe(32)
        async with self._database.transaction() as tx:
            await tx.tokens.add_login_code(_digest(code), now, now + CODE_LIFETIME)
        return code

    async def redeem(self, code: str) -> tuple[str, Token]:
        """Trade a login code for a session token; ``Unauthenticated`` if it is unknown, used or has expired."""
        now = self._clock()
        async with self._database.transaction() as tx:
            used = await tx.tokens.use_login_code(_digest(code), now)
            await tx.audit.append(
                AuditEntry(now, ADMIN.id if used else "", "login", "", "accepted" if used else "refused")
            )
        if not used:
            raise Unauthenticated(
                "The login code is not valid: it works once, within an hour. Make another with `nixws login-link`.",
                code="login_code_invalid",
            )
        return await self.create("browser", principal=ADMIN, kind=TokenKind.SESSION)

    async def never_used(self) -> bool:
        """Tell whether no token was ever made: whether a login code should be printed."""
        async with self._database.reading() as tx:
            return not await tx.tokens.any_ever()


def _expired(token: Token, now: datetime) -> bool:
    return token.expires_at is not None and token.expires_at <= now


def _digest(secret: str) -> str:
    """Return the stored digest of a secret, which may hold any text."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _token(record: TokenRecord) -> Token:
    """Return a stored token as the domain's value."""
    return Token(
        id=record.id,
        name=record.name,
        kind=TokenKind(record.kind),
        principal=Principal(record.principal_id, record.principal_name, Role(record.role)),
        created_at=record.created_at,
        expires_at=record.expires_at,
        last_used_at=record.last_used_at,
    )
