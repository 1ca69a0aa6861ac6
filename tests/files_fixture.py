"""The start of every test of files: a real server, a directory of its own, ``Files`` over them."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from sshd_fixture import LocalSshd, local_sshd

from nixos_workspaces.files import Files
from nixos_workspaces.model.workspace import AuthorisedId
from nixos_workspaces.ssh.sftp import open_sftp

WS = AuthorisedId("ws-test")


@pytest.fixture(scope="module")
def server() -> Iterator[LocalSshd]:
    with local_sshd() as running:
        yield running


@pytest.fixture
def home(server: LocalSshd, request: pytest.FixtureRequest) -> Path:
    """A directory of its own for each test, that the workspace's user owns."""
    path = server.home / f"t{abs(hash(request.node.nodeid)):x}"
    path.mkdir()
    os.chown(path, server.uid, server.uid)
    return path


@pytest.fixture
async def files(server: LocalSshd) -> AsyncIterator[Files]:
    async with opened_files(server) as opened:
        yield opened


@asynccontextmanager
async def opened_files(server: LocalSshd) -> AsyncIterator[Files]:
    """Files over connections of their own."""
    bridge = server.bridge()
    opened = Files(partial(open_sftp, bridge.connections))
    try:
        yield opened
    finally:
        await opened.close()
        await bridge.close()


async def once(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def give(path: Path, server: LocalSshd, content: bytes = b"", *, age: int = 100) -> Path:
    path.write_bytes(content)
    os.chown(path, server.uid, server.uid)
    old = time.time() - age
    os.utime(path, (old, old))
    return path


def staged(server: LocalSshd) -> list[str]:
    directory = server.home / ".cache/nixws/uploads"
    return [path.name for path in directory.iterdir()] if directory.exists() else []


async def read(files: Files, path: Path | bytes, start: int = 0, end: int | None = None) -> bytes:
    async with files.download(WS, os.fsencode(path)) as download:
        stop = download.entry.size if end is None else end
        return b"".join([block async for block in download.stream(start, stop)])
