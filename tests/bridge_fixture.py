"""A workspace's inside without the workspace: a real sshd, the real holder, and clients that keep what they get."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holder_fixture import Holder, running_holder
from sshd_fixture import LocalSshd, connected, local_sshd

from nixos_workspaces.model.workspace import AuthorisedId
from nixos_workspaces.terminals.ssh_bridge import (
    Attached,
    Control,
    Credentials,
    Exited,
    Failed,
    Gap,
    SSHBridge,
    SSHSession,
    Start,
)

WORKSPACE = AuthorisedId("ws-12345")


@dataclass
class Screen:
    """A terminal's client: everything it was sent, with the checks that hold for every client."""

    output: bytearray = field(default_factory=bytearray)
    pieces: list[bytes] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    notices: list[bytes] = field(default_factory=list)
    start: int = 0
    end: int = 0

    def send_output(self, data: bytes, end_offset: int) -> None:
        assert self.controls, "output before the session message"
        if end_offset == self.end:
            self.notices.append(data)
            return
        assert self.end + len(data) == end_offset, "offsets are not continuous"
        self.output += data
        self.pieces.append(data)
        self.end = end_offset

    def send_control(self, message: Control) -> None:
        match message:
            case Attached():
                self.start = self.end = message.offset
            case Gap():
                assert message.start == self.end
                self.end = message.end
            case _:
                pass
        self.controls.append(message)

    async def until(self, condition: Callable[[], object], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.controls, bytes(self.output[-300:]))
            await asyncio.sleep(0.002)

    async def until_output(self, wanted: bytes) -> None:
        await self.until(lambda: wanted in self.output)

    async def until_end(self) -> Control:
        await self.until(lambda: isinstance(self.controls[-1], Exited | Failed))
        return self.controls[-1]


@dataclass
class Inside:
    """Stand-in for ``Runtime.connect`` and the key store."""

    sshd: LocalSshd
    holder: Holder
    credentials: Credentials
    by_socket: bool = False
    """The engine opens the holder's socket itself; otherwise SSH leads there."""
    refuse: Exception | None = None
    connected: list[socket.socket] = field(default_factory=list)

    async def connect(self, workspace_id: str, port: int) -> socket.socket:
        assert workspace_id == WORKSPACE
        if self.refuse is not None:
            raise self.refuse
        sock = await connected(self.sshd.port if port == 22 else port)
        self.connected.append(sock)
        return sock

    async def connect_holder(self, _workspace_id: str) -> socket.socket | None:
        if self.refuse is not None:
            raise self.refuse
        if not self.by_socket:
            return None
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.connect(str(self.holder.socket))
        self.connected.append(sock)
        return sock

    async def credentials_of(self, workspace_id: str) -> Credentials:
        assert workspace_id == WORKSPACE
        return self.credentials

    def cut(self) -> None:
        """Break every connection, as when sshd is restarted."""
        for sock in self.connected:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.connected.clear()


@asynccontextmanager
async def inside(program: Path, *options: str, by_socket: bool = False) -> AsyncIterator[Inside]:
    """Run sshd and a holder as the same user."""
    with local_sshd() as sshd, running_holder(program, *options, user=sshd.uid) as holder:
        host_key = sshd.known_hosts.read_text().split(maxsplit=1)[1].strip()
        yield Inside(sshd, holder, Credentials(sshd.key.read_text(), host_key, sshd.user), by_socket)


@asynccontextmanager
async def bridge_to(place: Inside, *, answer_seconds: float = 10) -> AsyncIterator[SSHBridge]:
    """Open a bridge; nothing of it may be left when it is closed."""
    bridge = SSHBridge(
        place.connect,
        place.credentials_of,
        connect_holder=place.connect_holder,
        holder_socket=str(place.holder.socket),
        answer_seconds=answer_seconds,
    )
    try:
        yield bridge
    finally:
        await bridge.close()
        assert bridge.sessions == {}


async def open_cat(bridge: SSHBridge, screen: Screen, **options: Any) -> SSHSession:
    """Open a terminal whose program prints ``ready`` and then exactly what is typed."""
    start = Start(80, 24, "stty raw -echo; echo ready; exec cat")
    session = await bridge.create_terminal_session(WORKSPACE, screen, start, **options)
    await screen.until_output(b"ready\n")
    return session
