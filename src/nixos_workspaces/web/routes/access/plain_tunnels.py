"""Tunnels whose connection carries the bytes as they are: a key that is typed passes the service and nothing else.

``ssh`` gets such a connection from ``nixws ssh --stdio --fdpass``, which then has ended. It is joined to the one inside
the workspace as the WebSockets of previews are.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from nixos_workspaces.auth.counted import Kind
from nixos_workspaces.auth.policy import Action, Principal
from nixos_workspaces.errors import Unavailable, WorkspacesError
from nixos_workspaces.gateway.idle import ended_when_idle
from nixos_workspaces.model.workspace import AuthorisedId, Workspace
from nixos_workspaces.services import Services
from nixos_workspaces.web.http.access.open_request import EXTENSION
from nixos_workspaces.web.http.protocol import TUNNEL
from nixos_workspaces.web.http.sockets.open_sockets import OpenSockets
from nixos_workspaces.web.previews.tunnel import Tunnel

_SWITCHING = 101
_HEAD = f"HTTP/1.1 {_SWITCHING} Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {TUNNEL}\r\n\r\n".encode()


class PlainTunnel(Response):
    """The answer that makes a request's connection a tunnel, or the error why it does not become one."""

    def __init__(
        self, services: Services, principal: Principal, workspace: Workspace, key: AuthorisedId, port: int
    ) -> None:
        super().__init__(status_code=_SWITCHING)
        self._services = services
        self._principal = principal
        self._workspace = workspace
        self._key = key
        self._port = port
        self._tunnel: Tunnel | None = None
        self._failure: WorkspacesError | None = None

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry the connection to its end; raises our own errors before anything was answered."""
        line: Any = scope.get("extensions", {}).get(EXTENSION)
        if line is None:
            raise Unavailable("This connection cannot become a tunnel; open a WebSocket.")
        open_sockets: OpenSockets = scope["app"].state.tunnel_sockets
        with (
            open_sockets.entered(self._principal, scope["state"]["credential"], self._fail),
            self._services.ssh.connections.entered(self._key, self._fail),
            self._services.sharing.open_access.entered(
                self._principal, Action.OPEN_TUNNEL, self._workspace, self._fail
            ),
        ):
            inside, greeting = await self._services.ssh.tunnels.open_plain(self._key, self._port)
            if self._failure is not None:
                inside.abort()
                raise self._failure
            transport, early, client = line.take_over()
            self._tunnel = tunnel = Tunnel(transport, inside, client)
            self._note("open-tunnel", scope)
            limit = self._services.settings.tunnel_idle
            with line.adopted(tunnel), ended_when_idle(tunnel, limit, tunnel.abort):
                try:
                    tunnel.start(_HEAD + greeting, early)
                    # Nothing is sent by it any more: it tells the layers around the route that the answer has begun.
                    await send({"type": "http.response.start", "status": _SWITCHING, "headers": []})
                    await tunnel.ended()
                finally:
                    self._note("close-tunnel", scope)
                    tunnel.abort()

    def _fail(self, error: WorkspacesError) -> None:
        """End the tunnel at once."""
        self._failure = error
        if self._tunnel is not None:
            self._tunnel.abort()

    def _note(self, action: str, scope: Scope) -> None:
        kind = Kind(action, actor=self._principal.id, workspace_id=self._key)
        self._services.counted_audit.note(kind, scope["state"]["request_id"])
