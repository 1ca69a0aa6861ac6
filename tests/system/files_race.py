"""A race: in a workspace names are swapped for links that point out, pipes, sockets, devices and directories, while the
service works below them.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from system.service import JSON, Service

SECRET = b"only of the host"
SLOWEST = "slowest answer, ms"
_SWAP = """
rm -rf ~/race ~/kinds; mkdir -p ~/race ~/kinds && cd ~/kinds || exit 1
mkfifo pipe; eval "$(ssh-agent -a ~/kinds/socket)" >/dev/null; kill -9 $SSH_AGENT_PID
ln -s /dev/zero device; ln -s /dev/ptmx terminal; ln -s /home/nixos/kinds/pipe 'link to a pipe'
[ -p pipe ] && [ -S socket ] || exit 1
kinds=(*) k=0
cd ~/race || exit 1
targets=(CANARY / /proc/self/root CANARY/../.. /proc/1/root .. ../race)
while :; do
  for target in "${targets[@]}"; do
    [ -d d ] && [ ! -L d ] || rm -rf d
    rm -f d/secret d/sub/secret; mkdir -p d/sub; echo inside > d/secret; echo inside > d/sub/secret
    [ -f f ] && [ ! -L f ] || { rm -rf f; echo inside > f; }
    kind=${kinds[k++ % ${#kinds[@]}]}
    ln -fPT "../kinds/$kind" other; mv -fT other f
    ln -fPT "../kinds/$kind" other; mv -fT other d/secret 2>/dev/null
    ln -fPT "../kinds/$kind" other; mv -fT other d/sub/secret 2>/dev/null
    rm -f f; mkdir f; rmdir f; rm -rf f other; echo inside > f
    ln -sfn "$target/secret" link; ln -sfn "$target" links
    mv -T d away 2>/dev/null; mv -T links d 2>/dev/null; mv -fT link f 2>/dev/null
    rm -f d; mv -T away d 2>/dev/null
    rm -rf away
  done
done
"""


@contextlib.contextmanager
def swapping(service: Service, workspace: JSON, canary: Path) -> Iterator[None]:
    """Swap all the time, as the workspace's user."""
    service.ssh(workspace, "rm -rf race kinds; mkdir race")
    key = service.keys[workspace["id"]]
    where = workspace["ssh_info"]
    options = [
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ]
    target = ["-i", str(key), "-p", str(where["port"]), f"{where['username']}@{where['host']}"]
    with subprocess.Popen(
        ["ssh", *options, "-o", "LogLevel=ERROR", *target, "bash -s"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as swapper:
        assert swapper.stdin is not None
        swapper.stdin.write(_SWAP.replace("CANARY", str(canary)).encode())
        swapper.stdin.close()
        try:
            yield
            assert swapper.poll() is None
        finally:
            swapper.kill()
    service.ssh(workspace, "pkill -f '[b]ash -s'; rm -rf race kinds", check=False)


class Player:
    """One client, which plays random requests on one connection."""

    def __init__(self, service: Service, workspace: JSON, seed: int) -> None:
        self._service = service
        self._root = f"/api/nixos/workspaces/{workspace['id']}/files"
        self._chance = random.Random(seed)
        self._http = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)

    def close(self) -> None:
        self._http.close()

    def play(self) -> tuple[str, int]:
        """Make one request; return what it was and the status of its answer."""
        race = f"{self._root}/home/nixos/race"
        listing = f"{self._root}?path=/home/nixos/race"
        choices = [
            ("read", "GET", f"{race}/f", None),
            ("read", "GET", f"{race}/d/secret", None),
            ("read", "GET", f"{race}/d/sub/secret", None),
            ("list", "GET", f"{listing}/d", None),
            ("list", "GET", f"{listing}/d/sub", None),
            ("write", "PUT", f"{race}/d/new", b"written"),
            ("write", "PUT", f"{race}/f", b"inside"),
            ("delete", "DELETE", f"{race}/d/new", None),
            ("delete", "DELETE", f"{race}/d/secret", None),
            ("delete a tree", "DELETE", f"{race}/d/sub?recursive=1", None),
            ("search", "GET", f"{listing}/d/sub&q={quote('secret')}", None),
            ("archive", "GET", f"{race}/d/sub?archive=tar", None),
            ("copy", "POST", f"{self._root}/copy", b'{"path": "/home/nixos/race/d", "to": "/home/nixos/race/c"}'),
            ("delete a tree", "DELETE", f"{race}/c?recursive=1", None),
        ]
        what, method, url, body = self._chance.choice(choices)
        headers = {"Authorization": f"Bearer {self._service.token}"} | (
            {"Content-Type": "application/json"} if method == "POST" else {}
        )
        self._http.request(method, url, body, headers)
        answer = self._http.getresponse()
        try:
            content = answer.read()
        except http.client.IncompleteRead as cut:
            # A file that changed while it was sent: the connection ends.
            content = cut.partial
            self._http.close()
        assert SECRET not in content, url
        assert answer.status < 500, (method, url, answer.status, content[:500])
        return what, answer.status


def race(service: Service, workspace: JSON, canary: Path, operations: int, players: int = 5) -> dict[str, int]:
    """Play that many requests while names are swapped; return how often each had which status, and how long the
    slowest took.

    Raises ``AssertionError`` if anything of the host was read or changed, or an answer was a 5xx.
    """
    (canary / "sub").mkdir(parents=True)
    canary.chmod(0o777)
    (canary / "sub").chmod(0o777)
    for name in ("secret", "sub/secret"):
        (canary / name).write_bytes(SECRET)
        (canary / name).chmod(0o666)
    before = picture(canary)
    seen: Counter[str] = Counter()
    lock = threading.Lock()

    def plays(seed: int) -> None:
        with contextlib.closing(Player(service, workspace, seed)) as player:
            play_all(player)

    def play_all(player: Player) -> None:
        for _ in range(operations // players):
            began = time.monotonic()
            what, status = player.play()
            took = round((time.monotonic() - began) * 1000)
            with lock:
                seen[f"{what} {status}"] += 1
                seen[SLOWEST] = max(seen[SLOWEST], took)

    with swapping(service, workspace, canary), ThreadPoolExecutor(players) as pool:
        started = time.monotonic()
        list(pool.map(plays, [int.from_bytes(os.urandom(4), "big") for _ in range(players)]))
        seen["seconds"] = round(time.monotonic() - started)
    assert picture(canary) == before
    return dict(sorted(seen.items()))


def picture(root: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path.relative_to(root)): (
            path.stat().st_mode,
            path.stat().st_ino,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in root.rglob("*")
    }
