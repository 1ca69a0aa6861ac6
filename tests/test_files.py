"""Files of a workspace over a real OpenSSH server: what is read, written, refused and left behind."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import files_fixture
import pytest
from files_fixture import WS, give, once, read, staged
from sshd_fixture import LocalSshd, local_sshd, until

from nixos_workspaces.errors import Conflict, InvalidInput, NotFound, Unavailable
from nixos_workspaces.files import Condition, Files, Order, Wanted
from nixos_workspaces.model.files import Entry, Kind, Loss
from nixos_workspaces.model.workspace import AuthorisedId
from nixos_workspaces.ssh.sftp import open_sftp
from nixos_workspaces.terminals.ssh_bridge import SSHBridge

server, home, files = files_fixture.server, files_fixture.home, files_fixture.files


async def test_listing_tells_name_type_size_mode_time_owner_and_target(
    files: Files, server: LocalSshd, home: Path
) -> None:
    give(home / "file", server, b"12345").chmod(0o640)
    (home / "dir").mkdir()
    (home / "link").symlink_to("file")
    (home / ".hidden").touch()
    os.mkfifo(home / "pipe")
    page = await files.list(WS, os.fsencode(home), Wanted())
    found = {one.name: one for one in page.entries}
    assert [one.name for one in page.entries] == [b"dir", b"file", b"link", b"pipe"]
    assert (found[b"file"].kind, found[b"file"].size, found[b"file"].mode) == (Kind.FILE, 5, 0o640)
    assert found[b"file"].owner == server.user
    assert abs(found[b"file"].modified - (time.time() - 100)) < 5
    assert (found[b"link"].kind, found[b"link"].link_target) == (Kind.LINK, b"file")
    assert found[b"pipe"].kind is Kind.OTHER
    assert len((await files.list(WS, os.fsencode(home), Wanted(hidden=True))).entries) == 5


async def test_what_the_kernel_tells_is_read_though_it_has_no_size(files: Files) -> None:
    assert await read(files, Path("/proc/version")) == Path("/proc/version").read_bytes()  # noqa: ASYNC240 - no disk
    async with files.download(WS, b"/proc/version") as download:
        assert b"".join([block async for block in download.stream(1, 4)]) == b"inu"
    with pytest.raises(Conflict) as refused:
        await read(files, Path("/proc/kallsyms"))
    assert refused.value.code == "size_unknown"


@pytest.mark.parametrize("order", list(Order))
async def test_pages_hold_every_name_once_in_order(files: Files, server: LocalSshd, home: Path, order: Order) -> None:
    for number in range(23):
        give(home / f"f{number:02}", server, b"x" * (number % 5), age=number)
    (home / "zdir").mkdir()
    seen: list[Entry] = []
    cursor = None
    while True:
        page = await files.list(WS, os.fsencode(home), Wanted(limit=5, cursor=cursor, order=order))
        seen += page.entries
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len({one.name for one in seen}) == page.total == 24
    assert seen[0].name == b"zdir"
    figures = [(one.name, one.size, one.modified) for one in seen[1:]]
    column = ["name", "size", "modified"].index(order.strip("-"))
    values = [figure[column] for figure in figures]
    assert values == sorted(values, reverse=order.startswith("-"))


async def test_names_that_are_not_utf8_are_listed_and_usable(files: Files, home: Path) -> None:
    name = bytes(range(1, 256)).replace(b"/", b"")
    path = os.fsencode(home) + b"/" + name
    await files.write(WS, path, once(b"content"))
    page = await files.list(WS, os.fsencode(home), Wanted())
    assert [one.path for one in page.entries] == [path]
    assert await read(files, path) == b"content"


@pytest.mark.parametrize("size", [0, 1, 255 * 1024, 255 * 1024 + 1, 5_000_001])
async def test_what_is_written_is_read_back(files: Files, server: LocalSshd, home: Path, size: int) -> None:
    content = os.urandom(size)
    chunks = [content[at : at + 70_000] for at in range(0, size, 70_000)]
    written = await files.write(WS, os.fsencode(home / "new"), once(*chunks), size=size)
    assert written.created
    assert (home / "new").read_bytes() == content
    assert stat.S_IMODE((home / "new").stat().st_mode) == 0o644
    assert await read(files, home / "new") == content
    assert await read(files, home / "new", size // 3, size // 2) == content[size // 3 : size // 2]
    assert not staged(server)


async def test_mode_is_kept_and_set_user_id_cleared(files: Files, server: LocalSshd, home: Path) -> None:
    give(home / "run", server, b"old").chmod(0o4775)
    written = await files.write(WS, os.fsencode(home / "run"), once(b"new"))
    assert not written.created
    assert stat.S_IMODE((home / "run").stat().st_mode) == 0o775
    await files.write(WS, os.fsencode(home / "run"), once(b"new"), mode=0o6700)
    assert stat.S_IMODE((home / "run").stat().st_mode) == 0o700


async def test_hard_links_and_a_foreign_owner_are_kept_where_that_is_asked_for(
    files: Files, server: LocalSshd, home: Path
) -> None:
    path = give(home / "one", server, b"old and longer")
    (home / "two").hardlink_to(path)
    os.chown(path, 0, 0)
    path.chmod(0o666)
    written = await files.write(WS, os.fsencode(path), once(b"new"), in_place=True)
    there = path.stat()
    assert (path.read_bytes(), (home / "two").read_bytes()) == (b"new", b"new")
    assert (there.st_nlink, there.st_uid, there.st_gid, stat.S_IMODE(there.st_mode)) == (2, 0, 0, 0o666)
    assert (written.created, written.lost) == (False, ())
    again = await files.write(
        WS, os.fsencode(path), once(b"x" * 600_000), condition=Condition(matches=(written.etag,)), in_place=True
    )
    assert (home / "two").read_bytes() == b"x" * 600_000
    with pytest.raises(Conflict):
        await files.write(
            WS, os.fsencode(path), once(b"late"), condition=Condition(matches=(written.etag,)), in_place=True
        )
    await files.write(WS, os.fsencode(path), once(b"alone"), condition=Condition(matches=(again.etag,)))
    assert ((home / "two").read_bytes(), path.stat().st_uid) == (b"x" * 600_000, server.uid)
    assert not staged(server)


async def test_what_cannot_be_kept_is_told(files: Files, server: LocalSshd, home: Path) -> None:
    path = give(home / "one", server, b"old")
    (home / "two").hardlink_to(path)
    os.chown(path, 0, 0)
    path.chmod(0o644)
    written = await files.write(WS, os.fsencode(path), once(b"new"), in_place=True)
    assert written.lost == (Loss.OWNER, Loss.GROUP, Loss.LINKS)
    assert ((home / "two").read_bytes(), path.stat().st_uid) == (b"old", server.uid)
    plain = give(home / "plain", server, b"old")
    assert (await files.write(WS, os.fsencode(plain), once(b"new"), in_place=True)).lost == ()


async def test_write_through_a_link_changes_the_file_behind_it(files: Files, server: LocalSshd, home: Path) -> None:
    give(home / "file", server, b"old")
    (home / "link").symlink_to("file")
    await files.write(WS, os.fsencode(home / "link"), once(b"new"))
    assert (home / "link").is_symlink()
    assert (home / "file").read_bytes() == b"new"


async def test_a_body_that_breaks_off_changes_nothing(files: Files, server: LocalSshd, home: Path) -> None:
    give(home / "file", server, b"old")

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 1_000_000
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await files.write(WS, os.fsencode(home / "file"), broken())
    for size in (2, 4):
        with pytest.raises(InvalidInput):
            await files.write(WS, os.fsencode(home / "file"), once(b"new"), size=size)
    assert (home / "file").read_bytes() == b"old"
    assert not staged(server)


async def test_a_cancelled_write_changes_nothing(files: Files, server: LocalSshd, home: Path) -> None:
    give(home / "file", server, b"old")
    started = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * 1_000_000
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(files.write(WS, os.fsencode(home / "file"), endless()))
    await started.wait()
    assert staged(server)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (home / "file").read_bytes() == b"old"
    await until(lambda: not staged(server))


async def test_if_match_refuses_what_changed(files: Files, server: LocalSshd, home: Path) -> None:
    path = os.fsencode(give(home / "file", server, b"one"))
    async with files.download(WS, path) as download:
        old = download.etag
    first = await files.write(WS, path, once(b"two"), condition=Condition(matches=(old,)))
    with pytest.raises(Conflict) as refused:
        await files.write(WS, path, once(b"lost"), condition=Condition(matches=(old,)))
    assert refused.value.code == "precondition_failed"
    # Within the same second, and of the same size: only the content tells them apart.
    second = await files.write(WS, path, once(b"six"), condition=Condition(matches=(first.etag,)))
    assert second.etag != first.etag
    with pytest.raises(Conflict):
        await files.write(WS, path, once(b"lost"), condition=Condition(matches=(first.etag,)))
    async with files.download(WS, path) as download:
        assert (download.etag, download.strong) == (second.etag, True)
    with pytest.raises(Conflict):
        await files.write(WS, path, once(b"lost"), condition=Condition(absent=True))
    assert (home / "file").read_bytes() == b"six"
    with pytest.raises(Conflict):
        await files.write(WS, os.fsencode(home / "none"), once(b"lost"), condition=Condition(matches=("*",)))
    assert not (home / "none").exists()


async def test_of_many_writers_with_one_version_one_wins(files: Files, server: LocalSshd, home: Path) -> None:
    path = os.fsencode(give(home / "file", server, b"start"))
    async with files.download(WS, path) as download:
        condition = Condition(matches=(download.etag,))
    writes = [files.write(WS, path, once(b"%d" % number), condition=condition) for number in range(8)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    won = [number for number, outcome in enumerate(outcomes) if not isinstance(outcome, Conflict)]
    assert len(won) == 1, outcomes
    assert (home / "file").read_bytes() == b"%d" % won[0]


async def test_what_is_no_file_is_refused_at_once(files: Files, home: Path) -> None:
    os.mkfifo(home / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "sock"))
    (home / "dir").mkdir()
    (home / "loop").symlink_to("loop")
    (home / "dangling").symlink_to("/nothing/here")
    started = time.monotonic()
    for name in ("pipe", "sock", "dir"):
        with pytest.raises(Conflict):
            await read(files, home / name)
        with pytest.raises(Conflict):
            await files.write(WS, os.fsencode(home / name), once(b"x"))
    with pytest.raises(Conflict):
        await read(files, b"/dev/zero")
    for name in ("loop", "dangling", "missing"):
        with pytest.raises(NotFound):
            await read(files, home / name)
    with pytest.raises(Conflict):
        await files.list(WS, b"/etc/passwd", Wanted())
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("path", [b"", b"relative", b"/a\0b", b"/" + b"x" * 256, b"/x" * 2048, b"~/x"])
async def test_what_is_no_path_is_refused(files: Files, path: bytes) -> None:
    with pytest.raises(InvalidInput):
        await files.stat(WS, path)
    with pytest.raises(InvalidInput):
        await files.write(WS, path, once(b""))


def alter(path: Path, change: str) -> None:
    with path.open("r+b") as file:
        if change == "truncate":
            file.truncate(100)
            return
        if change == "grow":
            file.seek(0, os.SEEK_END)
        file.write(b"more")


@pytest.mark.parametrize("change", ["truncate", "grow", "rewrite"])
async def test_a_file_that_changes_while_it_is_read_ends_with_an_error(
    files: Files, server: LocalSshd, home: Path, change: str
) -> None:
    path = give(home / "file", server, b"x" * 8_000_000)
    received = 0

    async def read_and_change() -> None:
        nonlocal received
        async with files.download(WS, os.fsencode(path)) as download:
            async for block in download.stream(0, download.entry.size):
                if not received:
                    alter(path, change)
                received += len(block)

    with pytest.raises(Conflict) as refused:
        await read_and_change()
    assert refused.value.code == "file_changed"
    assert 0 < received < 8_000_000


async def test_a_part_of_a_growing_file_can_be_read(files: Files, server: LocalSshd, home: Path) -> None:
    path = give(home / "log", server, b"0123456789")
    async with files.download(WS, os.fsencode(path)) as download:
        with path.open("ab") as log:
            log.write(b"more")
        assert b"".join([block async for block in download.stream(0, 5)]) == b"01234"


async def test_a_frozen_server_is_an_error_within_ten_seconds(server: LocalSshd, home: Path) -> None:
    with local_sshd() as other:
        frozen = AuthorisedId("frozen")
        bridges: dict[str, SSHBridge] = {frozen: other.bridge(), WS: server.bridge()}
        both = Files(lambda name: open_sftp(bridges[name].connections, name))
        give(other.home / "big", other, b"x" * 30_000_000)
        async with both.download(frozen, os.fsencode(other.home / "big")) as download:
            stream = download.stream(0, download.entry.size)
            await anext(stream)
            other.freeze()
            started = time.monotonic()

            async def drain() -> None:
                async for _ in stream:
                    pass

            stuck: list[asyncio.Task[object]] = [
                asyncio.create_task(drain()),
                asyncio.create_task(both.stat(frozen, b"/")),
                asyncio.create_task(both.write(frozen, os.fsencode(other.home / "new"), once(b"x"))),
            ]
            await asyncio.sleep(0)
            quick = time.monotonic()
            await both.list(WS, os.fsencode(home), Wanted())
            assert time.monotonic() - quick < 2
            outcomes = await asyncio.gather(*stuck, return_exceptions=True)
            assert time.monotonic() - started < 10
            assert all(isinstance(outcome, Unavailable) for outcome in outcomes), outcomes
        other.freeze(frozen=False)
        assert (await both.stat(frozen, os.fsencode(other.home / "big"))).size == 30_000_000
        await both.close()
        for bridge in bridges.values():
            await bridge.close()


async def test_what_a_crash_left_is_swept(files: Files, server: LocalSshd, home: Path) -> None:
    await files.write(WS, os.fsencode(home / "file"), once(b"x"))
    directory = server.home / ".cache/nixws/uploads"
    give(directory / "0123", server, b"part", age=60)
    give(directory / "4567", server, b"part", age=0)
    elsewhere = give(home / ".nixws-89ab", server, b"part", age=60)
    give(directory / "89ab.at", server, os.fsencode(elsewhere), age=60)
    assert await files.sweep(WS) == 2
    assert staged(server) == ["4567"]
    assert not elsewhere.exists()
    (directory / "4567").unlink()


async def test_sessions_are_reused_and_closed(server: LocalSshd, home: Path) -> None:
    before = len(server.processes())
    async with files_fixture.opened_files(server) as files:
        for _ in range(20):
            await files.list(WS, os.fsencode(home), Wanted())
        assert len(files.sessions._workspaces[WS].idle) == 1
    await until(lambda: len(server.processes()) <= before)


async def test_a_directory_is_read_once_for_all_its_pages(files: Files, server: LocalSshd, home: Path) -> None:
    for number in range(4):
        give(home / f"{number}", server)
    directory = os.fsencode(home)
    first = await files.list(WS, directory, Wanted(limit=2))
    (home / "3").unlink()
    second = await files.list(WS, directory, Wanted(limit=2, cursor=first.next_cursor))
    assert [one.name for one in second.entries] == [b"2", b"3"]
    assert (await files.list(WS, directory, Wanted(limit=2))).total == 3
