"""Terminals and tunnels of running workspaces, over SSH.

Path of a keystroke: client -> ``SSHSession`` -> the terminal holder's socket inside the workspace -> PTY. The socket is
reached by a channel of a pooled SSH connection or, on this machine, opened by the engine (decision 12). Nothing of a
terminal is kept here: it lives in the workspace, whatever happens to this process, to the connection or to the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import count

from nixos_workspaces.errors import NotFound
from nixos_workspaces.model.terminals import Start, Terminal
from nixos_workspaces.model.workspace import AuthorisedId
from nixos_workspaces.ssh.connections import ANSWER_SECONDS, Connect, Connections, Credentials, CredentialsOf
from nixos_workspaces.terminals import protocol, trial
from nixos_workspaces.terminals.ends import Ends
from nixos_workspaces.terminals.input_activity import InputActivity
from nixos_workspaces.terminals.link import HOLDER_SOCKET, ConnectHolder, Link, LinkOwner, Route, ask, open_link
from nixos_workspaces.terminals.output import Control, Failed, Received, TerminalClient
from nixos_workspaces.terminals.people.companies import Companies, Entrant
from nixos_workspaces.terminals.people.company import Person, PresenceOf
from nixos_workspaces.terminals.protocol import Attach, Attached, Exited, Gap, News, Resized
from nixos_workspaces.terminals.session import ClientOptions, SSHSession
from nixos_workspaces.terminals.watching.feed import Feed
from nixos_workspaces.terminals.watching.turns import Turns

__all__ = [
    "Attach",
    "Attached",
    "Control",
    "Credentials",
    "Entrant",
    "Exited",
    "Failed",
    "Gap",
    "News",
    "Person",
    "PresenceOf",
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
        self.on_change: Callable[[str], None] = lambda _workspace_id: None
        """Called when a terminal of a workspace may have changed by anything done here."""
        self.on_attached: Callable[[str, str], None] = lambda _workspace_id, _terminal_id: None
        """Called with workspace and terminal when a client has attached."""
        self.companies = Companies(self._end)
        """The people at the terminals."""
        self._connect = connect
        self.connections = Connections(connect, credentials, answer_seconds=answer_seconds)
        """The pooled SSH connections that terminals take where no shorter way is."""
        self.route = Route(self.connections, holder_socket, connect_holder)
        """How the holders are reached, for what the service does by itself."""
        self.ends = Ends(self.route)
        """The terminals that have ended."""
        self._numbers = count(1)
        self._input_activity = InputActivity()
        self._turns = Turns()
        self._feeds: dict[tuple[str, str], Feed] = {}
        self._shown: dict[tuple[str, str], tuple[str, ...]] = {}
        """The latest news of attached terminals, by workspace and terminal: each tells as many news as clients."""

    async def create_terminal_session(
        self,
        workspace_id: AuthorisedId,
        websocket: TerminalClient,
        start: Start | None = None,
        *,
        text: bool = True,
        flow_control: bool = False,
        news: bool = False,
        token: int = 0,
        entrant: Entrant | None = None,
    ) -> SSHSession:
        """Start a program (default: the login shell) on a new terminal and attach ``websocket`` to it.

        ``text`` cuts output between UTF-8 characters only. ``flow_control`` says that the client acknowledges frames,
        ``news`` that it is to be told of ``News``.
        A client that gives the same ``token`` (not 0) whenever it attaches can repeat what it does not know received:
        the first message tells the count (``Attached.input_received``), ``Received`` how it goes on.
        ``entrant`` is the client's person, who takes a place among those at the terminal.
        Raises ``Conflict`` (``terminal_start``) when the program or its directory cannot be used and
        ``LimitExceeded`` when the workspace has too many terminals.
        """
        session = self._session(workspace_id, websocket, ClientOptions(text, flow_control, news, token))
        await session.open(start or Start(cols=80, rows=24))
        self.on_change(workspace_id)
        self._seat(session, session.terminal_id, entrant)
        return self._enter(session)

    async def attach_terminal(
        self,
        workspace_id: AuthorisedId,
        websocket: TerminalClient,
        wanted: Attach,
        *,
        text: bool = True,
        flow_control: bool = False,
        news: bool = False,
        token: int = 0,
        entrant: Entrant | None = None,
    ) -> SSHSession:
        """Attach ``websocket`` to a terminal; it gets the output from ``wanted.offset`` on, with gaps reported.

        Raises ``NotFound`` when there is no such terminal and ``Forbidden`` (``sent_away``) when the entrant was sent
        away from it.
        """
        _check_id(wanted.terminal_id)
        session = self._session(workspace_id, websocket, ClientOptions(text, flow_control, news, token))
        self._seat(session, wanted.terminal_id, entrant)
        if wanted.readonly:
            self._enter_feed(session, wanted.terminal_id)
        try:
            await session.attach(wanted)
        except BaseException:
            session.close()
            raise
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

    async def list_terminals(self, workspace_id: AuthorisedId) -> list[Terminal]:
        """Return the workspace's terminals, oldest first; ended ones stay listed for five minutes."""
        found = await self._request(workspace_id, protocol.list_terminals())
        self.ends.note_listed(workspace_id, found)
        shown = (
            replace(terminal, attached=terminal.attached - self._recorders(workspace_id, terminal.id))
            for terminal in found
            if terminal.command != trial.COMMAND
        )
        return sorted(shown, key=lambda terminal: (terminal.created_at, terminal.id))

    async def rename_terminal(self, workspace_id: AuthorisedId, terminal_id: str, name: str) -> None:
        """Give a terminal a name of at most 64 bytes. Raises ``NotFound``."""
        _check_id(terminal_id)
        await self._request(workspace_id, protocol.rename(terminal_id, name))
        self.on_change(workspace_id)

    async def close_terminal(self, workspace_id: AuthorisedId, terminal_id: str) -> None:
        """End a terminal: hang up its shell and foreground job, kill them after 2 s. Raises ``NotFound``."""
        _check_id(terminal_id)
        await self._end(workspace_id, terminal_id)

    async def open_tunnel(
        self, workspace_id: AuthorisedId, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
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
            return await open_link(self.route, workspace_id, owner, first=first)

        def note(news: News) -> News:
            shown = (news.name, news.title, news.cwd, news.process)
            if self._shown.get(key := (workspace_id, session.terminal_id)) != shown:
                self._shown[key] = shown
                self.on_change(workspace_id)
            return replace(news, attached=news.attached - self._recorders(workspace_id, session.terminal_id))

        session_id = f"{workspace_id}.{next(self._numbers)}"
        activity = self._input_activity
        session = SSHSession(
            session_id, workspace_id, client, link, self._leave, note, input_activity=activity, options=options
        )
        return session

    def _recorders(self, workspace_id: str, terminal_id: str) -> int:
        """Return the clients of a terminal that are no windows, such as its recording, less windows that are none."""
        feed = self._feeds.get((workspace_id, terminal_id))
        return int(self.companies.is_recorded(workspace_id, terminal_id)) - (0 if feed is None else feed.unseen)

    def _enter_feed(self, session: SSHSession, terminal_id: str) -> None:
        key = (session.workspace_id, terminal_id)

        async def link(owner: LinkOwner, first: bytes) -> Link:
            return await open_link(self.route, session.workspace_id, owner, first=first)

        session.feed = self._feeds.setdefault(key, Feed(link, terminal_id, self._turns))
        session.feed.enter(session)

    def _seat(self, session: SSHSession, terminal_id: str, entrant: Entrant | None) -> None:
        if entrant is not None and not session.ended:
            session.seat = self.companies.enter((session.workspace_id, terminal_id), entrant, session.calls)

    async def _end(self, workspace_id: str, terminal_id: str) -> None:
        self.ends.note_closed(workspace_id, terminal_id)
        await self._request(workspace_id, protocol.close(terminal_id))
        self.on_change(workspace_id)

    def _enter(self, session: SSHSession) -> SSHSession:
        if not session.ended:
            self.sessions[session.id] = session
        if session.seat is not None:
            session.seat.note_arrived()
        self.on_attached(session.workspace_id, session.terminal_id)
        self.on_change(session.workspace_id)
        return session

    def _leave(self, session: SSHSession) -> None:
        self.sessions.pop(session.id, None)
        if session.has_exited:
            self.ends.note_ended(session.workspace_id, session.terminal_id)
        elif session.terminal_id:
            self.ends.note_left(session.workspace_id)
        if session.feed is not None and session.feed.leave(session):
            self._feeds.pop((session.workspace_id, session.terminal_id), None)
        key = (session.workspace_id, session.terminal_id)
        if all((other.workspace_id, other.terminal_id) != key for other in self.sessions.values()):
            self._shown.pop(key, None)
        self.on_change(session.workspace_id)

    def _found(self, session_id: str) -> SSHSession:
        session = self.sessions.get(session_id)
        if session is None:
            raise NotFound("There is no such terminal session; it has ended.", code="session_not_found")
        return session

    async def _request(self, workspace_id: str, frame: bytes) -> list[Terminal]:
        return await ask(self.route, workspace_id, frame)


_ID_DIGITS = 16


def _check_id(terminal_id: str) -> None:
    """Raise ``NotFound`` for an id that is not of our form: ids come from URLs."""
    if len(terminal_id) != _ID_DIGITS or any(digit not in "0123456789abcdef" for digit in terminal_id):
        raise NotFound("There is no such terminal.", code="terminal_not_found")
