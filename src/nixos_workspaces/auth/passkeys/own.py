"""The passkeys of a person: made, named and removed by the person."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from nixos_workspaces.auth.passkeys.challenges import LIFETIME_SECONDS, Binding, Challenges, Purpose, text_of
from nixos_workspaces.auth.passkeys.using import Asker, PasskeyUse, Proof
from nixos_workspaces.auth.passkeys.verification import ALGORITHMS, Attestation, challenge_of, verify_attestation
from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from nixos_workspaces.model.access.passkeys import MOST_PASSKEYS, Passkey, is_passkey_name, usable

SERVICE_NAME = "NixOS Workspaces"


class OwnPasskeys:
    """The passkeys of the principal."""

    def __init__(
        self,
        database: Database,
        use: PasskeyUse,
        challenges: Challenges,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep them in ``database``; ``use`` confirms that the person is there before one is made."""
        self._database = database
        self._use = use
        self._challenges = challenges
        self._clock = clock

    async def list(self, *, principal: Principal) -> tuple[Passkey, ...]:
        """Return the principal's passkeys, oldest first."""
        authorise(principal, Action.MANAGE_CREDENTIALS)
        async with self._database.reading(once=True) as tx:
            return await tx.passkeys.of_user(principal.id)

    async def begin(self, proof: Proof, asker: Asker, *, principal: Principal) -> dict[str, Any]:
        """Return the options of ``navigator.credentials.create``, to a person who confirms it (``PasskeyUse.confirm``).

        Raises ``Conflict`` with code ``passkey_needs_name`` for an address in numbers, ``LimitExceeded`` beyond
        ``MOST_PASSKEYS``.
        """
        authorise(principal, Action.MANAGE_CREDENTIALS)
        if not asker.site.rp_id:
            raise Conflict(
                "Passkeys are made for a name: open the service by one instead of an address in numbers "
                "(http://localhost on the same machine).",
                code="passkey_needs_name",
            )
        await self._use.confirm(proof, asker, principal=principal)
        async with self._database.reading() as tx:
            user = await tx.users.find(principal.id)
            present = await tx.passkeys.of_user(principal.id)
        _check_number(present)
        shown = user.display_name if user else principal.name
        return {
            "challenge": self._challenges.issue(Binding(Purpose.REGISTER, asker.browser, principal.id)),
            "rp": {"id": asker.site.rp_id, "name": SERVICE_NAME},
            "user": {"id": text_of(principal.id.encode()), "name": principal.name, "displayName": shown},
            "pubKeyCredParams": [{"type": "public-key", "alg": one} for one in ALGORITHMS],
            "timeout": int(LIFETIME_SECONDS * 1000),
            "excludeCredentials": [{"type": "public-key", "id": one.credential_id} for one in present],
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": True,
                "userVerification": "required",
            },
            "attestation": "none",
        }

    async def add(self, name: str, attestation: Attestation, asker: Asker, *, principal: Principal) -> Passkey:
        """Register what an authenticator has made.

        Raises ``Forbidden`` with code ``passkey_expired`` or ``passkey_refused``, ``Conflict`` with code
        ``passkey_taken``.
        """
        authorise(principal, Action.MANAGE_CREDENTIALS)
        said = challenge_of(attestation.client_data)
        chosen = _checked(name)
        challenge = self._challenges.redeem(said, Binding(Purpose.REGISTER, asker.browser, principal.id))
        made = await verify_attestation(attestation, asker.site, challenge)
        now, passkey_id = self._clock(), f"psk-{secrets.token_hex(6)}"
        fresh = Passkey(
            passkey_id,
            principal.id,
            chosen,
            made.credential_id,
            made.public_key,
            made.sign_count,
            asker.site.rp_id,
            now,
        )
        async with self._database.transaction() as tx:
            if await tx.passkeys.find(made.credential_id) is not None:
                raise Conflict("This passkey is registered already.", code="passkey_taken")
            _check_number(await tx.passkeys.of_user(principal.id))
            await tx.passkeys.add(fresh)
            detail = {"passkey": fresh.id, "name": chosen, "host": fresh.rp_id}
            entry = AuditEntry(
                now, principal.id, "add-passkey", "", "accepted", asker.request_id, detail, target=fresh.id
            )
            await tx.audit.append(entry)
        return fresh

    async def rename(self, passkey_id: str, name: str, *, principal: Principal, request_id: str = "") -> Passkey:
        """Rename one of the principal's passkeys; ``NotFound`` with code ``passkey_not_found``."""
        authorise(principal, Action.MANAGE_CREDENTIALS)
        async with self._database.transaction() as tx:
            before = _found(await tx.passkeys.of_user(principal.id), passkey_id)
            chosen = _checked(name)
            await tx.passkeys.rename(passkey_id, principal.id, chosen)
            entry = AuditEntry(
                self._clock(),
                principal.id,
                "rename-passkey",
                "",
                "accepted",
                request_id,
                target=passkey_id,
                before={"name": before.name},
                after={"name": chosen},
            )
            await tx.audit.append(entry)
            return _found(await tx.passkeys.of_user(principal.id), passkey_id)

    async def remove(self, passkey_id: str, asker: Asker, *, principal: Principal) -> None:
        """Remove one of the principal's passkeys; ``NotFound`` with code ``passkey_not_found``.

        Raises ``Conflict`` with code ``last_way_in`` where the person could not sign in any more.
        """
        authorise(principal, Action.MANAGE_CREDENTIALS)
        async with self._database.transaction() as tx:
            present = await tx.passkeys.of_user(principal.id)
            gone = _found(present, passkey_id)
            user = await tx.users.find(principal.id)
            ways = usable(present, asker.site)
            others = (user and user.has_password) or await tx.identities.of_user(principal.id)
            if ways == (gone,) and not others:
                raise Conflict(
                    "This is your only way to sign in. Set a password or add another passkey first.",
                    code="last_way_in",
                )
            await tx.passkeys.remove(passkey_id, principal.id)
            detail = {"passkey": gone.id, "name": gone.name}
            entry = AuditEntry(
                self._clock(),
                principal.id,
                "remove-passkey",
                "",
                "accepted",
                asker.request_id,
                detail,
                target=gone.id,
            )
            await tx.audit.append(entry)


def _check_number(present: tuple[Passkey, ...]) -> None:
    if len(present) >= MOST_PASSKEYS:
        raise LimitExceeded(f"A person has at most {MOST_PASSKEYS} passkeys; remove one.", code="too_many_passkeys")


def _checked(name: str) -> str:
    if not is_passkey_name(name):
        raise InvalidInput("A passkey's name has 1 to 64 characters, all of which can be shown.", field="name")
    return name.strip()


def _found(passkeys: tuple[Passkey, ...], passkey_id: str) -> Passkey:
    for one in passkeys:
        if one.id == passkey_id:
            return one
    raise NotFound("You have no such passkey; it was removed.", code="passkey_not_found", field="passkey_id")
