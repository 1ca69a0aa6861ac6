"""Uploads in several requests: they go on at the offset they have, whatever broke."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import files_fixture
import pytest
from files_fixture import WS, give, once, opened_files, staged
from sshd_fixture import LocalSshd

from nixos_workspaces.errors import Conflict, InvalidInput, NotFound
from nixos_workspaces.files import Condition, Files

server, home, files = files_fixture.server, files_fixture.home, files_fixture.files


async def broken(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    raise ConnectionResetError


@pytest.fixture(autouse=True)
def _clean(server: LocalSshd) -> None:
    for name in staged(server):
        (server.home / ".cache/nixws/uploads" / name).unlink()


async def test_an_upload_goes_on_where_it_broke_off(files: Files, server: LocalSshd, home: Path) -> None:
    content = os.urandom(3_000_000)
    path = os.fsencode(home / "file")
    upload = await files.uploads.create(WS, path, len(content), mode=0o755)
    with pytest.raises(ConnectionResetError):
        await files.uploads.append(WS, upload.id, 0, broken(content[:1_000_001]))
    assert not (home / "file").exists()
    # Another process knows of it as well as this one.
    async with opened_files(server) as other:
        assert (await other.uploads.get(WS, upload.id)).offset == 1_000_001
        with pytest.raises(Conflict) as refused:
            await other.uploads.append(WS, upload.id, 5, once(b"x"))
        assert refused.value.code == "wrong_offset"
        upload = await other.uploads.append(WS, upload.id, 1_000_001, once(content[1_000_001:2_000_000]))
        assert (upload.offset, upload.written) == (2_000_000, None)
        upload = await other.uploads.append(WS, upload.id, 2_000_000, once(content[2_000_000:]))
    assert upload.written is not None
    assert upload.written.created
    assert hashlib.sha256((home / "file").read_bytes()).digest() == hashlib.sha256(content).digest()
    assert stat.S_IMODE((home / "file").stat().st_mode) == 0o755
    # A client that did not get the last answer asks, and learns that all is there.
    assert (await files.uploads.get(WS, upload.id)).offset == len(content)
    assert (await files.uploads.append(WS, upload.id, len(content), once())).offset == len(content)


async def test_an_empty_file_is_there_at_once(files: Files, home: Path) -> None:
    upload = await files.uploads.create(WS, os.fsencode(home / "empty"), 0)
    assert upload.written is not None
    assert (home / "empty").read_bytes() == b""


async def test_too_much_is_refused_and_nothing_is_put_in_place(files: Files, server: LocalSshd, home: Path) -> None:
    give(home / "file", server, b"old")
    upload = await files.uploads.create(WS, os.fsencode(home / "file"), 4)
    with pytest.raises(InvalidInput):
        await files.uploads.append(WS, upload.id, 0, once(b"ab", b"cde"))
    assert (await files.uploads.get(WS, upload.id)).offset == 2
    assert (home / "file").read_bytes() == b"old"
    await files.uploads.abort(WS, upload.id)
    assert not staged(server)
    with pytest.raises(NotFound):
        await files.uploads.get(WS, upload.id)


@pytest.mark.parametrize("upload_id", ["", "x", "../../../etc/passwd", "0" * 32, "0" * 31 + "/"])
async def test_unknown_uploads_are_not_found(files: Files, upload_id: str) -> None:
    with pytest.raises(NotFound):
        await files.uploads.get(WS, upload_id)


async def test_the_condition_holds_at_the_end_too(files: Files, server: LocalSshd, home: Path) -> None:
    path = os.fsencode(home / "file")
    upload = await files.uploads.create(WS, path, 3, condition=Condition(absent=True))
    give(home / "file", server, b"old")
    with pytest.raises(Conflict) as refused:
        await files.uploads.append(WS, upload.id, 0, once(b"new"))
    assert refused.value.code == "precondition_failed"
    assert (home / "file").read_bytes() == b"old"


async def test_a_second_request_takes_over(files: Files, home: Path) -> None:
    upload = await files.uploads.create(WS, os.fsencode(home / "file"), 6)
    waiting = asyncio.Event()

    async def silent() -> AsyncIterator[bytes]:
        yield b"abc"
        waiting.set()
        await asyncio.Event().wait()

    first = asyncio.create_task(files.uploads.append(WS, upload.id, 0, silent()))
    await waiting.wait()
    with pytest.raises(Conflict) as refused:
        await files.uploads.append(WS, upload.id, 0, once(b"abcdef"))
    assert refused.value.code == "wrong_offset"
    with pytest.raises(Conflict) as taken:
        await first
    assert taken.value.code == "upload_taken_over"
    offset = (await files.uploads.get(WS, upload.id)).offset
    await files.uploads.append(WS, upload.id, offset, once(b"abcdef"[offset:]))
    assert (home / "file").read_bytes() == b"abcdef"


async def test_given_up_uploads_are_swept(files: Files, server: LocalSshd, home: Path) -> None:
    old = await files.uploads.create(WS, os.fsencode(home / "old"), 6)
    new = await files.uploads.create(WS, os.fsencode(home / "new"), 6)
    directory = server.home / ".cache/nixws/uploads"
    for ending in ("part", "json"):
        os.utime(directory / f"{old.id}.{ending}", (0, 0))
    give(directory / f"{'0' * 32}.part", server, b"without a note", age=100)
    assert await files.sweep(WS) == 3
    assert sorted(staged(server)) == [f"{new.id}.json", f"{new.id}.part"]
