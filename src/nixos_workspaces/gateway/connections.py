"""The two SSH connections of one person at the gateway: theirs to us, and ours to the workspace's sshd."""

# ruff: noqa: SLF001, RUF012  # reaches into asyncssh, as ssh.transport does: its version is pinned

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol

import asyncssh
from asyncssh.connection import SSHServerConnectionOptions
from asyncssh.constants import MSG_CHANNEL_OPEN, MSG_REQUEST_SUCCESS
from asyncssh.packet import SSHPacket, String
from asyncssh.public_key import SSHKey, SSHOpenSSHCertificate, decode_ssh_certificate, decode_ssh_public_key
from typing_extensions import override

from nixos_workspaces.auth.operations import CHANNELS
from nixos_workspaces.auth.policy import Action
from nixos_workspaces.errors import Conflict, WorkspacesError
from nixos_workspaces.gateway.entrants import Entrant, Entrants, moderator_absent
from nixos_workspaces.gateway.open_connections import End
from nixos_workspaces.gateway.relay import FROM_CLIENT, FROM_WORKSPACE, open_through
from nixos_workspaces.model.access.public_keys import read_public_key
from nixos_workspaces.model.workspace import Status
from nixos_workspaces.ssh.transport import FastClientConnection, FastServerConnection

MOST_ATTEMPTS = 12
"""Keys that one connection may show; agents hold several."""
FAREWELL_SECONDS = 0.2
"""Time that the reason of an end has to be sent."""
_FORWARDING = (
    b"tcpip-forward",
    b"cancel-tcpip-forward",
    b"streamlocal-forward@openssh.com",
    b"cancel-streamlocal-forward@openssh.com",
)


class Host(Protocol):
    """The gateway, as one of its connections sees it."""

    entrants: Entrants

    def begun(self, connection: GatewayConnection, address: str) -> bool:
        """Count a connection that is not logged in yet; false if there are too many."""

    def login_is_over(self, address: str, *, refused: bool) -> None:
        """Count it no more: it is logged in, or gone."""

    def gone(self, connection: GatewayConnection) -> None:
        """Forget a connection."""

    def entered(self, entrant: Entrant, end: End) -> AbstractContextManager[None]:
        """Count a connection of a person, and have ``end`` called when the credential or the workspace ends."""

    async def open_upstream(self, entrant: Entrant) -> UpstreamConnection:
        """Return a connection to the workspace's own sshd."""


class UpstreamConnection(FastClientConnection):
    """Ours to the workspace's sshd; the channels that it opens are the person's."""

    client: FastServerConnection | None = None
    actions: frozenset[Action] = frozenset()
    """The actions that the person may do."""

    def _open_towards_client(self, _kind: int, _number: int, packet: SSHPacket) -> None:
        if self.client is not None:
            open_through(self, self.client, packet, FROM_WORKSPACE, self.actions)

    _packet_handlers = {**FastClientConnection._packet_handlers, MSG_CHANNEL_OPEN: _open_towards_client}


class GatewayConnection(FastServerConnection):
    """A person's to us."""

    def __init__(self, loop: asyncio.AbstractEventLoop, options: SSHServerConnectionOptions, host: Host) -> None:
        super().__init__(loop, options)
        self._host = host
        self._address = ""
        self._is_logging_in = False
        self._attempts: set[bytes] = set()
        self._entrant: Entrant | None = None
        self._upstream: UpstreamConnection | None = None
        self._opening: asyncio.Task[None] | None = None
        self._waiting: list[Callable[[UpstreamConnection], None]] = []
        """Requests that came before the other connection was there."""
        self._left = contextlib.ExitStack()

    # ---- who it is

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if peer else ""
        if not self._host.begun(self, self._address):
            transport.abort()  # type: ignore[attr-defined]
            return
        self._is_logging_in = True
        super().connection_made(transport)

    @override
    def public_key_auth_supported(self) -> bool:
        return True

    @override
    async def validate_public_key(self, username: str, key_data: bytes, msg: bytes, signature: bytes) -> bool:
        """Tell whether a key or certificate lets its holder in, and, with ``msg``, whether they have it.

        The person is who signed first: requests that are sent ahead cannot put another one in their place.
        """
        self._attempts.add(key_data)
        if len(self._attempts) > MOST_ATTEMPTS:
            raise asyncssh.PermissionDenied("Too many keys; name one: ssh -i FILE -o IdentitiesOnly=yes")
        found = await self._find(username, key_data)
        if found is None:
            return False
        key, entrant = found
        if not msg:
            return True
        if not key.verify(String(self._session_id) + msg, signature):
            return False
        if self._entrant is None:
            self._entrant = replace(entrant, address=self._address)
        return True

    async def _find(self, name: str, key_data: bytes) -> tuple[SSHKey, Entrant] | None:
        """Return a key, or that of a certificate, with the person whom it lets in."""
        entrants = self._host.entrants
        try:
            try:
                certificate = decode_ssh_certificate(key_data)
            except asyncssh.KeyImportError:
                key = decode_ssh_public_key(key_data)
                line = " ".join(key.export_public_key().decode().split()[:2])
                entrant = await entrants.by_key(name, read_public_key(line))
            else:
                if not isinstance(certificate, SSHOpenSSHCertificate):
                    return None
                key = certificate.key
                entrant = await entrants.by_certificate(name, certificate)
        except (asyncssh.KeyImportError, WorkspacesError):
            return None
        key.set_touch_required(touch_required=True)
        return None if entrant is None else (key, entrant)

    @override
    async def send_userauth_success(self) -> None:
        if self._entrant is not None and self._entrant.lacks_moderator:
            self.send_auth_banner(f"{moderator_absent().message}\n")
        await super().send_userauth_success()
        self._end_login(refused=False)
        self._opening = self._loop.create_task(self._open())

    # ---- the other connection

    async def _open(self) -> None:
        entrant = self._entrant
        assert entrant is not None
        try:
            if entrant.workspace.status is not Status.RUNNING:  # before it counts as open: the rest of it would end it
                entrant = await self._host.entrants.woken(entrant)
            self._left.enter_context(self._host.entered(entrant, self.end))
            if entrant.workspace.status is not Status.RUNNING:
                name, status = entrant.workspace.name, entrant.workspace.status.value
                raise Conflict(f"Workspace {name} is {status}; start it first.", code="not_running")
            await self._host.entrants.confirm(entrant)
            await self._host.entrants.note_use(entrant)
            upstream = await self._host.open_upstream(entrant)
        except WorkspacesError as refused:
            self.end(refused)
            return
        self._upstream = upstream
        self._left.callback(upstream.abort)
        upstream.client, upstream.actions = self, entrant.allowed
        upstream.on_congestion = lambda congested: self.hold_reading(held=congested)
        self.on_congestion = lambda congested: upstream.hold_reading(held=congested)
        self._loop.create_task(upstream.wait_closed()).add_done_callback(lambda _: self._upstream_lost())
        for one in self._waiting:
            one(upstream)
        self._waiting.clear()

    def end(self, error: WorkspacesError) -> None:
        """End both connections for this reason."""
        self._left.close()
        if self._transport is not None:
            self._loop.call_later(FAREWELL_SECONDS, self.abort)
            self.disconnect(asyncssh.DISC_BY_APPLICATION, error.message)

    def _upstream_lost(self) -> None:
        if self._transport is not None:
            self.disconnect(asyncssh.DISC_CONNECTION_LOST, "The workspace's SSH server ended the connection.")

    @override
    def connection_lost(self, exc: Exception | None = None) -> None:
        super().connection_lost(exc)
        self._gone()

    @override
    def _cleanup(self, exc: Exception | None) -> None:
        super()._cleanup(exc)
        self._gone()

    def _gone(self) -> None:
        self._end_login(refused=True)
        if self._opening is not None:
            self._opening.cancel()
        self._left.close()
        self._host.gone(self)

    def _end_login(self, *, refused: bool) -> None:
        if self._is_logging_in:
            self._is_logging_in = False
            self._host.login_is_over(self._address, refused=refused and bool(self._attempts))

    # ---- what is carried on

    def _once_open(self, do: Callable[[UpstreamConnection], None]) -> None:
        if self._upstream is None:
            self._waiting.append(do)
        else:
            do(self._upstream)

    def _open_towards_workspace(self, _kind: int, _number: int, packet: SSHPacket) -> None:
        self._once_open(
            lambda upstream: open_through(self, upstream, packet, FROM_CLIENT, upstream.actions, self._typed)
        )

    def _typed(self) -> None:
        if self._entrant is not None:
            self._host.entrants.typed(self._entrant)

    _packet_handlers = {
        **FastServerConnection._packet_handlers,
        MSG_CHANNEL_OPEN: _open_towards_workspace,
    }

    def _forward(self, name: bytes, packet: SSHPacket) -> None:
        """Have the workspace's sshd listen, in the workspace."""
        rest = packet.get_remaining_payload()

        async def ask(upstream: UpstreamConnection) -> None:
            if CHANNELS[name] not in upstream.actions:
                self._report_global_response(False)
                return
            kind, answer = await upstream._make_global_request(name, rest)
            said: Any = False
            if kind == MSG_REQUEST_SUCCESS:
                said = answer.get_remaining_payload() or True
            self._report_global_response(said)

        self._once_open(lambda upstream: void(self.create_task(ask(upstream))))


def void(_: object) -> None:
    """Drop a value."""


def _forwarding(name: bytes) -> Callable[[GatewayConnection, SSHPacket], None]:
    return lambda connection, packet: connection._forward(name, packet)


for _name in _FORWARDING:
    # asyncssh finds what handles a global request by its name.
    _words = _name.decode().replace("-", "_").replace("@", "_at_").replace(".", "_dot_")
    setattr(GatewayConnection, f"_process_{_words}_global_request", _forwarding(_name))
