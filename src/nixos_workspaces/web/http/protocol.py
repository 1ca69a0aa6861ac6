"""The HTTP protocol under the application: bounds on time, size and number that uvicorn does not set.

uvicorn waits for ever for the rest of a half-sent request and holds headers of any size. ``GuardedHttpProtocol``
closes a connection whose headers are not complete in ``HEADER_SECONDS`` or whose request still goes on
``LINGER_SECONDS`` after its answer, refuses headers beyond ``MAX_HEADER_BYTES``, connections beyond
``MAX_CONNECTIONS`` and pipelined requests beyond ``MAX_PIPELINED``, and gives every refusal the error shape of the API.

A connection that has shown no valid credential yet holds no place that somebody else needs: beyond
``MAX_UNKNOWN_OF_ADDRESS`` of one address, or where all places are taken, the oldest of them gives way to the newest.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from operator import attrgetter
from typing import Any, TypeGuard

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from nixos_workspaces.web.http.access.open_request import EXTENSION
from nixos_workspaces.web.http.errors import REFUSALS, Refusal, error_body, error_headers

HEADER_SECONDS = 10.0
"""Time that a client has from its connection, or its first byte, to the end of the headers."""
LINGER_SECONDS = 2.0
"""Time that a client may go on sending a body which has been answered already (as after 413)."""
MAX_HEADER_BYTES = 32 * 1024
MAX_HEADERS = 100
MAX_URL_BYTES = 8 * 1024
MAX_CONNECTIONS = 2000
MAX_OF_ADDRESS = 1000
MAX_UNKNOWN_OF_ADDRESS = 100
"""Connections of one address without a valid credential."""
MAX_PIPELINED = 32
"""Requests that a client may send ahead of their answers; each costs memory before it is authenticated."""
UNREAD_SECONDS = 60
"""Time for which a client may take none of the bytes sent to it before the kernel drops its connection."""
TUNNEL = "nixws.tunnel.v1"
"""The protocol that the application makes of a connection by itself, besides those of previews."""
MAX_EARLY_BYTES = 64 * 1024
"""Bytes that a client may send ahead of the answer to its wish for another protocol."""
SILENT_SECONDS = 30
"""Time of silence after which the kernel asks whether the client is still there."""


class GuardedHttpProtocol(HttpToolsProtocol):
    """One HTTP connection with bounds."""

    def __init__(
        self,
        *args: Any,
        proxies: Sequence[str] = (),
        is_preview: Callable[[bytes, bytes], bool] = lambda _host, _target: False,
        **options: Any,
    ) -> None:
        """Let ``proxies`` have any number of connections: each stands for many clients.

        ``is_preview`` tells from a ``Host`` header and a target whether a request that changes the protocol is the
        application's.
        """
        super().__init__(*args, **options)
        self._proxies = [ipaddress.ip_network(one) for one in proxies]
        self._is_preview = is_preview
        self._early: bytearray | None = None
        """Sent by the client since it asked for another protocol."""
        self._deadline: asyncio.TimerHandle | None = None
        self._reading_headers = False
        self._reading_message = False
        self._header_bytes = 0
        self._messages = 0
        self._refusal: Refusal | None = None
        self._refused = False
        self.made_at = self.loop.time()
        self.lost: Callable[[], object] | None = None
        """Called when the connection ends; the request that set it looks whether that is still of interest."""
        self.is_unknown = True
        """No request of this connection has shown a valid credential yet."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _notice_the_dead(transport)
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is not None and self.client is not None and ipaddress.ip_address(self.client[0]).is_loopback:
            send_unpaced(sock)
        if (refusal := self._without_room()) is not None:
            self._refuse(refusal)
        else:
            self._expect_headers()

    def _without_room(self) -> Refusal | None:
        """Return why there is no place for this connection; let one without a credential give way where it must."""
        mine = [other for other in self.connections if _host(other) == _host(self)] if not self._is_proxy() else []
        unknown = [other for other in mine if _is_unknown(other)]
        if len(unknown) > MAX_UNKNOWN_OF_ADDRESS:
            _oldest(unknown).give_way()
        if len(mine) > MAX_OF_ADDRESS:
            return Refusal("too_many_of_address", f"Your address has {MAX_OF_ADDRESS} open connections; close some.")
        if len(self.connections) > MAX_CONNECTIONS:
            others = [other for other in self.connections if _is_unknown(other) and other is not self]
            if not others:
                return Refusal("too_many_connections", "The service has too many open connections; try again soon.")
            _oldest(others).give_way()
        return None

    def _is_proxy(self) -> bool:
        return bool(self._proxies) and any(ipaddress.ip_address(_host(self)) in one for one in self._proxies)

    def give_way(self) -> None:
        """End this connection for one that is newer."""
        self._disarm()
        self._refused = True
        self.connections.discard(self)
        if self._idle() and self._messages > 0 and self._reading_headers:
            refusal = Refusal("too_many_of_address", "There are too many connections without a valid credential.")
            self.transport.write(refusal_bytes(refusal))
            self.transport.close()
        else:
            self.transport.abort()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)
        if self.lost is not None:
            self.lost()

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_done():
            return
        if self._early is not None:
            self._early += data
            if len(self._early) > MAX_EARLY_BYTES:
                self.transport.abort()
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
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.scope is self.scope:
            cycle.transport = _GentleTransport(self)  # type: ignore[assignment]
            extensions: dict[str, Any] = {EXTENSION: _RequestLine(self, cycle)}
            self.scope["extensions"] = extensions
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
    def _should_upgrade(self) -> bool:
        """Leave the WebSockets of previews to the application: they are passed on as they are."""
        return super()._should_upgrade() and not self._is_of_preview()

    def _is_of_preview(self) -> bool:
        return any(name == b"host" and self._is_preview(value, self.url) for name, value in self.headers)

    @override
    def _unsupported_upgrade_warning(self) -> None:
        """Keep what the client sends before it is answered."""
        if self._is_of_preview() or self._get_upgrade() == TUNNEL.encode():
            self._early = bytearray()
        else:
            super()._unsupported_upgrade_warning()

    def take_over(self) -> tuple[asyncio.Transport, bytes]:
        """Give the connection to the application, with what the client sent already; nothing is done here any more."""
        self._disarm()
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        self.transport.pause_reading()
        return self.transport, bytes(self._early or b"")

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
        if self.transport.can_write_eof():  # not over TLS
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


def send_unpaced(sock: socket.socket) -> None:
    """Let a connection within this machine be sent as fast as it is read.

    There is no network to share: pacing (BBR, where it is the system's choice) only costs, more than twice as much
    processor time as passing the bytes on does. Reno is in every kernel and open to every user.
    """
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")


class _GentleTransport:
    """A connection's transport as its requests see it: closing it does not lose the answer on its way."""

    def __init__(self, protocol: GuardedHttpProtocol) -> None:
        self._protocol = protocol
        self._held: list[bytes] | None = None
        """Written since ``hold``; None where all is sent at once."""

    def write(self, data: bytes) -> None:
        if self._held is not None:
            self._held.append(data)
        elif data and not self._protocol.is_ending():
            self._protocol.transport.write(data)

    def hold(self) -> None:
        """Send nothing until ``release``: a head and a small body go out as one packet."""
        if self._held is None:
            self._held = []

    def release(self) -> None:
        """Send what was written since ``hold``, and go on at once."""
        held, self._held = self._held, None
        if held:
            self.write(b"".join(held))

    def is_closing(self) -> bool:
        return self._protocol.transport.is_closing()

    def close(self) -> None:
        self.release()
        self._protocol.close_gently()


def _host(protocol: Any) -> str:
    """Return the address of a connection's client; also of one that speaks the WebSocket protocol."""
    return protocol.client[0] if protocol.client else ""


def _is_unknown(protocol: object) -> TypeGuard[GuardedHttpProtocol]:
    return isinstance(protocol, GuardedHttpProtocol) and protocol.is_unknown


def _oldest(connections: list[GuardedHttpProtocol]) -> GuardedHttpProtocol:
    return min(connections, key=attrgetter("made_at"))


class _RequestLine:
    """The connection of one request, for ending it early."""

    def __init__(self, protocol: GuardedHttpProtocol, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._cycle = cycle
        self._transport = protocol.transport

    def vouch(self) -> None:
        self._protocol.is_unknown = False

    def wake(self) -> None:
        self._cycle.message_event.set()

    def descriptor(self) -> int | None:
        """Return the number of the socket, if bytes that are sent there are as the client gets them."""
        sock: socket.socket | None = self._transport.get_extra_info("socket")
        if sock is None or self._transport.is_closing() or self._transport.get_extra_info("sslcontext") is not None:
            return None
        return sock.fileno()

    async def flushed(self) -> None:
        """Wait until all that was sent is with the kernel."""
        self._transport.set_write_buffer_limits(0)
        try:
            # uvloop sends what was written when this turn of the loop is over, and tells it only of what waits longer.
            while self._transport.get_write_buffer_size() and not self._transport.is_closing():
                await asyncio.sleep(0)
                await self._protocol.flow.drain()
        finally:
            self._transport.set_write_buffer_limits()

    @contextmanager
    def as_one(self) -> Iterator[None]:
        """Send what is written within the block as one piece; nothing in it may wait for the client."""
        transport: Any = self._cycle.transport
        transport.hold()
        try:
            yield
        finally:
            transport.release()

    def on_lost(self, lost: Callable[[], object]) -> None:
        """Have ``lost`` called if the client goes away before it is answered; cheaper than a ``receive`` that waits."""
        self._protocol.lost = lost

    def passed(self, count: int) -> None:
        """Take notice that so many bytes of the answer's body were sent past the connection."""
        self._cycle.expected_content_length -= count

    def take_over(self) -> tuple[asyncio.Transport, bytes, tuple[str, int] | None]:
        """Give the connection away, for another protocol; returns with it its client."""
        self._cycle.disconnected = True
        transport, early = self._protocol.take_over()
        return transport, early, self._protocol.client

    @contextmanager
    def adopted(self, connection: Any) -> Iterator[None]:
        """Count what took the connection over among the server's while the block runs."""
        self._protocol.connections.add(connection)
        try:
            yield
        finally:
            self._protocol.connections.discard(connection)

    def abort(self) -> None:
        self._cycle.disconnected = True
        self._cycle.message_event.set()
        self._transport.abort()


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
