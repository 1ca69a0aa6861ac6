"""Costs of a request: ``/healthz`` and the list of workspaces, over eight connections, against the real service.

``nixws up`` serves one running workspace, then fifty rows (the others are stopped rows put into its database). Every
connection sends its next request when the answer to the last is there. Requests a second say what the machine does;
processor time of ``nixws serve`` per request says what the code costs, whatever else the machine does meanwhile.
Beside it the start of the client: ``nixws --help``, and a Python that loads the libraries that print it.
Prints a table with ratios to ``/healthz`` and writes ``results/api.json`` with the machine described.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import selectors
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from system.service import Service, running_service

RESULTS = Path(__file__).resolve().parent / "results"
CONNECTIONS = 8
ROWS = 50
TICK = os.sysconf("SC_CLK_TCK")
LIST = "/api/nixos/workspaces?limit=50"


def machine() -> dict[str, object]:
    """Describe where the figures come from."""
    return {
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


@dataclass
class Connection:
    """One client: a request under way, and what of its answer has come."""

    socket: socket.socket
    answer: bytearray = field(default_factory=bytearray)

    def complete(self) -> bool:
        """Tell whether the whole answer is there; raise when it is not a success."""
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found:
            return False
        assert head.startswith(b"HTTP/1.1 200 "), bytes(head)
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        return len(body) >= int(length)


def drive(service: Service, path: str, seconds: float) -> int:
    """Ask for ``path`` over every connection for so long; return how many answers came."""
    words = [f"GET {path} HTTP/1.1", "Host: bench", f"Authorization: Bearer {service.token}"]
    request = ("\r\n".join(words) + "\r\n\r\n").encode()
    answers, deadline = 0, time.perf_counter() + seconds
    with selectors.DefaultSelector() as selector:
        clients = [Connection(socket.create_connection(("127.0.0.1", service.port))) for _ in range(CONNECTIONS)]
        for client in clients:
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.socket.sendall(request)
        while time.perf_counter() < deadline:
            for key, _ in selector.select(1):
                client = key.data
                client.answer += client.socket.recv(1 << 18)
                if client.complete():
                    answers += 1
                    client.answer.clear()
                    client.socket.sendall(request)
        for client in clients:
            client.socket.close()
    return answers


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used, in all its threads."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICK


def measure(service: Service, path: str, seconds: float) -> dict[str, float]:
    """Return requests a second and milliseconds of processor time per request."""
    drive(service, path, 1)
    pid = service.pid_of("serve")
    before, started = processor_seconds(pid), time.perf_counter()
    answers = drive(service, path, seconds)
    spent, used = time.perf_counter() - started, processor_seconds(pid) - before
    return {"requests_per_second": round(answers / spent), "cpu_ms_per_request": round(used * 1000 / answers, 3)}


def add_rows(service: Service, count: int) -> None:
    """Put stopped workspaces beside the one that is there, until there are ``count``."""
    with sqlite3.connect(service.data / "nixws.db", timeout=30) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(workspaces)")]
        changed = {"id": "?", "name": "?", "hostname": "?", "desire": "'stopped'", "status": "'stopped'"}
        changed |= {"volume_bytes": "0", "address": "NULL"}
        taken = ", ".join(changed.get(column, column) for column in columns)
        for number in range(1, count):
            name = f"row-{number}"
            given = [{"id": f"ws-{number:012d}"}.get(column, name) for column in columns if changed.get(column) == "?"]
            database.execute(
                f"INSERT INTO workspaces ({', '.join(columns)}) SELECT {taken} FROM workspaces WHERE name = 'bench'",
                given,
            )


def remove_rows(service: Service) -> None:
    """Take the rows of ``add_rows`` away."""
    with sqlite3.connect(service.data / "nixws.db", timeout=30) as database:
        database.execute("DELETE FROM workspaces WHERE name LIKE 'row-%'")


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    return round(int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024, 1)


def start_seconds(*words: str) -> float:
    """Return the processor time of a Python that is started with ``words``, the least of five."""
    least = float("inf")
    for _ in range(5):
        child = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0, words
        least = min(least, used.ru_utime + used.ru_stime)
    return round(least, 3)


def run(seconds: float) -> dict[str, object]:
    """Measure a service of its own from start to end."""
    with running_service(NIXWS_LOG_LEVEL="warning") as service:
        service.create("bench")
        memory = {verb: resident_mib(service.pid_of(verb)) for verb in ("node", "serve")}
        figures = {"/healthz": measure(service, "/healthz", seconds), "list, 1 row": measure(service, LIST, seconds)}
        add_rows(service, ROWS)
        try:
            figures[f"list, {ROWS} rows"] = measure(service, LIST, seconds)
            figures["/healthz again"] = measure(service, "/healthz", seconds)
        finally:
            remove_rows(service)
    starts = {
        "nixws --help": start_seconds("-m", "nixos_workspaces.cli.main", "--help"),
        "python, typer, rich": start_seconds("-c", "import typer, rich"),
    }
    return {"machine": machine(), "resident_mib": memory, "start_seconds": starts, "figures": figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each figure is measured")
    result = run(parser.parse_args().seconds)
    figures: dict[str, dict[str, float]] = result["figures"]  # type: ignore[assignment]
    base = figures["/healthz"]["requests_per_second"]
    for name, figure in figures.items():
        figure["of_healthz"] = round(figure["requests_per_second"] / base, 3)
        rate, cost = figure["requests_per_second"], figure["cpu_ms_per_request"]
        print(f"{name:<16} {rate:>6.0f} requests/s  {cost:6.3f} ms of CPU  {figure['of_healthz']:.2f} of /healthz")
    for name, used in result["start_seconds"].items():  # type: ignore[attr-defined]
        print(f"{name:<20} {used:.3f} s of processor time to start")
    for verb, mib in result["resident_mib"].items():  # type: ignore[attr-defined]
        print(f"nixws {verb:<10} {mib:>6.1f} MiB resident with one workspace")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "api.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
