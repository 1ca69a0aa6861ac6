r"""Terminals: their routes, and ``WS /ws/nixos/workspaces/{workspace_id}/terminal``.

The socket opens a new terminal (query: ``cols``, ``rows``), or with ``?session=ID&offset=N`` attaches to one and goes
on after byte N of its output; ``readonly=1`` only watches. A client that gives itself a number (``client=N``: random,
the same whenever it connects again) neither loses nor doubles input: it keeps what it typed until that is said to be
received, and repeats what follows ``input_received`` after a lost connection. A terminal lives until its program ends,
it is closed or the workspace stops, attached or not. Its size is that of the client which attached, resized or typed
last, and when that one leaves, of the one active before it; a client that only watches neither types nor sets the size.
All clients of a terminal get the same bytes. The fastest of those that may type sets its pace: a slow one falls behind
by up to what is kept (4 MiB), and then is told of a gap.

Messages are JSON objects in text frames. From the client:

    {"type": "input", "data": "ls\n"}          typed
    {"type": "resize", "cols": 80, "rows": 24}  the window's size
    {"type": "ack", "frames": 1}                so many more frames of output are consumed; the first one switches flow
                                                control on: at most 96 KiB of output is then ahead of the client
    {"type": "ping"}                            answered by {"type": "pong"}

From the service:

    {"type": "session", "id": ..., "offset": N, "end": E, "input_received": B, "cols": ..., "rows": ...}
                                                  first of all; output up to E is older than this attachment; the
                                                  terminal has B bytes of this client's input
    {"type": "output", "data": ..., "offset": N}  ends at byte N; characters are never split
    {"type": "gap", "from": A, "to": B}           this output is no longer kept
    {"type": "resized", "cols": ..., "rows": ...} the terminal's size changed
    {"type": "received", "input": B}              the terminal has B bytes of this client's input; only with client=N
    {"type": "exit", "code": ..., "offset": N}    the program's exit code, or 128 + signal; then the socket closes
    {"type": "error", "code": ..., "message": ...}
    {"type": "pong"}                              also unasked, while typed input waits for its program

With the subprotocol ``nixws.terminal.v1`` data goes in binary frames: from the service 8 bytes of big-endian end offset
and the bytes, from the client the bytes alone. ``nixws.terminal.json`` names the JSON form for browsers, which want one
of their subprotocols chosen. ``nixws.ticket.TICKET`` is a credential (``GET .../terminal`` makes one), for clients that
can set no header. A handshake without a valid credential is refused with 401, from a foreign page with 403.

Close codes:

    1000  the program has ended
    1002  what is no frame of a WebSocket
    1007, 1009  text that is not UTF-8; a message larger than 1 MiB
    1012  the service stops or restarts: connect again
    4400  a message or a query parameter that no client may send
    4401  the credential has become invalid: sign in again
    4403  the principal may not do this
    4404  there is no such workspace or terminal
    4408  a message took more than a minute to arrive
    4409  the workspace's state does not allow it, or the offset is not reached yet
    4429  too many sockets (512 of one principal) or terminals, too many messages (2000 a second) or frames that are no
          messages (500 a second), or the client does not read for 30 s
    4502  the workspace is not the machine that it should be, or speaks another protocol
    4503  the workspace does not answer: try again
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request, WebSocket
from starlette.responses import Response
from starlette.websockets import WebSocketDisconnect

from nixos_workspaces.auth.policy import Action, Principal
from nixos_workspaces.errors import Conflict, NotFound, WorkspacesError
from nixos_workspaces.model.workspace import Workspace
from nixos_workspaces.schemas.terminals import (
    TerminalAnswer,
    TerminalConnection,
    TerminalConnectionAnswer,
    TerminalInfo,
    TerminalList,
    TerminalRename,
    TerminalRequest,
)
from nixos_workspaces.services import Services
from nixos_workspaces.terminals.ssh_bridge import Control, SSHSession
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.http.sockets.open_sockets import OpenSockets
from nixos_workspaces.web.http.tickets import Tickets
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference, readable_reference
from nixos_workspaces.web.routes.terminals.messages import BINARY_SUBPROTOCOL, TEXT_SUBPROTOCOL, Wanted, read_query
from nixos_workspaces.web.routes.terminals.socket import TerminalSocket

router = APIRouter(prefix="/api/nixos/workspaces/{workspace_id}", route_class=StrictRoute, tags=["terminals"])
sockets = APIRouter()

TerminalId = Annotated[str, Path(max_length=64, description="The terminal's id.")]


@router.get("/terminal", responses=problems(404, 409, 429, 502, body=False))
async def get_terminal_access(
    request: Request, services: Asked, principal: By, workspace_id: Reference
) -> TerminalConnectionAnswer:
    """Return how to reach the workspace's terminals, with their list."""
    workspace = await _workspace(services, principal, workspace_id)
    address = workspace.address
    if address is None:
        raise Conflict(f"Workspace {workspace.name} does not run; start it first.", code="not_running")
    terminals = await services.bridge.list_terminals(workspace.id)
    path = _socket_path(workspace.id)
    tickets: Tickets = request.app.state.tickets
    connection = TerminalConnection(
        websocket_url=f"{'wss' if request.url.scheme == 'https' else 'ws'}://{request.url.netloc}{path}",
        ssh_host=address.host,
        ssh_port=address.port,
        username=address.username,
        ticket=tickets.issue(principal, request.state.credential, path),
    )
    return TerminalConnectionAnswer(terminal=connection, terminals=[TerminalInfo.of(one) for one in terminals])


@router.get("/terminals", responses=problems(404, 409, 502, body=False))
async def list_terminals(services: Asked, principal: By, workspace_id: Reference) -> TerminalList:
    """List the workspace's terminals; ended ones stay listed for five minutes."""
    workspace = await _workspace(services, principal, workspace_id)
    found = await services.bridge.list_terminals(workspace.id)
    return TerminalList(terminals=[TerminalInfo.of(one) for one in found])


@router.post("/terminals", status_code=201, responses=problems(404, 409, 429, 502))
async def open_terminal(
    services: Asked, principal: By, workspace_id: Reference, wanted: TerminalRequest, response: Response
) -> TerminalAnswer:
    """Open a terminal; no client is attached to it yet."""
    workspace = await _workspace(services, principal, workspace_id)
    session = await services.bridge.create_terminal_session(workspace.id, _Nobody(), wanted.to_model())
    session.close()
    opened = await _terminal(services, workspace, session.terminal_id)
    response.headers["Location"] = f"/api/nixos/workspaces/{workspace.id}/terminals/{opened.id}"
    return TerminalAnswer(terminal=opened)


@router.patch("/terminals/{terminal_id}", responses=problems(404, 409, 502))
async def rename_terminal(
    services: Asked, principal: By, workspace_id: Reference, terminal_id: TerminalId, wanted: TerminalRename
) -> TerminalAnswer:
    """Give a terminal another name."""
    workspace = await _workspace(services, principal, workspace_id)
    await services.bridge.rename_terminal(workspace.id, terminal_id, wanted.name)
    return TerminalAnswer(terminal=await _terminal(services, workspace, terminal_id))


@router.delete("/terminals/{terminal_id}", status_code=204, responses=problems(404, 409, 502))
async def close_terminal(services: Asked, principal: By, workspace_id: Reference, terminal_id: TerminalId) -> Response:
    """End a terminal: hang up its shell and the programs in it, kill them after 2 seconds."""
    workspace = await _workspace(services, principal, workspace_id)
    await services.bridge.close_terminal(workspace.id, terminal_id)
    return Response(status_code=204)


@sockets.websocket("/ws/nixos/workspaces/{workspace_id}/terminal")
async def terminal(socket: WebSocket, services: Asked, principal: By, workspace_id: str) -> None:
    """Attach a client to a new terminal or an old one; see the module's docstring."""
    offered = socket.scope["subprotocols"]
    chosen = next((name for name in (BINARY_SUBPROTOCOL, TEXT_SUBPROTOCOL) if name in offered), None)
    await socket.accept(chosen)
    client = TerminalSocket(socket, binary=chosen == BINARY_SUBPROTOCOL)
    open_sockets: OpenSockets = socket.app.state.terminal_sockets
    stopping: asyncio.Event = socket.app.state.stopping
    try:
        with open_sockets.entered(principal, socket.state.credential, client.fail):
            wanted = read_query(socket.query_params.multi_items())
            workspace = await _workspace(services, principal, readable_reference(workspace_id))
            services.workspaces.touch(workspace)
            session = await _attach(services, workspace, client, wanted)
            await client.serve(session, stopping)
    except WorkspacesError as error:
        await client.refuse(error)
    except WebSocketDisconnect:
        return


async def _attach(services: Services, workspace: Workspace, client: TerminalSocket, wanted: Wanted) -> SSHSession:
    text = not client.is_binary
    if wanted.session:
        return await services.bridge.attach_terminal(
            workspace.id, client, wanted.to_attach(), text=text, token=wanted.client
        )
    return await services.bridge.create_terminal_session(
        workspace.id, client, wanted.to_start(), text=text, token=wanted.client
    )


class _Nobody:
    """The client of a terminal that is opened for later."""

    def send_output(self, data: bytes, end_offset: int) -> None:
        """Drop it: the terminal keeps it."""

    def send_control(self, message: Control) -> None:
        """Drop it."""


async def _workspace(services: Services, principal: Principal, reference: str) -> Workspace:
    return await services.workspaces.get(reference, principal=principal, action=Action.CONNECT)


async def _terminal(services: Services, workspace: Workspace, terminal_id: str) -> TerminalInfo:
    """Return a terminal as it is now."""
    for one in await services.bridge.list_terminals(workspace.id):
        if one.id == terminal_id:
            return TerminalInfo.of(one)
    raise NotFound("There is no such terminal; it was closed.", code="terminal_not_found")


def _socket_path(workspace_id: str) -> str:
    return f"/ws/nixos/workspaces/{workspace_id}/terminal"
