"""The public SSH keys of people, and certificates for them."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from nixos_workspaces.auth.policy import Principal
from nixos_workspaces.auth.tokens import Token
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from nixos_workspaces.keys.authorities import Authorities, Signed
from nixos_workspaces.model.access.public_keys import (
    LONGEST_KEY_NAME,
    MOST_KEYS,
    RegisteredKey,
    read_public_key,
)

LEAST_LIFETIME, MOST_LIFETIME = timedelta(hours=1), timedelta(hours=12)
CERTIFICATE_ID = "nixws"
"""The first word of a user certificate's key id; the principal's id and that of the token follow."""


class SshKeys:
    """A person's keys. Each one opens that person's workspaces, and the SSH gateway, until it is removed."""

    def __init__(
        self,
        database: Database,
        authorities: Authorities,
        *,
        changed: Callable[[str], Awaitable[None]],
        removed: Callable[[str], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep them in ``database``.

        ``changed`` is told a principal's id and returns when their running workspaces know; ``removed`` is told a key's
        id and ends what it has opened.
        """
        self._database = database
        self._authorities = authorities
        self._changed = changed
        self._removed = removed
        self._clock = clock

    @property
    def host_authority(self) -> str:
        """The public line of the authority that signs host keys."""
        return self._authorities.host_public

    async def list(self, *, principal: Principal) -> tuple[RegisteredKey, ...]:
        """Return the principal's keys, oldest first."""
        async with self._database.reading(once=True) as tx:
            return await tx.ssh_keys.of_principal(principal.id)

    async def add(
        self, public_key: str, name: str = "", *, principal: Principal, request_id: str = ""
    ) -> RegisteredKey:
        """Register a key; the same one again returns what is there, so that it may be repeated.

        Returns when the principal's running workspaces let it in, or do not answer. Raises ``InvalidInput`` for what is
        no sound public key, ``LimitExceeded`` beyond ``MOST_KEYS``.
        """
        key = read_public_key(public_key)
        chosen = _name(name or key.comment or key.type)
        now = self._clock()
        fresh = RegisteredKey(
            f"key-{secrets.token_hex(6)}", principal.id, principal.name, principal.role.value, chosen, key, now
        )
        async with self._database.transaction() as tx:
            present = await tx.ssh_keys.of_principal(principal.id)
            for one in present:
                if one.key.line == key.line:
                    return one
            if len(present) >= MOST_KEYS:
                raise LimitExceeded(f"A person has at most {MOST_KEYS} SSH keys; remove one.", code="too_many_keys")
            await tx.ssh_keys.add(replace(fresh, key=replace(key, comment="")))
            detail = {"key": fresh.id, "fingerprint": key.fingerprint}
            await tx.audit.append(
                AuditEntry(now, principal.id, "add-ssh-key", "", "accepted", request_id, detail=detail)
            )
        await self._changed(principal.id)
        return fresh

    async def remove(self, key_id: str, *, principal: Principal, request_id: str = "") -> None:
        """Remove one of the principal's keys and end what it has opened; ``NotFound`` if there is none of that id."""
        async with self._database.transaction() as tx:
            if not await tx.ssh_keys.remove(key_id, principal.id):
                raise NotFound("You have no such SSH key; it was removed.", code="ssh_key_not_found", field="key_id")
            entry = AuditEntry(
                self._clock(), principal.id, "remove-ssh-key", "", "accepted", request_id, detail={"key": key_id}
            )
            await tx.audit.append(entry)
        self._removed(key_id)
        await self._changed(principal.id)

    async def sign(
        self, public_key: str, lifetime: timedelta, *, principal: Principal, token: Token, request_id: str = ""
    ) -> Signed:
        """Return a certificate of a key with which the gateway lets ``principal`` in, as long as ``token`` is valid.

        Raises ``InvalidInput`` for what is no sound public key, or another lifetime than 1 to 12 hours.
        """
        key = read_public_key(public_key)
        if not LEAST_LIFETIME <= lifetime <= MOST_LIFETIME:
            raise InvalidInput("A certificate is valid for 1 to 12 hours.", field="valid_for")
        if key.type.startswith("sk-"):
            raise Conflict(
                "Keys on hardware are not certified; register the key itself: `nixws ssh-key add FILE`.",
                code="key_not_certified",
                field="public_key",
            )
        now = self._clock()
        if token.expires_at is not None:
            lifetime = min(lifetime, token.expires_at - now)
        key_id = f"{CERTIFICATE_ID} {principal.id} {token.id}"
        signed = self._authorities.user_certificate(key.line, key_id, principal.id, lifetime)
        detail = {"fingerprint": key.fingerprint, "serial": signed.serial, "token": token.id}
        async with self._database.transaction() as tx:
            entry = AuditEntry(now, principal.id, "sign-ssh-key", "", "accepted", request_id, detail=detail)
            await tx.audit.append(entry)
        return signed


def _name(name: str) -> str:
    """Return the name of a key; ``InvalidInput`` for one that cannot be shown."""
    if not name.isprintable() or len(name) > LONGEST_KEY_NAME:
        raise InvalidInput("A key's name has at most 64 characters, all of which can be shown.", field="name")
    return name
