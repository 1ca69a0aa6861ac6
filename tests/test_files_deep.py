"""Deleting trees whose paths are longer than the kernel takes in one call."""

# ruff: noqa: ASYNC240 - looking at a few files takes no time that anybody waits for

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import files_fixture
import pytest
from files_fixture import WS, give
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sshd_fixture import LocalSshd

from nixos_workspaces.errors import Conflict, Forbidden, LimitExceeded, NotFound
from nixos_workspaces.files import Files
from nixos_workspaces.files.sessions import Lane
from nixos_workspaces.files.trees.deleting import delete_tree
from nixos_workspaces.files.trees.walking import Bounds

server, files = files_fixture.server, files_fixture.files


@pytest.fixture
def home(server: LocalSshd) -> Iterator[Path]:
    """A directory that is gone at the end with what a test could not delete: Python's own way recurses."""
    path = made(server.home / "deep", server)
    yield path
    subprocess.run(["rm", "-rf", path], check=True)


@pytest.fixture
def precious(server: LocalSshd, home: Path) -> Path:
    """A file that links in the trees lead to; it has to be there at the end."""
    return give(made(home / "outside", server) / "precious", server, b"x")


FORKS = ("file", "link", "directory")


def make_in(directory: int, name: str, server: LocalSshd) -> None:
    """Make a directory that the workspace's user owns, if it is not there yet."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, dir_fd=directory)
        os.chown(name, server.uid, server.uid, dir_fd=directory)


@contextmanager
def nested(top: Path, names: list[str], server: LocalSshd) -> Iterator[int]:
    """Make a directory in a directory and so on; yield a descriptor of the innermost."""
    held = os.open(top, os.O_RDONLY)
    try:
        for name in names:
            make_in(held, name, server)
            inner = os.open(name, os.O_RDONLY, dir_fd=held)
            os.close(held)
            held = inner
        yield held
    finally:
        os.close(held)


def put(name: str, directory: int, server: LocalSshd) -> None:
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=directory))
    os.chown(name, server.uid, server.uid, dir_fd=directory)


def made(path: Path, server: LocalSshd) -> Path:
    path.mkdir()
    os.chown(path, server.uid, server.uid)
    return path


def long_names(count: int, size: int = 200) -> list[str]:
    return [f"{number:x}".rjust(size, "d") for number in range(count)]


async def test_a_tree_of_600_kilobytes_of_path_is_deleted(
    files: Files, server: LocalSshd, home: Path, precious: Path
) -> None:
    tree = made(home / "tree", server)

    def make() -> None:
        with nested(tree, long_names(3000), server) as innermost:
            put("file", innermost, server)
            os.symlink(precious.parent, "link", dir_fd=innermost)

    await asyncio.to_thread(make)
    assert await files.tree.delete(WS, os.fsencode(tree), recursive=True) == 3003
    assert not tree.exists()
    assert precious.read_bytes() == b"x"


async def test_a_deletion_that_was_broken_off_goes_on(
    files: Files, server: LocalSshd, home: Path, precious: Path
) -> None:
    """With a bound that the tree exceeds many times, and cancelled besides: each call leaves less."""
    tree = made(home / "tree", server)

    def make() -> None:
        with nested(tree, long_names(300), server) as innermost:
            os.symlink(precious.parent, "link", dir_fd=innermost)

    await asyncio.to_thread(make)
    async with files.sessions.lease(WS, Lane.TRANSFER) as session:
        broken_off = asyncio.create_task(delete_tree(session, os.fsencode(tree)))
        while not any(path.name.startswith(".nixws-") for path in tree.iterdir()):
            assert not broken_off.done()
            await asyncio.sleep(0)
        broken_off.cancel()
        with pytest.raises(asyncio.CancelledError):
            await broken_off
    calls = 0
    while tree.exists():
        calls += 1
        assert calls < 30
        async with files.sessions.lease(WS, Lane.TRANSFER) as session:
            with contextlib.suppress(LimitExceeded):
                await delete_tree(session, os.fsencode(tree), Bounds(entries=40))
    assert calls > 3
    assert precious.exists()


async def test_what_may_not_be_deleted_stays_in_the_tree(files: Files, server: LocalSshd, home: Path) -> None:
    tree = made(home / "tree", server)
    with nested(tree, long_names(40), server) as innermost:
        put("kept", innermost, server)
        os.fchown(innermost, 0, 0)
    with pytest.raises(Forbidden):
        await files.tree.delete(WS, os.fsencode(tree), recursive=True)
    assert "kept" in {name for _, _, names in os.walk(tree) for name in names}


async def test_a_top_that_lies_too_deep_is_told(files: Files, server: LocalSshd, home: Path) -> None:
    """Short names in it can be deleted; what cannot be reached is no empty directory."""
    top = made(home / "top", server)
    names = long_names((3_900 - len(str(top))) // 201)
    rest = 3_900 - len(str(top)) - 201 * len(names) - 1
    names.append("r" * rest)
    path = os.fsencode(top.joinpath(*names))
    with nested(top, names, server) as innermost:
        for name in ("short", "n" * 255):
            make_in(innermost, name, server)
    with pytest.raises(Conflict) as refused:
        await files.tree.delete(WS, path, recursive=True)
    assert refused.value.code == "path_too_long"
    assert await files.tree.delete(WS, os.fsencode(top), recursive=True) == len(names) + 2
    assert not top.exists()


async def test_others_may_delete_and_move_in_it_meanwhile(
    files: Files, server: LocalSshd, home: Path, precious: Path
) -> None:
    """Directories are moved away while they are deleted; the deletion may fail, and a repeated one ends."""
    tree = made(home / "tree", server)

    def make() -> None:
        for number in range(4):
            with nested(made(tree / f"{number}", server), long_names(60), server) as innermost:
                put("file", innermost, server)

    await asyncio.to_thread(make)
    done = asyncio.Event()

    async def meddle() -> None:
        while not done.is_set():
            for path in tree.glob(".nixws-*"):
                with contextlib.suppress(OSError):
                    path.rename(path.with_name(f"moved{path.name}"))
            await asyncio.sleep(0.01)

    meddling = asyncio.create_task(meddle())
    with contextlib.suppress(Conflict, NotFound):
        await files.tree.delete(WS, os.fsencode(tree), recursive=True)
    done.set()
    await meddling
    if tree.exists():
        await files.tree.delete(WS, os.fsencode(tree), recursive=True)
    assert not tree.exists()
    assert precious.exists()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 255), min_size=10, max_size=60), forks=st.lists(st.sampled_from(FORKS)))
def test_whatever_its_shape_a_tree_is_deleted_and_nothing_else(
    server: LocalSshd, home: Path, precious: Path, sizes: list[int], forks: list[str]
) -> None:
    """A chain of names of any length, with files, links and directories on the way."""
    tree = made(home / "tree", server)
    beside = dict(enumerate(forks[: len(sizes)]))
    for level, fork in beside.items():
        with nested(tree, ["c" * size for size in sizes[:level]], server) as held:
            match fork:
                case "file":
                    put("f" * sizes[level], held, server)
                case "link":
                    os.symlink(precious.parent, "f" * sizes[level], dir_fd=held)
                case _:
                    make_in(held, "f" * sizes[level], server)
    with nested(tree, ["c" * size for size in sizes], server):
        pass

    async def delete() -> int:
        async with files_fixture.opened_files(server) as files:
            return await files.tree.delete(WS, os.fsencode(tree), recursive=True)

    assert asyncio.run(delete()) == 1 + len(sizes) + len(beside)
    assert not tree.exists()
    assert precious.exists()
