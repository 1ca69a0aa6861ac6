"""Another file put in a file's place between check and opening: refused at once, and nothing is held up."""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import signal
import socket
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import files_fixture
import pytest
from files_fixture import WS, give, once, opened_files, read, staged
from sshd_fixture import LocalSshd, local_sshd

from nixos_workspaces.errors import Conflict, WorkspacesError
from nixos_workspaces.files import Condition, Files, Format
from nixos_workspaces.ssh.sftp import open_sftp

server, home = files_fixture.server, files_fixture.home


class Swaps:
    """Opens SFTP channels that put something else in a file's place just before they open it."""

    def __init__(self, server: LocalSshd) -> None:
        self.opened = 0
        """How many channels there were: one that is spoiled is replaced by another."""
        self.answered = 0
        """How many openings were answered, well or not."""
        self.instead: Callable[[Path], object] | None = None
        self._bridge = server.bridge()

    @asynccontextmanager
    async def open_sftp(self, workspace_id: str) -> AsyncIterator[asyncssh.SFTPClient]:
        async with open_sftp(self._bridge.connections, workspace_id) as sftp:
            self.opened += 1
            really_open = sftp.open

            async def swap_and_open(path: bytes, *arguments: Any, **more: Any) -> object:
                self._swap(Path(os.fsdecode(path)))
                try:
                    return await really_open(path, *arguments, **more)
                finally:
                    self.answered += 1

            sftp.open = swap_and_open  # type: ignore[assignment]
            yield sftp

    def _swap(self, present: Path) -> None:
        if self.instead is not None and present.is_file():
            present.unlink()
            self.instead(present)

    async def close(self) -> None:
        await self._bridge.close()


@pytest.fixture
async def swaps(server: LocalSshd) -> AsyncIterator[Swaps]:
    made = Swaps(server)
    yield made
    await made.close()


@pytest.fixture
async def files(swaps: Swaps) -> AsyncIterator[Files]:
    opened = Files(swaps.open_sftp)
    yield opened
    await opened.close()


def bind(path: Path) -> None:
    """Make a socket that nobody listens on."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


INSTEAD: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "socket": bind,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "terminal": lambda path: path.symlink_to("/dev/ptmx"),
    "directory": lambda path: path.mkdir(),
    "loop of links": lambda path: path.symlink_to(path.name),
    "nothing": lambda _path: None,
}
CODES = {"not_a_file", "is_a_directory", "file_refused", "file_not_found", "permission_denied"}


@pytest.fixture(params=list(INSTEAD))
def instead(request: pytest.FixtureRequest) -> Callable[[Path], object]:
    return INSTEAD[request.param]


async def test_a_read_is_refused(
    files: Files, swaps: Swaps, server: LocalSshd, home: Path, instead: Callable[[Path], object]
) -> None:
    """Also where the file is so small that the tag needs its content."""
    swaps.instead = instead
    for name, age in (("old", 100), ("new", 0)):
        give(home / name, server, b"content", age=age)
        with pytest.raises(WorkspacesError) as refused:
            await read(files, home / name)
        assert refused.value.code in CODES
    assert (swaps.opened, swaps.answered) == (1, 2)


async def test_a_conditional_write_is_refused(
    files: Files, swaps: Swaps, server: LocalSshd, home: Path, instead: Callable[[Path], object]
) -> None:
    """The content is read to see whether it is the version that is meant."""
    given = await files.write(WS, os.fsencode(home / "file"), once(b"content"))
    swaps.instead = instead
    with pytest.raises(WorkspacesError) as refused:
        await files.write(WS, os.fsencode(home / "file"), once(b"more"), condition=Condition(matches=(given.etag,)))
    assert refused.value.code in CODES
    assert (swaps.opened, staged(server)) == (1, [])


async def test_an_archive_names_it(
    files: Files, swaps: Swaps, server: LocalSshd, home: Path, instead: Callable[[Path], object]
) -> None:
    (home / "tree").mkdir()
    for name, size in (("big", 300_000), ("small", 5)):
        give(home / "tree" / name, server, b"x" * size)
    swaps.instead = instead
    async with files.archive(WS, os.fsencode(home / "tree"), Format.TAR) as archive:
        raw = b"".join([piece async for piece in archive.stream])
    with tarfile.open(fileobj=io.BytesIO(raw)) as opened:
        assert opened.getnames() == ["tree", "tree/NOT-INCLUDED.txt"]
    assert swaps.opened == 1


async def test_a_copy_is_refused(
    files: Files, swaps: Swaps, server: LocalSshd, home: Path, instead: Callable[[Path], object]
) -> None:
    (home / "tree").mkdir()
    os.chown(home / "tree", server.uid, server.uid)
    give(home / "tree/file", server, b"content")
    swaps.instead = instead
    with pytest.raises(WorkspacesError) as refused:
        await files.tree.copy(WS, os.fsencode(home / "tree"), os.fsencode(home / "copy"))
    assert refused.value.code in CODES
    assert not (home / "copy").exists()


async def test_an_upload_is_not_continued_into_it(files: Files, swaps: Swaps, server: LocalSshd, home: Path) -> None:
    upload = await files.uploads.create(WS, os.fsencode(home / "file"), 10)
    await files.uploads.append(WS, upload.id, 0, once(b"12345"))
    swaps.instead = lambda path: os.mkfifo(path) if path.suffix == ".part" else path.touch()
    with pytest.raises(WorkspacesError) as refused:
        await files.uploads.append(WS, upload.id, 5, once(b"67890"))
    assert refused.value.code in CODES | {"upload_not_found"}
    assert swaps.opened == 1
    for left in (server.home / ".cache/nixws/uploads").iterdir():
        left.unlink()


async def test_a_leased_file_is_refused(files: Files, server: LocalSshd, home: Path) -> None:
    """Opening a file that another program has a lease on would wait for that program."""
    path = give(home / "file", server, b"content")
    asked_back = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        with path.open("r+b") as leased:
            fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            with pytest.raises(Conflict) as refused:
                await read(files, path)
        assert refused.value.code == "file_refused"
    finally:
        signal.signal(signal.SIGIO, asked_back)
    assert await read(files, path) == b"content"


async def test_where_sshd_waits_a_pipe_holds_up_nobody_else() -> None:
    """As in a workspace that was built without it: the stuck request ends by itself, others are answered meanwhile."""
    with local_sshd(at_once=False) as waiting:
        os.mkfifo(waiting.home / "pipe")
        async with opened_files(waiting) as files, files.sessions.lease(WS) as session:
            stuck = asyncio.create_task(
                session.do(session.sftp.open(os.fsencode(waiting.home / "pipe"), "rb"), b"pipe")
            )
            await asyncio.sleep(0)
            await files.stat(WS, os.fsencode(waiting.home))
            assert not stuck.done()
            with pytest.raises(WorkspacesError) as refused:
                await stuck
            assert refused.value.code == "workspace_not_answering"
