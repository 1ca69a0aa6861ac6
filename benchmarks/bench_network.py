"""Ways out of workspaces beside plain traffic of the machine, and rules that change while there are many.

A network namespace plays the machine, another the internet; workspaces are namespaces too, linked by the node's own
parts (``node.machines.network``, ``node.egress``), because what runs in them does not matter here. Throughput is that
of one connection of two seconds in each direction, ``connect`` and ``echo`` are p50 of opening a connection and of one
byte there and back.

Whether many rules slow a connection down is asked of two machines at once, one with one workspace and one rule, one
with very many: short rounds in turns, the median of each, and the median of the rounds' ratios, because one long round
of each told how busy the machine was meanwhile. Writes ``results/network.json``; ``rounds`` does this part alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from fake_internet import WEB, FakeInternet, fake_internet, machine_behind

from nixos_workspaces.model.network import EgressRules, NetworkEntry, NetworkMode, PortRange
from nixos_workspaces.node.egress.addresses import addresses_of
from nixos_workspaces.node.egress.way_out import WayOut
from nixos_workspaces.node.machines.network import Network

RESULTS = Path(__file__).resolve().parent / "results" / "network.json"
NETWORK = "10.99.0.0/20"
SECONDS = 2.0
ROUNDS, ROUND_SECONDS = 9, 0.5
SOURCE, SINK, ECHO = 9000, 9001, 9002
WORKSPACES, RULES, CHANGES = 50, 200, 60
OPEN = EgressRules(NetworkMode.OPEN)


def source(one: socket.socket) -> None:
    block = bytes(1 << 20)
    while True:
        one.sendall(block)


def sink(one: socket.socket) -> None:
    buffer = bytearray(1 << 20)
    while one.recv_into(buffer):
        pass


def echo(one: socket.socket) -> None:
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := one.recv(64):
        one.sendall(data)


def accept(port: int, work: Callable[[socket.socket], None]) -> None:
    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            work(connection)

    with socket.create_server((WEB, port)) as server:
        while True:
            threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()


def serve() -> None:
    """Serve a source, a sink and an echo at the web server's address, until the input ends."""
    for port, work in ((SOURCE, source), (SINK, sink), (ECHO, echo)):
        threading.Thread(target=accept, args=(port, work), daemon=True).start()
    sys.stdin.read()
    os._exit(0)


def measure(seconds: float) -> None:
    """Print what this process's network reaches of the servers, with streams of so many seconds."""
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection((WEB, ECHO), 1).close()
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    figures = {
        "down_gbit_s": gigabits(SOURCE, seconds, receiving=True),
        "up_gbit_s": gigabits(SINK, seconds, receiving=False),
    }
    connects = []
    for _ in range(200):
        began = time.perf_counter()
        one = socket.create_connection((WEB, ECHO), 5)
        connects.append(time.perf_counter() - began)
        one.close()
    echoes = []
    with socket.create_connection((WEB, ECHO), 5) as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(1000):
            began = time.perf_counter()
            one.sendall(b"x")
            one.recv(1)
            echoes.append(time.perf_counter() - began)
    figures |= {"connect_us": micro(connects), "echo_us": micro(echoes)}
    print(json.dumps(figures))


def micro(seconds: list[float]) -> float:
    return round(statistics.median(seconds) * 1e6, 1)


def gigabits(port: int, seconds: float, *, receiving: bool) -> float:
    total, block = 0, bytearray(1 << 17)
    with socket.create_connection((WEB, port), 60) as one:
        began = time.perf_counter()
        while (passed := time.perf_counter() - began) < seconds:
            if receiving:
                total += one.recv_into(block)
            else:
                one.sendall(block)
                total += len(block)
    return round(total * 8 / passed / 1e9, 2)


def measured(namespace: str | None = None, seconds: float = SECONDS) -> dict[str, float]:
    """Run ``measure`` in a network namespace, or in this process's own."""
    enter = ["nsenter", f"--net=/run/netns/{namespace}"] if namespace else []
    done = subprocess.run(
        [*enter, sys.executable, __file__, "measure", str(seconds)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


@contextmanager
def linked(uplink: str, rules: dict[int, EgressRules], name_server: str) -> Iterator[tuple[Network, list[str]]]:
    """Yield a network with a namespace for each workspace."""
    made: list[str] = []
    with tempfile.TemporaryDirectory() as live:
        addresses = addresses_of(NETWORK, f"b{os.getpid() % 1000}")
        way_out = WayOut(addresses, uplink, [name_server], Path(live))
        network = Network(addresses, way_out)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        try:
            network.open({})
            thread.start()
            running = asyncio.run_coroutine_threadsafe(way_out.keep_running(), loop)
            for index, wanted in rules.items():
                name = f"nixwsfake-{os.getpid()}-w{index}"
                subprocess.run(["ip", "netns", "add", name], check=True)
                made.append(name)
                inside = os.open(f"/run/netns/{name}", os.O_RDONLY)
                network.attach(index, inside, wanted)
                os.close(inside)
            yield network, made
        finally:
            running.cancel()
            until_done = asyncio.run_coroutine_threadsafe(ended(loop), loop)
            until_done.result(20)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            for name in made:
                subprocess.run(["ip", "netns", "del", name], check=False)
            network.close()


async def ended(loop: asyncio.AbstractEventLoop) -> None:
    """Wait for what was cancelled."""
    others = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]
    await asyncio.wait(others, timeout=10) if others else None


def many(number: int) -> EgressRules:
    """Return rules of a workspace: half of them names, half ranges; one lets out to the web server."""
    names = [
        NetworkEntry(name=f"host{one}.w{number}.example.org", ports=(PortRange(443, 443),)) for one in range(RULES // 2)
    ]
    ranges = [
        NetworkEntry(cidr=f"25.{number}.{one}.0/24", ports=(PortRange(443, 443),)) for one in range(RULES // 2 - 1)
    ]
    return EgressRules(NetworkMode.LOCKED, (NetworkEntry(cidr=f"{WEB}/32"), *names, *ranges))


def inside(namespace: str, name_server: str) -> None:
    """Measure within the namespace that plays the machine."""
    results: dict[str, Any] = {"plain": measured()}
    for uplink in ("wan", "pasta", f"netns:{namespace}"):
        with linked(uplink, {0: OPEN}, name_server) as (_, names):
            results[uplink.partition(":")[0].replace("wan", "interface")] = measured(names[0])
    print(json.dumps(results))


def hold(count: int, name_server: str) -> None:
    """Have workspaces with many rules each, or one with one; change rules at each line of the input, until it ends."""
    one = {0: EgressRules(NetworkMode.LOCKED, (NetworkEntry(cidr=f"{WEB}/32"),))}
    rules = one if count == 1 else {index: many(index) for index in range(count)}
    with linked("wan", rules, name_server) as (network, names):
        print(names[0], flush=True)
        for _ in sys.stdin:
            print(json.dumps(changed(network)), flush=True)


def changed(network: Network) -> dict[str, float]:
    """Change the rules of one workspace after the other and return how long that took."""
    took, busy = [], []
    for turn in range(CHANGES):
        rules = many(turn % WORKSPACES + WORKSPACES * (1 + turn // WORKSPACES))
        began, began_busy = time.perf_counter(), time.thread_time()
        network.way_out.rules.change(turn % WORKSPACES, rules)
        took.append((time.perf_counter() - began) * 1e3)
        busy.append((time.thread_time() - began_busy) * 1e3)
    return {
        "p50_ms": round(statistics.median(took), 2),
        "p95_ms": round(statistics.quantiles(took, n=20)[-1], 2),
        "cpu_p50_ms": round(statistics.median(busy), 2),
        "cpu_max_ms": round(max(busy), 2),
    }


@contextmanager
def held(machine: str, count: int, name_server: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a process that runs ``hold`` in a namespace that plays a machine."""
    enter = ["nsenter", f"--net=/run/netns/{machine}", sys.executable, __file__, "hold", str(count), name_server]
    with subprocess.Popen(enter, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(60)


def compared(internet: FakeInternet) -> dict[str, Any]:
    """Measure one workspace of few and one of many in turns, then changes while there are many."""
    with (
        machine_behind(internet, 1) as few,
        machine_behind(internet, 2) as much,
        held(few, 1, internet.name_server) as alone,
        held(much, WORKSPACES, internet.name_server) as crowded,
    ):
        assert alone.stdout is not None
        assert crowded.stdout is not None
        assert crowded.stdin is not None
        title = f"{WORKSPACES} workspaces, {RULES} rules each"
        places = {"one workspace, one rule": alone.stdout.readline().strip(), title: crowded.stdout.readline().strip()}
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in places}
        for turn in range(ROUNDS):
            for name in sorted(places, reverse=turn % 2 == 1):
                rounds[name].append(measured(places[name], ROUND_SECONDS))
        crowded.stdin.write("change\n")
        crowded.stdin.flush()
        changes = json.loads(crowded.stdout.readline())
    first, second = (rounds[name] for name in places)
    ratios = [{key: after[key] / before[key] for key in before} for before, after in zip(first, second, strict=True)]
    return {
        **{name: median_of(found) for name, found in rounds.items()},
        f"many ÷ one, median of {ROUNDS} rounds": median_of(ratios),
        "rule change": changes,
    }


def median_of(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure."""
    return {key: round(statistics.median(one[key] for one in rounds), 2) for key in rounds[0]}


def run(internet: FakeInternet, *, rounds_alone: bool) -> dict[str, Any]:
    enter = ["ip", "netns", "exec", internet.namespace, sys.executable, __file__, "serve"]
    figures: dict[str, Any] = {}
    with subprocess.Popen(enter, stdin=subprocess.PIPE) as servers:
        try:
            if not rounds_alone:
                with machine_behind(internet) as machine:
                    words = [sys.executable, __file__, "inside", internet.namespace, internet.name_server]
                    command = ["nsenter", f"--net=/run/netns/{machine}", *words]
                    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                figures |= json.loads(done.stdout.splitlines()[-1])
            figures |= compared(internet)
        finally:
            servers.kill()
    return figures


def main() -> None:
    words = sys.argv[1:]
    match words:
        case ["serve"]:
            serve()
        case ["measure", seconds]:
            measure(float(seconds))
        case ["hold", count, name_server]:
            hold(int(count), name_server)
        case ["inside", namespace, name_server]:
            inside(namespace, name_server)
        case _:
            with fake_internet() as internet:
                figures = run(internet, rounds_alone=words == ["rounds"])
            told = {
                "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()},
                "figures": figures,
            }
            if not words:
                RESULTS.write_text(json.dumps(told, indent=2) + "\n")
            for name, one in figures.items():
                print(f"{name:40} {one}")


if __name__ == "__main__":
    main()
