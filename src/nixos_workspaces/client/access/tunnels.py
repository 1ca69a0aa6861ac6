"""Tunnels to ports inside workspaces, from the client's side.

``TunnelStream`` is a blocking program's one: no event loop and no thread between a key and the wire.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from urllib.parse import quote, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.speedups import apply_mask
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from nixos_workspaces import errors
from nixos_workspaces.client.connection import Connection, error_of

SUBPROTOCOL = "nixws.tunnel.v1"
EOF = "eof"
CONNECT_SECONDS = 20.0
READ_BYTES = 1 << 16
_MOST_BYTES = 1 << 20
_BINARY, _TEXT, _MASKED = 0x82, 0x81, 0x80
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_MASK_BYTES = 4
_HEAD_ENDS, _SWITCHED = b"\r\n\r\n", b"HTTP/1.1 101 "
_REFUSED = 400
_NORMAL, _ABNORMAL = 1000, 1006
_OF_CODES: Mapping[int, type[errors.WorkspacesError]] = {
    4400: errors.InvalidInput,
    4401: errors.Unauthenticated,
    4403: errors.Forbidden,
    4404: errors.NotFound,
    4409: errors.Conflict,
    4429: errors.LimitExceeded,
    4502: errors.RuntimeFailed,
}


def tunnel_url(client: Connection, workspace: str, port: int) -> str:
    """Return the address of the WebSocket of a tunnel."""
    root = client.url.replace("http", "ws", 1)
    return f"{root}/api/nixos/workspaces/{quote(workspace, safe='')}/tunnel?port={port}"


def error_of_close(code: int, reason: str) -> errors.WorkspacesError | None:
    """Return the error that a tunnel was closed with; None where it ended in good order."""
    if code == _NORMAL:
        return None
    stated, _, message = reason.partition(": ")
    if code in _OF_CODES:
        return _OF_CODES[code](message or reason, code=stated or None)
    return errors.Unavailable(message or "The tunnel was lost.", code=stated if message else "tunnel_lost")


def open_plain(client: Connection, workspace: str, port: int) -> socket.socket | None:
    """Return a connection that is a tunnel as it is, without frames; ``ssh`` itself can take it.

    None over TLS, and where a proxy in between lets no such connection through. Raises our own errors where the tunnel
    is refused.
    """
    if client.tls is not None:
        return None
    url = tunnel_url(client, workspace, port)
    parts = urlsplit(url)
    lines = [f"GET {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += ["Connection: Upgrade", f"Upgrade: {SUBPROTOCOL}", f"Authorization: {client.authorization}", "", ""]
    try:
        sock = _connected(url, None)
        try:
            sock.sendall("\r\n".join(lines).encode())
            head = _head_of(sock)
            if head.startswith(_SWITCHED):
                sock.settimeout(None)
                return sock
            status, body = int(head.split()[1]), _body_of(sock, head)
        except BaseException:
            sock.close()
            raise
        sock.close()
    except (OSError, EOFError, ValueError, IndexError) as lost:
        raise errors.Unavailable(f"The service does not answer at {client.url}.") from lost
    if status < _REFUSED:
        return None
    raise error_of(status, body)


def _head_of(sock: socket.socket) -> bytes:
    """Read the head of an answer and nothing that follows it."""
    head = b""
    while not head.endswith(_HEAD_ENDS):
        waiting = sock.recv(READ_BYTES, socket.MSG_PEEK)
        if not waiting or len(head) > READ_BYTES:
            raise EOFError
        end = (head + waiting).find(_HEAD_ENDS)
        head += sock.recv(len(waiting) if end < 0 else end + len(_HEAD_ENDS) - len(head))
    return head


def _body_of(sock: socket.socket, head: bytes) -> bytes:
    """Read the body of an answer that tells its length."""
    stated = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    left, body = min(int(stated[0]) if stated else 0, READ_BYTES), b""
    while left > len(body) and (data := sock.recv(left - len(body))):
        body += data
    return body


class TunnelStream:
    """One tunnel over a socket that does not block once it is open; ``poll`` its ``fileno``."""

    def __init__(self, client: Connection, workspace: str, port: int) -> None:
        """Open it. Raises our own errors where that is refused."""
        url = tunnel_url(client, workspace, port)
        self._protocol = ClientProtocol(parse_uri(url), subprotocols=[Subprotocol(SUBPROTOCOL)], max_size=_MOST_BYTES)
        self._out = bytearray()
        self._in = b""
        """Received, and not a whole frame yet."""
        self.is_over = False
        """The service has closed the tunnel; ``error`` tells why."""
        self.is_ended = False
        """The workspace's side sends no more."""
        try:
            self._socket = _connected(url, client.tls)
            self._shake_hands(client.authorization)
        except (OSError, EOFError, InvalidHandshake) as lost:
            raise errors.Unavailable(f"The service does not answer at {client.url}.") from lost
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._socket.fileno()

    @property
    def has_unsent(self) -> bool:
        """Whether bytes wait for the socket: send no more then."""
        return bool(self._out)

    def send(self, data: bytes) -> None:
        """Send bytes, or keep them until ``flush``."""
        # The library's own framing takes a quarter of a key's way through this process.
        mask, size = os.urandom(_MASK_BYTES), len(data)
        if size < _TWO_BYTES:
            header = bytes((_BINARY, _MASKED | size))
        elif size < 1 << 16:
            header = struct.pack("!BBH", _BINARY, _MASKED | _TWO_BYTES, size)
        else:
            header = struct.pack("!BBQ", _BINARY, _MASKED | _EIGHT_BYTES, size)
        self._out += b"".join((header, mask, apply_mask(data, mask)))
        self._push()

    def end(self) -> None:
        """Send no more."""
        if not self.is_over:
            self._protocol.send_text(EOF.encode())
            self.flush()

    def flush(self) -> None:
        """Send what waits, as far as the socket takes it."""
        self._out += b"".join(self._protocol.data_to_send())
        self._push()

    def _push(self) -> None:
        try:
            while self._out:
                del self._out[: self._socket.send(self._out)]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return
        except OSError:
            self._out.clear()
            self.is_over = True

    def receive(self) -> bytes:
        """Return the bytes that have come; empty where it is none yet, or the end (``is_ended``, ``is_over``)."""
        received: list[bytes] = []
        if self._in:
            self._take_frames(self._in, received)
        try:
            while True:
                data = self._socket.recv(READ_BYTES)
                self.is_over = self.is_over or not data
                self._take_frames(self._in + data if self._in else data, received)
                if not (data and isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
                    break
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except OSError:
            self.is_over = True
        return received[0] if len(received) == 1 else b"".join(received)

    @property
    def error(self) -> errors.WorkspacesError | None:
        """The reason why it is over; None for its good end."""
        code = self._protocol.close_rcvd.code if self._protocol.close_rcvd else _ABNORMAL
        return error_of_close(code, self._protocol.close_rcvd.reason if self._protocol.close_rcvd else "")

    def close(self) -> None:
        """Let go of it."""
        with suppress(OSError):
            self._socket.close()

    def _take_frames(self, data: bytes, received: list[bytes]) -> None:
        """Take the whole frames at the front (RFC 6455, section 5.2); keep the rest."""
        at, size = 0, len(data)
        while size - at >= 2:  # noqa: PLR2004
            length, begin = data[at + 1], at + 2
            if length >= _TWO_BYTES:
                begin += 2 if length == _TWO_BYTES else 8
                length = int.from_bytes(data[at + 2 : begin], "big")
            if begin + length > size or begin > size:
                break
            if data[at] == _BINARY:
                received.append(data[begin : begin + length])
            elif data[at] == _TEXT:
                self.is_ended = True
            else:
                self._protocol.receive_data(data[at : begin + length])
                closes = [event for event in self._protocol.events_received() if isinstance(event, Frame)]
                self.is_over = self.is_over or any(event.opcode is Opcode.CLOSE for event in closes)
                self.flush()
            at = begin + length
        self._in = data[at:]

    def _shake_hands(self, authorization: str) -> None:
        request = self._protocol.connect()
        if authorization:
            request.headers["Authorization"] = authorization
        self._protocol.send_request(request)
        self._socket.sendall(b"".join(self._protocol.data_to_send()))
        head = b""
        while True:
            data = self._socket.recv(READ_BYTES)
            head += data
            end = head.find(_HEAD_ENDS)
            if data and end < 0 and len(head) < READ_BYTES:
                continue
            if head.startswith(_SWITCHED):
                # What follows the answer are frames already.
                data, self._in = head[: end + len(_HEAD_ENDS)], head[end + len(_HEAD_ENDS) :]
            else:
                data = head
            self._protocol.receive_data(data)
            if not head.startswith(_SWITCHED):
                self._read_refusal()
            refused = self._protocol.handshake_exc
            if isinstance(refused, InvalidStatus):
                raise error_of(refused.response.status_code, bytes(refused.response.body or b""))
            if refused is not None or not self._protocol.events_received():
                raise InvalidHandshake(str(refused))
            return

    def _read_refusal(self) -> None:
        """Read the rest of an answer that is no tunnel."""
        while self._protocol.handshake_exc is None and (data := self._socket.recv(READ_BYTES)):
            self._protocol.receive_data(data)
        if self._protocol.handshake_exc is None:
            self._protocol.receive_eof()


class Tunnel:
    """An open tunnel within an event loop."""

    def __init__(self, messages: ClientConnection) -> None:
        self._messages = messages

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry a connection to its end. Raises the error that the tunnel was ended with."""
        sending = asyncio.create_task(self._send(reader))
        try:
            await self._receive(writer)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        await self._messages.close()

    async def _send(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionClosed):
            while data := await reader.read(READ_BYTES):
                await self._messages.send(data)
            await self._messages.send(EOF)

    async def _receive(self, writer: asyncio.StreamWriter) -> None:
        try:
            async for message in self._messages:
                if isinstance(message, bytes):
                    writer.write(message)
                    await writer.drain()
                elif writer.can_write_eof():
                    writer.write_eof()
        except ConnectionClosed:
            pass
        closed = self._messages.close_code or _ABNORMAL
        if (error := error_of_close(closed, self._messages.close_reason or "")) is not None:
            raise error


@asynccontextmanager
async def open_tunnel(client: Connection, workspace: str, port: int) -> AsyncIterator[Tunnel]:
    """Yield a tunnel to a port inside a workspace.

    Raises our own errors where that is refused; ``Unavailable`` with code ``unavailable`` where the service is away.
    """
    headers = {"Authorization": client.authorization} if client.authorization else {}
    try:
        async with connect(
            tunnel_url(client, workspace, port),
            additional_headers=headers,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            proxy=None,
            compression=None,
            ssl=client.tls,
            max_queue=4,
            ping_interval=None,
        ) as messages:
            yield Tunnel(messages)
    except InvalidStatus as refused:
        raise error_of(refused.response.status_code, bytes(refused.response.body or b"")) from refused
    except (OSError, InvalidHandshake) as lost:
        raise errors.Unavailable(f"The service does not answer at {client.url}.") from lost


def _connected(url: str, tls: ssl.SSLContext | None) -> socket.socket:
    """Return a connection to the host of a URL, over TLS where there is a context for it."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if tls else 80)
    sock = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock if tls is None else tls.wrap_socket(sock, server_hostname=host)
