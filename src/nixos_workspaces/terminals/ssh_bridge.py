"""Terminals and tunnels of running workspaces, over SSH.

Path of a keystroke: client -> ``SSHSession`` -> the terminal holder's socket inside the workspace -> PTY. The socket is
reached by a channel of a pooled SSH connection or, on this machine, opened by the engine (decision 12). Nothing of a
terminal is kept here: it lives in the workspace, whatever happens to this process, to the connection or to the client.
"""

from __future__ import annotations

import asyncio
from itertools import count

from nixos_workspaces.errors import NotFound
from nixos_workspaces.model.terminals import Start, Terminal
from nixos_workspaces.ssh.connections import ANSWER_SECONDS, Connect, Connections, Credentials, CredentialsOf
from nixos_workspaces.terminals import protocol
from nixos_workspaces.terminals.input_activity import InputActivity
from nixos_workspaces.terminals.link import HOLDER_SOCKET, ConnectHolder, Link, LinkOwner, Route, ask, open_link
from nixos_workspaces.terminals.output import Control, Failed, Received, TerminalClient
from nixos_workspaces.terminals.protocol import Attach, Attached, Exited, Gap, Resized
from nixos_workspaces.terminals.session import ClientOptions, SSHSession

__all__ = [
    "Attach",
    "Attached",
    "Control",
    "Credentials",
    "Exited",
    "Failed",
    "Gap",
    "Received",
    "Resized",
    "SSHBridge",
    "SSHSession",
    "Start",
    "Terminal",
    "TerminalClient",
]


class SSHBridge:
    """The terminals, files and ports of workspaces. Call it from the event loop's thread only.

    Every method that reaches into a workspace raises ``Conflict`` when it is not running, ``Unavailable`` when it gives
    no answer within 10 s, and ``RuntimeFailed`` with code ``host_key_mismatch`` when it is not the machine that it was
    made as (before anything of ours was sent).
    """

    def __init__(
        self,
        connect: Connect,
        credentials: CredentialsOf,
        *,
        connect_holder: ConnectHolder | None = None,
        holder_socket: str = HOLDER_SOCKET,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """``connect`` opens a socket to a port inside a workspace; ``credentials`` tells how to log in to it.

        ``connect_holder`` opens one to its terminal holder (``Runtime.connect_holder``). Terminals take that way where
        there is one, once the workspace's host key was seen to be the pinned one.
        """
        self.sessions: dict[str, SSHSession] = {}
        """The attached clients by session id."""
        self._connect = connect
        self.connections = Connections(connect, credentials, answer_seconds=answer_seconds)
        """The pooled SSH connections that terminals take where no shorter way is."""
        self._route = Route(self.connections, holder_socket, connect_holder)
        self._numbers = count(1)
        self._input_activity = InputActivity()

    async def create_terminal_session(
        self,
        workspace_id: str,
        websocket: TerminalClient,
        start: Start | None = None,
        *,
        text: bool = True,
        flow_control: bool = False,
        token: int = 0,
    ) -> SSHSession:
        """Start a program (default: the login shell) on a new terminal and attach ``websocket`` to it.

        ``text`` cuts output between UTF-8 characters only. ``flow_control`` says that the client acknowledges frames.
        A client that gives the same ``token`` (not 0) whenever it attaches can repeat what it does not know received:
        the first message tells the count (``Attached.input_received``), ``Received`` how it goes on.
        Raises ``Conflict`` (``terminal_start``) when the program or its directory cannot be used and
        ``LimitExceeded`` when the workspace has too many terminals.
        """
        session = self._session(workspace_id, websocket, ClientOptions(text, flow_control, token))
        await session.open(start or Start(cols=80, rows=24))
        return self._enter(session)

    async def attach_terminal(
        self,
        workspace_id: str,
        websocket: TerminalClient,
        wanted: Attach,
        *,
        text: bool = True,
        flow_control: bool = False,
        token: int = 0,
    ) -> SSHSession:
        """Attach ``websocket`` to a terminal; it gets the output from ``wanted.offset`` on, with gaps reported.

        Raises ``NotFound`` when there is no such terminal.
        """
        _check_id(wanted.terminal_id)
        session = self._session(workspace_id, websocket, ClientOptions(text, flow_control, token))
        await session.attach(wanted)
        return self._enter(session)

    async def handle_terminal_input(self, session_id: str, data: str | bytes) -> None:
        """Type ``data``; returns when more may be typed, so that a client that types too fast is slowed down.

        Raises ``NotFound`` for a session that has ended and ``Forbidden`` for one that may only watch.
        """
        session = self._found(session_id)
        if not session.write(data.encode() if isinstance(data, str) else data):
            await session.input_ready()

    async def send_terminal_output(self, session_id: str, data: str | bytes) -> None:
        """Show ``data`` to the session's client as output that its terminal did not print, such as a notice.

        Raises ``NotFound`` for a session that has ended.
        """
        session = self._found(session_id)
        session.notice(data.encode() if isinstance(data, str) else data)

    async def list_terminals(self, workspace_id: str) -> list[Terminal]:
        """Return the workspace's terminals, oldest first; ended ones stay listed for five minutes."""
        found = await self._request(workspace_id, protocol.list_terminals())
        return sorted(found, key=lambda terminal: (terminal.created_at, terminal.id))

    async def rename_terminal(self, workspace_id: str, terminal_id: str, name: str) -> None:
        """Give a terminal a name of at most 64 bytes. Raises ``NotFound``."""
        _check_id(terminal_id)
        await self._request(workspace_id, protocol.rename(terminal_id, name))

    async def close_terminal(self, workspace_id: str, terminal_id: str) -> None:
        """End a terminal: hang up its shell and foreground job, kill them after 2 s. Raises ``NotFound``."""
        _check_id(terminal_id)
        await self._request(workspace_id, protocol.close(terminal_id))

    async def open_tunnel(self, workspace_id: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return streams to a TCP port on the workspace's loopback. Raises ``Unavailable`` when nothing listens."""
        sock = await self._connect(workspace_id, port)
        return await asyncio.open_connection(sock=sock)

    async def close(self, workspace_id: str | None = None) -> None:
        """Detach every client and close the connections, of one workspace or of all; terminals live on."""
        for session in [*self.sessions.values()]:
            if workspace_id is None or session.workspace_id == workspace_id:
                session.close()
        if workspace_id is None:
            await self.connections.close()
        else:
            self.connections.forget(workspace_id)

    def _session(self, workspace_id: str, client: TerminalClient, options: ClientOptions) -> SSHSession:
        async def link(owner: LinkOwner, first: bytes) -> Link:
            return await open_link(self._route, workspace_id, owner, first=first)

        session_id = f"{workspace_id}.{next(self._numbers)}"
        return SSHSession(
            session_id, workspace_id, client, link, self._leave, input_activity=self._input_activity, options=options
        )

    def _enter(self, session: SSHSession) -> SSHSession:
        if not session.ended:
            self.sessions[session.id] = session
        return session

    def _leave(self, session: SSHSession) -> None:
        self.sessions.pop(session.id, None)

    def _found(self, session_id: str) -> SSHSession:
        session = self.sessions.get(session_id)
        if session is None:
            raise NotFound("There is no such terminal session; it has ended.", code="session_not_found")
        return session

    async def _request(self, workspace_id: str, frame: bytes) -> list[Terminal]:
        return await ask(self._route, workspace_id, frame)


_ID_DIGITS = 16


def _check_id(terminal_id: str) -> None:
    """Raise ``NotFound`` for an id that is not of our form: ids come from URLs."""
    if len(terminal_id) != _ID_DIGITS or any(digit not in "0123456789abcdef" for digit in terminal_id):
        raise NotFound("There is no such terminal.", code="terminal_not_found")
