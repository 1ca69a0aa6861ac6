"""The people and programs that are connected to a workspace while a scenario runs."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from system.service import Service
from websockets.sync.client import connect

PORT = 8000
KEY_SECONDS = 3.0
KEYS = {"vim": "ia", "cat": "x", "less": " k"}


def connected(host: str, seconds: float = 20) -> socket.socket:
    """Return a connection to the scenario's server once it listens."""
    until = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection((host, PORT), 5)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.3)


def _requests(host: str, ended: threading.Event, seconds: float) -> None:
    connected(host).close()
    connection = http.client.HTTPConnection(host, PORT, timeout=120)
    while not ended.wait(seconds):
        connection.request("GET", "/")
        connection.getresponse().read()


def _push(host: str, ended: threading.Event) -> None:
    with connected(host) as connection:
        while not ended.wait(0.1):
            connection.sendall(bytes(20_000))


def _pull(host: str, ended: threading.Event) -> None:
    with connected(host) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while not ended.wait(0.1):
            connection.recv(20_000)


def _hold(host: str, ended: threading.Event, count: int) -> None:
    held = [connected(host) for _ in range(count)]
    while not ended.wait(0.5):
        for one in held:
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.recv(4096)
    for one in held:
        one.close()


@contextmanager
def running(service: Service, made: dict[str, Any], kind: str) -> Iterator[None]:
    """Have the client of a scenario while the body runs."""
    host, ended = service.show(made["id"])["ssh_info"]["host"], threading.Event()
    what, _, command = kind.partition(":")
    works: dict[str, Callable[[], None]] = {
        "requests": lambda: _requests(host, ended, 0.03),
        "poll": lambda: _requests(host, ended, 2.0),
        "scrape": lambda: _requests(host, ended, 5.0),
        "push": lambda: _push(host, ended),
        "pull": lambda: _pull(host, ended),
        "connected": lambda: _hold(host, ended, 1),
        "connected20": lambda: _hold(host, ended, 20),
        "terminal": lambda: _terminal(service, made, command, ended, ""),
        "typing": lambda: _terminal(service, made, command, ended, KEYS[command.split()[0]]),
        "ssh-idle": lambda: _ssh(service, made, ended, types=False),
        "ssh-typing": lambda: _ssh(service, made, ended, types=True),
    }
    if not what:
        yield
        return
    thread = threading.Thread(target=_quietly, args=(works[what],), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(30)


def _quietly(work: Callable[[], None]) -> None:
    """Run a client; one that a pause or the end of its server cuts off has done its part."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        work()


def _terminal(service: Service, made: dict[str, Any], command: str, ended: threading.Event, keys: str) -> None:
    url = f"ws://127.0.0.1:{service.port}/ws/nixos/workspaces/{made['id']}/terminal"
    headers = {"Authorization": f"Bearer {service.token}"}
    with connect(url, additional_headers=headers, proxy=None) as terminal:
        session = json.loads(terminal.recv())
        terminal.send(json.dumps({"type": "input", "data": f"{command}\r"}))
        count, last = 0, time.monotonic()
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                terminal.recv(0.3)
            if keys and time.monotonic() - last > KEY_SECONDS:
                terminal.send(json.dumps({"type": "input", "data": keys[min(count, len(keys) - 1)]}))
                count, last = count + 1, time.monotonic()
        where = f"/workspaces/{made['id']}/terminals/{session['id']}"
        service.http.delete(f"{service.url}/api/nixos{where}")


def _ssh(service: Service, made: dict[str, Any], ended: threading.Event, *, types: bool) -> None:
    where = service.show(made["id"])["ssh_info"]
    options = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ServerAliveInterval=2")
    key = ("-o", "ServerAliveCountMax=60", "-o", "LogLevel=ERROR", "-i", str(service.keys[made["id"]]))
    words = ["ssh", "-F", "none", *options, *key, "-tt", f"{where['username']}@{where['host']}"]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin is not None
    try:
        while not ended.wait(KEY_SECONDS):
            if types:
                process.stdin.write(b"x")
                process.stdin.flush()
    finally:
        process.kill()
        process.communicate()
