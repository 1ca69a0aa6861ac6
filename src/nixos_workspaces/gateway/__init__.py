"""SSH from anywhere: tunnels through the API, people's keys, the SSH gateway."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from nixos_workspaces.auth.counted import CountedAudit
from nixos_workspaces.auth.lookup import TokenLookup
from nixos_workspaces.auth.sharing.open_access import OpenAccess
from nixos_workspaces.database import Database
from nixos_workspaces.events import Events
from nixos_workspaces.gateway.authorised import AuthorisedKeys
from nixos_workspaces.gateway.entrants import Entrants, Way, moderator_absent
from nixos_workspaces.gateway.open_connections import OpenConnections
from nixos_workspaces.gateway.server import Gateway
from nixos_workspaces.gateway.ssh_keys import SshKeys
from nixos_workspaces.gateway.tunnels import Tunnels
from nixos_workspaces.keys.authorities import Authorities
from nixos_workspaces.keys.store import KeyStore
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.ssh.connections import Credentials


@dataclass(frozen=True, slots=True)
class SshAccess:
    """The parts of SSH from anywhere, over the same database."""

    database: Database
    authorities: Authorities
    authorised: AuthorisedKeys
    tokens: TokenLookup
    keys: SshKeys
    tunnels: Tunnels
    connections: OpenConnections

    async def user_changed(self, user_id: str) -> None:
        """Take notice that a user was suspended, or is active again.

        What the keys of one who is suspended have opened at the gateway ends at once; running workspaces let the keys
        in, or no more, when this returns, or a little later where they do not answer.
        """
        async with self.database.reading(once=True) as tx:
            user = await tx.users.find(user_id)
        if user is not None and not user.is_active:
            async with self.database.reading(once=True) as tx:
                ids = await tx.ssh_keys.ids_of(user_id)
            for key_id in ids:
                self.connections.end_key(key_id)
        await self.authorised.changed(user_id)

    def moderated(self, workspace_id: str) -> None:
        """Take notice that a moderator must be present at a workspace's terminals: others' shells there end."""
        self.connections.end_shells(workspace_id, moderator_absent())

    def gateway(
        self, open_access: OpenAccess, audit: CountedAudit, runtime: Runtime, keys: KeyStore, way: Way
    ) -> Gateway:
        """Return the gateway, which does not listen yet; ``way`` leads people to their workspaces."""

        async def credentials(workspace_id: str) -> Credentials:
            held = await asyncio.to_thread(keys.read, workspace_id)
            return Credentials(held.client_private, held.host_public)

        entrants = Entrants(self.database, self.authorities, self.tokens, way)
        parts = entrants, self.authorities, self.tokens, self.connections, open_access, audit
        return Gateway(*parts, connect=runtime.connect, credentials=credentials)


async def open_ssh_access(database: Database, runtime: Runtime, keys: KeyStore, events: Events) -> SshAccess:
    """Return the parts; a new installation gets its authorities. Nothing runs by itself yet."""
    authorities = await asyncio.to_thread(Authorities, keys)
    authorised = AuthorisedKeys(database, runtime, keys, authorities, events)
    connections = OpenConnections(database, events)
    return SshAccess(
        database,
        authorities,
        authorised,
        TokenLookup(database),
        SshKeys(database, authorities, changed=authorised.changed, removed=connections.end_key),
        Tunnels(runtime.connect),
        connections,
    )
