"""The SSH gateway: ``ssh NAME@host -p PORT``, with a registered key or a certificate of our authority.

It ends the person's SSH, and carries every channel on to the workspace's own sshd (``relay``). Nothing is run, listened
on or resolved on the service's own computer.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import asyncssh

from nixos_workspaces.auth.counted import REFUSED, CountedAudit, Kind, Origin
from nixos_workspaces.auth.lookup import TokenLookup
from nixos_workspaces.auth.operations import SSH_ACTIONS
from nixos_workspaces.auth.policy import Action
from nixos_workspaces.auth.sharing.open_access import OpenAccess
from nixos_workspaces.errors import InvalidInput, LimitExceeded, Unauthenticated, Unavailable
from nixos_workspaces.gateway.connections import GatewayConnection, UpstreamConnection
from nixos_workspaces.gateway.entrants import Entrant, Entrants
from nixos_workspaces.gateway.open_connections import End, OpenConnections, shells_of
from nixos_workspaces.keys.authorities import Authorities
from nixos_workspaces.model.reach.ports import SSH_PORT
from nixos_workspaces.ssh.connections import Connect, CredentialsOf, open_ssh_as

LOGIN_SECONDS = 20.0
"""Time from the connection to the end of the login."""
MOST_LOGINS = 64
MOST_LOGINS_OF_ADDRESS = 16
"""Connections that are not logged in yet, of all and of one address."""
MOST_CONNECTIONS_OF_ONE = 64
LOOK_SECONDS = 0.25
"""How often it is looked whether the tokens behind open certificates are still valid."""
_ALGORITHMS: dict[str, Any] = {
    "kex_algs": ["mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org"],
    "encryption_algs": ["aes256-gcm@openssh.com", "aes128-gcm@openssh.com"],
    "mac_algs": ["hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com"],
    "compression_algs": ["none"],
    "signature_algs": [
        *("ssh-ed25519", "sk-ssh-ed25519@openssh.com", "rsa-sha2-512", "rsa-sha2-256"),
        *("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ],
}


class Gateway:
    """Listens and lets people in. Call it from the event loop's thread only."""

    def __init__(
        self,
        entrants: Entrants,
        authorities: Authorities,
        tokens: TokenLookup,
        open_connections: OpenConnections,
        open_access: OpenAccess,
        audit: CountedAudit,
        *,
        connect: Connect,
        credentials: CredentialsOf,
    ) -> None:
        """Let in through these parts; nothing listens before ``listening``."""
        self.entrants = entrants
        self._authorities = authorities
        self._tokens = tokens
        self._open_connections = open_connections
        self._open_access = open_access
        self._audit = audit
        self._connect = connect
        self._credentials = credentials
        self._logins: Counter[str] = Counter()
        self._of_one: Counter[str] = Counter()
        self._by_token: dict[str, list[End]] = {}
        self._all: set[GatewayConnection] = set()

    @contextlib.asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[None]:
        """Listen on an address while the block runs; then end every connection, with the reason."""
        options = await self._options(host)
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(lambda: GatewayConnection(loop, options, self), host, port)
        except OSError as taken:
            message = f"The SSH gateway cannot listen on port {port} of {host}: {taken.strerror}."
            raise InvalidInput(message, field="ssh_port") from taken
        try:
            yield
        finally:
            server.close()
            live = [*self._all]
            stops = Unavailable("The service stops; connect again soon.")
            for one in live:
                one.end(stops)
            await asyncio.gather(*(one.wait_closed() for one in live), return_exceptions=True)

    async def watch(self, succeeded: Callable[[], None]) -> None:
        """End the connections of certificates whose tokens have ended; only cancellation ends it."""
        while True:
            if self._by_token:
                ended = await self._tokens.ended([*self._by_token])
                for end in [end for token_id in ended for end in self._by_token.get(token_id, [])]:
                    end(Unauthenticated("The token that the certificate was made with was revoked or has expired."))
            succeeded()
            await asyncio.sleep(LOOK_SECONDS)

    async def open_upstream(self, entrant: Entrant) -> UpstreamConnection:
        """Return a connection to the workspace's own sshd; raises our own errors."""
        credentials = await self._credentials(entrant.key)
        return await open_ssh_as(UpstreamConnection, await self._connect(entrant.key, SSH_PORT), credentials)

    @contextlib.contextmanager
    def entered(self, entrant: Entrant, end: End) -> Iterator[None]:
        """Count a connection, and have ``end`` called when its key, its token or its workspace ends."""
        principal = entrant.principal.id
        if self._of_one[principal] >= MOST_CONNECTIONS_OF_ONE:
            raise LimitExceeded(f"You have {MOST_CONNECTIONS_OF_ONE} SSH connections open; close some.")
        self._of_one[principal] += 1
        self._note("open-ssh", entrant)
        ends = self._by_token.setdefault(entrant.token_id, []) if entrant.token_id else []
        ends.append(end)
        try:
            action = next(one for one in SSH_ACTIONS if one in entrant.allowed)
            with contextlib.ExitStack() as left:
                left.enter_context(self._open_access.entered(entrant.principal, action, entrant.workspace, end))
                for reason in _reasons(entrant):
                    left.enter_context(self._open_connections.entered(reason, end))
                yield
        finally:
            ends.remove(end)
            if entrant.token_id and not ends:
                self._by_token.pop(entrant.token_id, None)
            self._of_one[principal] -= 1
            self._note("close-ssh", entrant)

    def begun(self, connection: GatewayConnection, address: str) -> bool:
        """Count a connection that is not logged in yet; false if there are too many."""
        if self._logins.total() >= MOST_LOGINS or self._logins[address] >= MOST_LOGINS_OF_ADDRESS:
            return False
        self._logins[address] += 1
        self._all.add(connection)
        return True

    def login_is_over(self, address: str, *, refused: bool) -> None:
        """Count it no more: it is logged in, or gone."""
        self._logins[address] -= 1
        if self._logins[address] <= 0:
            del self._logins[address]
        if refused:
            self._audit.note(Kind("open-ssh", REFUSED, address=address), "")

    def gone(self, connection: GatewayConnection) -> None:
        """Forget a connection."""
        self._all.discard(connection)

    def _note(self, action: str, entrant: Entrant) -> None:
        origin = Origin(entrant.principal.actor, entrant.address)
        self._audit.note(Kind(action, actor=entrant.principal.id, workspace_id=entrant.workspace.id, origin=origin), "")

    async def _options(self, host: str) -> asyncssh.SSHServerConnectionOptions:
        """Return a server's settings: public keys only, nothing but modern algorithms."""
        key, certificate = await asyncio.to_thread(self._authorities.gateway_key, _names(host))
        options: asyncssh.SSHServerConnectionOptions = await asyncssh.SSHServerConnectionOptions.construct(
            config=None,
            server_factory=asyncssh.SSHServer,
            server_host_keys=[asyncssh.import_private_key(key)],
            server_host_certs=[asyncssh.import_certificate(certificate)],
            login_timeout=LOGIN_SECONDS,
            keepalive_interval=30,
            keepalive_count_max=4,
            server_version="NixOSWorkspaces",
            agent_forwarding=False,
            x11_forwarding=False,
            allow_scp=False,
            gss_host=None,
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            **_ALGORITHMS,
        )
        return options


def _reasons(entrant: Entrant) -> list[str]:
    """Return the things with any of which a connection ends."""
    reasons = [entrant.workspace.id]
    if entrant.key_id:
        reasons.append(entrant.key_id)
    if Action.OPEN_SSH in entrant.allowed and not entrant.is_moderator:
        reasons.append(shells_of(entrant.workspace.id))
    return reasons


def _names(host: str) -> list[str]:
    """Return the names under which clients may know this computer."""
    return sorted({host, "localhost", "127.0.0.1", socket.gethostname(), socket.gethostname().partition(".")[0]})
