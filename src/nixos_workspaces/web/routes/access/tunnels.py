"""Tunnels: ``GET /api/nixos/workspaces/{workspace_id}/tunnel?port=22``, as a request and as a WebSocket.

The request returns a ticket for one WebSocket. The WebSocket (subprotocol ``nixws.tunnel.v1``) carries the bytes of
one TCP connection to that port inside the workspace: binary messages either way. The text message ``eof`` says that its
sender sends no more; the other direction stays open. Each side holds at most 64 KiB and one message of the other's:
what is not read is not sent. Close codes: 1000 when both directions have ended, those of terminals otherwise
(4503 with code ``port_closed``: nothing listens there; 4429 with ``tunnel_idle``: nothing has passed it for as long as
the setting ``tunnel_idle`` says).

A request that asks for ``Upgrade: nixws.tunnel.v1`` makes its own connection the tunnel instead: what follows the
answer 101 are the bytes, without frames, and the end of a direction is that of the connection (``plain_tunnels``).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, WebSocket
from pydantic import BeforeValidator, Field
from starlette.websockets import WebSocketDisconnect
from typing_extensions import override

from nixos_workspaces.auth.counted import Kind
from nixos_workspaces.auth.policy import Action
from nixos_workspaces.errors import Conflict, InvalidInput, LimitExceeded, WorkspacesError
from nixos_workspaces.gateway.idle import ended_when_idle
from nixos_workspaces.gateway.tunnels import TunnelClient, Upstream
from nixos_workspaces.model.names import HIGHEST_PORT, LOWEST_PORT, is_port
from nixos_workspaces.model.reach.ports import SSH_PORT
from nixos_workspaces.model.workspace import Status
from nixos_workspaces.schemas.access.tunnels import TunnelAccess, TunnelAccessAnswer
from nixos_workspaces.web.http.access.origin import PublicOrigin
from nixos_workspaces.web.http.errors import status_of
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.protocol import TUNNEL
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.http.sockets.direct_socket import EXTENSION, DirectProtocol
from nixos_workspaces.web.http.sockets.open_sockets import OpenSockets
from nixos_workspaces.web.http.tickets import Tickets
from nixos_workspaces.web.routes.access.plain_tunnels import PlainTunnel
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference, RequestId, readable_reference

router = APIRouter(prefix="/api/nixos/workspaces/{workspace_id}", route_class=StrictRoute, tags=["ssh"])
sockets = APIRouter()

SUBPROTOCOL = TUNNEL
MOST_TUNNELS_OF_ONE = 256
UNREAD_SECONDS = 120.0
"""Time for which a client may leave sent bytes unread."""
REST_SECONDS = 60.0
"""Time that a client has to read the rest of a tunnel that has ended."""
CLOSE_SECONDS = 0.3
"""Time to send the close code of one that was ended."""
EOF = "eof"
_ENDED, _GOING_AWAY, _MALFORMED, _TOO_SLOW = 1000, 1012, 4400, 4429
_MOST_REASON_BYTES = 120
_MOST_DIGITS = 5


def _number(text: object) -> object:
    """Read digits only, as whole numbers of pages are."""
    return (
        int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else text
    )


Port = Annotated[
    int,
    Query(description="TCP port inside the workspace; 22 is its SSH server."),
    Field(ge=LOWEST_PORT, le=HIGHEST_PORT),
    BeforeValidator(_number),
]


@router.get("/tunnel", response_model=TunnelAccessAnswer, responses=problems(404, 409, body=False))
async def get_tunnel_access(
    *,
    request: Request,
    services: Asked,
    principal: By,
    request_id: RequestId,
    workspace_id: Reference,
    port: Port = SSH_PORT,
) -> TunnelAccessAnswer | Response:
    """Return how to open a tunnel to a port inside the workspace; with Upgrade: nixws.tunnel.v1, become one."""
    workspace, key = await services.workspaces.enter(workspace_id, principal=principal, action=Action.OPEN_TUNNEL)
    workspace = await services.automation.waking.woken(workspace, principal, request_id)
    if workspace.status is not Status.RUNNING:
        raise Conflict(f"Workspace {workspace.name} does not run; start it first.", code="not_running")
    if request.headers.get("upgrade", "").lower() == TUNNEL:
        services.workspaces.touch(workspace)
        return PlainTunnel(services, principal, workspace, key, port)
    path = f"/api/nixos/workspaces/{workspace.id}/tunnel"
    tickets: Tickets = request.app.state.tickets
    origin: PublicOrigin = request.app.state.origin
    access = TunnelAccess(
        websocket_url=f"{origin.of(request.scope).replace('http', 'ws', 1)}{path}?port={port}",
        ticket=tickets.issue(principal, request.state.credential, path),
    )
    return TunnelAccessAnswer(tunnel=access)


@sockets.websocket("/api/nixos/workspaces/{workspace_id}/tunnel")
async def tunnel(socket: WebSocket, services: Asked, principal: By, request_id: RequestId, workspace_id: str) -> None:
    """Carry one connection; see the module's docstring."""
    await socket.accept(SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None)
    client = TunnelSocket(socket)
    open_sockets: OpenSockets = socket.app.state.tunnel_sockets
    stopping: asyncio.Event = socket.app.state.stopping
    try:
        with open_sockets.entered(principal, socket.state.credential, client.fail):
            port = _port_of(socket.query_params.multi_items())
            workspace, key = await services.workspaces.enter(
                readable_reference(workspace_id), principal=principal, action=Action.OPEN_TUNNEL
            )
            await services.automation.waking.woken(workspace, principal, request_id)
            services.workspaces.touch(workspace)
            with (
                services.ssh.connections.entered(workspace.id, client.fail),
                services.sharing.open_access.entered(principal, Action.OPEN_TUNNEL, workspace, client.fail),
            ):
                upstream = await services.ssh.tunnels.open(key, port, client)
                kind = Kind("open-tunnel", actor=principal.id, workspace_id=workspace.id)
                services.counted_audit.note(kind, request_id)
                idle = LimitExceeded("Nothing has passed this tunnel for too long.", code="tunnel_idle")
                limit = services.settings.tunnel_idle
                try:
                    with ended_when_idle(client, limit, partial(client.fail, idle)):
                        await client.serve(upstream, stopping)
                finally:
                    kind = Kind("close-tunnel", actor=principal.id, workspace_id=workspace.id)
                    services.counted_audit.note(kind, request_id)
    except WorkspacesError as error:
        client.fail(error)
        await client.close()
    except WebSocketDisconnect:
        return


def _port_of(query: list[tuple[str, str]]) -> int:
    """Return the port that a query asks for; raises ``InvalidInput``."""
    match query:
        case []:
            return SSH_PORT
        case [("port", text)] if isinstance(found := _number(text), int) and is_port(found):
            return found
        case _:
            raise InvalidInput("Ask for one port from 1 to 65535: ?port=22.", field="port")


class TunnelSocket(TunnelClient):
    """The ``TunnelClient`` of the workspace's side, and the ``MessageUser`` of the WebSocket."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._line: DirectProtocol = socket.scope["extensions"][EXTENSION]
        self._upstream: Upstream | None = None
        self._early: list[bytes] = []
        """Bytes from the workspace before ``serve``: a server's greeting."""
        self._sent_eof = self._got_eof = self._is_gone = False
        self.has_moved = False
        """A byte has passed since this was last set to false."""
        self._closing: tuple[int, str] | None = None
        self._over = asyncio.Event()
        self._unread: asyncio.TimerHandle | None = None

    async def serve(self, upstream: Upstream, stopping: asyncio.Event) -> None:
        """Pass bytes on until both directions have ended, one side is lost, or the service stops."""
        self._upstream = upstream
        ends = [asyncio.create_task(self._over.wait()), asyncio.create_task(stopping.wait())]
        try:
            self._line.take_over(self)
            for data in self._early:
                self._line.send_message(data, text=False)
            self._early.clear()
            if self._sent_eof:
                self._line.send_message(EOF.encode(), text=True)
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if stopping.is_set():
                self._finish(_GOING_AWAY, "the service stops")
            await self.close()
        finally:
            upstream.close(at_once=self._closing is None or self._closing[0] != _ENDED)
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    def fail(self, error: WorkspacesError) -> None:
        """End the tunnel at once for this reason."""
        code = _MALFORMED if isinstance(error, InvalidInput) else 4000 + status_of(error)
        self._finish(code, f"{error.code}: {error.message}")
        if self._upstream is not None:
            self._upstream.close(at_once=True)

    async def close(self) -> None:
        """Send the close code; a client that reads nothing does not get it."""
        self._stop_the_clock()
        self._line.release_reading()
        if self._closing is None or self._is_gone:
            return
        try:
            async with asyncio.timeout(REST_SECONDS if self._closing[0] == _ENDED else CLOSE_SECONDS):
                await self._socket.close(*self._closing)
        except TimeoutError:
            self._line.drop()
        except (WebSocketDisconnect, RuntimeError):
            return

    # ---- from the workspace

    @override
    def data_received(self, data: bytes) -> None:
        """Send bytes on."""
        self.has_moved = True
        if self._upstream is None:
            self._early.append(data)
        elif self._closing is None:
            self._line.send_message(data, text=False)

    @override
    def ended(self) -> None:
        """Say that the workspace sends no more."""
        self._sent_eof = True
        if self._upstream is not None and self._closing is None:
            self._line.send_message(EOF.encode(), text=True)
        self._end_if_both_have()

    @override
    def lost(self) -> None:
        """End the tunnel."""
        self._finish(_ENDED, "the connection inside the workspace has ended")

    @override
    def pause(self) -> None:
        """Read nothing from the client."""
        self._line.hold_reading()

    @override
    def resume(self) -> None:
        """Read on."""
        self._line.release_reading()

    # ---- from the WebSocket

    def message_received(self, message: str | bytes) -> None:
        """Send a client's bytes on."""
        self.has_moved = True
        if self._upstream is None or self._closing is not None:
            return
        if isinstance(message, bytes) and not self._got_eof:
            self._upstream.send(message)
        elif message == EOF and not self._got_eof:
            self._got_eof = True
            self._upstream.end()
            self._end_if_both_have()
        else:
            self._finish(_MALFORMED, "bytes go in binary messages, and none follow eof")

    def pause_writing(self) -> None:
        """Read nothing from the workspace, but not for ever."""
        if self._upstream is not None:
            self._upstream.pause_reading()
        if self._unread is None and self._closing is None:
            loop = asyncio.get_running_loop()
            self._unread = loop.call_later(UNREAD_SECONDS, self._finish, _TOO_SLOW, "the client does not read")

    def resume_writing(self) -> None:
        """Read on."""
        self._stop_the_clock()
        if self._upstream is not None:
            self._upstream.resume_reading()

    def connection_lost(self) -> None:
        """Let ``serve`` end."""
        self._is_gone = True
        self._over.set()

    # ----

    def _end_if_both_have(self) -> None:
        if self._sent_eof and self._got_eof:
            self._finish(_ENDED, "")

    def _finish(self, code: int, reason: str) -> None:
        """Close with ``code`` behind all sent bytes; the first call counts."""
        if self._closing is None:
            shown = reason.encode()[:_MOST_REASON_BYTES].decode(errors="ignore")
            self._closing = (code, shown)
            self._over.set()

    def _stop_the_clock(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
