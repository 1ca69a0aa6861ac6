"""One client of one terminal: a WebSocket between ``SSHSession`` and a client that may be slow, gone or hostile.

Bounds: output waiting for a client is the transport's buffer and one frame here, and the session's own window; input
beyond the session's window is not read from its socket.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import assert_never

from starlette.websockets import WebSocket, WebSocketDisconnect

from nixos_workspaces.errors import Conflict, Forbidden, InvalidInput, LimitExceeded, NotFound, WorkspacesError
from nixos_workspaces.terminals.people.companies import Seat
from nixos_workspaces.terminals.ssh_bridge import Control, Exited, Failed, Person, SSHSession
from nixos_workspaces.web.http.errors import status_of
from nixos_workspaces.web.http.sockets.direct_socket import EXTENSION, DirectProtocol
from nixos_workspaces.web.routes.terminals import messages

SEND_SECONDS = 30.0
"""Time for which a client may leave sent messages unread."""
CLOSE_SECONDS = 5.0
"""Time to send the rest, and the close code."""
REVOKED_SECONDS = 0.05
"""The same where the client may not see it any more: credential, share or place at the terminal have ended."""
HELD_SECONDS = 10.0
"""While a client's input waits for its program the client gets a pong this often: it cannot ask for one."""
MESSAGES_PER_SECOND = 2000.0
MESSAGES_AT_ONCE = 10_000.0

ENDED = 1000
GOING_AWAY = 1012
MALFORMED = 4400
_REVOKED = frozenset({4401, 4403, 4404})
TOO_MUCH = 4429

_PONG = b'{"type":"pong"}'
_MOST_REASON_BYTES = 120


Done = Callable[[str, Person | None], Awaitable[None]]
"""Carries out what follows from something that was done at a terminal to a person, or (None) to all."""


async def _note_nothing(_action: str, _person: Person | None) -> None:
    """Stand for ``Done`` before there is a session."""


def close_code(error: WorkspacesError) -> int:
    """Return the close code that says an error: 4000 and its HTTP status, 4400 for every mistake of the client."""
    return MALFORMED if isinstance(error, InvalidInput) else 4000 + status_of(error)


class TerminalSocket:
    """A ``TerminalClient`` over an accepted WebSocket, and the ``MessageUser`` of its connection."""

    def __init__(self, socket: WebSocket, *, binary: bool) -> None:
        self._socket = socket
        self.is_binary = binary
        """Output goes in binary frames, which may end within a character."""
        self.on_typed: Callable[[], None] = lambda: None
        """Called with every input before it is passed on; neither waits nor raises."""
        self._line: DirectProtocol = socket.scope["extensions"][EXTENSION]
        self._session: SSHSession | None = None
        self._is_congested = False
        self._unread: asyncio.TimerHandle | None = None
        self._owed: deque[bytes] = deque()
        """Answers to a client that does not read: it is not asked for more until it does."""
        self._held_input: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._done: Done = _note_nothing
        self._context = contextvars.copy_context()
        self._acts: set[asyncio.Task[None]] = set()
        self._unacknowledged = 0
        self._allowance, self._counted_at = MESSAGES_AT_ONCE, time.monotonic()
        self._closing: tuple[int, str] | None = None
        self._is_gone = False
        self._over = asyncio.Event()

    # ---- from the session

    def send_output(self, data: bytes, end_offset: int) -> None:
        """Send output."""
        if self._is_revoked:
            return
        self._unacknowledged += 1
        if self.is_binary:
            self._line.send_message(messages.binary_header(end_offset), data, text=False)
        else:
            self._line.send_message(messages.output(data, end_offset), text=True)

    def send_control(self, message: Control) -> None:
        """Send anything else; close after the last word."""
        self._line.send_message(messages.control(message), text=True)
        match message:
            case Exited():
                self.finish(ENDED, "the program has ended")
            case Failed():
                self.finish(close_code(message.error), message.error.message)
            case _:
                pass

    # ---- the socket's life

    async def serve(self, session: SSHSession, stopping: asyncio.Event, done: Done) -> None:
        """Pass on in both directions until either side ends, or the service stops.

        ``done`` is called in the caller's context with what the client did to others: the action and the person.
        """
        self._session = session
        self._done, self._context = done, contextvars.copy_context()
        ends = [asyncio.create_task(self._over.wait()), asyncio.create_task(stopping.wait())]
        try:
            self._line.take_over(self)
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if stopping.is_set():
                self.finish(GOING_AWAY, "the service stops")
            await self._close()
        finally:
            session.close()
            tasks = [*ends, *(task for task in (self._held_input, self._ending) if task is not None)]
            for task in tasks:
                task.cancel()
            # What a client did to others is carried out although it has left.
            await asyncio.gather(*tasks, *self._acts, return_exceptions=True)

    async def refuse(self, error: WorkspacesError) -> None:
        """Say why there is no terminal for this client, and close."""
        self.send_control(Failed(error))
        await self._close()

    def finish(self, code: int, reason: str) -> None:
        """Close with ``code`` behind all sent messages; the first call counts."""
        if self._closing is None:
            shown = reason.encode()[:_MOST_REASON_BYTES].decode(errors="ignore")
            self._closing = (code, shown)
            self._over.set()

    def fail(self, error: WorkspacesError) -> None:
        """Send the error and close."""
        if self._closing is None:
            self.send_control(Failed(error))

    @property
    def _is_revoked(self) -> bool:
        """Whether the client may not see this any more: nothing more is shown."""
        return self._closing is not None and self._closing[0] in _REVOKED

    async def _close(self) -> None:
        """Send the close code once there is room for it; a client that reads nothing does not get it."""
        self._stop_the_clock()
        self._line.release_reading()  # the client's own closing frame has to be read
        if self._closing is None or self._is_gone:
            return
        try:
            async with asyncio.timeout(REVOKED_SECONDS if self._is_revoked else CLOSE_SECONDS):
                await self._socket.close(*self._closing)
        except TimeoutError:
            self._line.drop()
        except (WebSocketDisconnect, RuntimeError):
            return

    # ---- from the connection

    def message_received(self, message: str | bytes) -> None:
        """Carry out a message; close on one that no client may send."""
        if self._session is None or self._closing is not None:
            return
        try:
            read = messages.read(message, binary=self.is_binary)
            self._count(read)
            self._act(self._session, read)
        except WorkspacesError as error:
            self.fail(error)

    def pause_writing(self) -> None:
        """Let the session wait, but not for ever."""
        self._is_congested = True
        if self._session is not None:
            self._session.pause_output()
        if self._unread is None and self._closing is None:
            loop = asyncio.get_running_loop()
            self._unread = loop.call_later(SEND_SECONDS, self.finish, TOO_MUCH, "the client does not read")

    def resume_writing(self) -> None:
        """Send the owed answers, then let the session go on."""
        self._is_congested = False
        self._stop_the_clock()
        while self._owed:
            self._line.send_message(self._owed.popleft(), text=True)
        if self._session is not None:
            self._session.resume_output()
        if self._held_input is None:
            self._line.release_reading()

    def connection_lost(self) -> None:
        """Let ``serve`` end."""
        self._is_gone = True
        self._stop_the_clock()
        self._over.set()

    def _stop_the_clock(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    # ---- what clients say

    def _count(self, message: messages.Message) -> None:
        """Refuse floods of small messages. Acknowledgements are bounded by the frames to acknowledge."""
        if isinstance(message, messages.Ack):
            if message.frames > self._unacknowledged:
                raise InvalidInput("More frames are acknowledged than were sent.", code="malformed_message")
            self._unacknowledged -= message.frames
            return
        now = time.monotonic()
        self._allowance = min(MESSAGES_AT_ONCE, self._allowance + (now - self._counted_at) * MESSAGES_PER_SECOND)
        self._counted_at = now
        if self._allowance < 1:
            raise LimitExceeded(f"A client may send {MESSAGES_PER_SECOND:g} messages a second; send larger ones.")
        self._allowance -= 1

    def _act(self, session: SSHSession, message: messages.Message) -> None:
        match message:
            case messages.Input():
                self._type(session, message.data)
            case messages.Resize():
                session.resize(message.cols, message.rows)
            case messages.Ack():
                session.acknowledge(message.frames)
            case messages.Ping():
                self._reply(_PONG)
            case messages.Ask() | messages.Grant() | messages.SendAway() | messages.End():
                self._act_on_company(session, message)
            case _:
                assert_never(message)

    def _act_on_company(
        self, session: SSHSession, message: messages.Ask | messages.Grant | messages.SendAway | messages.End
    ) -> None:
        """Carry out what concerns the people at the terminal; one that may not is told, and stays."""
        seat = session.seat
        if seat is None:
            return
        try:
            match message:
                case messages.Ask():
                    seat.ask()
                case messages.Grant():
                    self._tell_of("grant-keyboard", seat.grant(message.to))
                case messages.SendAway():
                    self._tell_of("send-away", seat.send_away(message.who))
                case messages.End():
                    self._ending = self._ending or asyncio.create_task(self._end(seat))
                case _:
                    assert_never(message)
        except (Forbidden, NotFound) as refused:
            self._reply(messages.control(Failed(refused)))

    async def _end(self, seat: Seat) -> None:
        try:
            await seat.end()
            self._tell_of("close-terminal", None)
        except WorkspacesError as refused:
            self._reply(messages.control(Failed(refused)))
        finally:
            self._ending = None

    def _tell_of(self, action: str, person: Person | None) -> None:
        act = asyncio.create_task(self._carry_out(action, person), context=self._context)
        self._acts.add(act)
        act.add_done_callback(self._acts.discard)

    async def _carry_out(self, action: str, person: Person | None) -> None:
        try:
            await self._done(action, person)
        except WorkspacesError as failure:
            self._reply(messages.control(Failed(failure)))

    def _type(self, session: SSHSession, data: bytes) -> None:
        """Pass input on; while the program takes no more, nothing is read from the client."""
        self.on_typed()
        try:
            has_room = session.write(data)
        except Forbidden as readonly:
            self._reply(messages.control(Failed(readonly)))
            return
        except Conflict:  # it has ended; what says so is on its way to the client
            return
        if not has_room and self._held_input is None:
            self._line.hold_reading()
            self._held_input = asyncio.create_task(self._await_room(session))

    async def _await_room(self, session: SSHSession) -> None:
        waiting = True
        while waiting:
            try:
                async with asyncio.timeout(HELD_SECONDS):
                    await session.input_ready()
            except TimeoutError:
                self._reply(_PONG)
            else:
                waiting = False
        self._held_input = None
        if not self._owed:
            self._line.release_reading()

    def _reply(self, message: bytes) -> None:
        """Answer; stop reading from a client that does not read its answers."""
        if not self._is_congested:
            self._line.send_message(message, text=True)
        elif message not in self._owed:
            self._owed.append(message)
            self._line.hold_reading()
