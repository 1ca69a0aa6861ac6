"""Browser sessions: signing in with a password, the devices that are signed in, ending them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from nixos_workspaces.audit.entries import current_request
from nixos_workspaces.auth.passkeys.using import Asker, PasskeyUse, Proof
from nixos_workspaces.auth.people.passwords import Passwords, check_password
from nixos_workspaces.auth.policy import Action, Principal, Role, authorise
from nixos_workspaces.auth.tokens import NO_DEVICE, Device, Token, TokenKind, Tokens, digest_of
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.errors import NotFound, Unauthenticated
from nixos_workspaces.model.access.people import UserKind


class Sessions:
    """The sessions of people, and the password that begins them."""

    def __init__(
        self,
        database: Database,
        tokens: Tokens,
        passwords: Passwords,
        passkeys: PasskeyUse,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep them in ``database``; ``passkeys`` confirms that the person is there before a password is set."""
        self._database = database
        self._tokens = tokens
        self._passwords = passwords
        self._passkeys = passkeys
        self._clock = clock

    async def sign_in(self, handle: str, password: str, device: Device = NO_DEVICE) -> tuple[str, Token]:
        """Return a new session's secret with its record.

        Raises ``Unauthenticated`` with code ``sign_in_failed`` for an unknown handle, a wrong password, a user without
        one, a service account and a suspended user alike, after the same work.
        """
        async with self._database.reading(once=True) as tx:
            found = await tx.users.password_of(handle.encode(errors="replace").decode())
        user, hashed = (None, "") if found is None else found
        matches = await self._passwords.matches(hashed, password)
        if user is None or not matches or user.kind is not UserKind.PERSON or not user.is_active:
            raise Unauthenticated("The handle or the password is wrong.", code="sign_in_failed")
        async with self._database.transaction() as tx:
            known = await tx.users.principal(user.id)
            await tx.audit.append(AuditEntry(self._clock(), user.id, "sign-in", "", "accepted", current_request()))
        groups = frozenset(known[1]) if known else frozenset[str]()
        principal = Principal(user.id, user.handle, Role(user.role), groups)
        return await self._tokens.create("browser", principal=principal, kind=TokenKind.SESSION, device=device)

    async def set_password(self, password: str, proof: Proof, asker: Asker, *, principal: Principal) -> None:
        """Set the principal's password, and end their other sessions; ``asker.browser`` is the credential of this one.

        ``proof`` is the current password or a passkey's answer, which ``PasskeyUse.confirm`` asks for where there is
        one. Raises ``InvalidInput`` for a password that is not taken, and what ``confirm`` raises.
        """
        authorise(principal, Action.MANAGE_CREDENTIALS)
        check_password(password, principal.name)
        await self._passkeys.confirm(proof, asker, principal=principal)
        hashed, now = await self._passwords.hash(password), self._clock()
        async with self._database.transaction() as tx:
            await tx.users.set_password(principal.id, hashed, now)
            await tx.audit.append(AuditEntry(now, principal.id, "set-password", "", "accepted", asker.request_id))
        await self.end_others(asker.browser, principal=principal)

    async def list(self, *, principal: Principal) -> tuple[Token, ...]:
        """Return the principal's sessions, newest first."""
        authorise(principal, Action.MANAGE_CREDENTIALS)
        every = await self._tokens.list(principal=principal)
        return tuple(one for one in every if one.kind is TokenKind.SESSION)

    async def current(self, credential: str) -> str:
        """Return the id of the session or token that a request came with."""
        async with self._database.reading(once=True) as tx:
            found = await tx.tokens.find(digest_of(credential), self._clock())
        return "" if found is None else found.id

    async def end(self, session_id: str, *, principal: Principal) -> None:
        """End one session; ``NotFound`` with code ``browser_session_not_found`` if there is none of that id."""
        if session_id not in {one.id for one in await self.list(principal=principal)}:
            raise NotFound(
                "You have no such session; it has ended.", code="browser_session_not_found", field="session_id"
            )
        await self._tokens.revoke(session_id, principal=principal)

    async def end_others(self, credential: str, *, principal: Principal) -> int:
        """End all sessions but the one that the request came with and those that this comes from."""
        current = await self.current(credential)
        sessions = await self.list(principal=principal)
        kept = {current, *(link for one in sessions if one.id == current for link in one.chain)}
        others = [one for one in sessions if one.id not in kept]
        for one in others:
            try:
                await self._tokens.revoke(one.id, principal=principal)
            except NotFound:
                continue  # it ended with another, or by itself
        return len(others)
