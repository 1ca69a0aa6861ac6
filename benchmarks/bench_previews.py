"""Previews beside the direct way, in one run: a gigabyte down, 500 requests a second, and keystrokes under both.

``nixws up`` serves one workspace with Python, in which a small server answers over HTTP/1.1. Direct is the same client
with the workspace's routed address, past the service; both ways take turns. Prints a table and writes
``results/previews.json`` with the machine described.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import selectors
import socket
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from system.service import Service, running_service
from waiting import until
from websockets.sync.client import connect

RESULTS = Path(__file__).resolve().parent / "results"
PORT = 8000
GIB = 1 << 30
CONNECTIONS = 8
RATE = 500
RATES: dict[str, list[float]] = {}
"""Requests a second that were answered, by the way."""
TICK = os.sysconf("SC_CLK_TCK")
SERVER = """
import socket, threading
piece, body = memoryview(bytes(1 << 20)), b"a" * 1000
def serve(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    rest = b""
    while True:
        while b"\\r\\n\\r\\n" not in rest:
            got = connection.recv(65536)
            if not got:
                return
            rest += got
        head, _, rest = rest.partition(b"\\r\\n\\r\\n")
        if head.startswith(b"GET /large"):
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % (1 << 30))
            for _ in range(1024):
                connection.sendall(piece)
        else:
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 1000\\r\\n\\r\\n" + body)
listener = socket.create_server(("", 8000), backlog=512)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@dataclass(frozen=True)
class Way:
    """One way to the server in the workspace."""

    name: str
    address: tuple[str, int]
    head: str
    """Lines of a request after its first."""

    def request(self, path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\n{self.head}\r\n".encode()

    def open(self) -> socket.socket:
        connection = socket.create_connection(self.address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def machine() -> dict[str, object]:
    """Describe where the figures come from."""
    return {
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


def seconds_of(pid: int) -> float:
    """Return the processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_of(pid: int) -> int:
    """Return the largest resident memory of a process in bytes."""
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def download(way: Way) -> float:
    """Return the bytes a second of one gigabyte."""
    buffer, began = bytearray(1 << 20), time.perf_counter()
    with way.open() as connection:
        connection.sendall(way.request("/large"))
        first = connection.recv(1 << 16)
        head, found, body = first.partition(b"\r\n\r\n")
        assert found, first[:200]
        assert head.startswith(b"HTTP/1.1 200 "), head
        got = len(body)
        while got < GIB:
            count = connection.recv_into(buffer)
            assert count, "the connection broke off"
            got += count
    return GIB / (time.perf_counter() - began)


@dataclass
class Client:
    """One connection, and when its request was sent; None between two."""

    connection: socket.socket
    sent: float | None = None
    answer: bytes = b""

    def take(self) -> bool:
        """Read; return whether the answer is whole."""
        self.answer += self.connection.recv(1 << 16)
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found or len(body) < 1000:
            return False
        assert head.startswith(b"HTTP/1.1 200 "), head
        self.answer = b""
        return True


def rate(way: Way, seconds: float) -> list[float]:
    """Send 500 requests a second over eight connections; return the milliseconds from when each was due."""
    took, request = [], way.request("/")
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        clients = [Client(stack.enter_context(way.open())) for _ in range(CONNECTIONS)]
        for client in clients:
            selector.register(client.connection, selectors.EVENT_READ, client)
        began = time.perf_counter()
        due, idle = 0, list(clients)
        while due < RATE * seconds or len(idle) < CONNECTIONS:
            now = time.perf_counter() - began
            while idle and due < RATE * seconds and due / RATE <= now:
                client = idle.pop(0)
                client.sent = began + due / RATE
                client.connection.sendall(request)
                due += 1
            wait = max(0.0, due / RATE - (time.perf_counter() - began)) if idle else 1.0
            for key, _ in selector.select(wait):
                if key.data.take():
                    assert key.data.sent is not None
                    took.append((time.perf_counter() - key.data.sent) * 1000)
                    idle.append(key.data)
        RATES.setdefault(way.name, []).append(len(took) / (time.perf_counter() - began))
    return took


def percentiles(took: list[float]) -> dict[str, float]:
    """Return p50, p95 and p99 in milliseconds."""
    cuts = statistics.quantiles(took, n=100)
    return {name: round(cuts[at - 1], 3) for name, at in (("p50", 50), ("p95", 95), ("p99", 99))}


def keystrokes(service: Service, workspace_id: str, seconds: float) -> list[float]:
    """Return the milliseconds from a key to its echo, thirty keys a second."""
    took = []
    url = f"ws://127.0.0.1:{service.port}/ws/nixos/workspaces/{workspace_id}/terminal"
    headers = {"Authorization": f"Bearer {service.token}"}
    with connect(url, additional_headers=headers, proxy=None) as terminal:
        terminal.send(json.dumps({"type": "input", "data": "exec cat > /dev/null\r"}))
        with contextlib.suppress(TimeoutError):
            while True:
                terminal.recv(1)
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            began = time.perf_counter()
            terminal.send('{"type":"input","data":"x"}')
            while '"output"' not in str(terminal.recv(10)):
                pass
            took.append((time.perf_counter() - began) * 1000)
            time.sleep(max(0, 1 / 30 - (time.perf_counter() - began)))
    return took


@contextlib.contextmanager
def load(work: Callable[[], object]) -> Iterator[None]:
    """Repeat ``work`` beside the block, in a process of its own."""
    pid = os.fork()
    if not pid:
        try:
            while True:
                work()
        finally:
            traceback.print_exc()
            os._exit(1)
    try:
        yield
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def prepare(service: Service) -> tuple[str, Way, Way]:
    """Make the workspace, start its server; return its id, the direct way and the preview."""
    made = service.create("bench", template="python", cpu=2, memory=1, storage=2, ports=[PORT])
    service.nixws("ssh", "bench", "--", "cat > server.py", stdin=SERVER)
    service.nixws("ssh", "bench", "--", "setsid python3 server.py >/dev/null 2>&1 </dev/null & sleep 0.2")
    path = f"/workspaces/{made['id']}/ports/{PORT}"
    told = until("the server listens", lambda: (one := service.api("GET", path))["listening"] and one)
    host = told["url"].removeprefix("http://").rstrip("/")
    direct = Way("direct", (service.show(made["id"])["ssh_info"]["host"], PORT), "Host: bench\r\n")
    ticket = service.api("POST", "/previews", json={"url": told["url"]})["url"]
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(f"GET {ticket.partition(host)[2]} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        answer = connection.recv(65536).decode()
    cookie = answer.lower().partition("set-cookie: ")[0]
    cookie = answer[len(cookie) + len("set-cookie: ") :].partition(";")[0]
    preview = Way("preview", ("127.0.0.1", service.port), f"Host: {host}\r\nCookie: {cookie}\r\n")
    return made["id"], direct, preview


def main() -> None:
    """Measure and write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=10)
    options.add_argument("--keys", type=float, default=10, help="seconds of keystrokes, without and with each load")
    chosen = options.parse_args()
    with running_service() as service:
        workspace_id, direct, preview = prepare(service)
        pid = service.pid_of("serve")
        for way in (direct, preview):
            rate(way, 1)
        RATES.clear()
        before = memory_of(pid)
        downs: dict[str, list[float]] = {"direct": [], "preview": []}
        cpu = 0.0
        for _ in range(chosen.rounds):
            downs["direct"].append(download(direct))
            used = seconds_of(pid)
            downs["preview"].append(download(preview))
            cpu += seconds_of(pid) - used
        grown = memory_of(pid) - before
        took: dict[str, list[float]] = {"direct": [], "preview": []}
        used = seconds_of(pid)
        for _ in range(chosen.rounds):
            took["direct"] += rate(direct, chosen.seconds / chosen.rounds)
            took["preview"] += rate(preview, chosen.seconds / chosen.rounds)
        request_cpu = (seconds_of(pid) - used) / len(took["preview"])
        keys = {"alone": percentiles(keystrokes(service, workspace_id, chosen.keys))}
        with load(lambda: download(preview)):
            keys["during_downloads"] = percentiles(keystrokes(service, workspace_id, chosen.keys))
        with load(lambda: download(direct)):
            keys["during_direct_downloads"] = percentiles(keystrokes(service, workspace_id, chosen.keys))
        with load(lambda: rate(preview, 5)):
            keys["during_requests"] = percentiles(keystrokes(service, workspace_id, chosen.keys))
        with load(lambda: rate(direct, 5)):
            keys["during_direct_requests"] = percentiles(keystrokes(service, workspace_id, chosen.keys))
    speed = {name: round(statistics.median(values) / (1 << 20)) for name, values in downs.items()}
    latency = {name: percentiles(values) for name, values in took.items()}
    found = {
        "machine": machine(),
        "download": {
            "mib_per_second": speed,
            "ratio": round(speed["preview"] / speed["direct"], 2),
            "serve_cpu_seconds_per_gib": round(cpu / chosen.rounds, 3),
            "serve_memory_grown_mib": round(grown / (1 << 20), 1),
        },
        "requests": {
            "per_second": {name: round(min(found)) for name, found in RATES.items()},
            "milliseconds": latency,
            "p95_bound": round(2 * latency["direct"]["p95"] + 2, 3),
            "serve_cpu_milliseconds": round(request_cpu * 1000, 3),
        },
        "keystroke_milliseconds": keys,
    }
    print(json.dumps(found, indent=2))
    (RESULTS / "previews.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
