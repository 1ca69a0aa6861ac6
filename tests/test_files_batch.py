"""Many files at once: each whole, each with its outcome, and much faster than one by one."""

from __future__ import annotations

import os
import stat
import time
from functools import partial
from pathlib import Path

import files_fixture
import pytest
from files_fixture import WS, give, once, staged
from sshd_fixture import LocalSshd, local_sshd

from nixos_workspaces.errors import Forbidden, Unavailable
from nixos_workspaces.files import Files
from nixos_workspaces.ssh.sftp import open_sftp

server, home, files = files_fixture.server, files_fixture.home, files_fixture.files


def content_of(home: Path, name: bytes) -> bytes:
    return Path(os.fsdecode(os.fsencode(home) + b"/" + name)).read_bytes()


async def test_many_files_in_directories(files: Files, server: LocalSshd, home: Path) -> None:
    content = {b"d%d/e/f%d" % (number % 7, number): os.urandom(number * 3) for number in range(300)}
    content[b"large"] = os.urandom(2_000_000)
    content[b"d1/\xff"] = b"not utf-8"
    (home / "d1/e").mkdir(parents=True)
    for path in (home / "d1", home / "d1/e"):
        os.chown(path, server.uid, server.uid)
    give(home / "d1/e/f1", server, b"old").chmod(0o4750)
    give(home / "d1/e/behind", server, b"old")
    (home / "d1/e/f8").symlink_to("behind")
    async with files.batch(WS, os.fsencode(home)) as batch:
        for name, data in content.items():
            await batch.add(name, once(*(data[at : at + 50_000] for at in range(0, len(data), 50_000))))
        outcomes = await batch.finish()
    assert [(one.name, one.error) for one in outcomes] == [(name, None) for name in content]
    for name, data in content.items():
        assert content_of(home, name) == data
    assert stat.S_IMODE((home / "d1/e/f1").stat().st_mode) == 0o750
    assert (home / "d1/e/f8").is_symlink()
    assert not staged(server)
    created = {one.name: one.created for one in outcomes}
    assert [one.size for one in outcomes] == [len(data) for data in content.values()]
    assert created[b"d1/e/f1"] is False
    assert created[b"d0/e/f0"] is True


async def test_a_bad_file_stops_no_other(files: Files, server: LocalSshd, home: Path) -> None:
    (home / "dir").mkdir()
    os.mkfifo(home / "pipe")
    (home / "locked").mkdir(mode=0o555)
    names = [b"../out", b"/etc/x", b"dir", b"pipe", b"locked/x", b"a\0b", b"..", b"", b"good", b"good", b"dir/good"]
    async with files.batch(WS, os.fsencode(home / "new")) as batch:
        await batch.finish()
    async with files.batch(WS, os.fsencode(home)) as batch:
        for name in names:
            await batch.add(name, once(b"x" * (300_000 if name == b"pipe" else 5)))
        outcomes = await batch.finish()
    good = [one.name for one in outcomes if one.error is None]
    assert good == [b"good"]
    assert (home / "good").read_bytes() == b"xxxxx"
    assert not (home.parent / "out").exists()
    assert not staged(server)
    with pytest.raises(Forbidden):
        async with files.batch(WS, b"/etc/nixws-none"):
            pass


async def test_a_dead_server_ends_a_batch() -> None:
    with local_sshd() as other:
        bridge = other.bridge()
        files = Files(partial(open_sftp, bridge.connections))

        async def fill() -> None:
            async with files.batch(WS, os.fsencode(other.home / "many")) as batch:
                for number in range(2000):
                    if number == 100:
                        other.freeze()
                    await batch.add(b"%d" % number, once(b"x"))
                await batch.finish()

        started = time.monotonic()
        with pytest.raises(Unavailable):
            await fill()
        assert time.monotonic() - started < 11
        other.freeze(frozen=False)
        await files.close()
        await bridge.close()
