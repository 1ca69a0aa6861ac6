"""Slow, huge and many: what a client can do to the service, and what it cannot."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from waiting import until
from web_service import Web, running_web

from nixos_workspaces.web.http import protocol, routing


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running


CREATE = b"POST /api/nixos/workspaces/create HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
JSON = b"Content-Type: application/json\r\n"

HEADER, BODY, LINGER, KEEP_ALIVE = 10.0, 15.0, 2.0, 20.0
"""The seconds that a client has."""
SLOW = {
    "nothing": (b"", b"", b"", HEADER),
    "line ends": (b"\r\n", b"\r\n", b"", HEADER),
    "half a header": (b"GET /healthz HTTP/1.1\r\nHo", b"", b"408", HEADER),
    "a header dripping": (b"GET /healthz HTTP/1.1\r\nA: ", b"a", b"408", HEADER),
    "half a second request": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /hea", b"l", b"200", HEADER),
    "line ends after a request": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n", b"200", KEEP_ALIVE),
    "half a body": (CREATE + JSON + b"Content-Length: 100\r\n\r\n{", b"", b"408", BODY),
    "a body dripping": (CREATE + JSON + b"Content-Length: 100\r\n\r\n{", b" ", b"408", BODY),
    "chunks dripping": (CREATE + JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", b"408", BODY),
    "a body nobody reads": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", b"a", b"200", LINGER),
    "a half-sent handshake": (b"GET /ws/nixos/events HTTP/1.1\r\nUpgrade: websocket\r\n", b"", b"408", HEADER),
}


def seconds_open(web: Web, first: bytes, more: bytes) -> tuple[float, bytes]:
    """Return how long the service keeps a connection that sends ``first`` and then ``more`` ten times a second."""
    received = b""
    with socket.create_connection(web.address, timeout=0.1) as connection:
        started = time.monotonic()
        connection.sendall(first.replace(b"{token}", web.token.encode()))
        while time.monotonic() - started < 40:
            try:
                piece = connection.recv(65536)
                if not piece:
                    break
                received += piece
            except TimeoutError:
                try:
                    connection.sendall(more)
                except OSError:
                    break
            except ConnectionResetError:
                break
        return time.monotonic() - started, received


@pytest.mark.alone  # it measures when connections are closed
def test_slow_clients_are_closed_in_time(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client may leave anything half-sent: its connection is closed, with a reason where one can be given.

    Tried with a tenth of the time that a client has.
    """
    patience: tuple[tuple[object, str, float], ...] = (
        (protocol, "HEADER_SECONDS", HEADER),
        (protocol, "LINGER_SECONDS", LINGER),
        (routing, "BODY_SECONDS", BODY),
        (web.server.config, "timeout_keep_alive", KEEP_ALIVE),
    )
    for place, name, seconds in patience:
        assert getattr(place, name) == seconds
        monkeypatch.setattr(place, name, seconds / 10)
    with ThreadPoolExecutor(len(SLOW)) as threads:
        running = {name: threads.submit(seconds_open, web, *one[:2]) for name, one in SLOW.items()}
        found = {name: future.result() for name, future in running.items()}
    for name, (_, _, status, allowed) in SLOW.items():
        seconds, received = found[name]
        assert seconds < allowed / 10 + 2, f"{name}: open for {seconds:.1f} s"
        assert received.split(b"\r\n")[0].split()[1:2] == ([status] if status else []), name


def resident() -> int:
    """Return this process's resident memory in bytes; the service runs in it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.parametrize("chunked", [True, False])
def test_a_huge_body_is_not_read_into_memory(web: Web, *, chunked: bool) -> None:
    """200 MB are refused with 413 while memory grows by less than 16 MB."""
    total, piece = 200 * 1000 * 1000, b" " * 1_000_000
    with socket.create_connection(web.address, timeout=20) as connection:
        kind = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % total
        connection.sendall(CREATE.replace(b"{token}", web.token.encode()) + JSON + kind + b"\r\n\r\n")
        before, highest = resident(), 0
        stop = threading.Event()

        def flood() -> None:
            framed = b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece
            for _ in range(total // len(piece)):
                try:
                    connection.sendall(framed)
                except OSError:
                    return
                if stop.is_set():
                    return
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=flood)
        sender.start()
        answer = b""
        while received := connection.recv(65536):
            answer += received
            highest = max(highest, resident())
        stop.set()
        connection.close()
        sender.join(20)
    assert answer.split()[1] == b"413"
    assert highest - before < 16 * 1000 * 1000


def test_too_many_connections_are_refused(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that show a credential hold their places: beyond the bound the next is refused, with Retry-After."""
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 40)
    request = f"GET /api/nixos/session HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {web.token}\r\n\r\n".encode()
    held: list[socket.socket] = []
    try:
        for _ in range(40):
            connection = socket.create_connection(web.address, timeout=10)
            held.append(connection)
            connection.sendall(request)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        held.append(socket.create_connection(web.address, timeout=10))
        refused = held[-1].recv(65536)
        assert refused.split()[1] == b"503"
        assert b"Retry-After: " in refused
        assert b'"too_many_connections"' in refused
    finally:
        for connection in held:
            connection.close()
    with web.http() as http:
        until("the service answers again", lambda: http.get("/healthz").status_code == 200)


def test_a_client_that_does_not_read_does_not_slow_others(web: Web) -> None:
    """A client that sends requests ahead and never reads holds one connection and little memory."""
    request = b"GET /api/openapi.json HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + web.token.encode() + b"\r\n\r\n"
    before = resident()
    with socket.create_connection(web.address, timeout=0.5) as connection:
        connection.sendall(request * protocol.MAX_PIPELINED)
        started = time.monotonic()
        with web.http() as http:
            assert http.get("/healthz").status_code == 200
        assert time.monotonic() - started < 10
    assert resident() - before < 32 * 1000 * 1000


def test_who_sends_too_many_requests_ahead_is_refused(web: Web) -> None:
    """Requests behind the bound are not even parsed: each request would cost memory before it is authenticated."""
    flood = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 500_000
    before = resident()
    with socket.create_connection(web.address, timeout=5) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(flood)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                answer += piece
        assert b"HTTP/1.1 429" in answer
        assert b'"too_many_requests"' in answer
    assert resident() - before < 8 * 1000 * 1000


def test_keep_alive_and_pipelining_work(web: Web) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(web.address, timeout=5) as connection:
        connection.sendall(request * 3)
        received = b""
        while received.count(b'{"status":"ok"}') < 3:
            piece = connection.recv(65536)
            assert piece
            received += piece
        connection.sendall(request)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
