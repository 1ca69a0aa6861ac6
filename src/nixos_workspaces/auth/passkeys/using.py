"""Using a passkey: signing in without a name, and confirming what needs more than a session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from nixos_workspaces.auth.passkeys.challenges import LIFETIME_SECONDS, Binding, Challenges, Purpose
from nixos_workspaces.auth.passkeys.verification import Assertion, challenge_of, refused, verify_assertion
from nixos_workspaces.auth.people.passwords import Passwords
from nixos_workspaces.auth.policy import Action, Principal, Role, authorise
from nixos_workspaces.auth.tokens import BY_LINK, CODE_LIFETIME, NO_DEVICE, Device, Token, TokenKind, Tokens, digest_of
from nixos_workspaces.database import AuditEntry, Database, Transaction
from nixos_workspaces.errors import Forbidden, NotFound, Unauthenticated
from nixos_workspaces.model.access.passkeys import Passkey, Site, usable, went_back
from nixos_workspaces.model.access.people import User, UserKind


@dataclass(frozen=True, slots=True)
class Proof:
    """A confirmation beside the session: the password, or the answer of a passkey."""

    password: str = ""
    passkey: Assertion | None = None


@dataclass(frozen=True, slots=True)
class Asker:
    """The browser that asks: the address in it, and a secret that it alone has."""

    site: Site
    browser: str
    request_id: str = ""


class PasskeyUse:
    """Signing in and confirming by passkeys."""

    def __init__(
        self,
        database: Database,
        tokens: Tokens,
        passwords: Passwords,
        challenges: Challenges,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Look them up in ``database``."""
        self._database = database
        self._tokens = tokens
        self._passwords = passwords
        self._challenges = challenges
        self._clock = clock

    async def begin_sign_in(self, asker: Asker) -> dict[str, Any] | None:
        """Return the options of ``navigator.credentials.get``; None where nobody has a passkey for this address."""
        async with self._database.reading(once=True) as tx:
            if not asker.site.rp_id or not await tx.passkeys.any_for(asker.site.rp_id):
                return None
        challenge = self._challenges.issue(Binding(Purpose.SIGN_IN, asker.browser))
        return _options(challenge, asker.site, ())

    async def sign_in(self, assertion: Assertion, asker: Asker, device: Device = NO_DEVICE) -> tuple[str, Token]:
        """Return a new session's secret with its record.

        Raises ``Unauthenticated`` with the code that says what is wrong with the answer: ``passkey_unknown``,
        ``passkey_expired``, ``passkey_refused`` or ``passkey_counter``.
        """
        try:
            challenge = self._challenges.redeem(
                challenge_of(assertion.client_data), Binding(Purpose.SIGN_IN, asker.browser)
            )
            passkey = await self._find(assertion, asker.site)
            user, groups = await self._use(assertion, passkey, asker, challenge, "sign-in")
        except Forbidden as wrong:
            raise Unauthenticated(wrong.message, code=wrong.code) from wrong
        principal = Principal(user.id, user.handle, Role(user.role), frozenset(groups))
        return await self._tokens.create("browser", principal=principal, kind=TokenKind.SESSION, device=device)

    async def begin_confirmation(self, asker: Asker, *, principal: Principal) -> dict[str, Any]:
        """Return the options of ``navigator.credentials.get`` with the principal's own passkeys.

        Raises ``NotFound`` with code ``passkey_not_found`` where there are none for this address.
        """
        authorise(principal, Action.MANAGE_CREDENTIALS)
        async with self._database.reading(once=True) as tx:
            own = [one for one in await tx.passkeys.of_user(principal.id) if one.rp_id == asker.site.rp_id]
        if not own:
            raise NotFound("You have no passkey for this address.", code="passkey_not_found")
        challenge = self._challenges.issue(Binding(Purpose.CONFIRM, asker.browser, principal.id))
        return _options(challenge, asker.site, own)

    async def must_confirm(self, asker: Asker, *, principal: Principal) -> bool:
        """Tell whether ``confirm`` wants a proof."""
        return await self._ways(asker, principal) is not None

    async def confirm(self, proof: Proof, asker: Asker, *, principal: Principal) -> None:
        """Return where a person shows more than a session, has nothing else to show, or came by a link just now.

        Raises ``Forbidden``: ``wrong_password``; ``passkey_needed`` for a person who has passkeys only; the codes of
        ``sign_in`` for what is wrong with a passkey's answer. ``NotFound`` for a principal who is no person.
        """
        hashed = await self._ways(asker, principal)
        if proof.passkey is not None:
            await self._confirm(proof.passkey, asker, principal)
        elif hashed:
            if not await self._passwords.matches(hashed, proof.password):
                raise Forbidden("The current password is wrong.", code="wrong_password", field="current")
        elif hashed is not None:
            raise Forbidden("Confirm this with one of your passkeys.", code="passkey_needed", field="passkey")

    async def _ways(self, asker: Asker, principal: Principal) -> str | None:
        """Return the hash of the password to confirm with, empty where it takes a passkey; None: nothing is asked for.

        Who has lost everything else gets a link, and makes a new password or passkey by it.
        """
        now = self._clock()
        async with self._database.reading() as tx:
            found = await tx.users.password_of(principal.name)
            passkeys = await tx.passkeys.of_user(principal.id)
            session = await tx.tokens.find(digest_of(asker.browser), now)
        if found is None or found[0].kind is not UserKind.PERSON:
            raise NotFound("Only people have passwords and passkeys.", code="user_not_found")
        came_by_link = session is not None and (session.kind, session.name) == (TokenKind.SESSION, BY_LINK)
        if session is not None and came_by_link and now < session.created_at + CODE_LIFETIME:
            return None
        return found[1] if found[1] or usable(passkeys, asker.site) else None

    async def _confirm(self, assertion: Assertion, asker: Asker, principal: Principal) -> None:
        binding = Binding(Purpose.CONFIRM, asker.browser, principal.id)
        challenge = self._challenges.redeem(challenge_of(assertion.client_data), binding)
        passkey = await self._find(assertion, asker.site)
        if passkey.user_id != principal.id:
            raise refused("it is of another person")
        await self._use(assertion, passkey, asker, challenge, "use-passkey")

    async def _find(self, assertion: Assertion, site: Site) -> Passkey:
        async with self._database.reading(once=True) as tx:
            passkey = await tx.passkeys.find(assertion.credential_id)
        if passkey is None:
            raise Forbidden(
                "This passkey is not known here: it was removed, or is for another service.", code="passkey_unknown"
            )
        if not site.rp_id or passkey.rp_id != site.rp_id:
            raise refused(f"it is for {passkey.rp_id}")
        return passkey

    async def _use(
        self, assertion: Assertion, passkey: Passkey, asker: Asker, challenge: bytes, action: str
    ) -> tuple[User, tuple[str, ...]]:
        """Verify an answer and note the use; return the person with the ids of their groups."""
        count = await verify_assertion(assertion, passkey, asker.site, challenge)
        async with self._database.transaction() as tx:
            # As it is now: another answer may have been first, or the person be suspended meanwhile.
            present = await tx.passkeys.find(passkey.credential_id)
            known = await tx.users.principal(passkey.user_id)
            if present is None or known is None or known[0].kind is not UserKind.PERSON:
                raise refused()
            went = went_back(present.sign_count, count)
            outcome = "passkey_counter" if went else "accepted"
            await self._note(tx, present, count, outcome, action, asker.request_id)
            if not went:
                await tx.passkeys.used(present.id, count, self._clock())
        if went:
            raise Forbidden(
                "This passkey was refused: its count of uses has gone back, as that of a copy does. "
                "Sign in in another way, and remove it if it is not yours alone.",
                code="passkey_counter",
            )
        return known

    async def _note(
        self, tx: Transaction, passkey: Passkey, count: int, outcome: str, action: str, request_id: str
    ) -> None:
        detail: dict[str, Any] = {"passkey": passkey.id}
        if outcome != "accepted":
            detail |= {"count_before": passkey.sign_count, "count_now": count}
        entry = AuditEntry(self._clock(), passkey.user_id, action, "", outcome, request_id, detail, target=passkey.id)
        await tx.audit.append(entry)


def _options(challenge: str, site: Site, allowed: tuple[Passkey, ...] | list[Passkey]) -> dict[str, Any]:
    """Return ``PublicKeyCredentialRequestOptionsJSON``."""
    return {
        "challenge": challenge,
        "rpId": site.rp_id,
        "timeout": int(LIFETIME_SECONDS * 1000),
        "userVerification": "required",
        "allowCredentials": [{"type": "public-key", "id": one.credential_id} for one in allowed],
    }
