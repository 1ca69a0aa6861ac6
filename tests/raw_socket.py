"""A WebSocket client that can say what no library says: frames of any header, halves of frames, ends of any kind."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Self

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FINAL, MASKED = 0x80, 0x80
_KEY = "AAAAAAAAAAAAAAAAAAAAAA=="


class Closed(Exception):
    """The service has closed the connection; ``code`` is that of its close frame, 1006 without one."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def handshake(path: str, headers: dict[str, str], subprotocols: Sequence[str] = ()) -> bytes:
    """Return a client's request."""
    lines = [f"GET {path} HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {_KEY}"]
    lines += [f"Sec-WebSocket-Protocol: {', '.join(subprotocols)}"] if subprotocols else []
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def frame_header(first: int, size: int, *, mask: bool = True) -> bytes:
    """Return a frame's header; the mask is zero, so that the payload goes as it is."""
    masked = MASKED if mask else 0
    if size < 126:
        header = struct.pack("!BB", first, masked | size)
    elif size < 1 << 16:
        header = struct.pack("!BBH", first, masked | 126, size)
    else:
        header = struct.pack("!BBQ", first, masked | 127, size)
    return header + (b"\0\0\0\0" if mask else b"")


class RawSocket:
    """One connection. ``recv`` and ``send`` are those of ``websockets``, as far as the tests use them."""

    def __init__(
        self,
        address: tuple[str, int],
        path: str,
        headers: dict[str, str],
        subprotocols: Sequence[str] = (),
        *,
        receive_bytes: int = 0,
    ) -> None:
        self.close_code: int | None = None
        self.subprotocol: str | None = None
        self._received = bytearray()
        self._socket = socket.socket()
        if receive_bytes:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._socket.settimeout(20)
        try:
            self._socket.connect(address)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answer = self._shake_hands(handshake(path, headers, subprotocols))
        except BaseException:
            self._socket.close()
            raise
        chosen = [line for line in answer.decode().split("\r\n") if line.lower().startswith("sec-websocket-protocol:")]
        self.subprotocol = chosen[0].partition(":")[2].strip() if chosen else None

    def _shake_hands(self, request: bytes) -> bytes:
        """Return the answer's head if it is 101."""
        self._socket.sendall(request)
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            self._receive()
        answer = bytes(self._received[:end])
        if not answer.startswith(b"HTTP/1.1 101"):
            raise ConnectionRefusedError(answer)
        del self._received[: end + 4]
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    # ---- what libraries do

    def send(self, message: str | bytes) -> None:
        """Send one message in one frame."""
        data = message if isinstance(message, bytes) else message.encode()
        self.send_raw(frame_header(FINAL | (BINARY if isinstance(message, bytes) else TEXT), len(data)) + data)

    def recv(self, seconds: float = 20) -> str | bytes:
        """Return the next message; control frames but the last are passed over. Raises ``Closed``."""
        while True:
            kind, payload = self.frame(seconds)
            if kind == TEXT:
                return payload.decode()
            if kind == BINARY:
                return payload
            if kind == CLOSE:
                self.close_code = int.from_bytes(payload[:2], "big") if payload else 1005
                raise Closed(self.close_code)

    def close(self) -> None:
        """Say good-bye as a browser does that leaves the page, without waiting for an answer."""
        self.send_raw(frame_header(FINAL | CLOSE, 2) + struct.pack("!H", 1001))
        self._socket.close()

    # ---- what they do not

    def send_raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def fileno(self) -> int:
        return self._socket.fileno()

    def hang_up(self) -> None:
        """End the connection without a word."""
        self._socket.close()

    def reset(self) -> None:
        """End the connection as a machine that has crashed."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def frame(self, seconds: float = 20) -> tuple[int, bytes]:
        """Return the next frame's kind and payload."""
        self._socket.settimeout(seconds)
        while True:
            size, header = self._frame_size()
            if size is not None and len(self._received) >= header + size:
                kind = self._received[0] & 0x0F
                payload = bytes(self._received[header : header + size])
                del self._received[: header + size]
                return kind, payload
            self._receive()

    def _frame_size(self) -> tuple[int | None, int]:
        buffer = self._received
        if len(buffer) < 2:
            return None, 0
        assert not buffer[1] & MASKED, "a service masks nothing"
        size = buffer[1]
        if size < 126:
            return size, 2
        length = 2 if size == 126 else 8
        return (int.from_bytes(buffer[2 : 2 + length], "big") if len(buffer) >= 2 + length else None), 2 + length

    def _receive(self) -> None:
        try:
            piece = self._socket.recv(1 << 17)
        except ConnectionResetError:
            piece = b""
        if not piece:
            self.close_code = 1006
            raise Closed(1006)
        self._received += piece
