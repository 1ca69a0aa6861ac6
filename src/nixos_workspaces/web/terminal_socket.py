"""One client of one terminal: a WebSocket between ``SSHSession`` and somebody who may be slow, gone or hostile.

Bounds: what waits for a client is at most ``QUEUE_BYTES`` and a frame here, the transport's buffer, and the session's
own window; what a client types beyond the session's window is not read from its socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import assert_never

from starlette.websockets import WebSocket, WebSocketDisconnect

from nixos_workspaces.errors import Conflict, Forbidden, InvalidInput, LimitExceeded, WorkspacesError
from nixos_workspaces.ssh_bridge import Control, Exited, Failed, SSHSession
from nixos_workspaces.web import terminal_messages as messages
from nixos_workspaces.web.errors import status_of

QUEUE_BYTES = 1 << 16
SEND_SECONDS = 30.0
"""Time that a client may leave a message unread."""
CLOSE_SECONDS = 5.0
"""Time to send what is left, and the close code."""
HELD_SECONDS = 10.0
"""While a client's input waits for its program the client hears a pong this often: it cannot ask for one."""
MESSAGES_PER_SECOND = 2000.0
MESSAGES_AT_ONCE = 10_000.0

ENDED = 1000
GOING_AWAY = 1012
MALFORMED = 4400
TOO_MUCH = 4429

_PONG = '{"type":"pong"}'
_MOST_REASON_BYTES = 120


def close_code(error: WorkspacesError) -> int:
    """Return the close code that says an error: 4000 and its HTTP status, 4400 for whatever the client got wrong."""
    return MALFORMED if isinstance(error, InvalidInput) else 4000 + status_of(error)


class TerminalSocket:
    """A ``TerminalClient`` over an accepted WebSocket."""

    def __init__(self, socket: WebSocket, *, binary: bool) -> None:
        self._socket = socket
        self.is_binary = binary
        """Output goes in binary frames, which may end within a character."""
        self._session: SSHSession | None = None
        self._queue: deque[str | bytes] = deque()
        self._queued = 0
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._unacknowledged = 0
        self._allowance, self._counted_at = MESSAGES_AT_ONCE, time.monotonic()
        self._closing: tuple[int, str] | None = None

    # ---- from the session

    def send_output(self, data: bytes, end_offset: int) -> None:
        """Queue output; the session pauses when the queue is full."""
        self._unacknowledged += 1
        self._put(messages.output(data, end_offset, binary=self.is_binary))
        if self._queued >= QUEUE_BYTES and self._session is not None:
            self._session.pause_output()

    def send_control(self, message: Control) -> None:
        """Queue anything else; close after the last word."""
        self._put(messages.control(message))
        match message:
            case Exited():
                self.finish(ENDED, "the program has ended")
            case Failed():
                self.finish(close_code(message.error), message.error.message)
            case _:
                pass

    # ---- the socket's life

    async def serve(self, session: SSHSession, stopping: asyncio.Event) -> None:
        """Pass on in both directions until either side ends, or the service stops."""
        self._session = session
        if self._queued >= QUEUE_BYTES:
            session.pause_output()
        sending = asyncio.create_task(self._send())
        parts = [sending, asyncio.create_task(self._listen(session)), asyncio.create_task(stopping.wait())]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            if stopping.is_set():
                self.finish(GOING_AWAY, "the service stops")
            if self._closing is not None:
                await asyncio.wait({sending}, timeout=CLOSE_SECONDS)
        finally:
            session.close()
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)

    async def refuse(self, error: WorkspacesError) -> None:
        """Say why there is no terminal for this client, and close."""
        self.send_control(Failed(error))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send()

    def finish(self, code: int, reason: str) -> None:
        """Close with ``code`` once everything queued is sent; the first call counts."""
        if self._closing is None:
            shown = reason.encode()[:_MOST_REASON_BYTES].decode(errors="ignore")
            self._closing = (code, shown)
            self._wake.set()

    def fail(self, error: WorkspacesError) -> None:
        """Say what is wrong and close."""
        if self._closing is None:
            self.send_control(Failed(error))

    # ---- to the client

    def _put(self, message: str | bytes) -> None:
        self._queue.append(message)
        self._queued += len(message)
        if self._queued >= QUEUE_BYTES:
            self._room.clear()
        self._wake.set()

    async def _send(self) -> None:
        """Send what is queued, in order, and the close code at the end."""
        try:
            while True:
                while self._queue:
                    await self._send_one(self._queue.popleft())
                if self._closing is not None:
                    await self._socket.close(*self._closing)
                    return
                self._wake.clear()
                await self._wake.wait()
        except TimeoutError:
            self.finish(TOO_MUCH, "the client does not read")
        except (WebSocketDisconnect, RuntimeError):
            return

    async def _send_one(self, message: str | bytes) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            if isinstance(message, str):
                await self._socket.send_text(message)
            else:
                await self._socket.send_bytes(message)
        self._queued -= len(message)
        if self._queued < QUEUE_BYTES and not self._room.is_set():
            self._room.set()
            if self._session is not None:
                self._session.resume_output()

    # ---- from the client

    async def _listen(self, session: SSHSession) -> None:
        """Do what the client says until it goes or says what no client may say."""
        try:
            while (received := await self._socket.receive())["type"] != "websocket.disconnect":
                message = messages.read(received.get("text"), received.get("bytes"), binary=self.is_binary)
                self._count(message)
                await self._act(session, message)
        except WorkspacesError as error:
            self.fail(error)

    def _count(self, message: messages.Message) -> None:
        """Refuse floods of small messages. Acknowledgements are bounded by what there is to acknowledge."""
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

    async def _act(self, session: SSHSession, message: messages.Message) -> None:
        match message:
            case messages.Input():
                await self._type(session, message.data)
            case messages.Resize():
                session.resize(message.cols, message.rows)
            case messages.Ack():
                session.acknowledge(message.frames)
            case messages.Ping():
                await self._reply(_PONG)
            case _:
                assert_never(message)

    async def _type(self, session: SSHSession, data: bytes) -> None:
        """Type, and wait while the program takes no more."""
        try:
            has_room = session.write(data)
        except Forbidden as readonly:
            await self._reply(messages.control(Failed(readonly)))
            return
        except Conflict:  # it has ended; what says so is on its way to the client
            return
        while not has_room:
            try:
                async with asyncio.timeout(HELD_SECONDS):
                    await session.input_ready()
            except TimeoutError:
                await self._reply(_PONG)
            else:
                has_room = True

    async def _reply(self, message: str) -> None:
        """Queue an answer; who does not read answers is not asked for more."""
        await self._room.wait()
        self._put(message)
