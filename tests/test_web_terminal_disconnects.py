"""A thousand clients that leave in every way while a program prints a mebibyte a second: every byte is in its place."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from bridge_fixture import Inside
from raw_socket import BINARY, FINAL, RawSocket, frame_header
from terminal_web import Viewer, raw_viewer, terminal_place
from waiting import until
from web_service import Web

RING = 1 << 18
"""A quarter of a second of the output: who stays away a little longer has missed some."""
LINE = 16
PRODUCER = f"""
import os, time
begin, line = time.monotonic(), 0
while True:
    data = b"".join(b"%015d\\n" % number for number in range(line, line + 512))
    line += 512
    while data:
        data = data[os.write(1, data):]
    time.sleep(max(0, begin + line * {LINE} / (1 << 20) - time.monotonic()))
"""


def numbered(start: int, end: int) -> bytes:
    """Return what the producer prints from byte ``start`` to ``end``."""
    first = start // LINE
    lines = b"".join(b"%015d\n" % number for number in range(first, end // LINE + 1))
    return lines[start - first * LINE :][: end - start]


def say_goodbye(socket: RawSocket) -> None:
    socket.close()


def hang_up(socket: RawSocket) -> None:
    socket.hang_up()


def reset(socket: RawSocket) -> None:
    socket.reset()


def hang_up_within_a_frame(socket: RawSocket) -> None:
    socket.send_raw((frame_header(FINAL | BINARY, 500) + b"never to be typed")[: random.randrange(1, 25)])
    socket.hang_up()


ENDS: list[Callable[[RawSocket], None]] = [say_goodbye, hang_up, reset, hang_up_within_a_frame]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, Inside]]:
    with terminal_place(tmp_path_factory.mktemp("web"), "--ring", str(RING)) as running:
        yield running


def missed(client: Viewer) -> int:
    """Return how much the client was told to have missed."""
    return sum(said["to"] - said["from"] for said in client.said if said["type"] == "gap")


class Reader:
    """A client that leaves and comes back where the output was left, and keeps the books."""

    def __init__(self, web: Web, workspace: str, terminal: str) -> None:
        self.web, self.workspace, self.terminal = web, workspace, terminal
        self.offset = self.read = self.missed = 0
        self.gaps = 0

    def path(self) -> str:
        return f"/api/nixos/workspaces/{self.workspace}/terminals"

    def stay_away(self, size: int) -> None:
        """Wait until the terminal has printed ``size`` bytes more than were read."""
        with self.web.http() as http:

            def printed() -> bool:
                [found] = [one for one in http.get(self.path()).json()["terminals"] if one["id"] == self.terminal]
                return bool(found["end"] >= self.offset + size)

            until("the program prints on", printed)

    def visit(
        self, size: int, end: Callable[[RawSocket], None], cut: Callable[[], None] | None, *, binary: bool
    ) -> None:
        """Read at least ``size`` bytes, check each, and leave by ``end``."""
        query = {"session": self.terminal, "offset": self.offset}
        with raw_viewer(self.web, self.workspace, query, binary=binary, acknowledges=size % 2 == 0) as client:
            assert client.session["offset"] == self.offset
            outrun = max(0, client.session["end"] - RING - self.offset)
            self.take(client, 1)
            assert missed(client) == outrun, "a gap is told when and only when the ring was outrun"
            self.gaps += bool(outrun)
            if cut is not None:
                cut()  # nobody is attached until the bridge is back: that may be too long
            self.take(client, size)
            assert cut is not None or missed(client) == outrun, "who reads is never outrun"
            self.missed += missed(client)
            assert isinstance(client.socket, RawSocket)
            end(client.socket)

    def take(self, client: Viewer, size: int) -> None:
        """Read at least ``size`` bytes; every one has to be the one that the program printed there."""
        wanted = self.read + size
        while self.read < wanted:
            before = client.end
            if (said := client.next())["type"] == "output":
                data = said["data"] if isinstance(said["data"], bytes) else said["data"].encode()
                assert data == numbered(before, client.end)
                self.read += len(data)
        self.offset = client.end


@pytest.mark.alone  # how much is missed depends on how busy the machine is
def test_a_thousand_disconnects_lose_double_and_reorder_nothing(place: tuple[Web, Inside]) -> None:
    web, inside = place
    workspace = str(web.create("counting")["id"])
    with web.http() as http:
        command = f"stty raw -echo; exec python3 -S -c '{PRODUCER}'"
        answer = http.post(f"/api/nixos/workspaces/{workspace}/terminals", json={"command": command})
    chance = random.Random(1)
    reader = Reader(web, workspace, answer.json()["terminal"]["id"])
    for _ in range(1000):
        if chance.random() < 0.04:
            reader.stay_away(int(RING * chance.uniform(0.5, 1.5)))
        cut = inside.cut if chance.random() < 0.02 else None
        reader.visit(int(chance.expovariate(1 / 8000)), chance.choice(ENDS), cut, binary=chance.random() < 0.5)
    assert reader.read + reader.missed == reader.offset
    assert 5 <= reader.gaps <= 100, "some stayed away for too long, most did not"
    assert reader.read > 8 << 20
    until("nobody is attached any more", lambda: not web.services.bridge.sessions)
