"""Changing a workspace's tree: directories, moves, copies, modes, deletions, searches."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import files_fixture
import pytest
from files_fixture import WS, give, staged
from sshd_fixture import LocalSshd, until

from nixos_workspaces.errors import Conflict, Forbidden, InvalidInput, NotFound
from nixos_workspaces.files import Files
from nixos_workspaces.model.files import Kind

server, home, files = files_fixture.server, files_fixture.home, files_fixture.files


def raw(path: Path) -> bytes:
    return os.fsencode(path)


def make_tree(root: Path, server: LocalSshd) -> None:
    """A small tree with everything that a tree can hold but pipes."""
    for directory in (root, root / "a", root / "a/b", root / "empty"):
        directory.mkdir()
        os.chown(directory, server.uid, server.uid)
    for number in range(40):
        give(root / "a" / f"file{number}", server, b"%d" % number)
    give(root / "a/b/run", server, b"#!").chmod(0o755)
    give(Path(os.fsdecode(raw(root) + b"/\xff\xfe")), server, b"not utf-8")
    (root / "link").symlink_to("a/b/run")
    (root / "up").symlink_to("..")
    (root / "empty").chmod(0o750)


def picture(root: Path) -> dict[str, tuple[int, bytes | str]]:
    """A tree as a value, for comparing."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content: bytes | str = b""
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        found[str(path.relative_to(root))] = (status.st_mode, content)
    return found


async def test_directories_are_made(files: Files, home: Path) -> None:
    assert await files.tree.make_directory(WS, raw(home / "one"))
    with pytest.raises(Conflict):
        await files.tree.make_directory(WS, raw(home / "one"))
    with pytest.raises(NotFound):
        await files.tree.make_directory(WS, raw(home / "x/y/z"))
    assert await files.tree.make_directory(WS, raw(home / "x/y/z"), parents=True)
    assert not await files.tree.make_directory(WS, raw(home / "x/y/z"), parents=True)
    (home / "file").touch()
    for path in ("file", "file/below"):
        with pytest.raises((Conflict, NotFound)):
            await files.tree.make_directory(WS, raw(home / path), parents=True)
    with pytest.raises(Forbidden):
        await files.tree.make_directory(WS, b"/etc/nixws-test")


async def test_moves_replace_only_when_told(files: Files, server: LocalSshd, home: Path) -> None:
    give(home / "one", server, b"1")
    give(home / "two", server, b"2")
    with pytest.raises(Conflict) as refused:
        await files.tree.move(WS, raw(home / "one"), raw(home / "two"))
    assert refused.value.code == "exists"
    assert (await files.tree.move(WS, raw(home / "one"), raw(home / "two"), overwrite=True)).path == raw(home / "two")
    assert (home / "two").read_bytes() == b"1"
    assert not (home / "one").exists()
    make_tree(home / "tree", server)
    before = picture(home / "tree")
    await files.tree.move(WS, raw(home / "tree"), raw(home / "moved"))
    assert picture(home / "moved") == before
    with pytest.raises((Conflict, InvalidInput)):
        await files.tree.move(WS, raw(home / "moved"), raw(home / "moved/inside"))
    with pytest.raises(NotFound):
        await files.tree.move(WS, raw(home / "none"), raw(home / "other"))
    with pytest.raises(NotFound):
        await files.tree.move(WS, raw(home / "two"), raw(home / "none/two"))
    await files.tree.move(WS, raw(home / "moved/link"), raw(home / "link"))
    assert (home / "link").is_symlink()


async def test_moving_to_another_file_system_says_so(files: Files, server: LocalSshd, home: Path) -> None:
    other = Path("/dev/shm") / f"nixws-{home.name}"
    other.mkdir()
    os.chown(other, server.uid, server.uid)
    try:
        give(home / "file", server, b"x")
        with pytest.raises(Conflict) as refused:
            await files.tree.move(WS, raw(home / "file"), raw(other / "file"))
        assert refused.value.code == "other_file_system"
        await files.write(WS, raw(other / "new"), files_fixture.once(b"content"))
        await files.tree.copy(WS, raw(home / "file"), raw(other / "copy"))
        assert (other / "new").read_bytes() == b"content"
        assert sorted(path.name for path in other.iterdir()) == ["copy", "new"]
        assert not staged(server)
    finally:
        for path in other.iterdir():
            path.unlink()
        other.rmdir()


async def test_a_copy_is_the_same_tree(files: Files, server: LocalSshd, home: Path) -> None:
    make_tree(home / "tree", server)
    assert await files.tree.copy(WS, raw(home / "tree"), raw(home / "copy")) == len(picture(home / "tree")) + 1
    assert picture(home / "copy") == picture(home / "tree")
    big = give(home / "big", server, await asyncio.to_thread(os.urandom, 40_000_000))
    big.chmod(0o4711)
    await files.tree.copy(WS, raw(big), raw(home / "big2"))
    assert (home / "big2").read_bytes() == big.read_bytes()
    assert stat.S_IMODE((home / "big2").stat().st_mode) == 0o711
    with pytest.raises(Conflict):
        await files.tree.copy(WS, raw(big), raw(home / "big2"))
    (home / "way").symlink_to("tree")
    for inside in ("tree/new", "way/a/new"):
        with pytest.raises(InvalidInput):
            await files.tree.copy(WS, raw(home / "tree"), raw(home / inside))
    assert not staged(server)


async def test_a_copy_that_fails_leaves_nothing(files: Files, server: LocalSshd, home: Path) -> None:
    make_tree(home / "tree", server)
    os.mkfifo(home / "tree/a/pipe")
    with pytest.raises(Conflict):
        await files.tree.copy(WS, raw(home / "tree"), raw(home / "copy"))
    assert not (home / "copy").exists()
    await until(lambda: not staged(server))


async def test_deleting_never_follows_links(files: Files, server: LocalSshd, home: Path) -> None:
    outside = home / "outside"
    outside.mkdir()
    give(outside / "precious", server, b"x")
    make_tree(home / "tree", server)
    (home / "tree/a/out").symlink_to(outside)
    os.mkfifo(home / "tree/pipe")
    (home / "way").symlink_to(outside)
    with pytest.raises(Conflict) as refused:
        await files.tree.delete(WS, raw(home / "tree"))
    assert refused.value.code == "directory_not_empty"
    names = len(list((home / "tree").rglob("*"))) + 1
    assert await files.tree.delete(WS, raw(home / "tree"), recursive=True) == names
    assert not (home / "tree").exists()
    assert await files.tree.delete(WS, raw(home / "way"), recursive=True) == 1
    assert (outside / "precious").exists()
    for path in (b"/", b"/home/..", raw(home) + b"/."):
        with pytest.raises(InvalidInput):
            await files.tree.delete(WS, path, recursive=True)
    with pytest.raises(NotFound):
        await files.tree.delete(WS, raw(home / "none"))


async def test_modes_are_set_without_special_bits(files: Files, server: LocalSshd, home: Path) -> None:
    give(home / "file", server, b"x")
    assert (await files.tree.change_mode(WS, raw(home / "file"), 0o751)).mode == 0o751
    for mode in (0o4755, 0o1000, -1):
        with pytest.raises(InvalidInput):
            await files.tree.change_mode(WS, raw(home / "file"), mode)
    with pytest.raises(Forbidden):
        await files.tree.change_mode(WS, b"/etc/passwd", 0o777)


async def test_search_finds_by_part_and_by_pattern(files: Files, server: LocalSshd, home: Path) -> None:
    make_tree(home / "tree", server)
    found = await files.tree.search(WS, raw(home), "FILE1")
    assert found.complete
    assert {one.name for one in found.entries} == {b"file1", *(b"file%d" % number for number in range(10, 20))}
    found = await files.tree.search(WS, raw(home), "file?")
    assert len(found.entries) == 10
    found = await files.tree.search(WS, raw(home), "file", limit=5)
    assert (len(found.entries), found.complete) == (5, False)
    assert (await files.tree.search(WS, raw(home), "up")).entries[0].kind is Kind.LINK
    with pytest.raises(InvalidInput):
        await files.tree.search(WS, raw(home), "")
