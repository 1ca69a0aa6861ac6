"""Whom the SSH gateway lets in: holders of registered keys, and of certificates of our authority."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from asyncssh.public_key import CERT_TYPE_USER, SSHOpenSSHCertificate

from nixos_workspaces.auth.lookup import TokenLookup
from nixos_workspaces.auth.operations import SSH_ACTIONS
from nixos_workspaces.auth.policy import Action, Principal, may
from nixos_workspaces.database import Database
from nixos_workspaces.errors import Forbidden, NotFound
from nixos_workspaces.gateway.ssh_keys import CERTIFICATE_ID
from nixos_workspaces.keys.authorities import Authorities
from nixos_workspaces.model.access.public_keys import PublicKey
from nixos_workspaces.model.workspace import AuthorisedId, Workspace

USED_EVERY = timedelta(minutes=1)
"""How often the use of a key is noted."""

Enter = Callable[[str, Principal], Awaitable[tuple[Workspace, AuthorisedId]]]
"""Authorises a person at a workspace, given by id or name; raises ``NotFound`` as for one that there is not."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A person at one workspace, and the credential."""

    principal: Principal
    workspace: Workspace
    key: AuthorisedId
    allowed: frozenset[Action]
    """Those of ``auth.operations.CHANNELS`` that they may do."""
    key_id: str = ""
    """The registered key; empty for a certificate."""
    token_id: str = ""
    """The token that the certificate was made with; empty for a registered key."""
    address: str = ""
    """The network address that they came from."""


class Entrants:
    """Finds the person behind a key."""

    def __init__(
        self,
        database: Database,
        authorities: Authorities,
        tokens: TokenLookup,
        enter: Enter,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Look into these parts."""
        self._database = database
        self._authorities = authorities
        self._tokens = tokens
        self._enter = enter
        self._clock = clock

    async def by_key(self, name: str, key: PublicKey) -> Entrant | None:
        """Return the person whom a registered key lets in to the workspace of that name; None for nobody."""
        async with self._database.reading(once=True) as tx:
            found = await tx.ssh_keys.having(key.fingerprint)
        for one in found:
            if one.key.line != key.line:
                continue
            person = await self._tokens.person(one.principal_id)
            if person is None:
                continue
            principal = replace(person, actor=(one.id,))
            if (entrant := await self._entrant(name, principal, key_id=one.id)) is not None:
                return entrant
        return None

    async def by_certificate(self, name: str, certificate: SSHOpenSSHCertificate) -> Entrant | None:
        """Return the person whom a certificate of ours lets in, while its token is valid; None for nobody."""
        signed_by = certificate.signing_key.export_public_key().decode().split()[:2]
        word, _, rest = certificate._key_id.partition(" ")  # noqa: SLF001  it has no other way
        principal_id, _, token_id = rest.partition(" ")
        if " ".join(signed_by) != self._authorities.user_public or word != CERTIFICATE_ID:
            return None
        try:
            certificate.validate(CERT_TYPE_USER, principal_id)
        except ValueError:
            return None
        principal = await self._tokens.principal_of(token_id)
        if principal is None or principal.id != principal_id:
            return None
        return await self._entrant(name, principal, token_id=token_id)

    async def note_use(self, entrant: Entrant) -> None:
        """Note that a registered key let somebody in."""
        if not entrant.key_id:
            return
        now = self._clock()
        async with self._database.transaction() as tx:
            await tx.ssh_keys.used(entrant.key_id, now, now - USED_EVERY)

    async def _entrant(
        self, name: str, principal: Principal, *, key_id: str = "", token_id: str = ""
    ) -> Entrant | None:
        try:
            workspace, key = await self._enter(name, principal)
        except (NotFound, Forbidden):
            return None
        allowed = frozenset(action for action in SSH_ACTIONS if may(principal, action, workspace))
        return Entrant(principal, workspace, key, allowed, key_id, token_id)
