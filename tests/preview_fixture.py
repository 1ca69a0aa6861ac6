"""A service over a fake world, with programs of this machine in the place of those in workspaces, and browsers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import uvloop
from fakes import FakeRuntime, World, fake_services
from web_service import Web, running_web

from nixos_workspaces.model.reach.ports import Listener
from nixos_workspaces.settings import Settings


@dataclass
class App:
    """A program that answers over HTTP/1.1 and keeps what it was asked."""

    address: tuple[str, int]
    heads: list[str] = field(default_factory=list)
    connections: int = 0
    ended: int = 0


async def _head(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")


def value_of(head: str, name: str) -> str:
    """Return a header's value of a request's head; empty without one."""
    found = (line.partition(":")[2].strip() for line in head.splitlines() if line.lower().startswith(f"{name}:"))
    return next(found, "")


async def _body(head: str, reader: asyncio.StreamReader) -> bytes:
    if value_of(head, "transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return body
    return await reader.readexactly(int(value_of(head, "content-length") or 0))


LARGE_BYTES = 8 << 20
_PLAIN = {
    "/cookies": b"HTTP/1.1 200 OK\r\nset-cookie: mine=1; Domain=localhost; Path=/\r\n"
    b"set-cookie: nixws_session=stolen; Path=/\r\nset-cookie: __Host-nixws_preview=x; Secure; Path=/\r\n"
    b'clear-site-data: "*"\r\ncontent-length: 2\r\n\r\nok',
    "/huge-head": b"HTTP/1.1 200 OK\r\n" + b"x-large: " + b"a" * 100_000 + b"\r\n\r\n",
    "/none": b"HTTP/1.1 204 No Content\r\nx-hop: 1\r\nconnection: x-hop\r\n\r\n",
}
"""Answers after which the connection goes on."""
_LAST = {
    "/short": b"HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n" + bytes(1000),
    "/garbage": b"220 mail.example ESMTP\r\n",
    "/close": b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
}
"""Answers after which it ends."""


def large() -> bytes:
    """Return the content of ``/large``."""
    return b"".join(at.to_bytes(8, "big") * (1 << 13) for at in range(0, LARGE_BYTES, 1 << 16))


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
    for number in itertools.count():
        writer.write(f"data: {number}\n\n".encode())
        await writer.drain()
        await asyncio.sleep(0.02)


async def _socket(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send every frame back, the closing one too (RFC 6455)."""
    key = value_of(head, "sec-websocket-key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n")
    writer.write(b"sec-websocket-accept: " + accept + b"\r\n\r\n")
    first = 0
    while first & 15 != 8:
        first, length = await reader.readexactly(2)
        mask = await reader.readexactly(4)
        content = bytes(one ^ mask[i % 4] for i, one in enumerate(await reader.readexactly(length & 127)))
        writer.write(bytes((first, len(content))) + content)


async def answer(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer one request by its path; return whether the connection goes on."""
    method, target, _ = head.splitlines()[0].split(" ")
    path = target.partition("?")[0]
    if path in {*_PLAIN, *_LAST}:
        writer.write({**_PLAIN, **_LAST}[path])
        return path in _PLAIN
    if path == "/endless":
        await _endless(writer)
    if path == "/socket":
        await _socket(head, reader, writer)
        return False
    content = b"hello"
    if path == "/echo":
        body = await _body(head, reader)
        content = f"{method} {target} {len(body)} {hashlib.sha256(body).hexdigest()}".encode()
    elif path == "/large":
        content = large()
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(content))
    if method != "HEAD":
        writer.write(content)
    return True


@contextmanager
def serving(answering: Callable[..., Awaitable[bool]] = answer) -> Iterator[App]:
    """Yield a program that runs in a thread of its own."""
    ready = threading.Event()
    app = App(("", 0))
    stops: list[Callable[[], object]] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        app.connections += 1
        try:
            while True:
                head = await _head(reader)
                app.heads.append(head)
                if not await answering(head, reader, writer):
                    break
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            app.ended += 1
            writer.close()

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))
        async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
            app.address = server.sockets[0].getsockname()
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="app")
    thread.start()
    assert ready.wait(10)
    try:
        yield app
    finally:
        stops[0]()
        thread.join(10)
        assert not thread.is_alive()


@dataclass
class Place:
    """A running service with one running workspace, ``web``."""

    web: Web
    world: World
    workspace: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.workspace["id"])

    def host(self, port: int = 3000, name: str = "web") -> str:
        return f"{port}--{name}.localhost:{self.web.address[1]}"

    def listen(self, port: int, app: App, program: str = "python3") -> None:
        self.world.servers[self.id, port] = app.address
        found = [one for one in self.world.listeners.get(self.id, []) if one.port != port]
        self.world.listeners[self.id] = [*found, Listener(port, ("127.0.0.1",), program, datetime.now(UTC))]

    def forget(self, port: int) -> None:
        del self.world.servers[self.id, port]
        self.world.listeners[self.id] = [one for one in self.world.listeners[self.id] if one.port != port]

    def api(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        with self.web.http() as http:
            got = http.request(method, path, **options)
        assert got.status_code == status, got.text
        return got.json()

    def ports(self) -> list[dict[str, Any]]:
        return list(self.api("GET", f"/api/nixos/workspaces/{self.id}/ports")["ports"])

    def show(self, port: int, visibility: str, **more: Any) -> dict[str, Any]:
        wanted = {"visibility": visibility, **more}
        return dict(self.api("PUT", f"/api/nixos/workspaces/{self.id}/ports/{port}", json=wanted))

    def browser(self, port: int = 3000, name: str = "web") -> Browser:
        return Browser(self, self.host(port, name))

    def opened(self, port: int = 3000, name: str = "web", token: str = "") -> Browser:
        """Return a browser that has opened the port by a ticket."""
        browser = self.browser(port, name)
        headers = {"Authorization": f"Bearer {token or self.web.token}"}
        told = self.api("POST", "/api/nixos/previews", json={"url": f"http://{browser.host}/"}, headers=headers)
        browser.host, _, path = told["url"].removeprefix("http://").partition("/")
        entered = browser.get(f"/{path}")
        assert entered.status_code == 303, entered.text
        return browser


class Browser:
    """A browser without a resolver: it keeps the cookies of one host."""

    def __init__(self, place: Place, host: str) -> None:
        self.host = host
        self._url = place.web.url
        self.cookies: dict[str, str] = {}

    def headers(self, **more: str) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"host": self.host, **({"cookie": cookies} if cookies else {}), **more}

    def request(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx2.Response:
        with httpx2.Client(base_url=self._url, timeout=20, verify=False) as http:
            got = http.request(method, path, headers=self.headers(**(headers or {})), **options)
        for told in got.headers.get_list("set-cookie"):
            name, _, rest = told.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return got

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self.request("GET", path, headers=headers)

    def page(self, path: str = "/", **headers: str) -> httpx2.Response:
        return self.get(path, accept="text/html,*/*", **headers)

    def raw(self, data: bytes) -> socket.socket:
        host, port = self._url.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)), 20)
        connection.sendall(data)
        return connection


@contextmanager
def previews(data: Path, **settings: Any) -> Iterator[Place]:
    """Yield a service with a running workspace, on the event loop of ``nixws serve``."""
    world = World()

    @asynccontextmanager
    async def services(place: Path) -> Any:
        async with fake_services(
            place, world=world, runtime=FakeRuntime(world), settings=Settings(data=place, **settings)
        ) as opened:
            yield opened

    with running_web(data, services, uvloop.new_event_loop) as web:
        workspace = web.create("web")
        workspace = web.reaches(workspace["id"], "running")
        yield Place(web, world, workspace)
