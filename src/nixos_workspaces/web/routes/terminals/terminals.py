r"""Terminals: their routes, and ``WS /ws/nixos/workspaces/{workspace_id}/terminal``.

The socket opens a new terminal (query: ``cols``, ``rows``), or with ``?session=ID&offset=N`` attaches to one and goes
on after byte N of its output; ``readonly=1`` only watches. A client that gives itself a number (``client=N``: random,
the same whenever it connects again) neither loses nor doubles input: it keeps what it typed until that is said to be
received, and repeats what follows ``input_received`` after a lost connection. A terminal lives until its program ends,
it is closed or the workspace stops, attached or not. Its size is that of the client which attached, resized or typed
last, and when that one leaves, of the one active before it; a client that only watches neither types nor sets the size.
With `mode=observer` a client only watches, with `mode=peer` it types, with `mode=moderator` it also gives and takes
the keyboard, sends others away and may end the terminal; without it, it is what its principal may be at most. A guest
types at most 4 KiB a second, after 16 KiB at once.
All clients of a terminal get the same bytes. The fastest of those that may type sets its pace: a slow one falls behind
by up to what is kept (4 MiB), and then is told of a gap. Those who only watch are told of one, too, where output comes
faster than all of them can be served: they go on near the newest.

Messages are JSON objects in text frames. From the client:

    {"type": "input", "data": "ls\n"}          typed
    {"type": "resize", "cols": 80, "rows": 24}  the window's size
    {"type": "ack", "frames": 1}                so many more frames of output are consumed; the first one switches flow
                                                control on: at most 96 KiB of output are then ahead of the client, or as
                                                much as it consumed in the last 50 ms, up to 1 MiB
    {"type": "ping"}                            answered by {"type": "pong"}
    {"type": "ask"}                             asks for the keyboard
    {"type": "grant", "to": N}                  gives the keyboard to client N alone, whose size is then in force; 0: to
                                                all. Of a moderator, or of who has it
    {"type": "kick", "who": N}                  closes the clients of N's person, who does not come back to this
                                                terminal; a guest loses the workspace, but whoever has their link can
                                                take it as another guest until it is revoked; of a moderator
    {"type": "end"}                             ends the terminal; of a moderator

From the service:

    {"type": "session", "id": ..., "offset": N, "end": E, "input_received": B, "cols": ..., "rows": ...}
                                                  first of all; output up to E is older than this attachment; the
                                                  terminal has B bytes of this client's input
    {"type": "output", "data": ..., "offset": N}  ends at byte N; characters are never split
    {"type": "gap", "from": A, "to": B}           this output is skipped, or no longer kept
    {"type": "resized", "cols": ..., "rows": ...} the terminal's size changed
    {"type": "news", "sizes": ..., "attached": N, "name": ..., "title": ..., "cwd": ..., "process": ...}
                                                  only with news=1: after session and whenever something of it has
                                                  changed, within half a second, in no order with output: whether this
                                                  client's size is in force, how many clients are attached, what runs
                                                  in the foreground; workspaces built by an older version tell none
    {"type": "presence", "you": N, "people": [{"id": N, "name": ..., "mode": ..., "colour": 0 to 7, "asks": ...}],
     "total": ..., "keyboard": N, "typist": N, "moderated": ..., "moderator": ..., "recorded": ...}
                                                  only with presence=1: who is here (at most 32 by name, those who type
                                                  first), who alone has the keyboard and who types just now (0: nobody),
                                                  whether a moderator must be there to type and is, whether all this
                                                  is being recorded
    {"type": "received", "input": B}              the terminal has B bytes of this client's input; only with client=N
    {"type": "exit", "code": ..., "offset": N}    the program's exit code, or 128 + signal; then the socket closes
    {"type": "error", "code": ..., "message": ...}
                                                  the socket stays open after readonly, keyboard_elsewhere,
                                                  moderator_absent (what was typed is dropped: attach with another
                                                  client=N, as its count is not that of the terminal any more),
                                                  not_moderator and participant_not_found
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
    4403  the principal may not do this, or was sent away
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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, TypedDict

from fastapi import APIRouter, Path, Request, WebSocket
from starlette.responses import Response
from starlette.websockets import WebSocketDisconnect

from nixos_workspaces.auth.counted import Kind
from nixos_workspaces.auth.policy import Action, Principal, may
from nixos_workspaces.errors import Conflict, Forbidden, NotFound, WorkspacesError
from nixos_workspaces.model.access.shares import Part, terminal_part
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.terminals import Mode, Terminal
from nixos_workspaces.model.workspace import AuthorisedId, Workspace
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
from nixos_workspaces.terminals.ssh_bridge import Control, Entrant, Person, SSHSession
from nixos_workspaces.web.http.access.origin import PublicOrigin
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.http.sockets.open_sockets import OpenSockets
from nixos_workspaces.web.http.tickets import Tickets
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference, RequestId, readable_reference
from nixos_workspaces.web.routes.terminals.messages import BINARY_SUBPROTOCOL, TEXT_SUBPROTOCOL, Wanted, read_query
from nixos_workspaces.web.routes.terminals.socket import TerminalSocket

router = APIRouter(prefix="/api/nixos/workspaces/{workspace_id}", route_class=StrictRoute, tags=["terminals"])
sockets = APIRouter()

MOST_SOCKETS_OF_ONE = 512

TerminalId = Annotated[str, Path(max_length=64, description="The terminal's id.")]


@router.get("/terminal", responses=problems(404, 409, 429, 502, body=False))
async def get_terminal_access(
    request: Request, services: Asked, principal: By, request_id: RequestId, workspace_id: Reference
) -> TerminalConnectionAnswer:
    """Return how to reach the workspace's terminals, with their list."""
    workspace, key = await _entered(services, principal, workspace_id, request_id, Action.REACH_TERMINALS)
    address = workspace.address
    if address is None:
        raise Conflict(f"Workspace {workspace.name} does not run; start it first.", code="not_running")
    terminals = await services.bridge.list_terminals(key)
    path = _socket_path(workspace.id)
    tickets: Tickets = request.app.state.tickets
    origin: PublicOrigin = request.app.state.origin
    connection = TerminalConnection(
        websocket_url=origin.of(request.scope).replace("http", "ws", 1) + path,
        ssh_host=address.host,
        ssh_port=address.port,
        username=address.username,
        ticket=tickets.issue(principal, request.state.credential, path),
    )
    return TerminalConnectionAnswer(terminal=connection, terminals=_shown(principal, workspace, terminals))


@router.get("/terminals", responses=problems(404, 409, 502, body=False))
async def list_terminals(
    *,
    services: Asked,
    principal: By,
    request_id: RequestId,
    workspace_id: Reference,
) -> TerminalList:
    """List the workspace's terminals; ended ones stay listed for five minutes."""
    workspace, key = await _entered(services, principal, workspace_id, request_id, Action.REACH_TERMINALS)
    found = await services.bridge.list_terminals(key)
    return TerminalList(terminals=_shown(principal, workspace, found))


@router.post("/terminals", status_code=201, responses=problems(404, 409, 429, 502))
async def open_terminal(
    *,
    services: Asked,
    principal: By,
    request_id: RequestId,
    workspace_id: Reference,
    wanted: TerminalRequest,
    response: Response,
) -> TerminalAnswer:
    """Open a terminal; no client is attached to it yet."""
    workspace, key = await _entered(services, principal, workspace_id, request_id, Action.OPEN_TERMINAL)
    if wanted.command and not may(principal, Action.MODERATE_TERMINAL, workspace):
        choices = await services.recording.recordings.choices(key)
        if choices.moderated:  # a command is typing, and nobody can be there yet
            raise Forbidden("Nobody types here while no moderator is present.", code="moderator_absent")
    workspace = await services.automation.waking.woken(workspace, principal, request_id)
    session = await services.bridge.create_terminal_session(key, _Nobody(), wanted.to_model())
    session.close()
    opened = await _terminal(services, key, session.terminal_id)
    response.headers["Location"] = f"/api/nixos/workspaces/{workspace.id}/terminals/{opened.id}"
    return TerminalAnswer(terminal=opened)


@router.patch("/terminals/{terminal_id}", responses=problems(404, 409, 502))
async def rename_terminal(
    *,
    services: Asked,
    principal: By,
    request_id: RequestId,
    workspace_id: Reference,
    terminal_id: TerminalId,
    wanted: TerminalRename,
) -> TerminalAnswer:
    """Give a terminal another name."""
    _, key = await _entered(services, principal, workspace_id, request_id, Action.CHANGE_TERMINAL, "rename-terminal")
    await services.bridge.rename_terminal(key, terminal_id, wanted.name)
    return TerminalAnswer(terminal=await _terminal(services, key, terminal_id))


@router.delete("/terminals/{terminal_id}", status_code=204, responses=problems(404, 409, 502))
async def close_terminal(
    *,
    services: Asked,
    principal: By,
    request_id: RequestId,
    workspace_id: Reference,
    terminal_id: TerminalId,
) -> Response:
    """End a terminal: hang up its shell and the programs in it, kill them after 2 seconds."""
    _, key = await _entered(services, principal, workspace_id, request_id, Action.CHANGE_TERMINAL, "close-terminal")
    await services.bridge.close_terminal(key, terminal_id)
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
            action, noted, part = _asked(wanted)
            workspace, key = await _entered(
                services,
                principal,
                readable_reference(workspace_id),
                socket.state.request_id,
                action,
                noted,
                part=part,
            )
            if not wanted.session:  # a page that connects again by itself has one, and wakes nothing
                workspace = await services.automation.waking.woken(workspace, principal, socket.state.request_id)
            services.workspaces.touch(workspace)
            client.on_typed = partial(services.automation.waking.typed, workspace.id, principal)
            entrant = await _entrant(services, key, principal, most_of(principal, workspace, part), wanted)
            # As much as the person does here: who has become a viewer no longer types.
            done = Action.OPEN_TERMINAL if action is Action.OPEN_TERMINAL else _DONE_AS[entrant.person.mode]
            with services.sharing.open_access.entered(principal, done, workspace, client.fail, part):
                session = await _attach(services, key, client, wanted, entrant)
                doer = _Doer(services, principal, workspace, session.terminal_id, socket.state.request_id)
                await client.serve(session, stopping, doer.note)
    except WorkspacesError as error:
        await client.refuse(error)
    except WebSocketDisconnect:
        return


@dataclass(frozen=True, slots=True)
class _Doer:
    """A person at a terminal, as far as they do something to others there."""

    services: Services
    principal: Principal
    workspace: Workspace
    terminal_id: str
    request_id: str

    async def note(self, action: str, person: Person | None) -> None:
        """Note it in the audit log; a guest who was sent away loses the workspace."""
        kind = Kind(action, actor=self.principal.id, workspace_id=self.workspace.id, target=self.terminal_id)
        if action != "close-terminal":
            kind = replace(kind, target="" if person is None else person.id, terminal=self.terminal_id)
        self.services.counted_audit.note(kind, self.request_id)
        if person is not None and action == "send-away":
            await self.services.sharing.joining.end_guest(
                self.workspace, person.id, by=self.principal, request_id=self.request_id
            )


def _shown(principal: Principal, workspace: Workspace, terminals: Sequence[Terminal]) -> list[TerminalInfo]:
    """Return those terminals that the principal may watch."""
    return [
        TerminalInfo.of(one)
        for one in terminals
        if may(principal, Action.WATCH_TERMINAL, workspace, terminal_part(one.id))
    ]


_DONE_AS = {
    Mode.OBSERVER: Action.WATCH_TERMINAL,
    Mode.PEER: Action.USE_TERMINAL,
    Mode.MODERATOR: Action.MODERATE_TERMINAL,
}


def most_of(principal: Principal, workspace: Workspace, part: Part | None) -> Mode:
    """Return the most that a principal may do at a terminal that they may watch; None: at one that they may open."""
    if may(principal, Action.MODERATE_TERMINAL, workspace):
        return Mode.MODERATOR
    if part is None or may(principal, Action.USE_TERMINAL, workspace, part):
        return Mode.PEER
    return Mode.OBSERVER


async def _entrant(services: Services, key: AuthorisedId, principal: Principal, most: Mode, wanted: Wanted) -> Entrant:
    """Return the client's person with the part that it wants. Raises ``Forbidden`` for more than ``most``."""
    mode = Mode.OBSERVER if wanted.readonly else wanted.mode or most
    if _RANK.index(mode) > _RANK.index(most):
        parts = {"most": Sentence(f"person.{most.value}"), "wanted": Sentence(f"person.{mode.value}")}
        raise Forbidden(Sentence("refused.part", parts=parts), code="mode_forbidden")
    if mode is Mode.OBSERVER and not wanted.session:
        raise Forbidden(Sentence("refused.watching"), code="mode_forbidden")
    choices = await services.recording.recordings.choices(key)
    person = Person(principal.id, principal.name, mode, is_guest=most is not Mode.MODERATOR)
    return Entrant(person, wanted.presence, choices.moderated)


_RANK = (Mode.OBSERVER, Mode.PEER, Mode.MODERATOR)


async def _attach(
    services: Services, key: AuthorisedId, client: TerminalSocket, wanted: Wanted, entrant: Entrant
) -> SSHSession:
    options: _Options = {
        "text": not client.is_binary,
        "news": wanted.news,
        "token": wanted.client,
        "entrant": entrant,
    }
    if wanted.session:
        return await services.bridge.attach_terminal(
            key, client, wanted.to_attach(readonly=entrant.person.mode is Mode.OBSERVER), **options
        )
    return await services.bridge.create_terminal_session(key, client, wanted.to_start(), **options)


class _Options(TypedDict):
    text: bool
    news: bool
    token: int
    entrant: Entrant


class _Nobody:
    """The client of a terminal that is opened for later."""

    def send_output(self, data: bytes, end_offset: int) -> None:
        """Drop it: the terminal keeps it."""

    def send_control(self, message: Control) -> None:
        """Drop it."""


async def _entered(
    services: Services,
    principal: Principal,
    reference: str,
    request_id: str,
    action: Action,
    noted: str = "",
    *,
    part: Part | None = None,
) -> tuple[Workspace, AuthorisedId]:
    """Return the workspace with the key to its terminals, and note in the audit log what is done with them."""
    workspace, key = await services.workspaces.enter(reference, principal=principal, action=action, part=part)
    kind = Kind(noted or _NOTED.get(action, action.value), actor=principal.id, workspace_id=workspace.id)
    services.counted_audit.note(kind, request_id)
    return workspace, key


_NOTED = {Action.REACH_TERMINALS: "read-terminals"}
"""Names in the audit log that are older than the actions."""


def _asked(wanted: Wanted) -> tuple[Action, str, Part | None]:
    """Return what a socket asks for: the action, its name in the audit log, and the terminal."""
    if not wanted.session:
        return Action.OPEN_TERMINAL, "open-terminal", None
    # Who asks for nothing more gets what they may.
    mode = Mode.OBSERVER if wanted.readonly else wanted.mode or Mode.OBSERVER
    return _DONE_AS[mode], "attach-terminal", terminal_part(wanted.session)


async def _terminal(services: Services, key: AuthorisedId, terminal_id: str) -> TerminalInfo:
    """Return a terminal as it is now."""
    for one in await services.bridge.list_terminals(key):
        if one.id == terminal_id:
            return TerminalInfo.of(one)
    raise NotFound("There is no such terminal; it was closed.", code="terminal_not_found")


def _socket_path(workspace_id: str) -> str:
    return f"/ws/nixos/workspaces/{workspace_id}/terminal"
