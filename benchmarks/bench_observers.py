"""A hundred observers of one terminal: the cost to its typist, how soon they see, how soon they are gone.

    .venv/bin/python benchmarks/bench_observers.py [--observers N] [--keys N]

The real web service (uvloop) over a real sshd and terminal holder, in this process; the typist and the observers are
processes of their own. The typist types words, in turn at a terminal that nobody else sees and at one that all
observers attach to: both are ``stty raw -echo; cat``, and what is typed is the time at which it is typed, so that every
client of the terminal can tell its age. Then a flood runs in a terminal with as many observers, whose token is revoked
in this process; the time counts until each connection has ended. All processes share the machine's cores.

Prints each bound with whether it holds, and writes ``results/observers.json`` with the machine described.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from typing_extensions import override

RESULTS = Path(__file__).resolve().parent / "results"
MARK = b"T%016.6f;"
RECORD_BYTES = len(MARK % 0)
WORD_KEYS = 10
PAUSE = (0.02, 0.05)
"""Seconds between two keys."""
MOST_COST = 1.05
MOST_AGE_MS = 50.0
MOST_END_MS = 100.0


class Connection(asyncio.Protocol):
    """A terminal's WebSocket, as little of one as its frames need: every frame of output is acknowledged."""

    def __init__(self, on_output: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self.attached = asyncio.Event()
        self._on_output = on_output
        self._on_end = on_end
        self._held = b""
        self._is_open = False
        self._transport: Any = None

    @override
    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    @override
    def connection_lost(self, _error: Exception | None) -> None:
        self._on_end()

    def begin(self, path: str, host: str, token: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            *(f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"),
            *(f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", f"Authorization: Bearer {token}"),
            *("Sec-WebSocket-Protocol: nixws.terminal.v1", "", ""),
        ]
        self._transport.write("\r\n".join(lines).encode())

    def send(self, payload: bytes, *, text: bool) -> None:
        assert len(payload) < 126
        self._transport.write(bytes((0x81 if text else 0x82, 0x80 | len(payload), 0, 0, 0, 0)) + payload)

    @override
    def data_received(self, data: bytes) -> None:
        data = self._held + data
        if not self._is_open:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._held = head
                return
            assert b" 101 " in head.split(b"\r\n")[0], head
            self._is_open = True
        frames = 0
        while (frame := cut(data)) is not None:
            kind, payload, data = frame
            frames += kind == 2
            self._take(kind, payload)
        self._held = data
        if frames:
            self.send(b'{"type":"ack","frames":%d}' % frames, text=True)

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == 2:
            self._on_output(payload[8:])
        elif kind == 8:
            self._transport.close()
        elif payload.startswith(b'{"type":"session"'):
            self.attached.set()


def cut(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Return the kind and payload of a frame, and what follows; None where it is not whole."""
    if len(data) < 2:
        return None
    size, start = data[1], 2
    if size >= 126:
        start = 4 if size == 126 else 10
        size = int.from_bytes(data[2:start], "big")
    return (data[0] & 15, data[start : start + size], data[start + size :]) if len(data) >= start + size else None


async def attached(wanted: dict[str, str], query: str, on_output: Callable[[bytes], None], on_end: Any) -> Connection:
    """Return a connection to a terminal, from its present end on."""
    url = urlsplit(wanted["url"])
    path = f"/ws/nixos/workspaces/{wanted['workspace']}/terminal?{query}"
    loop = asyncio.get_running_loop()
    _, one = await loop.create_connection(lambda: Connection(on_output, on_end), "127.0.0.1", url.port or 80)
    one.begin(path, url.netloc, wanted["token"])
    await one.attached.wait()
    return one


class Ages:
    """Reads the times that stand in output, and how old they are."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._held = b""
        self._more = asyncio.Event()

    async def grown(self, before: int) -> None:
        """Wait until there are more than so many."""
        while len(self.seconds) == before:
            self._more.clear()
            await self._more.wait()

    def take(self, data: bytes) -> None:
        now = time.monotonic()
        data = self._held + data
        whole = len(data) - len(data) % RECORD_BYTES
        for at in range(0, whole, RECORD_BYTES):
            self.seconds.append(now - float(data[at + 1 : at + RECORD_BYTES - 1]))
        self._held = data[whole:]
        self._more.set()


async def observe(wanted: dict[str, Any]) -> None:
    """Watch with many clients; told ``ages``, say how old what they saw was, and the times at which they ended."""
    everybody, ended = [Ages() for _ in range(wanted["observers"])], list[float]()
    query = f"session={wanted['terminal']}&offset={wanted['offset']}&mode=observer"
    gone = asyncio.Event()

    def end() -> None:
        ended.append(time.monotonic())
        if len(ended) == wanted["observers"]:
            gone.set()

    kept = [await attached(wanted, query, one.take if wanted["ages"] else lambda _: None, end) for one in everybody]
    print("ready", flush=True)
    command = await asyncio.to_thread(sys.stdin.readline)
    if command == "ended\n":
        await gone.wait()
        print(json.dumps(ended), flush=True)
    else:
        print(json.dumps([age for one in everybody for age in one.seconds]), flush=True)
    del kept


async def type_in_turn(wanted: dict[str, Any]) -> None:
    """Type words at each of several terminals in turn; say how old the echoes were."""
    ages = [Ages() for _ in wanted["terminals"]]
    connections = [
        await attached(
            wanted, f"session={terminal}&offset={wanted['offset']}&client={1000 + number}", one.take, lambda: None
        )
        for number, (terminal, one) in enumerate(zip(wanted["terminals"], ages, strict=True))
    ]
    for _ in range(wanted["keys"] // WORD_KEYS):
        for place in random.sample(range(len(connections)), len(connections)):
            for _ in range(WORD_KEYS):
                before = len(ages[place].seconds)
                connections[place].send(MARK % time.monotonic(), text=False)
                await ages[place].grown(before)
                await asyncio.sleep(random.uniform(*PAUSE))
    print(json.dumps([one.seconds for one in ages]), flush=True)


def child(role: str, **wanted: object) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, __file__, "--role", role], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    tell(process, json.dumps(wanted))
    return process


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def quantile(seconds: list[float], share: float) -> float:
    """Return a quantile in milliseconds."""
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 3)


def measure(observers: int, keys: int) -> dict[str, float]:
    import uvloop
    from terminal_web import terminal_place, viewer
    from test_recordings import asked, opened
    from waiting import until

    from nixos_workspaces.auth.policy import ADMIN

    with tempfile.TemporaryDirectory(prefix="nixws-bench-") as data:
        Path(data).chmod(0o755)
        with terminal_place(Path(data), new_loop=uvloop.new_event_loop) as (web, _):
            workspace = str(web.create("observed")["id"])
            place = {"url": web.url, "workspace": workspace}
            terminals = [opened(web, workspace, "stty raw -echo; echo ready; exec cat") for _ in range(2)]

            def ends() -> dict[str, int]:
                found = asked(web, "GET", f"{workspace}/terminals").json()["terminals"]
                return {one["id"]: one["end"] for one in found}

            until("both are ready", lambda: all(ends()[one] for one in terminals))
            offset = len("ready\n")
            with child(
                "observe",
                **place,
                token=web.token,
                observers=observers,
                ages=True,
                terminal=terminals[1],
                offset=offset,
            ) as watching:
                assert answer(watching) == "ready"
                with child("type", **place, token=web.token, terminals=terminals, keys=keys, offset=offset) as typing:
                    alone, observed = json.loads(answer(typing))
                tell(watching, "ages")
                seen = json.loads(answer(watching))
            assert len(seen) >= observers * keys, "an observer has missed something"
            secret, token = web.run(web.services.tokens.create("observers", principal=ADMIN))
            flood = opened(web, workspace, "read begin; exec cat /dev/zero")
            with child(
                "observe", **place, token=secret, observers=observers, ages=False, terminal=flood, offset=0
            ) as watching:
                assert answer(watching) == "ready"
                tell(watching, "ended")
                with viewer(web.url, workspace, web.headers, session=flood) as one:
                    one.type("\n")
                time.sleep(2)  # the flood is under way
                began = time.monotonic()
                web.run(web.services.tokens.revoke(token.id, principal=ADMIN))
                ended = [at - began for at in json.loads(answer(watching))]
            asked(web, "DELETE", f"{workspace}/terminals/{flood}")
    return {
        "echo alone p50 ms": quantile(alone, 0.5),
        "echo observed p50 ms": quantile(observed, 0.5),
        "echo observed / alone p50": round(statistics.median(observed) / statistics.median(alone), 3),
        "echo alone p95 ms": quantile(alone, 0.95),
        "echo observed p95 ms": quantile(observed, 0.95),
        "observers p50 ms": quantile(seen, 0.5),
        "observers p95 ms": quantile(seen, 0.95),
        "observers max ms": quantile(seen, 1),
        "revoked to closed p50 ms": quantile(ended, 0.5),
        "revoked to closed max ms": quantile(ended, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--observers", type=int, default=100)
    parser.add_argument("--keys", type=int, default=1000, help="keys typed at each of both terminals")
    parser.add_argument("--role", choices=["observe", "type"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role:
        work = {"observe": observe, "type": type_in_turn}[given.role]
        asyncio.run(work(json.loads(sys.stdin.readline())))
        return
    figures = measure(given.observers, given.keys)
    for name, figure in figures.items():
        print(f"{name:<28}{figure:10.3f}")
    bounds = {
        "echo observed / alone p50": MOST_COST,
        "observers p95 ms": MOST_AGE_MS,
        "revoked to closed max ms": MOST_END_MS,
    }
    for name, most in bounds.items():
        print("holds" if figures[name] <= most else "FAILS", f"{name} <= {most:g}")
    RESULTS.mkdir(exist_ok=True)
    machine = {"kernel": platform.release(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    result = {"machine": machine, "observers": given.observers, "keys": given.keys, "figures": figures}
    (RESULTS / "observers.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
