"""Sign-in by the OpenID provider, from its begin to the logout at either side."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from authlib.common.urls import add_params_to_uri

from nixos_workspaces.audit.entries import SYSTEM
from nixos_workspaces.auth.openid.accounts import Accounts
from nixos_workspaces.auth.openid.mapping import Person, person_of
from nixos_workspaces.auth.openid.pending import ACCOUNT, CALLBACK, Pending, PendingSignIns, local_page
from nixos_workspaces.auth.openid.provider import Provider, not_valid
from nixos_workspaces.auth.openid.tokens import (
    MOST_SECONDS,
    Expected,
    TokenRefused,
    check_id_token,
    check_logout_token,
)
from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.auth.recent import RecentTokens
from nixos_workspaces.auth.tokens import NO_DEVICE, Device, Token, TokenKind, Tokens, digest_of
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.errors import InvalidInput, Unauthenticated
from nixos_workspaces.model.access.identities import ProviderSession

log = logging.getLogger(__name__)

_MOST_HINTS = 10_000
_LONGEST_CODE = 4096


@dataclass(frozen=True, slots=True)
class Finished:
    """A sign-in that has come back from the provider."""

    then: str
    """The page to go to."""
    secret: str = ""
    """Of the new session; empty where an account was connected."""
    session: Token | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The rest of the settings."""

    name: str
    """Of the provider, for people."""
    groups_claim: str
    skew: float


class OpenIdSignIn:
    """Sign-ins by one provider."""

    def __init__(
        self,
        database: Database,
        tokens: Tokens,
        recent: RecentTokens[Token],
        provider: Provider,
        accounts: Accounts,
        rules: Rules,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Make sessions with ``tokens``; ``recent`` is told when the provider has ended some."""
        self._database = database
        self._tokens = tokens
        self._recent = recent
        self._provider = provider
        self._accounts = accounts
        self._rules = rules
        self._clock = clock
        self._pending = PendingSignIns(time.monotonic)
        self._hints: dict[str, str] = {}
        """ID tokens by the ids of the sessions: in memory only, as a database is copied."""

    @property
    def name(self) -> str:
        """The provider's name for people."""
        return self._rules.name

    async def close(self) -> None:
        """Close the connections to the provider."""
        await self._provider.close()

    async def begin(self, origin: str, then: str) -> tuple[str, str]:
        """Return the provider's address to go to, and the secret that the browser keeps until it comes back.

        ``origin`` is the service's own, ``then`` the page to go to afterwards. Raises ``Unavailable`` with code
        ``oidc_unavailable``.
        """
        return await self._begin(origin, local_page(then))

    async def begin_connecting(self, origin: str, *, principal: Principal, credential: str) -> tuple[str, str]:
        """As ``begin``, for a user who connects an account to theirs."""
        authorise(principal, Action.MANAGE_CREDENTIALS)
        async with self._database.reading(once=True) as tx:
            given = await tx.tokens.find(digest_of(credential), self._clock())
        if given is None:
            raise Unauthenticated("The session has ended.")
        if given.kind != TokenKind.SESSION:
            raise InvalidInput("An account is connected in a browser that is signed in.")
        return await self._begin(origin, ACCOUNT, given.id)

    async def _begin(self, origin: str, then: str, session_id: str = "") -> tuple[str, str]:
        metadata, redirect = await self._provider.metadata(), f"{origin}{CALLBACK}"
        state, browser, one = self._pending.begin(redirect, then, session_id)
        where = self._provider.address(metadata, redirect=redirect, state=state, nonce=one.nonce, verifier=one.verifier)
        return where, browser

    def page_of(self, answer: Mapping[str, str], browser: str) -> Pending:
        """Return the sign-in that an answer of the provider belongs to, once; ``Unauthenticated`` otherwise."""
        return self._pending.take(answer.get("state", ""), browser)

    async def finish(
        self, one: Pending, answer: Mapping[str, str], device: Device = NO_DEVICE, request_id: str = ""
    ) -> Finished:
        """Take the provider's answer: begin a session, or connect the account.

        Raises ``Unauthenticated`` with the codes ``oidc_denied`` where the provider or the person refused,
        ``oidc_answer`` where what came proves nobody's identity, ``oidc_state`` where the session of a user who
        connects has ended; ``Unavailable``; and what ``Accounts`` raises.
        """
        metadata = await self._provider.metadata()
        said = answer.get("iss")
        if (said is None and metadata.says_issuer) or said not in {None, self._provider.client.issuer}:
            raise not_valid()
        code = answer.get("code", "")
        if "error" in answer or not 0 < len(code) <= _LONGEST_CODE:
            raise Unauthenticated(
                "The OpenID provider did not sign you in, or you refused it there. Begin again.", code="oidc_denied"
            )
        person, id_token = await self._person(one, code)
        if one.session_id:
            await self._connect(one, person, request_id)
            return Finished(one.then)
        principal = await self._accounts.enter(person, request_id)
        secret, session = await self._tokens.create(
            "browser", principal=principal, kind=TokenKind.SESSION, device=device
        )
        async with self._database.transaction() as tx:
            await tx.provider_sessions.add(ProviderSession(session.id, person.issuer, person.subject, person.sid))
        while len(self._hints) >= _MOST_HINTS:
            del self._hints[next(iter(self._hints))]
        self._hints[session.id] = id_token
        return Finished(one.then, secret, session)

    async def _person(self, one: Pending, code: str) -> tuple[Person, str]:
        """Return the person for a code, and the ID token that proves them."""
        id_token, access_token = await self._provider.exchange(code, redirect=one.redirect, verifier=one.verifier)
        try:
            header, claims = await self._provider.verify(id_token)
            check_id_token(header, claims, self._expected(), nonce=one.nonce, access_token=access_token)
        except TokenRefused as refused:
            log.warning("an ID token is refused: %s", refused)
            raise not_valid() from refused
        told = claims
        if not {self._rules.groups_claim, "preferred_username", "name"} <= claims.keys():
            told = {**await self._provider.userinfo(access_token, claims["sub"]), **claims}
        return person_of(told, self._rules.groups_claim), id_token

    async def _connect(self, one: Pending, person: Person, request_id: str) -> None:
        async with self._database.reading(once=True) as tx:
            session = await tx.tokens.by_id(one.session_id, self._clock())
        if session is None:
            raise Unauthenticated("Your session has ended meanwhile. Sign in and begin again.", code="oidc_state")
        await self._accounts.connect(session.principal_id, person, request_id)

    async def goodbye(self, credential: str, origin: str) -> str:
        """Return the provider's address that ends its session too; empty for sessions that did not begin there."""
        async with self._database.reading() as tx:
            session = await tx.tokens.find(digest_of(credential), self._clock())
            begun = None if session is None else await tx.provider_sessions.find(session.id)
        client = self._provider.client
        if begun is None or begun.issuer != client.issuer:
            return ""
        where = (await self._provider.metadata()).end_session
        if not where:
            return ""
        hint = self._hints.pop(begun.token_id, "")
        given = [("client_id", client.client_id), ("post_logout_redirect_uri", f"{origin}/sign-in")]
        return str(add_params_to_uri(where, given + ([("id_token_hint", hint)] if hint else [])))

    async def end_sessions(self, logout_token: str, request_id: str = "") -> int:
        """End the sessions that a logout token of the provider names, and return how many there were.

        Raises ``InvalidInput`` with code ``logout_token_invalid`` for one that is not valid or was used before.
        """
        try:
            header, claims = await self._provider.verify(logout_token)
            check_logout_token(header, claims, self._expected())
        except TokenRefused as refused:
            raise _no_logout(str(refused)) from refused
        now, issuer = self._clock(), self._provider.client.issuer
        digest = digest_of(f"{issuer} {claims['jti']}")
        until = now + timedelta(seconds=2 * MOST_SECONDS + 2 * self._rules.skew)
        async with self._database.transaction() as tx:
            if not await tx.provider_sessions.use_logout(digest, now, until):
                raise _no_logout("it was used before")
            named = issuer, claims.get("sub", ""), claims.get("sid", "")
            ended = await tx.provider_sessions.valid(*named, now)
            for token_id, user_id in ended:
                await tx.tokens.revoke(token_id, user_id, now)
                detail = {"token": token_id, "user": user_id, "by": "openid", "issuer": issuer}
                await tx.audit.append(AuditEntry(now, SYSTEM, "sign-out", "", "accepted", request_id, detail))
        self._recent.forget()
        for token_id, _ in ended:
            self._hints.pop(token_id, None)
        return len(ended)

    def _expected(self) -> Expected:
        client = self._provider.client
        return Expected(client.issuer, client.client_id, self._clock().timestamp(), self._rules.skew)


def _no_logout(reason: str) -> InvalidInput:
    log.warning("a logout token is refused: %s", reason)
    return InvalidInput(f"The logout token is refused: {reason}.", code="logout_token_invalid")
