"""Every way to the workspace's shell that is compared; they all run, at once, on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import orjson
from benchmarks.terminal.clients import (
    COLS,
    PROMPT,
    ROWS,
    Client,
    OurClient,
    OurJsonClient,
    SshClient,
    WebSocketClient,
)
from benchmarks.terminal.far_end import FarEnd
from benchmarks.terminal.software import PYTHON_PACKAGES, TTYD, WETTY
from typing_extensions import override

OURS = "nixws"
PLAIN = "ssh"
_START_SECONDS = 30.0


class TtydClient(WebSocketClient):
    """ttyd: the first byte of a message tells its type."""

    subprotocol = "tty"

    @override
    def greet(self) -> None:
        self.send_binary(b'{"AuthToken":"","columns":%d,"rows":%d}' % (COLS, ROWS))

    @override
    def message(self, payload: bytes) -> None:
        if payload[:1] == b"0":
            self.feed(payload[1:])

    @override
    def send(self, data: bytes) -> None:
        self.send_binary(b"0" + data)


class WettyClient(WebSocketClient):
    """wetty: socket.io in one WebSocket; tells what it consumed as wetty's own page does."""

    _COMMIT = 1 << 17

    def __init__(self) -> None:
        super().__init__()
        self._consumed = 0

    @override
    def greet(self) -> None:
        """The server speaks first."""

    @override
    def message(self, payload: bytes) -> None:
        if payload.startswith(b"42"):
            self._event(*orjson.loads(payload[2:]))
        elif payload.startswith(b"0"):
            self.send_text(b"40")
        elif payload == b"2":
            self.send_text(b"3")

    def _event(self, name: str, data: str = "", *_: object) -> None:
        if name == "login":
            self.send_text(b'42["resize",{"cols":%d,"rows":%d}]' % (COLS, ROWS))
        elif name == "data":
            self._consumed += len(data)
            if self._consumed > self._COMMIT:
                self.send_text(b'42["commit",%d]' % self._consumed)
                self._consumed = 0
            self.feed(data.encode())

    @override
    def send(self, data: bytes) -> None:
        self.send_text(b'42["input",' + orjson.dumps(data.decode()) + b"]")


class WebsshClient(WebSocketClient):
    """webssh: bytes come as they are, JSON goes."""

    @override
    def greet(self) -> None:
        self.send_text(b'{"resize":[%d,%d]}' % (COLS, ROWS))

    @override
    def message(self, payload: bytes) -> None:
        self.feed(payload)

    @override
    def send(self, data: bytes) -> None:
        self.send_text(orjson.dumps({"data": data.decode()}))


class TerminadoClient(WebSocketClient):
    """terminado: lists in JSON, as Jupyter speaks."""

    @override
    def greet(self) -> None:
        self.send_text(orjson.dumps(["set_size", ROWS, COLS, 0, 0]))

    @override
    def message(self, payload: bytes) -> None:
        kind, *content = orjson.loads(payload)
        if kind == "stdout":
            self.feed(content[0].encode())

    @override
    def send(self, data: bytes) -> None:
        self.send_text(orjson.dumps(["stdin", data.decode()]))


@dataclass(frozen=True)
class Ways:
    """Opens terminals: the workspace, and the port on loopback of every peer that has a server of its own."""

    far_end: FarEnd
    ports: dict[str, int]

    def as_json(self) -> dict[str, object]:
        """Return what another process needs to go the same ways; it holds a secret."""
        far_end = {name: str(value) for name, value in asdict(self.far_end).items()}
        return {"far_end": far_end, "ports": self.ports}

    @staticmethod
    def from_json(content: dict[str, Any]) -> Ways:
        """Return what ``as_json`` wrote."""
        far_end = content["far_end"]
        typed = {"ssh_config": Path(far_end["ssh_config"]), "ssh_port": int(far_end["ssh_port"])}
        return Ways(FarEnd(**(far_end | typed)), content["ports"])

    async def attach(self, peer: str, session: str, offset: int, *, reads: bool = True) -> OurClient:
        """Attach to a terminal of ours after byte ``offset`` of its output; without ``reads`` nothing is ever read."""
        client = _CLIENTS[peer]()
        assert isinstance(client, OurClient)
        client.reads = reads
        url = f"{self.far_end.socket_url}?session={session}&offset={offset}&cols={COLS}&rows={ROWS}"
        await client.connect(url, self.far_end.headers)
        return client

    async def open(self, peer: str) -> Client:
        """Open a terminal of 120 by 40; returns once its prompt is there."""
        client = self._client(peer)
        prompt = client.expect(PROMPT)
        try:
            if isinstance(client, WebSocketClient):
                await client.connect(await self._url(peer), self.far_end.headers if peer.startswith(OURS) else None)
            await asyncio.wait_for(prompt, _START_SECONDS)
        except (OSError, TimeoutError) as error:
            message = f"{peer}: no prompt after {client.received} bytes: {error!r}"
            raise ConnectionError(message) from error
        return client

    def _client(self, peer: str) -> Client:
        if peer == PLAIN:
            return SshClient(self.far_end.ssh_config)
        return _CLIENTS[peer]()

    async def _url(self, peer: str) -> str:
        if peer.startswith(OURS):
            # As the browser client does: a number of its own, with which typed input is counted.
            return f"{self.far_end.socket_url}?cols={COLS}&rows={ROWS}&client={random.randrange(1, 1 << 48)}"
        base = f"ws://127.0.0.1:{self.ports[peer]}"
        match peer:
            case "wetty":
                return f"{base}/wetty/socket.io/?EIO=4&transport=websocket"
            case "webssh":
                return f"{base}/ws?id={quote(await asyncio.to_thread(self._webssh_login))}"
            case "terminado":
                return f"{base}/ws/{os.getpid()}-{time.monotonic_ns()}"
            case _:
                return f"{base}/ws"

    def _webssh_login(self) -> str:
        """Give webssh the workspace's key, as its page does; returns the id of the connection it made."""
        far_end = self.far_end
        form = {
            "hostname": far_end.ssh_host,
            "port": str(far_end.ssh_port),
            "username": far_end.ssh_user,
            "privatekey": far_end.key.read_text(),
            "term": "xterm-256color",
        }
        part = '--part\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        body = "".join(part.format(*field) for field in form.items()) + "--part--\r\n"
        address = f"http://127.0.0.1:{self.ports['webssh']}/"
        request = Request(address, body.encode(), {"Content-Type": "multipart/form-data; boundary=part"})
        with urlopen(request, timeout=_START_SECONDS) as answer:
            said = orjson.loads(answer.read())
        if not said.get("id"):
            raise ConnectionError(said)
        return str(said["id"])


_CLIENTS: dict[str, Callable[[], WebSocketClient]] = {
    OURS: OurClient,
    f"{OURS}-json": OurJsonClient,
    "ttyd": TtydClient,
    "wetty": WettyClient,
    "webssh": WebsshClient,
    "terminado": TerminadoClient,
}
PEERS = (PLAIN, *_CLIENTS)


def _command(peer: str, port: int, far_end: FarEnd) -> Sequence[str | Path]:
    """Return the command line of a peer's server."""
    ssh = ("ssh", "-F", far_end.ssh_config, "-tt", "workspace")
    at = str(port)
    match peer:
        case "ttyd":
            return TTYD, "-p", at, "-i", "127.0.0.1", "-W", "-d", "1", *ssh
        case "wetty":
            return (
                *("node", WETTY, "--host", "127.0.0.1", "--port", at, "--base", "/wetty", "--log-level", "error"),
                *("--ssh-host", far_end.ssh_host, "--ssh-port", str(far_end.ssh_port), "--ssh-user", far_end.ssh_user),
                *("--ssh-auth", "publickey", "--ssh-key", far_end.key, "--ssh-config", far_end.ssh_config),
                "--force-ssh",
            )
        case "webssh":
            return (
                *(sys.executable, "-c", "from webssh.main import main; main()"),
                *("--address=127.0.0.1", f"--port={at}", "--xsrf=False", "--maxconn=1000", "--logging=error"),
                *("--policy=reject", f"--hostfile={far_end.known_hosts}", "--timeout=30", "--delay=30"),
            )
        case "terminado":
            return sys.executable, Path(__file__).parent / "terminado_server.py", at, *ssh
        case _:
            message = f"{peer} has no server of its own"
            raise ValueError(message)


@contextlib.contextmanager
def running(peers: Sequence[str], far_end: FarEnd) -> Iterator[Ways]:
    """Yield the ways to the workspace with every named peer's server running."""
    ports: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        for peer in peers:
            if peer != PLAIN and not peer.startswith(OURS):
                ports[peer] = _free_port()
                log = far_end.ssh_config.parent / f"{peer}.log"
                stack.enter_context(_server(_command(peer, ports[peer], far_end), ports[peer], log))
        yield Ways(far_end, ports)


@contextlib.contextmanager
def _server(command: Sequence[str | Path], port: int, log: Path) -> Iterator[None]:
    """Run a server in a process group of its own until the block ends."""
    environment = os.environ | {"PYTHONPATH": str(PYTHON_PACKAGES), "TERM": "xterm-256color", "SHELL": "/bin/sh"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                message = f"{log.stem} does not run: {log.read_text()[-2000:]}"
                raise RuntimeError(message)
            time.sleep(0.05)
        yield
    finally:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
