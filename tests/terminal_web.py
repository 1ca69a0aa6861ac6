"""The web service in front of the real holder and a real sshd, and a client that checks what it gets."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import websockets.exceptions
from bridge_fixture import Inside
from fakes import fake_services
from holder_fixture import build, running_holder
from raw_socket import Closed, RawSocket
from sshd_fixture import local_sshd
from typing_extensions import override
from web_service import Web, running_web
from websockets.sync.client import ClientConnection, connect

from nixos_workspaces.files import Files
from nixos_workspaces.keys.store import open_keys
from nixos_workspaces.model.terminals import Recording as RecordedTerminal
from nixos_workspaces.services import Recording, Services
from nixos_workspaces.ssh.sftp import open_sftp
from nixos_workspaces.terminals.recording.opening import open_recordings
from nixos_workspaces.terminals.ssh_bridge import Credentials, SSHBridge

BINARY = "nixws.terminal.v1"
RAW_CAT = "stty raw -echo; echo ready; exec cat"
"""Gives back every byte that is typed, and nothing else."""


class AnyInside(Inside):
    """The same inside for every workspace."""

    @override
    async def connect(self, workspace_id: str, port: int) -> Any:
        return await super().connect("ws-12345", port)

    @override
    async def credentials_of(self, workspace_id: str) -> Credentials:
        return self.credentials


@contextmanager
def terminal_web(data: Path, *options: str) -> Iterator[Web]:
    """Yield a running service whose workspaces all are one sshd with one holder."""
    with terminal_place(data, *options) as (web, _):
        yield web


async def _nothing_recorded() -> tuple[frozenset[str], list[RecordedTerminal]]:
    return frozenset(), []


@contextmanager
def terminal_place(
    data: Path,
    *options: str,
    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    **settings: Any,
) -> Iterator[tuple[Web, AnyInside]]:
    """Yield a running service, with some settings changed, and the inside of its workspaces."""
    with tempfile.TemporaryDirectory(prefix="nixws-agent-") as directory:
        Path(directory).chmod(0o755)
        program = build("all", Path(directory))
        with local_sshd() as sshd, running_holder(program, *options, user=sshd.uid) as holder:
            host_key = sshd.known_hosts.read_text().split(maxsplit=1)[1].strip()
            place = AnyInside(sshd, holder, Credentials(sshd.key.read_text(), host_key, sshd.user), by_socket=True)

            @asynccontextmanager
            async def services_at(path: Path) -> AsyncIterator[Services]:
                async with fake_services(path) as services:
                    bridge = SSHBridge(place.connect, place.credentials_of, connect_holder=place.connect_holder)
                    bridge.on_change = services.live.terminals_changed
                    bridge.ends.on_end = services.bridge.ends.on_end
                    services.background.repeat("terminal_ends_here", bridge.ends.look, 0.2)
                    changed = replace(services.settings, **settings)
                    keys = await asyncio.to_thread(open_keys, path)
                    # One recorder for each database, as in the service: the other knows another engine.
                    services.recording.recorder._wanted_and_open = _nothing_recorded  # type: ignore[method-assign]
                    recordings, recorder = await open_recordings(
                        changed, services.database, keys, bridge, services.ssh.moderated
                    )
                    services.background.repeat("recording_here", recorder.look, 0.2)
                    services.live._list_terminals = bridge.list_terminals
                    files = Files(partial(open_sftp, bridge.connections))
                    try:
                        yield replace(
                            services,
                            bridge=bridge,
                            files=files,
                            settings=changed,
                            recording=Recording(recordings, recorder),
                        )
                    finally:
                        await services.background.close()
                        await recorder.close()
                        await files.close()
                        await bridge.close()

            with running_web(data, services_at, new_loop) as web:
                yield web, place


@dataclass
class Viewer:
    """A client of a terminal's WebSocket; offsets have to be continuous."""

    socket: ClientConnection | RawSocket
    binary: bool = False
    output: bytearray = field(default_factory=bytearray)
    session: dict[str, Any] = field(default_factory=dict)
    said: list[dict[str, Any]] = field(default_factory=list)
    end: int = 0
    acknowledges: bool = False

    def next(self, seconds: float = 20) -> dict[str, Any]:
        """Take one message in."""
        message = self.socket.recv(seconds)
        if isinstance(message, bytes):
            assert self.binary
            said: dict[str, Any] = {"type": "output", "offset": int.from_bytes(message[:8], "big"), "data": message[8:]}
        else:
            said = json.loads(message)
        match said["type"]:
            case "session":
                assert not self.session
                self.session = said
                self.end = said["offset"]
            case "gap":
                assert said["from"] == self.end
                self.end = said["to"]
            case "output":
                data = said["data"] if isinstance(said["data"], bytes) else said["data"].encode()
                assert self.session, "output before the session message"
                if self.binary or "\ufffd" not in said["data"]:
                    assert self.end + len(data) == said["offset"], "offsets are not continuous"
                self.end = said["offset"]
                self.output += data
                if self.acknowledges:
                    self.say(type="ack", frames=1)
        self.said.append(said)
        return said

    def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            self.next()

    def until_output(self, wanted: str | bytes) -> None:
        sought = wanted if isinstance(wanted, bytes) else wanted.encode()
        self.until(lambda: sought in self.output)

    def until_said(self, kind: str) -> dict[str, Any]:
        """Return the next message of a type."""
        while (said := self.next())["type"] != kind:
            pass
        return said

    @staticmethod
    def message(**content: object) -> bytes:
        """Return a message as JSON, of which every character may go as it is."""
        return json.dumps(content, ensure_ascii=False).encode()

    def say(self, **content: object) -> None:
        self.socket.send(self.message(**content).decode())

    def type(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            self.socket.send(data)
        else:
            self.say(type="input", data=data)

    def close_code(self) -> int:
        """Read to the end and return the close code."""
        try:
            while True:
                self.next()
        except (websockets.exceptions.ConnectionClosed, Closed):
            code = self.socket.close_code
        assert code is not None
        return code


@contextmanager
def viewer(
    url: str,
    workspace: str,
    headers: dict[str, str],
    *,
    binary: bool = False,
    acknowledges: bool = False,
    subprotocols: Sequence[str] = (),
    **query: object,
) -> Iterator[Viewer]:
    """Yield a client that has got its session message, or been refused."""
    address = f"{url.replace('http', 'ws')}/ws/nixos/workspaces/{workspace}/terminal"
    offered: Any = [*([BINARY] if binary else []), *subprotocols] or None
    with connect(
        f"{address}?{urlencode(query)}" if query else address,
        additional_headers=headers,
        subprotocols=offered,
        proxy=None,
        open_timeout=20,
        compression=None,
        max_queue=4,
        close_timeout=1,
        ping_interval=None,
    ) as socket:
        opened = Viewer(socket, binary, acknowledges=acknowledges)
        opened.next()
        yield opened


@contextmanager
def raw_viewer(
    web: Web,
    workspace: str,
    query: Mapping[str, object],
    *,
    binary: bool = False,
    acknowledges: bool = False,
    receive_bytes: int = 0,
) -> Iterator[Viewer]:
    """Yield a client that can misbehave, after its session message or refusal; it leaves without a word."""
    path = f"/ws/nixos/workspaces/{workspace}/terminal?{urlencode(query)}"
    offered = [BINARY] if binary else []
    with RawSocket(web.address, path, web.headers, offered, receive_bytes=receive_bytes) as socket:
        opened = Viewer(socket, binary, acknowledges=acknowledges)
        opened.next()
        yield opened
