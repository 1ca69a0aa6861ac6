"""One terminal as somebody in front of it has it: the same event loop feeds every kind.

``Client`` waits for text, times keystrokes and may read at a limited speed; a subclass says how bytes get in and out.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import orjson
import picows  # type: ignore[import-not-found]  # it lies beside the environment
from typing_extensions import override

COLS, ROWS = 120, 40
PROMPT = b"bench$ "
ANSWER_SECONDS = 60.0
_LEAST_PAUSE = 0.004
"""A reader that is ahead of its speed by less than this goes on: timers are no finer."""

now = time.perf_counter


class Client(ABC):
    """A terminal that is open."""

    def __init__(self) -> None:
        self.received = 0
        self.speed: float | None = None
        """Bytes a second that the reader is willing to take."""
        self._sought = b""
        self._tail = b""
        self._found: asyncio.Future[float] | None = None
        self._echo: asyncio.Future[float] | None = None
        self._total = 0
        self._whole: asyncio.Future[float] | None = None
        self._reads_until = 0.0
        self._is_held = False

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Type."""

    @abstractmethod
    def pause(self) -> None:
        """Read nothing more from the socket or pipe."""

    @abstractmethod
    def resume(self) -> None:
        """Read on."""

    @abstractmethod
    async def close(self) -> None:
        """Leave."""

    def feed(self, data: bytes) -> None:
        """Take output."""
        self.received += len(data)
        if self._echo is not None:
            self._echo.set_result(now())
            self._echo = None
        if self._whole is not None and self.received >= self._total:
            self._whole.set_result(now())
            self._whole = None
        if self._found is not None:
            seen = self._tail + data
            if self._sought in seen:
                self._found.set_result(now())
                self._found = None
            else:
                self._tail = seen[1 - len(self._sought) :]
        if self.speed is not None:
            self._spend(len(data) / self.speed)

    def expect(self, sought: bytes) -> asyncio.Future[float]:
        """Return what becomes the time at which ``sought`` was seen from now on; one may be waited for at a time."""
        self._sought, self._tail = sought, b""
        self._found = asyncio.get_running_loop().create_future()
        return self._found

    def has_received(self, total: int) -> asyncio.Future[float]:
        """Return what becomes the time at which so many bytes had come since the client was opened."""
        self._total = total
        whole: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        if self.received >= total:
            whole.set_result(now())
        else:
            self._whole = whole
        return whole

    async def run(self, command: str, sought: bytes = PROMPT) -> float:
        """Type a line and return when ``sought`` came."""
        found = self.expect(sought)
        self.send(command.encode() + b"\r")
        return await asyncio.wait_for(found, ANSWER_SECONDS)

    async def interrupt(self) -> float:
        """Return the seconds from Ctrl-C to the prompt."""
        prompt = self.expect(PROMPT)
        started = now()
        self.send(b"\x03")
        return await asyncio.wait_for(prompt, ANSWER_SECONDS) - started

    async def keystroke(self, key: bytes) -> float:
        """Return the seconds from typing ``key`` to the first output."""
        echo: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._echo = echo
        started = now()
        self.send(key)
        return await asyncio.wait_for(echo, ANSWER_SECONDS) - started

    async def echo_by_program(self) -> None:
        """Let a program in the workspace, not its kernel, answer each key."""
        await self.run("stty raw -echo; echo RE''ADY; exec cat", b"READY\n")

    def _spend(self, seconds: float) -> None:
        self._reads_until = max(self._reads_until, now()) + seconds
        if not self._is_held and self._reads_until - now() > _LEAST_PAUSE:
            self._is_held = True
            self.pause()
            self._go_on()

    def _go_on(self) -> None:
        """Read again once what came is paid for: a socket that is paused may still hand over what was read before."""
        left = self._reads_until - now()
        if left > 0:
            asyncio.get_running_loop().call_later(left, self._go_on)
        else:
            self._is_held = False
            self.resume()


class SshClient(Client):
    """OpenSSH's client with its pipes straight in the event loop."""

    def __init__(self, config: Path) -> None:
        super().__init__()
        self._process = subprocess.Popen(
            ["ssh", "-F", str(config), "-tt", "workspace"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"TERM": "xterm-256color"},
            start_new_session=True,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._is_closed = False
        os.set_blocking(self._output, False)
        self.resume()

    @override
    def send(self, data: bytes) -> None:
        os.write(self._input, data)

    @override
    def pause(self) -> None:
        asyncio.get_running_loop().remove_reader(self._output)

    @override
    def resume(self) -> None:
        if not self._is_closed:
            asyncio.get_running_loop().add_reader(self._output, self._readable)

    @override
    async def close(self) -> None:
        self.pause()
        self._is_closed = True
        self._process.kill()
        await asyncio.to_thread(self._process.communicate)

    def _readable(self) -> None:
        if data := os.read(self._output, 1 << 18):
            self.feed(data)
        else:
            self.pause()


class _Listener(picows.WSListener):  # type: ignore[misc]  # untyped: it is in the benchmark's own directory
    """Hands whole messages to its client."""

    def __init__(self, client: WebSocketClient) -> None:
        self._client = client
        self._parts: list[bytes] = []

    def on_ws_connected(self, transport: Any) -> None:
        self._client.connected(transport)

    def on_ws_frame(self, _transport: Any, frame: Any) -> None:
        match frame.msg_type:
            case picows.WSMsgType.TEXT | picows.WSMsgType.BINARY | picows.WSMsgType.CONTINUATION:
                payload = frame.get_payload_as_bytes()
                if self._parts or not frame.fin:
                    self._parts.append(payload)
                    if not frame.fin:
                        return
                    payload = b"".join(self._parts)
                    self._parts.clear()
                self._client.message(payload)
            case picows.WSMsgType.CLOSE:
                self._client.closed(frame.get_close_code(), frame.get_close_message())


class WebSocketClient(Client):
    """A terminal behind a WebSocket; a subclass speaks its protocol."""

    subprotocol: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.transport: Any = None
        self.reads = True

    async def connect(self, url: str, headers: dict[str, str] | None = None) -> None:
        """Open the WebSocket and say what the protocol wants to be said first."""
        asked = (headers or {}) | ({"Sec-WebSocket-Protocol": self.subprotocol} if self.subprotocol else {})
        await picows.ws_connect(
            lambda: _Listener(self), url, extra_headers=asked, websocket_handshake_timeout=ANSWER_SECONDS
        )
        self.greet()

    @abstractmethod
    def greet(self) -> None:
        """Say what comes first."""

    @abstractmethod
    def message(self, payload: bytes) -> None:
        """Take one whole message."""

    def connected(self, transport: Any) -> None:
        """Take the connection."""
        self.transport = transport
        if not self.reads:
            self.pause()

    def closed(self, code: int, why: object) -> None:
        """Let nobody wait for an answer that will not come."""
        for waiting in (self._found, self._echo, self._whole):
            if waiting is not None and not waiting.done():
                waiting.set_exception(ConnectionError(f"the server closed the terminal: {code} {why!r}"))

    def send_text(self, payload: bytes) -> None:
        self.transport.send(picows.WSMsgType.TEXT, payload)

    def send_binary(self, payload: bytes) -> None:
        self.transport.send(picows.WSMsgType.BINARY, payload)

    @override
    def pause(self) -> None:
        self.transport.underlying_transport.pause_reading()

    @override
    def resume(self) -> None:
        if not self.transport.underlying_transport.is_closing():
            self.transport.underlying_transport.resume_reading()

    @override
    async def close(self) -> None:
        self.transport.disconnect()


class OurClient(WebSocketClient):
    """This product's terminal as its browser client speaks it: binary frames, consumed frames told once a turn."""

    subprotocol: str | None = "nixws.terminal.v1"

    def __init__(self) -> None:
        super().__init__()
        self.session: dict[str, Any] = {}
        self.session_came = 0.0
        self._consumed = 0

    @override
    def greet(self) -> None:
        """The size is in the address."""

    @override
    def message(self, payload: bytes) -> None:
        if payload[:1] == b"{":
            self.told(orjson.loads(payload))
        else:
            self.output(payload[8:])

    def output(self, data: bytes) -> None:
        if self._consumed == 0:
            asyncio.get_running_loop().call_soon(self._acknowledge)
        self._consumed += 1
        self.feed(data)

    def told(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "session":
                self.session, self.session_came = message, now()
            case "error":
                self.closed(0, message)

    @override
    def send(self, data: bytes) -> None:
        self.send_binary(data)

    def _acknowledge(self) -> None:
        frames, self._consumed = self._consumed, 0
        self.send_text(b'{"type":"ack","frames":%d}' % frames)


class OurJsonClient(OurClient):
    """The same with everything as JSON."""

    subprotocol = None

    @override
    def told(self, message: dict[str, Any]) -> None:
        if message["type"] == "output":
            self.output(message["data"].encode())
        else:
            super().told(message)

    @override
    def send(self, data: bytes) -> None:
        self.send_text(orjson.dumps({"type": "input", "data": data.decode()}))
