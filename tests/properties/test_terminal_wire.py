"""A terminal over its WebSocket: any bytes typed and printed, cut anywhere, across resizes and lost connections."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bridge_fixture import Inside
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_socket import BINARY, CONTINUATION, FINAL, TEXT, RawSocket, frame_header
from terminal_web import Viewer, raw_viewer, terminal_place
from waiting import until
from web_service import Web

from nixos_workspaces.terminals.text import whole_characters

PROGRAM = """
import os, select, socket
orders = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
orders.bind("{path}.sock")
seen = open("{path}.seen", "ab", 0)
os.write(1, b"ready")
while True:
    for ready in select.select([0, orders], [], [])[0]:
        if ready == 0:
            seen.write(os.read(0, 65536))
        else:
            data = orders.recv(65536)
            while data:
                data = data[os.write(1, data):]
"""
"""Keeps what it reads and prints what it is told, in the pieces that it is told."""

CUTS = st.lists(st.integers(0, 5000), max_size=4)
BYTES = st.one_of(
    st.binary(max_size=60),
    st.integers(0, 5000).map(os.urandom),
    st.text(max_size=30).map(str.encode),
)
CHARACTERS = st.text(max_size=60) | st.text(alphabet="aä€😀\n", max_size=60).map(lambda text: text * 40)


@dataclass(frozen=True)
class Type:
    """Typed, in one message of several frames and TCP segments."""

    data: bytes
    cuts: list[int]


@dataclass(frozen=True)
class Print:
    """Printed, in several pieces."""

    data: bytes
    cuts: list[int]


@dataclass(frozen=True)
class Resize:
    cols: int
    rows: int


@dataclass(frozen=True)
class Leave:
    """The connection ends and the client comes back; input that was not received is typed again."""

    how: str


Action = Type | Print | Resize | Leave | str


def actions(typed: st.SearchStrategy[bytes], printed: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[Action]]:
    return st.lists(
        st.one_of(
            st.builds(Type, typed, CUTS),
            st.builds(Print, printed, CUTS),
            st.builds(Resize, st.integers(1, 4096), st.integers(1, 4096)),
            st.builds(Leave, st.sampled_from(["close", "hang up", "reset"])),
            st.just("break ssh"),
            st.just("read"),
        ),
        max_size=12,
    )


def cut(data: bytes, at: list[int]) -> Iterator[bytes]:
    """Cut ``data`` at the given places, taken modulo its length."""
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    for start, end in itertools.pairwise(places):
        yield data[start:end]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, Inside]]:
    with terminal_place(tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture(scope="module")
def workspace(place: tuple[Web, Inside]) -> str:
    return str(place[0].create("wire")["id"])


@dataclass
class Conversation:
    """One terminal, its program, and a client that comes and goes."""

    web: Web
    inside: Inside
    workspace: str
    binary: bool
    typed: bytearray = field(default_factory=bytearray)
    printed: bytearray = field(default_factory=lambda: bytearray(b"ready"))
    shown: list[tuple[int, int, str | bytes]] = field(default_factory=list)
    """The contents of each message of output: where it began and ended, and its data."""
    size: tuple[int, int] = (80, 24)

    def __post_init__(self) -> None:
        self.client = 1 + random.getrandbits(60)
        self.path = self.inside.sshd.home / f"{self.client}"
        self.orders = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        command = f"stty raw -echo; exec python3 -S -c '{PROGRAM.format(path=self.path)}'"
        with self.web.http() as http:
            answer = http.post(self.api(), json={"command": command})
        self.terminal = str(answer.json()["terminal"]["id"])
        self.stack = contextlib.ExitStack()
        self.viewer = self.attach()

    def api(self) -> str:
        return f"/api/nixos/workspaces/{self.workspace}/terminals"

    def attach(self) -> Viewer:
        """Come back to where the output and the input were left."""
        at = self.shown[-1][1] if self.shown else 0
        who = {"session": self.terminal, "client": self.client}
        window = {"cols": self.size[0], "rows": self.size[1]}
        viewer = self.stack.enter_context(
            raw_viewer(self.web, self.workspace, who | window | {"offset": at}, binary=self.binary)
        )
        assert viewer.session["offset"] == at
        self.viewer = viewer
        if missing := bytes(self.typed[viewer.session["input_received"] :]):
            self.send(missing, [])
        return viewer

    def send(self, data: bytes, cuts: list[int]) -> None:
        """Send one message of input, as a frame for each piece; each frame cut in two on its way."""
        kind = BINARY if self.binary else TEXT
        message = data if self.binary else Viewer.message(type="input", data=data.decode())
        pieces = [*cut(message, cuts)] or [b""]
        assert isinstance(self.viewer.socket, RawSocket)
        for number, piece in enumerate(pieces):
            first = (CONTINUATION if number else kind) | (FINAL if number == len(pieces) - 1 else 0)
            frame = frame_header(first, len(piece)) + piece
            for part in cut(frame, cuts[:1]):
                self.viewer.socket.send_raw(part)

    def next(self) -> None:
        before = self.viewer.end
        said = self.viewer.next()
        if said["type"] == "output":
            self.shown.append((before, said["offset"], said["data"]))

    def read_all(self) -> None:
        """Read all that was printed; as text, the beginning of a character comes with the rest of it."""
        end = len(self.printed)
        while self.viewer.end < (end if self.binary else whole_characters(bytes(self.printed), end)):
            self.next()

    def do(self, action: Action) -> None:
        match action:
            case Type():
                self.typed += action.data
                self.send(action.data, action.cuts)
            case Print():
                self.read_all()  # the program is up, and the client has room
                self.printed += action.data
                for piece in cut(action.data, action.cuts):
                    self.orders.sendto(piece, f"{self.path}.sock")
            case Resize():
                self.size = action.cols, action.rows
                self.viewer.say(type="resize", cols=action.cols, rows=action.rows)
            case Leave():
                self.leave(action.how)
            case "break ssh":
                self.inside.cut()
            case _:
                self.read_all()

    def leave(self, how: str) -> None:
        connection = self.viewer.socket
        assert isinstance(connection, RawSocket)
        {"close": connection.close, "hang up": connection.hang_up, "reset": connection.reset}[how]()
        self.attach()

    def finish(self) -> None:
        """Wait until the program has seen everything, and the client too."""
        until("the program has seen what was typed", lambda: len(self.seen()) >= len(self.typed))
        self.read_all()

    def seen(self) -> bytes:
        return Path(f"{self.path}.seen").read_bytes() if Path(f"{self.path}.seen").exists() else b""

    def listed_size(self) -> tuple[int, int]:
        with self.web.http() as http:
            [found] = [one for one in http.get(self.api()).json()["terminals"] if one["id"] == self.terminal]
        return found["cols"], found["rows"]

    def close(self) -> None:
        self.orders.close()
        self.stack.close()
        with self.web.http() as http:
            http.delete(f"{self.api()}/{self.terminal}")
        for end in (".seen", ".sock"):
            Path(f"{self.path}{end}").unlink(missing_ok=True)


def play(place: tuple[Web, Inside], workspace: str, happens: Sequence[Action], *, binary: bool) -> Conversation:
    """Let everything happen; returns the conversation after its end."""
    conversation = Conversation(*place, workspace, binary)
    try:
        conversation.read_all()
        for action in happens:
            conversation.do(action)
        conversation.finish()
        assert conversation.seen() == bytes(conversation.typed)
        until("the last size is in force", lambda: conversation.listed_size() == conversation.size)
    finally:
        conversation.close()
    return conversation


SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SETTINGS
@given(actions(BYTES, BYTES))
def test_binary_frames_carry_every_byte_both_ways(
    place: tuple[Web, Inside], workspace: str, happens: list[Action]
) -> None:
    conversation = play(place, workspace, happens, binary=True)
    assert b"".join(data for *_, data in conversation.shown if isinstance(data, bytes)) == conversation.printed


@SETTINGS
@given(actions(CHARACTERS.map(str.encode), CHARACTERS.map(str.encode)))
def test_json_carries_every_character_both_ways_and_splits_none(
    place: tuple[Web, Inside], workspace: str, happens: list[Action]
) -> None:
    conversation = play(place, workspace, happens, binary=False)
    assert "".join(data for *_, data in conversation.shown if isinstance(data, str)) == conversation.printed.decode()
    for start, end, data in conversation.shown:
        assert conversation.printed[start:end].decode() == data


@SETTINGS
@given(actions(CHARACTERS.map(str.encode), BYTES))
def test_json_shows_what_is_no_text_as_a_decoder_does(
    place: tuple[Web, Inside], workspace: str, happens: list[Action]
) -> None:
    """Wherever the bytes were cut, the replacement characters are those of the whole."""
    tail = b"\nend"  # completes no character, so that nothing is held back
    conversation = play(place, workspace, [*happens, Print(tail, [])], binary=False)
    shown = "".join(data for *_, data in conversation.shown if isinstance(data, str))
    assert shown == conversation.printed.decode(errors="replace")
