"""Files through the API against OpenSSH's own sftp, on the same file, in the same run, over the same sshd.

    .venv/bin/python benchmarks/bench_files.py [--mib 1024] [--files 5000] [--at-once 10] [--rounds 3]

Prints throughput and its ratio to sftp, the growth of the service's memory, and many small files by one form against
one request each. The workspace is an sshd on loopback; the service runs in a process of its own.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import http.client
import json
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


def serve() -> None:
    """Be the service: print how to reach it, live until the standard input ends."""
    import asyncio

    import uvloop
    from files_web import files_web

    # As the service itself runs.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    with tempfile.TemporaryDirectory() as data, files_web(Path(data)) as running:
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


def bulk(running: Service, mib: int, rounds: int, at_once: int, scratch: Path) -> None:
    """Compare up and down, alternating, so that both meet the same machine."""
    source, target = scratch / "source", scratch / "target"
    with source.open("wb") as file:
        block = os.urandom(MIB)
        for _ in range(mib):
            file.write(block)
    running.upload(source, "warm")
    figures: dict[str, list[float]] = {"up": [], "down": [], "sftp up": [], "sftp down": []}
    with running.growth() as grown:
        for _ in range(rounds):
            figures["sftp up"].append(timed(running.sftp, f"put -f {source} theirs\n"))
            figures["up"].append(timed(running.upload, source, "ours"))
            figures["sftp down"].append(timed(running.sftp, f"get theirs {target}\n"))
            figures["down"].append(timed(running.download, "ours", target))
    assert target.read_bytes()[-MIB:] == block
    for way in ("up", "down"):
        ours, theirs = (mib / statistics.median(figures[name]) for name in (way, f"sftp {way}"))
        ratios = [theirs_s / ours_s for ours_s, theirs_s in zip(figures[way], figures[f"sftp {way}"], strict=True)]
        print(f"{mib} MiB {way}: {ours:.0f} MiB/s, sftp {theirs:.0f} MiB/s, ratio {statistics.median(ratios):.2f}")
    print(f"memory growth, one at a time: {grown[0] / MIB:.1f} MiB")
    small = scratch / "small"
    os.link(source, small)
    os.truncate(small, max(mib // 8, 1) * MIB)
    with running.growth() as grown, concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        seconds = timed(
            lambda: list(pool.map(lambda number: running.upload(small, f"at-once-{number}"), range(at_once)))
        )
    print(f"{at_once} uploads at once: {at_once * (mib // 8) / seconds:.0f} MiB/s, growth {grown[0] / MIB:.1f} MiB")
    targets = [(f"at-once-{number}", scratch / f"got-{number}") for number in range(at_once)]
    with running.growth() as grown, concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        seconds = timed(lambda: list(pool.map(lambda pair: running.download(*pair), targets)))
    print(f"{at_once} downloads at once: {at_once * (mib // 8) / seconds:.0f} MiB/s, growth {grown[0] / MIB:.1f} MiB")


def small_files(running: Service, count: int) -> None:
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
    print(
        f"{count} small files: one request each {each * 1000:.1f} ms, {each * count:.1f} s in all; "
        f"one form {together:.2f} s; {each * count / together:.1f} times faster"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--at-once", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve()
        return
    with service() as running, tempfile.TemporaryDirectory() as scratch:
        small_files(running, chosen.files)
        bulk(running, chosen.mib, chosen.rounds, chosen.at_once, Path(scratch))


if __name__ == "__main__":
    main()
