"""WebSockets that call their application for each message instead of waking it up to fetch it.

uvicorn hands messages to an ASGI application through a queue and takes its answers through coroutines: two wake-ups of
tasks for every typed key. ``DirectProtocol`` leaves the handshake, control frames, fragmented messages
and closing to uvicorn and ``websockets``. It cuts the stream into frames by itself (RFC 6455, section 5.2);
once an application has taken the connection over, whole text and binary frames go to it at once, and its answers go
straight to the transport.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any, Protocol

from typing_extensions import override
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Opcode
from websockets.speedups import apply_mask

EXTENSION = "nixws.direct"
"""The key of a connection's ``DirectProtocol`` among the extensions of its ASGI scope."""
MESSAGE_SECONDS = 60.0
"""Time from the first to the last byte of a message."""
LINGER_SECONDS = 1.0
"""Time for which a client's data is still read after it was told that it broke the protocol."""
ANSWER_SECONDS = 3.0
"""Time that a client has to answer our closing frame."""
TOO_SLOW = 4408
"""Close code for a client that takes longer."""
ODD_FRAMES_PER_SECOND = 500.0
ODD_FRAMES_AT_ONCE = 5000.0
"""Control frames and fragments that a client may send: the application, which counts messages, does not see them."""
TOO_MANY = 4429
"""Close code for a client that sends more."""
FRAMES_A_TURN = 128
"""Frames that are handled before the event loop's other work has its turn: one read holds thousands of small ones."""

_FINAL = 0x80
_TEXT = _FINAL | Opcode.TEXT
_BINARY = _FINAL | Opcode.BINARY
_CLOSE = _FINAL | Opcode.CLOSE
_MASKED = 0x80
_TWO_BYTES, _EIGHT_BYTES = 126, 127
"""A length of this value tells that the true one follows in so many bytes."""
_INCOMPLETE, _UNFIT = -1, -2


class MessageUser(Protocol):
    """The application's side of a connection that it has taken over. No call may wait or raise."""

    def message_received(self, message: str | bytes) -> None:
        """Take one message."""

    def pause_writing(self) -> None:
        """Take notice that the client does not keep up; messages sent until ``resume_writing`` fill memory."""

    def resume_writing(self) -> None:
        """Take notice that most of the sent messages are on their way."""

    def connection_lost(self) -> None:
        """Take notice that the client has gone or is closing; nothing else follows."""


class DirectProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection. Call it from the event loop's thread only."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.close_timeout = ANSWER_SECONDS
        self._user: MessageUser | None = None
        self._rest = bytearray()
        """Received and not handled yet: the beginning of a frame, or data that came while reading is held."""
        self._is_held = False
        self._is_yielding = False
        """Whole frames wait in ``_rest`` until the other work of the event loop had its turn; nothing is read."""
        self._is_discarding = False
        """The client was told that it broke the protocol: its further data is dropped."""
        self._deadline: asyncio.TimerHandle | None = None
        self._allowance, self._counted_at = ODD_FRAMES_AT_ONCE, self.loop.time()

    # ---- for the application, between accepting and closing

    def take_over(self, user: MessageUser) -> None:
        """Send messages to ``user`` from now on; those in the ASGI queue are delivered first."""
        self._user = user
        if not self.writable.is_set():
            user.pause_writing()
        while not self.queue.empty():
            match self.queue.get_nowait():
                case {"type": "websocket.receive", "text": str(message)}:
                    user.message_received(message)
                case {"type": "websocket.receive", "bytes": bytes(message)}:
                    user.message_received(message)
                case {"type": "websocket.disconnect"}:
                    self._tell_lost()
                case _:
                    pass
        if self.read_paused:
            self.read_paused = False
            self._read_on()

    def send_message(self, *parts: bytes, text: bool) -> None:
        """Send one message; does nothing once the connection is closing."""
        if self.close_sent or self.transport.is_closing():
            return
        kind = _TEXT if text else _BINARY
        size = sum(map(len, parts))
        if size < _TWO_BYTES:
            header = bytes((kind, size))
        elif size < 1 << 16:
            header = struct.pack("!BBH", kind, _TWO_BYTES, size)
        else:
            header = struct.pack("!BBQ", kind, _EIGHT_BYTES, size)
        self.transport.write(b"".join((header, *parts)))

    def drop(self) -> None:
        """End the connection without a close frame, and drop unsent data."""
        self.transport.abort()

    def hold_reading(self) -> None:
        """Deliver no message until ``release_reading``; the client's own sending comes to a stop."""
        if not self._is_held:
            self._is_held = True
            self.transport.pause_reading()

    def release_reading(self) -> None:
        """Go on, at the earliest in the next turn of the event loop."""
        if self._is_held:
            self._is_held = False
            self._read_on()
            self.loop.call_soon(self._take_rest)

    # ---- from the transport

    @override
    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            extensions: dict[Any, Any] = self.scope.setdefault("extensions", {})
            extensions[EXTENSION] = self

    @override
    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            # An answer instead of a WebSocket is whole; uvicorn takes it for a fault of the application and logs that.
            self.handshake_complete = True

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_discarding:
            return
        if not self.handshake_initiated:
            super().data_received(data)
        elif self._rest or self._is_held:
            self._rest += data
            self._take_rest()
        else:
            done = self._take_frames(data)
            if done < len(data):
                self._rest += data[done:]
            self._watch_the_time()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_the_clock()
        super().connection_lost(exc)
        self._tell_lost()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        if self._user is not None:
            self._user.pause_writing()

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if self._user is not None:
            self._user.resume_writing()

    # ---- frames

    def _take_rest(self) -> None:
        """Handle the kept bytes, without copying it while it is but the beginning of a frame."""
        may_go_on = not (self._is_held or self._is_yielding)
        if may_go_on and self._rest and _frame_end(self._rest, 0, self._most_bytes()) <= len(self._rest):
            data = bytes(self._rest)
            self._rest.clear()
            self._rest += data[self._take_frames(data) :]
        self._watch_the_time()

    def _take_frames(self, data: bytes) -> int:
        """Handle the whole frames at the front of ``data``; return how many bytes they took."""
        at, size, count = 0, len(data), 0
        while at < size and not self._is_held:
            end = _frame_end(data, at, self._most_bytes())
            if end == _UNFIT or self.transport.is_closing():
                super().data_received(data[at:])  # says what is wrong, or discards
                return size
            if end == _INCOMPLETE or end > size:
                break
            if count == FRAMES_A_TURN:
                self._yield_turn()
                break
            self._take_frame(data, at, end)
            at, count = end, count + 1
        return at

    def _yield_turn(self) -> None:
        """Read nothing, and handle what is kept, once the event loop's other work had its turn."""
        self._is_yielding = True
        self.transport.pause_reading()
        self.loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._is_yielding = False
        self._take_rest()
        self._read_on()

    def _read_on(self) -> None:
        """Read from the client again unless there is a reason not to."""
        if not (self._is_held or self._is_yielding or self.read_paused or self.transport.is_closing()):
            self.transport.resume_reading()

    def _take_frame(self, data: bytes, at: int, end: int) -> None:
        kind = data[at]
        if self.close_sent and kind != _CLOSE:
            return  # only the client's own closing frame is still of interest
        if self._user is None or self.frames or kind not in (_TEXT, _BINARY):
            if self._may_be_odd(kind):
                super().data_received(data[at:end])
            else:
                self._fail(TOO_MANY, "too many control frames and fragments")
            return
        mask_at = at + {_TWO_BYTES: 4, _EIGHT_BYTES: 10}.get(data[at + 1] & ~_MASKED, 2)
        content = apply_mask(data[mask_at + 4 : end], data[mask_at : mask_at + 4])
        self._deliver(content, text=kind == _TEXT)

    def _may_be_odd(self, kind: int) -> bool:
        """Count a control frame or fragment; whole messages are for the application to count."""
        if kind in (_TEXT, _BINARY):
            return True
        now = self.loop.time()
        earned = (now - self._counted_at) * ODD_FRAMES_PER_SECOND
        self._allowance = min(ODD_FRAMES_AT_ONCE, self._allowance + earned) - 1
        self._counted_at = now
        return self._allowance >= 0

    @override
    def handle_ping(self) -> None:
        """Answer, unless the client leaves its answers unread: its pings must not fill our memory."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    @override
    def send_receive_event_to_app(self) -> None:
        if self._user is None:
            super().send_receive_event_to_app()
            return
        content = b"".join(self.frames)
        self.frames = []
        if not self.close_sent:
            self._deliver(content, text=self.curr_msg_data_type == "text")

    def _deliver(self, content: bytes, *, text: bool) -> None:
        self._stop_the_clock()
        if self._user is None:
            return
        if not text:
            self._user.message_received(content)
            return
        try:
            message = content.decode()
        except UnicodeDecodeError:
            self._fail(1007, "text is UTF-8")
            return
        self._user.message_received(message)

    def _most_bytes(self) -> int:
        return self.config.ws_max_size

    # ---- endings

    @override
    def handle_close(self, event: Any) -> None:
        super().handle_close(event)
        self._tell_lost()

    @override
    def handle_parser_exception(self) -> None:
        """Send the close code and close a little later: a close with data unread is a reset, which overtakes it."""
        said = self.conn.close_sent
        assert said is not None
        self.queue.put_nowait({"type": "websocket.disconnect", "code": said.code, "reason": said.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = self._is_discarding = True
        self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)
        self._tell_lost()

    def _fail(self, code: int, reason: str) -> None:
        if not self.close_sent and not self.transport.is_closing():
            self.conn.fail(code, reason)
            self.handle_parser_exception()

    def _tell_lost(self) -> None:
        user, self._user = self._user, None
        if user is not None:
            user.connection_lost()

    def _watch_the_time(self) -> None:
        """Give a message that has begun a time to end; one that we do not read has all the time."""
        if self._is_held or not (self._rest or self.frames):
            self._stop_the_clock()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(MESSAGE_SECONDS, self._fail, TOO_SLOW, "the message took too long")

    def _stop_the_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _frame_end(data: bytes | bytearray, at: int, most_bytes: int) -> int:
    """Return where the frame that begins at ``at`` ends, also beyond ``data``.

    ``_INCOMPLETE``: its header is not whole. ``_UNFIT``: it is not masked, or larger than ``most_bytes``.
    """
    if len(data) - at < 2:  # noqa: PLR2004
        return _INCOMPLETE
    size, header = data[at + 1], 6
    if not size & _MASKED:
        return _UNFIT
    size &= ~_MASKED
    if size >= _TWO_BYTES:
        length_bytes = 2 if size == _TWO_BYTES else 8
        if len(data) - at < 2 + length_bytes:
            return _INCOMPLETE
        size = int.from_bytes(data[at + 2 : at + 2 + length_bytes], "big")
        header += length_bytes
    return _UNFIT if size > most_bytes else at + header + size
