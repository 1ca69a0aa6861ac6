"""Client, service and workspace killed in the middle of uploads: the old file or the new one, and nothing else."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from system.service import JSON, Service
from waiting import until

SIZE = 24_000_000
GONE_SECONDS = 60.0
"""Within this the temporary files are gone, counted from when the workspace can be reached again."""
TUS = {"Tus-Resumable": "1.0.0"}

_CLIENT = """
import os, socket, sys
sock = socket.create_connection((os.environ["HOST"], int(os.environ["PORT"])))
sock.sendall(os.environ["HEAD"].encode())
while chunk := sys.stdin.buffer.read1(65536):
    sock.sendall(chunk)
sys.stdout.buffer.write(sock.recv(65536))
"""


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    made = service.create("killed", cpu=1, memory=0.5, storage=0.5)
    # Without its address, which is another one after it was killed.
    yield {"id": made["id"]}
    service.delete(made["id"])


class Sender:
    """A client in a process of its own, which sends as much of a request as it is given."""

    def __init__(self, service: Service, line: str, headers: dict[str, str], content: bytes) -> None:
        fields = {
            "Host": "x",
            "Authorization": f"Bearer {service.token}",
            "Content-Length": str(len(content)),
            **headers,
        }
        head = f"{line} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
        environment = {**os.environ, "HOST": "127.0.0.1", "PORT": str(service.port), "HEAD": head}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CLIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        self._left = memoryview(content)

    def send(self, count: int) -> None:
        """Send more bytes; returns when the client has them, which blocks it until they are on their way."""
        assert self.process.stdin is not None
        self.process.stdin.write(self._left[:count])
        self.process.stdin.flush()
        self._left = self._left[count:]

    def kill(self) -> None:
        self.process.kill()
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()


@dataclass
class Uploads:
    """The work under way when something is killed."""

    service: Service
    workspace: JSON
    contents: dict[str, bytes]
    place: str
    """URL of the resumable upload."""
    senders: list[Sender]

    @property
    def root(self) -> str:
        return f"/api/nixos/workspaces/{self.workspace['id']}"

    def offset(self) -> int:
        answer = self.service.http.head(f"{self.service.url}{self.place}", headers=TUS)
        assert answer.status_code == 200, answer.text
        return int(answer.headers["upload-offset"])

    def staged(self) -> list[str]:
        """The temporary files that belong to no resumable upload."""
        listed = self.service.ssh(self.workspace, "ls .cache/nixws/uploads 2>/dev/null || true").split()
        return [name for name in listed if not name.endswith((".json", ".part"))]

    def staged_bytes(self) -> int:
        return int(self.service.ssh(self.workspace, "cat .cache/nixws/uploads/* 2>/dev/null | wc -c") or 0)

    def resume(self) -> None:
        """Go on where the service says, and look at the result."""
        content, offset = self.contents["resumed"], self.offset()
        assert 0 < offset < len(content)
        headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        done = self.service.http.patch(
            f"{self.service.url}{self.place}", headers=headers, content=content[offset:], timeout=120
        )
        assert done.status_code == 204, done.text
        digest = self.service.ssh(self.workspace, "sha256sum resumed").split()[0]
        assert digest == hashlib.sha256(content).hexdigest()

    def require_old(self) -> None:
        for name in ("first", "second"):
            got = self.service.http.get(f"{self.service.url}{self.root}/files/home/nixos/{name}")
            assert got.content == b"old " + name.encode()


@contextlib.contextmanager
def under_way(service: Service, workspace: JSON) -> Iterator[Uploads]:
    """Two files that are being replaced and a resumable upload, each stuck at a random byte."""
    chance = random.Random(os.urandom(8))
    root = f"/api/nixos/workspaces/{workspace['id']}"
    contents = {name: os.urandom(SIZE) for name in ("first", "second", "resumed")}
    with httpx2.Client(base_url=service.url, headers=service.http.headers, trust_env=False, timeout=60) as http:
        for name in ("first", "second"):
            assert http.put(f"{root}/files/home/nixos/{name}", content=b"old " + name.encode()).is_success
        named = {"Upload-Metadata": f"path {base64.b64encode(b'/home/nixos/resumed').decode()}"}
        begun = http.post(f"{root}/uploads", headers={**TUS, **named, "Upload-Length": str(SIZE)})
    assert begun.status_code == 201, begun.text
    place = begun.headers["location"]
    patch = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    senders = [
        Sender(service, f"PUT {root}/files/home/nixos/first", {}, contents["first"]),
        Sender(service, f"PUT {root}/files/home/nixos/second", {}, contents["second"]),
        Sender(service, f"PATCH {place}", patch, contents["resumed"]),
    ]
    uploads = Uploads(service, workspace, contents, place, senders)
    try:
        counts = [chance.randrange(1_000_000, SIZE - 1) for _ in senders]
        for sender, count in zip(senders, counts, strict=True):
            sender.send(count)
        # All but what waits for its block to be full, or lies in a buffer on the way, gets there.
        until("the uploads are under way", lambda: uploads.staged_bytes() > sum(counts) - 3 * 2_000_000)
        assert len(uploads.staged()) == 2
        yield uploads
    finally:
        for sender in senders:
            sender.kill()
        service.ssh(workspace, "rm -f first second resumed", check=False)


def gone_in_time(uploads: Uploads, since: float) -> None:
    until("the temporary files are gone", lambda: not uploads.staged(), GONE_SECONDS, 0.5)
    assert time.monotonic() - since < GONE_SECONDS


def test_a_killed_client_leaves_the_old_file(service: Service, workspace: JSON) -> None:
    with under_way(service, workspace) as uploads:
        for sender in uploads.senders:
            sender.kill()
        gone_in_time(uploads, time.monotonic())
        uploads.require_old()
        uploads.resume()


def kill_serve(service: Service, _workspace: JSON) -> None:
    os.kill(service.pid_of("serve"), signal.SIGKILL)


def kill_everything(service: Service, _workspace: JSON) -> None:
    for verb in ("serve", "node"):
        os.kill(service.pid_of(verb), signal.SIGKILL)


def kill_workspace(_service: Service, workspace: JSON) -> None:
    """Kill the machine's first process, and with it, at once, every other. The service soon starts it again."""
    killed = {number for number, _, _ in processes(workspace["id"])}
    os.kill(first_process(workspace["id"]), signal.SIGKILL)
    until("every process is gone", lambda: killed.isdisjoint(number for number, _, _ in processes(workspace["id"])))


def processes(workspace_id: str) -> Iterator[tuple[int, str, int]]:
    """Yield a workspace's processes: the host's number, the name, the number inside."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and workspace_id in (entry / "cgroup").read_text():
                fields = dict(line.split(":", 1) for line in (entry / "status").read_text().splitlines())
                yield int(entry.name), fields["Name"].strip(), int(fields["NSpid"].split()[-1])


def first_process(workspace_id: str) -> int:
    """Return the host's number of a workspace's PID 1."""
    return next(number for number, _, inside in processes(workspace_id) if inside == 1)


@pytest.mark.parametrize("kill", [kill_serve, kill_everything, kill_workspace])
def test_what_is_killed_leaves_the_old_file(
    service: Service, workspace: JSON, kill: Callable[[Service, JSON], None]
) -> None:
    """The upload that can be resumed goes on at what was acknowledged; the others leave nothing."""
    with under_way(service, workspace) as uploads:
        before = uploads.offset()
        kill(service, workspace)
        until("the service answers", service.answers)
        until("files can be reached", lambda: reachable(uploads), 90)
        back = time.monotonic()
        uploads.require_old()
        assert uploads.offset() >= before
        uploads.resume()
        gone_in_time(uploads, back)
        uploads.require_old()


def reachable(uploads: Uploads) -> bool:
    with contextlib.suppress(httpx2.TransportError):
        answer = uploads.service.http.get(f"{uploads.service.url}{uploads.root}/files/home/nixos/first")
        return answer.status_code == 200
    return False


def test_a_stuck_sshd_is_told_and_holds_up_nobody_else(service: Service, workspace: JSON) -> None:
    other = service.create("beside")
    # The service's own socket would start an sshd that is not frozen.
    service.ssh(workspace, "echo x > file; sudo systemctl stop nixws-sshd.socket")
    stuck = f"/api/nixos/workspaces/{workspace['id']}/files"
    with httpx2.Client(base_url=service.url, headers=service.http.headers, trust_env=False, timeout=30) as http:
        assert http.get(f"{stuck}/home/nixos/file").status_code == 200
        servers = {"sshd", "sftp-server", "sshd-session"}
        frozen = [number for number, name, _ in processes(workspace["id"]) if name in servers]
        assert frozen
        try:
            signal_all(frozen, signal.SIGSTOP)
            asked: list[tuple[str, str, bytes | None]] = [
                ("GET", f"{stuck}?path=/home/nixos", None),
                ("GET", f"{stuck}/home/nixos/file", None),
                ("PUT", f"{stuck}/home/nixos/file", b"y"),
                ("DELETE", f"{stuck}/home/nixos/file", None),
            ]
            with ThreadPoolExecutor(len(asked)) as pool:
                waiting = [pool.submit(timed_answer, http, *one) for one in asked]
                for _ in range(20):
                    answer, seconds = timed_answer(
                        http, "GET", f"/api/nixos/workspaces/{other['id']}/files?path=/", None
                    )
                    assert answer.status_code == 200
                    assert seconds < 5
            for one in waiting:
                answer, seconds = one.result()
                error = answer.json()["error"]
                assert (answer.status_code, error["code"]) in {(503, "workspace_not_answering"), (503, "no_answer")}
                assert seconds < 10
        finally:
            signal_all(frozen, signal.SIGCONT)
        until("files can be reached again", lambda: http.get(f"{stuck}/home/nixos/file").is_success)
    service.ssh(workspace, "sudo systemctl start nixws-sshd.socket")
    service.delete(other["id"])


def signal_all(numbers: list[int], sign: signal.Signals) -> None:
    """Send a signal to those that are still there: the sshd of a command may end meanwhile."""
    for number in numbers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, sign)


def timed_answer(http: httpx2.Client, method: str, url: str, body: bytes | None) -> tuple[httpx2.Response, float]:
    started = time.monotonic()
    return http.request(method, url, content=body), time.monotonic() - started
