"""Faults: no space, a killed service, links swapped during reads."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import files_fixture
import pytest
from files_fixture import WS, give, once, read, staged
from sshd_fixture import LocalSshd, local_sshd, until

from nixos_workspaces.errors import InsufficientResources, WorkspacesError
from nixos_workspaces.events import Event, Events
from nixos_workspaces.files import Files, sweep_for_ever
from nixos_workspaces.ssh.sftp import open_sftp

server, home, files = files_fixture.server, files_fixture.home, files_fixture.files


@pytest.fixture
async def small() -> AsyncIterator[tuple[Files, bytes]]:
    """Files of a workspace with 8 MiB."""
    with local_sshd(home_bytes=8 << 20) as tiny:
        bridge = tiny.bridge()
        opened = Files(partial(open_sftp, bridge.connections))
        yield opened, os.fsencode(tiny.home)
        await opened.close()
        await bridge.close()


async def blocks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(1 << 20)


async def test_no_space_leaves_the_old_file(small: tuple[Files, bytes]) -> None:
    files, home = small
    path = home + b"/file"
    await files.write(WS, path, once(b"old"))
    for size in (None, 20 << 20):
        with pytest.raises(InsufficientResources) as refused:
            await files.write(WS, path, blocks(20), size=size)
        assert refused.value.code == "no_space"
    assert await read(files, path) == b"old"
    with pytest.raises(InsufficientResources):
        await files.uploads.create(WS, path, 20 << 20)
    async with files.batch(WS, home + b"/many") as batch:
        for number in range(60):
            await batch.add(b"%d" % number, once(bytes(200_000)))
        outcomes = await batch.finish()
    problems = {one.error.code for one in outcomes if one.error is not None}
    assert problems == {"no_space"}
    await files.tree.delete(WS, home + b"/many", recursive=True)
    await files.write(WS, home + b"/half", blocks(5))
    with pytest.raises(InsufficientResources):
        await files.tree.copy(WS, home + b"/half", home + b"/copy")
    await files.write(WS, path, once(b"new"))
    assert await read(files, path) == b"new"


async def test_an_upload_goes_on_after_space_was_made(small: tuple[Files, bytes]) -> None:
    files, home = small
    upload = await files.uploads.create(WS, home + b"/big", 6 << 20)
    await files.write(WS, home + b"/other", blocks(4))
    with pytest.raises(InsufficientResources):
        await files.uploads.append(WS, upload.id, 0, blocks(6))
    offset = (await files.uploads.get(WS, upload.id)).offset
    assert 0 < offset < 6 << 20
    await files.tree.delete(WS, home + b"/other")

    async def rest() -> AsyncIterator[bytes]:
        yield bytes((6 << 20) - offset)

    done = await files.uploads.append(WS, upload.id, offset, rest())
    assert done.written is not None
    assert done.written.entry.size == 6 << 20


_SERVICE = """
import asyncio, json, sys
sys.path[:0] = {paths!r}
from functools import partial
from pathlib import Path
from sshd_fixture import LocalSshd
from nixos_workspaces.files import Files
from nixos_workspaces.ssh.sftp import open_sftp

async def endless():
    while True:
        yield b"n" * 65536

async def main():
    told = json.loads(sys.stdin.readline())
    for name in ("home", "key", "known_hosts"):
        told[name] = Path(told[name])
    server = LocalSshd(**told)
    files = Files(partial(open_sftp, server.bridge().connections))
    print("ready", flush=True)
    await files.write("ws", bytes(server.home) + b"/victim", endless())

asyncio.run(main())
"""


def test_a_killed_service_leaves_the_old_file_and_its_remains_are_swept(server: LocalSshd) -> None:
    give(server.home / "victim", server, b"old")
    paths = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "src")]
    told = {name: getattr(server, name) for name in ("pid", "port", "home", "user", "uid", "key", "known_hosts")}
    for bytes_first in (0, 1_000_000, 5_000_000):
        child = subprocess.Popen(
            [sys.executable, "-c", _SERVICE.format(paths=paths)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdin is not None
        child.stdin.write(json.dumps(told, default=str) + "\n")
        child.stdin.flush()
        wait_for(lambda: sum(size for _, size in parts(server)) > bytes_first)  # noqa: B023 - called at once
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert (server.home / "victim").read_bytes() == b"old"
        assert staged(server)
        # What was on its way is written until sshd notices that nobody is there.
        wait_for(lambda: server.processes() == [server.pid])
        for path, _ in parts(server):
            old = time.time() - 60
            os.utime(path, (old, old))
        assert asyncio.run(swept(server)) >= 1
        assert not staged(server)


async def swept(server: LocalSshd) -> int:
    async with files_fixture.opened_files(server) as files:
        return await files.sweep(WS)


def parts(server: LocalSshd) -> list[tuple[Path, int]]:
    directory = server.home / ".cache/nixws/uploads"
    return [(path, path.stat().st_size) for path in directory.iterdir()] if directory.exists() else []


def wait_for(condition: object, seconds: float = 20.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def swapper(server: LocalSshd, home: Path) -> Iterator[Path]:
    """A name that is now a file, now a link to one, now a pipe, now nothing, all the time."""
    outside = home / "outside"
    give(outside, server, b"outside")
    name = home / "name"
    stop = threading.Event()

    def swap() -> None:
        fresh = home / "fresh"
        turn = 0
        while not stop.is_set():
            turn += 1
            fresh.unlink(missing_ok=True)
            match turn % 3:
                case 0:
                    fresh.symlink_to("outside")
                case 1:
                    fresh.write_bytes(b"inside")
                    os.chown(fresh, server.uid, server.uid)
                case _:
                    fresh.symlink_to("/proc/self/root/dev/zero")
            fresh.replace(name)

    thread = threading.Thread(target=swap)
    thread.start()
    yield name
    stop.set()
    thread.join()


async def test_links_swapped_under_reads_give_one_file_or_a_clear_refusal(files: Files, swapper: Path) -> None:
    wait_for(swapper.is_symlink)
    seen: set[str] = set()
    deadline = time.monotonic() + 30
    reads = 0
    while reads < 300 or not {"inside", "outside", "not_a_file"} <= seen:
        assert time.monotonic() < deadline, seen
        reads += 1
        seen.add(await outcome(files, swapper))
    assert seen <= {"inside", "outside", "not_a_file", "file_not_found", "file_changed"}


async def outcome(files: Files, path: Path) -> str:
    """The result of a read: content, or the code of its error."""
    try:
        return (await asyncio.wait_for(read(files, path), 10)).decode()
    except WorkspacesError as refused:
        return refused.code


async def test_sweeping_follows_a_workspace_that_begins_to_run(files: Files, server: LocalSshd, home: Path) -> None:
    directory = server.home / ".cache/nixws/uploads"
    await files.write(WS, os.fsencode(home / "file"), once(b"x"))
    events = Events()

    async def running() -> list[str]:
        return [WS]

    sweeping = asyncio.create_task(sweep_for_ever(files, events, running, after_seconds=0.01))
    for remains in ("0123", "4567"):
        give(directory / remains, server, b"part", age=60)
        events.publish(Event("workspace.status", WS, {"status": "running"}))
        await until(lambda: not staged(server))
    sweeping.cancel()
    await asyncio.wait({sweeping})


async def test_a_connection_that_ended_unseen_is_replaced(server: LocalSshd) -> None:
    """The end of one that lay idle is on its way when the next request comes."""
    bridge = server.bridge()
    for _ in range(3):
        async with open_sftp(bridge.connections, "ws") as sftp:
            assert await sftp.exists(b"/")
        for pid in set(server.processes()) - {server.pid}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    await bridge.close()
