"""The real terminal holder, built from this tree, and a plain client of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

from nixos_workspaces.model.terminals import Start, Terminal
from nixos_workspaces.terminals import protocol

AGENT = Path(__file__).resolve().parent.parent / "agent"
CREDIT = 1 << 17
KEPT = AGENT.parent / ".dev" / "agent"
OLD_SECONDS = 14 * 24 * 3600.0
NAMES = {
    "all": "nixws-terminals",
    "preload": "open_at_once.so",
    "sanitized": "nixws-terminals-sanitized",
    "clockwork": "clockwork",
    "fuzz": "fuzz_frames",
    "cover": "cover_frames",
}
T = TypeVar("T")


def build(target: str, directory: Path) -> Path:
    """Build a part of the agent into ``directory``: a name below, as the Makefile has it.

    Kept by all that it is made of: workers and runs build each once. What a killed run leaves is never taken.
    """
    program = directory / NAMES[target]
    kept = KEPT / _digest(target)
    if not kept.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        _forget_old()
        with tempfile.TemporaryDirectory(dir=KEPT, prefix="making-") as made:
            subprocess.run(["make", "-s", "-C", AGENT, f"OUT={made}", target], check=True)
            (Path(made) / program.name).replace(kept)
    shutil.copy2(kept, program)
    return program


def _digest(target: str) -> str:
    """Return what changes with the sources, the compiler and the target."""
    compilers = [subprocess.run([one, "--version"], check=True, capture_output=True).stdout for one in ("cc", "clang")]
    sources = sorted(path for path in AGENT.rglob("*") if path.suffix in {".c", ".h"} or path.name == "Makefile")
    parts = [target.encode(), *compilers, *(path.read_bytes() for path in sources)]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _forget_old() -> None:
    """Remove what no run can still copy."""
    for path in KEPT.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.lstat().st_mtime > OLD_SECONDS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@dataclass
class Holder:
    """A running holder."""

    process: subprocess.Popen[bytes]
    socket: Path
    program: Path
    clients: list[HolderClient] = field(default_factory=list)

    def connect(self, *, greet: bool = True) -> HolderClient:
        """Return a client that has sent its greeting."""
        client = HolderClient(self.socket)
        self.clients.append(client)
        if greet:
            client.send(protocol.greeting())
            assert isinstance(client.frame(), protocol.Welcome)
        return client

    def open(self, command: str = "", *, token: int = 0, credit: int = CREDIT, **more: str) -> HolderClient:
        """Return a client attached to a new terminal."""
        client = self.connect()
        client.send(protocol.open_terminal(Start(80, 24, command, **more), token=token, credit=credit))
        client.attached = client.wait_for(protocol.Attached)
        return client

    def attach(
        self,
        terminal_id: str,
        offset: int = 0,
        *,
        token: int = 0,
        credit: int = CREDIT,
        size: tuple[int, int] = (80, 24),
        readonly: bool = False,
    ) -> HolderClient:
        """Return a client attached to a terminal."""
        client = self.connect()
        wanted = protocol.Attach(terminal_id, offset, *size, readonly)
        client.send(protocol.attach_terminal(wanted, token=token, credit=credit))
        client.attached = client.wait_for(protocol.Attached)
        return client

    def list(self) -> list[Terminal]:
        """Return every terminal."""
        with self.connect() as client:
            client.send(protocol.list_terminals())
            client.wait_for(protocol.ListEnd)
            return [frame for frame in client.frames if isinstance(frame, Terminal)]

    def memory(self) -> int:
        """Return the holder's resident bytes, rings included."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@dataclass
class HolderClient:
    """A blocking client: what came is in ``data`` and ``frames``."""

    path: Path
    data: bytearray = field(default_factory=bytearray)
    frames: list[protocol.Frame] = field(default_factory=list)
    attached: protocol.Attached | None = None
    start: int = 0
    typed: int = 0

    def __post_init__(self) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(self.path))
        self.reader = protocol.FrameReader(self.data.extend, self._take)

    def _take(self, frame: protocol.Frame) -> None:
        self.frames.append(frame)
        if isinstance(frame, protocol.Attached):
            self.start = frame.offset
        if isinstance(frame, protocol.Gap):
            self.start = frame.end - len(self.data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @property
    def end(self) -> int:
        """Offset at which the output received so far ends."""
        return self.start + len(self.data)

    @property
    def id(self) -> str:
        """The attached terminal."""
        assert self.attached is not None
        return self.attached.terminal_id

    def send(self, data: bytes) -> None:
        """Send frames."""
        self.socket.sendall(data)

    def press(self, data: bytes) -> None:
        """Type, within the first input window."""
        for at in range(0, len(data), protocol.INPUT_MAX):
            piece = data[at : at + protocol.INPUT_MAX]
            self.send(protocol.input_bytes(self.typed, piece))
            self.typed += len(piece)

    def acknowledge(self) -> None:
        """Acknowledge all output."""
        self.send(protocol.acknowledge(self.end))

    def receive(self, *, acknowledge: bool = False) -> bool:
        """Take what comes next; false at the end of the stream."""
        piece = self.socket.recv(1 << 16)
        before = len(self.data)
        self.reader.feed(piece)
        if acknowledge and len(self.data) > before:
            with contextlib.suppress(OSError):
                self.acknowledge()
        return bool(piece)

    def frame(self) -> protocol.Frame:
        """Return the next frame."""
        known = len(self.frames)
        while len(self.frames) == known:
            assert self.receive(), "the holder hung up"
        return self.frames[known]

    def wait_for(self, kind: type[T]) -> T:
        """Return the first frame of a kind."""
        return self.until(lambda: next((frame for frame in self.frames if isinstance(frame, kind)), None))

    def until(self, found: Callable[[], T | None]) -> T:
        """Receive and acknowledge until ``found`` returns something true."""
        while not (result := found()):
            assert self.receive(acknowledge=True), f"the holder hung up: {self.frames} {bytes(self.data[-300:])!r}"
        return result

    def until_output(self, wanted: bytes) -> bytes:
        """Receive until ``wanted`` was printed; returns all output."""
        self.until(lambda: wanted in self.data)
        return bytes(self.data)

    def hung_up(self) -> bool:
        """Read to the end of the stream; true if the holder closed it."""
        with contextlib.suppress(ConnectionResetError):
            while self.receive():
                pass
        return True


@contextmanager
def running_holder(program: Path, *options: str, shell: str = "/bin/sh", user: int | None = None) -> Iterator[Holder]:
    """Run a holder; its end must be clean."""
    directory = Path(tempfile.mkdtemp(prefix="nixws-holder-"))
    if user is not None:
        os.chown(directory, user, user)
    path = directory / "holder.sock"
    command = [str(program), "--socket", str(path), "--shell", shell, "--upgrade-to", str(program), *options]
    environment = {"PATH": os.environ["PATH"], "ASAN_OPTIONS": "detect_leaks=0", "SSH_ORIGINAL_COMMAND": "leak"}
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stderr=log, stdin=subprocess.DEVNULL, user=user, group=user, cwd="/"
        )
    holder = Holder(process, path, program)
    try:
        wait_until(path.exists)
        yield holder
        assert process.poll() is None, (directory / "log").read_text()
    finally:
        for client in holder.clients:
            client.socket.close()
        process.send_signal(signal.SIGTERM)
        status = process.wait(10)
        text = (directory / "log").read_text()
        shutil.rmtree(directory)
    assert status == 0, text


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Poll until ``condition`` is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never became true"
        time.sleep(0.005)
