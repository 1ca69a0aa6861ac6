"""Files through the API against OpenSSH's own sftp, on the same file, in the same run, over the same sshd.

    .venv/bin/python benchmarks/bench_files.py [--mib 1024] [--at-once 10] [--at-once-mib 1024] [--rounds 11]

Prints throughput and its ratio to sftp (one at a time, and ten of ours against ten of theirs), the growth of the
service's memory, and many small files by one form against one request each; keeps it all in ``results/files.json``
(``--only`` renews a part of it). The workspace
is an sshd on loopback; the service runs in a process of its own, as do the clients of both sides where there are many.
Uploads write new files and end with an fsync on both sides. Single rounds differ by a third: take many.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import http.client
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

MIB = 1 << 20
RESULTS = Path(__file__).parent / "results"


def serve() -> None:
    """Be the service: print how to reach it, live until the standard input ends."""
    import asyncio

    import uvloop
    from files_web import files_web

    from nixos_workspaces.workspaces.reconciler import Timing

    # As the service itself runs.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    with tempfile.TemporaryDirectory() as data, files_web(Path(data), timing=Timing()) as running:
        server = running.server
        told = {
            "host": running.web.address[0],
            "port": running.web.address[1],
            "token": running.web.token,
            "root": running.root,
            "home": str(server.home),
            "uid": server.uid,
            "sftp": [
                *("-q", "-P", str(server.port), "-i", str(server.key), "-c", "aes128-gcm@openssh.com"),
                *("-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={server.known_hosts}"),
            ],
            "login": f"{server.user}@127.0.0.1",
        }
        print(json.dumps(told), flush=True)
        sys.stdin.read()


@dataclass
class Service:
    """The service and the machine behind it."""

    pid: int
    told: dict[str, Any]

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> bytes:
        connection = http.client.HTTPConnection(self.told["host"], self.told["port"], timeout=300, blocksize=1 << 18)
        connection.request(method, path, body, {"Authorization": f"Bearer {self.told['token']}", **(headers or {})})
        answer = connection.getresponse()
        assert answer.status < 300, (answer.status, answer.read())
        content = answer.read()
        connection.close()
        return content

    def upload(self, source: Path, name: str) -> None:
        with source.open("rb") as file:
            length = {"Content-Length": str(source.stat().st_size)}
            self.request("PUT", f"{self.told['root']}/files{self.told['home']}/{name}", file, length)

    def download(self, name: str, target: Path) -> None:
        connection = http.client.HTTPConnection(self.told["host"], self.told["port"], timeout=300)
        authorized = {"Authorization": f"Bearer {self.told['token']}"}
        connection.request("GET", f"{self.told['root']}/files{self.told['home']}/{name}", headers=authorized)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        buffer = bytearray(1 << 18)
        received = 0
        with target.open("wb") as file:
            while count := answer.readinto(buffer):
                file.write(memoryview(buffer)[:count])
                received += count
        assert received == int(answer.headers["Content-Length"])
        connection.close()

    def sftp(self, command: str) -> None:
        subprocess.run(
            ["sftp", *self.told["sftp"], "-b", "-", self.told["login"]],
            input=command.encode(),
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def remove(self, name: str) -> None:
        """Remove a file of the workspace, so that the next upload writes a new one on both sides.

        Replacing would compare two things: sftp overwrites in place, ours keeps the old file until the new is whole.
        """
        (Path(self.told["home"]) / name).unlink(missing_ok=True)

    def rss(self) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) << 10
        raise AssertionError

    @contextmanager
    def growth(self) -> Iterator[list[int]]:
        """Yield a list that holds how much the memory grew at most, when the context ends."""
        before, grown, stop = self.rss(), [0], threading.Event()

        def watch() -> None:
            while not stop.wait(0.02):
                grown[0] = max(grown[0], self.rss() - before)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield grown
        finally:
            stop.set()
            watcher.join()


@contextmanager
def service() -> Iterator[Service]:
    child = subprocess.Popen([sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        yield Service(child.pid, json.loads(child.stdout.readline()))
    finally:
        child.communicate(timeout=60)


def timed(work: Any, *arguments: Any) -> float:
    started = time.monotonic()
    work(*arguments)
    return time.monotonic() - started


def fill(path: Path, mib: int) -> bytes:
    """Write random bytes; return the last of them."""
    with path.open("wb") as file:
        for _ in range(mib):
            block = os.urandom(MIB)
            file.write(block)
    return block


def one_at_a_time(running: Service, mib: int, rounds: int, scratch: Path) -> dict[str, Any]:
    """Compare up and down, alternating, so that both meet the same machine."""
    source, target = scratch / "source", scratch / "target"
    last = fill(source, mib)
    running.upload(source, "ours")
    running.sftp(f"put -f {source} theirs\n")
    seconds: dict[str, list[float]] = {"up": [], "down": [], "sftp up": [], "sftp down": []}
    with running.growth() as grown:
        for number in range(rounds):
            turns: list[tuple[str, Any, tuple[Any, ...]]] = [
                ("sftp up", running.sftp, (f"put -f {source} theirs\n",)),
                ("up", running.upload, (source, "ours")),
                ("sftp down", running.sftp, (f"get theirs {target}\n",)),
                ("down", running.download, ("ours", target)),
            ]
            for name, work, arguments in turns if number % 2 else [*turns[1::-1], *turns[:1:-1]]:
                if name.endswith("up"):
                    running.remove("theirs" if name.startswith("sftp") else "ours")
                seconds[name].append(timed(work, *arguments))
    running.download("ours", target)
    assert target.read_bytes()[-MIB:] == last
    source.unlink()
    target.unlink()
    return compared(seconds, mib) | {"memory growth, MiB": round(grown[0] / MIB, 1)}


def compared(seconds: dict[str, list[float]], mib: int) -> dict[str, Any]:
    """Return throughputs and the ratios of each round."""
    found: dict[str, Any] = {}
    for way in ("up", "down"):
        ratios = [theirs / ours for ours, theirs in zip(seconds[way], seconds[f"sftp {way}"], strict=True)]
        found[way] = {
            "MiB/s": round(mib / statistics.median(seconds[way])),
            "sftp MiB/s": round(mib / statistics.median(seconds[f"sftp {way}"])),
            "ratio to sftp": round(statistics.median(ratios), 2),
            "ratios": [round(ratio, 2) for ratio in ratios],
        }
    return found


def at_once(running: Service, mib: int, count: int, rounds: int, scratch: Path) -> dict[str, Any]:
    """Compare that many clients of ours with that many sftp."""
    source = scratch / "source"
    fill(source, mib)
    places = [scratch / f"got-{number}" for number in range(count)]
    seconds: dict[str, list[float]] = {"up": [], "down": [], "sftp up": [], "sftp down": []}
    forked = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(count, forked) as pool:
        list(pool.map(time.sleep, [0.2] * count))

        def all_of(work: Any, *arguments: Any) -> float:
            return timed(lambda: list(pool.map(work, *arguments)))

        ours = [f"ours-{number}" for number in range(count)]
        with running.growth() as grown:
            for turn in range(rounds):
                for number in range(count):
                    running.remove(f"ours-{number}")
                    running.remove(f"theirs-{number}")
                puts = [f"put -f {source} theirs-{number}\n" for number in range(count)]
                gets = [f"get theirs-{number} {place}\n" for number, place in enumerate(places)]
                turns: list[tuple[str, Any, tuple[Any, ...]]] = [
                    ("sftp up", running.sftp, (puts,)),
                    ("up", running.upload, ([source] * count, ours)),
                    ("sftp down", running.sftp, (gets,)),
                    ("down", running.download, (ours, places)),
                ]
                for name, work, arguments in turns if turn % 2 else [*turns[1::-1], *turns[:1:-1]]:
                    seconds[name].append(all_of(work, *arguments))
    for place in places:
        place.unlink()
    return compared(seconds, mib * count) | {"memory growth, MiB": round(grown[0] / MIB, 1)}


def small_files(running: Service, count: int) -> dict[str, Any]:
    """Compare many small files by one form with one request each."""
    root, home = running.told["root"], running.told["home"]
    content = b"x" * 500
    connection = http.client.HTTPConnection(running.told["host"], running.told["port"], timeout=60)
    authorized = {"Authorization": f"Bearer {running.told['token']}"}
    sample = min(count, 300)
    started = time.monotonic()
    for number in range(sample):
        connection.request("PUT", f"{root}/files{home}/single-{number}", content, authorized)
        answer = connection.getresponse()
        assert answer.status == 201, answer.read()
        answer.read()
    each = (time.monotonic() - started) / sample
    head = b'--B\r\nContent-Disposition: form-data; name="f"; filename="d%d/f%d"\r\n\r\n%s\r\n'
    form = b"".join(head % (number // 1000, number, content) for number in range(count)) + b"--B--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=B"}
    started = time.monotonic()
    results = json.loads(running.request("POST", f"{root}/files/upload?path={home}/many", form, kind))["results"]
    together = time.monotonic() - started
    assert len(results) == count
    assert not any(one["error"] for one in results)
    return {
        "one request each, ms": round(each * 1000, 1),
        "one request each, s in all": round(each * count, 1),
        "one form, s": round(together, 2),
        "times faster": round(each * count / together, 1),
    }


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    told = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr.partition(",")[0]
    return {"kernel": os.uname().release, "cores": os.cpu_count(), "memory_mib": memory, "ssh": told}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--at-once", type=int, default=10)
    parser.add_argument("--at-once-mib", type=int, default=1024)
    parser.add_argument("--at-once-rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--only", choices=["small", "one", "many"])
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve()
        return
    figures: dict[str, Any] = {}
    # The local side lies in memory where it can: what is measured is the transfer, and the workspace's file system.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with service() as running, tempfile.TemporaryDirectory(dir=memory) as scratch:
        place = Path(scratch)
        if chosen.only in {None, "small"}:
            figures[f"{chosen.files} small files"] = small_files(running, chosen.files)
        if chosen.only in {None, "one"}:
            figures[f"{chosen.mib} MiB, one at a time"] = one_at_a_time(running, chosen.mib, chosen.rounds, place)
        if chosen.only in {None, "many"}:
            figures[f"{chosen.at_once} times {chosen.at_once_mib} MiB at once"] = at_once(
                running, chosen.at_once_mib, chosen.at_once, chosen.at_once_rounds, place
            )
    print(json.dumps(figures, indent=1))
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "files.json"
    before = json.loads(path.read_text())["figures"] if path.exists() else {}
    path.write_text(json.dumps({"machine": machine(), "figures": before | figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
