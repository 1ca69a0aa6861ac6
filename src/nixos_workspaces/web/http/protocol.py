"""The HTTP protocol under the application: bounds on time, size and number that uvicorn does not set.

uvicorn waits for ever for the rest of a half-sent request and holds headers of any size. ``GuardedHttpProtocol``
closes a connection whose headers are not complete in ``HEADER_SECONDS`` or whose request still goes on
``LINGER_SECONDS`` after its answer, refuses headers beyond ``MAX_HEADER_BYTES``, connections beyond
``MAX_CONNECTIONS`` and pipelined requests beyond ``MAX_PIPELINED``, and gives every refusal the error shape of the API.
"""

from __future__ import annotations

import asyncio
import json
import socket
import uuid
from typing import Any

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from nixos_workspaces.web.http.errors import REFUSALS, Refusal, error_body, error_headers

HEADER_SECONDS = 10.0
"""Time that a client has from its connection, or its first byte, to the end of the headers."""
LINGER_SECONDS = 2.0
"""Time that a client may go on sending a body which has been answered already (as after 413)."""
MAX_HEADER_BYTES = 32 * 1024
MAX_HEADERS = 100
MAX_URL_BYTES = 8 * 1024
MAX_CONNECTIONS = 1000
MAX_PIPELINED = 32
"""Requests that a client may send ahead of their answers; each costs memory before it is authenticated."""
UNREAD_SECONDS = 60
"""Time for which a client may take none of the bytes sent to it before the kernel drops its connection."""
SILENT_SECONDS = 30
"""Time of silence after which the kernel asks whether the client is still there."""


class GuardedHttpProtocol(HttpToolsProtocol):
    """One HTTP connection with bounds."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self._reading_headers = False
        self._reading_message = False
        self._header_bytes = 0
        self._messages = 0
        self._refusal: Refusal | None = None
        self._refused = False

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _notice_the_dead(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(Refusal("too_many_connections", "The service has too many open connections; try again soon."))
        else:
            self._expect_headers()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_done():
            return
        messages = self._messages
        super().data_received(data)
        if self._is_done():
            return
        if self._reading_headers:
            # Where in this piece the headers began is not known; the ones after it are counted.
            self._header_bytes += len(data) if messages == self._messages else 0
            if self._header_bytes > 2 * MAX_HEADER_BYTES:
                self._refuse(self._too_large())
        elif not self._reading_message and self._idle() and self._deadline is None:
            # Only line ends came so far; uvicorn has stopped its keep-alive timer for them.
            self._expect_headers()

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reading_headers = self._reading_message = True
        self._header_bytes = 0
        self._messages += 1
        if self._idle():
            self._expect_headers()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if not self._reading_headers:
            return
        size = sum(len(key) + len(text) + 4 for key, text in self.headers)
        if size > MAX_HEADER_BYTES or len(self.headers) > MAX_HEADERS:
            self._stop(self._too_large())

    @override
    def on_headers_complete(self) -> None:
        self._reading_headers = False
        if len(self.url) > MAX_URL_BYTES:
            self._stop(Refusal("url_too_long", f"The URL is longer than {MAX_URL_BYTES} bytes."))
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (not hosts and self.parser.get_http_version() != "1.0"):
            self._stop(Refusal("malformed_request", "The request must name its host once in a Host header."))
        if len(self.pipeline) >= MAX_PIPELINED:
            self._stop(Refusal("too_many_requests", f"More than {MAX_PIPELINED} requests wait for their answers."))
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.transport = _GentleTransport(self)  # type: ignore[assignment]
        self._disarm()

    @override
    def on_message_complete(self) -> None:
        self._reading_message = False
        self._disarm()
        super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._reading_message and not self.transport.is_closing():
            self._arm(LINGER_SECONDS)

    @override
    def handle_websocket_upgrade(self) -> None:
        self._disarm()
        super().handle_websocket_upgrade()

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal or Refusal("malformed_request", "The request is not valid HTTP."))

    def _too_large(self) -> Refusal:
        return Refusal("headers_too_large", f"The headers exceed {MAX_HEADER_BYTES} bytes or {MAX_HEADERS} lines.")

    def _is_done(self) -> bool:
        """Tell whether this connection was refused, closed, or upgraded to the WebSocket protocol."""
        return self._refused or self.transport.is_closing() or self.transport.get_protocol() is not self

    def _idle(self) -> bool:
        """Tell whether no request of this connection is being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _stop(self, refusal: Refusal) -> None:
        """Leave the parser from inside one of its callbacks; ``send_400_response`` tells the client why."""
        self._refusal = refusal
        raise httptools.HttpParserError(refusal.code)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer outside of any application and close.

        What the client still sends is read and dropped for a while: closing at once would reset the connection and
        lose the answer on its way.
        """
        self._disarm()
        if self.transport.is_closing() or self._refused:
            return
        if not self._idle():
            if self.cycle.response_started:
                self.transport.close()
                return
            # The application still waits for a body that cannot be read any more.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(refusal_bytes(refusal))
        self._linger()

    def is_ending(self) -> bool:
        """Tell whether the last answer has been written."""
        return self._refused

    def close_gently(self) -> None:
        """Close, but not on a request that is still being sent: see ``_refuse``."""
        if self._reading_message and not self._is_done():
            self._linger()
        else:
            self.transport.close()

    def _linger(self) -> None:
        self._refused = True
        self._reading_headers = False
        self.transport.write_eof()
        self.flow.resume_reading()
        self._arm(LINGER_SECONDS)

    def _expect_headers(self) -> None:
        self._arm(HEADER_SECONDS)

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(seconds, self._expire)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        """Close a connection that took too long; tell why if nothing was answered yet."""
        self._deadline = None
        if self._reading_headers:
            self._refuse(Refusal("request_timeout", f"The headers were not complete after {HEADER_SECONDS:g} seconds."))
        elif not self.transport.is_closing():
            self.transport.close()


def _notice_the_dead(transport: asyncio.Transport) -> None:
    """Let the kernel end connections to clients that are gone without a word, or that never read.

    WebSocket pings would also end those of clients that merely wait: their answers stay unread while a terminal's
    program takes no input.
    """
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENT_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, SILENT_SECONDS // 3)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)


class _GentleTransport:
    """A connection's transport as its requests see it: closing it does not lose the answer on its way."""

    def __init__(self, protocol: GuardedHttpProtocol) -> None:
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        if not self._protocol.is_ending():
            self._protocol.transport.write(data)

    def is_closing(self) -> bool:
        return self._protocol.transport.is_closing()

    def close(self) -> None:
        self._protocol.close_gently()


def refusal_bytes(refusal: Refusal) -> bytes:
    """Return a whole HTTP answer for a refusal that no application answers."""
    status = REFUSALS[refusal.code]
    request_id = uuid.uuid4().hex
    body = json.dumps(error_body(refusal, request_id)).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-request-id": request_id,
        "x-content-type-options": "nosniff",
        "connection": "close",
        **error_headers(status),
    }
    lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())
    return STATUS_LINE[status] + lines + b"\r\n" + body
