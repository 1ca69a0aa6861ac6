"""Whom the SSH gateway lets in: holders of registered keys, and of certificates of our authority."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from asyncssh.public_key import CERT_TYPE_USER, SSHOpenSSHCertificate

from nixos_workspaces.auth.lookup import TokenLookup
from nixos_workspaces.auth.operations import SSH_ACTIONS
from nixos_workspaces.auth.policy import Action, Principal, may
from nixos_workspaces.database import Database
from nixos_workspaces.errors import Forbidden, NotFound, Unauthenticated
from nixos_workspaces.gateway.ssh_keys import CERTIFICATE_ID
from nixos_workspaces.keys.authorities import Authorities
from nixos_workspaces.model.access.public_keys import PublicKey
from nixos_workspaces.model.workspace import AuthorisedId, Workspace

USED_EVERY = timedelta(minutes=1)
"""How often the use of a key is noted."""

Enter = Callable[[str, Principal], Awaitable[tuple[Workspace, AuthorisedId]]]
"""Authorises a person at a workspace, given by id or name; raises ``NotFound`` as for one that there is not."""
IsModerated = Callable[[AuthorisedId], Awaitable[bool]]
"""Tells whether a moderator must be there for others to type at a workspace's terminals."""


class Wakes(Protocol):
    """Starts workspaces that rest because a person means to use them."""

    async def woken(self, workspace: Workspace, principal: Principal) -> Workspace:
        """Return a workspace once it runs, if the person may start it; the same where it is not woken."""

    def typed(self, workspace_id: str, principal: Principal) -> None:
        """Wake a paused workspace because a key was pressed; neither waits nor raises."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a person gets to a workspace."""

    enter: Enter
    waking: Wakes
    is_moderated: IsModerated


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
    is_moderator: bool = True
    """They may have shells also where a moderator must be present."""
    lacks_moderator: bool = False
    """They would have shells if their terminals needed no moderator."""


class Entrants:
    """Finds the person behind a key."""

    def __init__(
        self,
        database: Database,
        authorities: Authorities,
        tokens: TokenLookup,
        way: Way,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Look into these parts."""
        self._database = database
        self._authorities = authorities
        self._tokens = tokens
        self._enter, self._waking, self._is_moderated = way.enter, way.waking, way.is_moderated
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

    async def confirm(self, entrant: Entrant) -> None:
        """Return if it may have shells still; raises ``Forbidden`` where a moderator must be present since."""
        if Action.OPEN_SSH in entrant.allowed and not entrant.is_moderator and await self._is_moderated(entrant.key):
            raise moderator_absent()

    async def woken(self, entrant: Entrant) -> Entrant:
        """Return the person at a workspace that runs, if it was to be woken; at the same one otherwise.

        Raises ``Unauthenticated`` where their credential has ended meanwhile, and as ``Enter`` does.
        """
        await self._waking.woken(entrant.workspace, entrant.principal)
        if entrant.key_id:
            async with self._database.reading(once=True) as tx:
                is_valid = entrant.key_id in await tx.ssh_keys.ids_of(entrant.principal.id)
        else:
            is_valid = await self._tokens.principal_of(entrant.token_id) is not None
        if not is_valid:
            raise Unauthenticated("The credential is not valid any more.")
        workspace, key = await self._enter(entrant.workspace.id, entrant.principal)
        return replace(entrant, workspace=workspace, key=key)

    def typed(self, entrant: Entrant) -> None:
        """Take notice of bytes that the person has sent; keep-alives of SSH are none."""
        self._waking.typed(entrant.workspace.id, entrant.principal)

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
        is_moderator = may(principal, Action.MODERATE_TERMINAL, workspace)
        # A shell is the workspace's user, who reaches every terminal: nobody can be present in it, or watch.
        lacks = Action.OPEN_SSH in allowed and not is_moderator and await self._is_moderated(key)
        if lacks:
            allowed -= {Action.OPEN_SSH}
        if not allowed:
            return None
        return Entrant(
            *(principal, workspace, key, allowed, key_id, token_id), is_moderator=is_moderator, lacks_moderator=lacks
        )


def moderator_absent() -> Forbidden:
    """Return the error for a shell where a moderator must be present for others to type."""
    return Forbidden(
        "A moderator must be present where others type in this workspace, and none is in a shell: use its terminals.",
        code="moderator_absent",
    )
