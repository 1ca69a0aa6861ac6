"""The short way of file data: in order whatever the sizes, and safe from a server that lies."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import files_fixture
import pytest
from files_fixture import WS, read
from typing_extensions import override

from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.files import Files

server, home, files = files_fixture.server, files_fixture.home, files_fixture.files

SIZE = 600_000
CODE_OF_A_LIE = {"invalid_path", "file_refused", "workspace_unreachable", "workspace_not_answering", "file_changed"}


@pytest.mark.parametrize("chunk", [1, 255 * 1024 - 1, 255 * 1024, 255 * 1024 + 1, 5_000_000])
async def test_chunks_of_any_size_arrive_in_order(files: Files, home: Path, chunk: int) -> None:
    content = os.urandom(20_000 if chunk == 1 else 12_000_000)

    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(content), chunk):
            yield content[start : start + chunk]

    await files.write(WS, os.fsencode(home / "f"), body())
    assert hashlib.sha256((home / "f").read_bytes()).digest() == hashlib.sha256(content).digest()
    assert await read(files, home / "f") == content
    assert await read(files, home / "f", 100, 15_000) == content[100:15_000]


def text(raw: bytes) -> bytes:
    return len(raw).to_bytes(4, "big") + raw


def packet(kind: int, number: bytes, rest: bytes) -> bytes:
    return text(bytes((kind,)) + number + rest)


def status(number: bytes, code: int) -> bytes:
    return packet(101, number, code.to_bytes(4, "big") + text(b"") + text(b""))


def attributes() -> bytes:
    return (13).to_bytes(4, "big") + SIZE.to_bytes(8, "big") + (stat.S_IFREG | 0o644).to_bytes(4, "big") + bytes(8)


Lie = Callable[[bytes, int], bytes]
"""A server's answer to a read, from its number and the size asked for."""


class _Session(asyncssh.SSHServerSession[bytes]):
    """An SFTP server of one file."""

    def __init__(self, lie: Lie) -> None:
        self._lie = lie
        self._received = b""

    @override
    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan
        chan.set_encoding(None)

    @override
    def subsystem_requested(self, subsystem: str) -> bool:
        return subsystem == "sftp"

    @override
    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self._received += data
        while len(self._received) >= 4 and len(self._received) - 4 >= (
            size := int.from_bytes(self._received[:4], "big")
        ):
            request, self._received = self._received[4 : 4 + size], self._received[4 + size :]
            self._channel.write(self._answer(request[0], request[1:5], request))

    def _answer(self, kind: int, number: bytes, request: bytes) -> bytes:
        match kind:
            case 1:
                return text(b"\x02\0\0\0\x03")
            case 17 | 8:
                return packet(105, number, attributes())
            case 3:
                return packet(102, number, text(b"h"))
            case 5:
                return self._lie(number, int.from_bytes(request[-4:], "big"))
            case _:
                return status(number, 0)


class _Server(asyncssh.SSHServer):
    """Lets everybody in."""

    def __init__(self, lie: Lie) -> None:
        self._lie = lie

    @override
    def begin_auth(self, username: str) -> bool:
        return False

    @override
    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return _Session(self._lie)


@asynccontextmanager
async def lying_server(lie: Lie) -> AsyncIterator[Files]:
    """Files of a workspace whose SFTP server answers reads as ``lie`` says."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    listener = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[key], server_factory=lambda: _Server(lie))
    connection = await asyncssh.connect("127.0.0.1", listener.get_port(), known_hosts=None, username="nixos")

    @asynccontextmanager
    async def open_sftp(_workspace_id: str) -> AsyncIterator[asyncssh.SFTPClient]:
        async with await connection.start_sftp_client(path_encoding=None) as sftp:
            yield sftp

    opened = Files(open_sftp)
    try:
        yield opened
    finally:
        await opened.close()
        connection.abort()
        listener.close()


def honest(number: bytes, size: int) -> bytes:
    return packet(103, number, text(bytes(size)))


LIES: dict[str, Lie] = {
    "more than asked": lambda number, size: packet(103, number, text(bytes(size + 1))),
    "a length that is none": lambda number, size: packet(103, number, (size + 9).to_bytes(4, "big") + bytes(size)),
    "written": lambda number, _size: status(number, 0),
    "a name": lambda number, _size: packet(104, number, bytes(4)),
    "a status cut short": lambda number, _size: packet(101, number, b"\0\0"),
    "a status with a long text": lambda number, _size: packet(101, number, b"\0\0\0\x04\xff\xff\xff\xff"),
    "an unknown status": lambda number, _size: status(number, 77),
    "nothing where something is": lambda number, _size: packet(103, number, text(b"")),
    "to nobody": lambda _number, size: honest(b"\xee\xee\xee\xee", size),
    "a flood to nobody": lambda _number, size: honest(b"\xee\xee\xee\xee", size) * 40,
    "twice": lambda number, size: honest(number, size) * 2,
    "a packet without end": lambda _number, _size: b"\xff\xff\xff\xff",
    "a packet of nothing": lambda _number, _size: bytes(4),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_a_lying_server_is_a_clear_error(lie: Lie) -> None:
    async with lying_server(lie) as files:
        with pytest.raises(WorkspacesError) as refused:
            await asyncio.wait_for(read(files, b"/f"), 20)
        assert refused.value.code in CODE_OF_A_LIE


async def test_the_lying_server_can_be_honest() -> None:
    async with lying_server(honest) as files:
        assert await read(files, b"/f") == bytes(SIZE)
