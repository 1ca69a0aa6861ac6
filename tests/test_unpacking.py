"""``nixws cp -r`` from a hostile workspace: nothing outside of the target is read, written or changed."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from fakes import fake_services
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override
from web_service import Web, running_web

from nixos_workspaces.client.unpacking import unpack
from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.files import Files
from nixos_workspaces.services import Services


def member(
    name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "", mode: int = 0o644, content: bytes = b"new"
) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    info.size = len(content) if kind == tarfile.REGTYPE else 0
    body = content + bytes(-len(content) % 512) if kind == tarfile.REGTYPE else b""
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape") + body


DIR, LINK, HARD = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
ROOT = member("t", DIR, mode=0o755)


def archive(*members: bytes) -> io.BytesIO:
    return io.BytesIO(ROOT + b"".join(members) + bytes(1024))


Picture = dict[str, tuple[int, int, bytes]]


def picture(outside: Path) -> Picture:
    """Return what is outside of the target: modes, times and contents."""
    found = {}
    for path in [outside, *outside.rglob("*")]:
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path.relative_to(outside))] = (status.st_mode, status.st_mtime_ns, content)
    return found


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Something that a hostile archive is after, beside the target ``copies/t``."""
    (tmp_path / "copies").mkdir()
    return made_outside(tmp_path)


def made_outside(scratch: Path) -> Path:
    directory = scratch / "outside"
    directory.mkdir(mode=0o700)
    (directory / "private").write_bytes(b"private")
    (directory / "d").mkdir(mode=0o700)
    return directory


REFUSED = {
    "a link, then a directory of its name": [member("t/x", LINK, link="{outside}"), member("t/x", DIR, mode=0o777)],
    "a link, then a file of its name": [member("t/x", LINK, link="{outside}/private"), member("t/x")],
    "through a link that stays inside": [member("t/d", DIR), member("t/x", LINK, link="d"), member("t/x/f")],
    "a file twice": [member("t/f"), member("t/f")],
    "a directory twice": [member("t/d", DIR), member("t/d", DIR, mode=0o777)],
    "a name written in another way": [member("t/d", DIR), member("t//./d/", DIR)],
    "a way up": [member("t/../outside/private")],
    "a way up at the end": [member("t/..", DIR, mode=0o777)],
    "an absolute name": [member("{outside}/private")],
    "another root": [member("..")],
    "below a file": [member("t/f"), member("t/f/g")],
    "below nothing": [member("t/no/f")],
}
LEFT_OUT = {
    "an absolute link": member("t/x", LINK, link="{outside}"),
    "a link out": member("t/x", LINK, link="../outside"),
    "a link far out": member("t/x", LINK, link="d/../../outside"),
    "a link without end": member("t/x", LINK, link=""),
    "a hard link": member("t/x", HARD, link="{outside}/private"),
    "a hard link up": member("t/x", HARD, link="../outside/private"),
    "a pipe": member("t/x", tarfile.FIFOTYPE),
    "a device": member("t/x", tarfile.CHRTYPE),
    "a block device": member("t/x", tarfile.BLKTYPE),
}


def filled(outside: Path, data: bytes) -> bytes:
    """Return a member with the place of ``outside`` in it; names are padded, so it is made anew."""
    if b"{outside}" not in data:
        return data
    info = tarfile.TarInfo.frombuf(data[:512], "utf-8", "surrogateescape")
    name, link = (text.replace("{outside}", str(outside)) for text in (info.name, info.linkname))
    return member(name, info.type, link=link, mode=info.mode)


@pytest.mark.parametrize("members", REFUSED.values(), ids=REFUSED.keys())
def test_what_no_directory_can_hold_is_refused(outside: Path, members: list[bytes]) -> None:
    before = picture(outside)
    with pytest.raises(InvalidInput):
        # A link that leads out is left out; the name after it is refused all the same.
        unpack(archive(*(filled(outside, one) for one in members)), outside.parent / "copies/t")
    assert picture(outside) == before


@pytest.mark.parametrize("data", LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_what_leads_out_is_left_out_and_named(outside: Path, data: bytes) -> None:
    before, target = picture(outside), outside.parent / "copies/t"
    [told] = unpack(archive(filled(outside, data), member("t/after")), target)
    assert told.startswith("t/x: ")
    assert [path.name for path in target.iterdir()] == ["after"]
    assert picture(outside) == before


def test_a_link_here_is_not_written_through(outside: Path) -> None:
    """The target may hold links of its owner's: files take their place, directories are refused."""
    target = outside.parent / "copies/t"
    target.mkdir()
    for name in ("f", "d"):
        (target / name).symlink_to(outside / ("private" if name == "f" else "d"))
    before = picture(outside)
    unpack(archive(member("t/f")), target)
    assert (target / "f").read_bytes() == b"new"
    assert not (target / "f").is_symlink()
    with pytest.raises(InvalidInput):
        unpack(archive(member("t/d", DIR, mode=0o777), member("t/d/g")), target)
    assert picture(outside) == before


def test_modes_are_those_of_permission_only_and_arrive_last(outside: Path) -> None:
    target = outside.parent / "copies/t"
    parts = [member("t/d", DIR, mode=0o7500), member("t/d/e", DIR, mode=0o500), member("t/d/e/f", mode=0o6755)]
    assert unpack(archive(*parts), target) == []
    modes = {name: stat.S_IMODE((target / name).stat().st_mode) for name in ("d", "d/e", "d/e/f")}
    assert modes == {"d": 0o500, "d/e": 0o500, "d/e/f": 0o755}


names = st.lists(st.sampled_from(["a", "b", "c", "..", ".", ""]), max_size=4).map(lambda parts: "/".join(["t", *parts]))
links = st.lists(st.sampled_from(["a", "b", "c", "..", "..", "outside", "", "{outside}"]), max_size=6).map("/".join)
members = st.lists(
    st.builds(
        member, names, st.sampled_from([tarfile.REGTYPE, DIR, LINK, LINK, HARD]), link=links, mode=st.just(0o777)
    ),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(found=members, again=members)
def test_no_archive_reaches_anything_else(found: list[bytes], again: list[bytes]) -> None:
    """Two random archives into one target: nothing beside it changes, and no link in it leads out."""
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory).resolve()
        (scratch / "copies").mkdir()
        outside, target = made_outside(scratch), scratch / "copies/t"
        before = picture(outside)
        for one in (found, again):
            try:
                unpack(archive(*(filled(outside, part) for part in one)), target)
            except (InvalidInput, OSError):
                continue
        assert picture(outside) == before
        assert [path.name for path in (scratch / "copies").iterdir()] == ["t"]
        for path in target.rglob("*"):
            if path.is_symlink():
                # A link may lead to itself: that is nowhere.
                held = Path(os.path.realpath(path))
                assert held.is_relative_to(target) or not held.exists()


# ---- a workspace whose SFTP server lies


class LyingSftp(asyncssh.SFTPServer):
    """Lists whatever names it was given, each as a directory, a file or a link."""

    listed: tuple[tuple[bytes, int], ...] = ()
    held = b"f"

    @override
    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        for name, kind in self.listed if path.rstrip(b"/").endswith(b"/lies") else ():
            yield asyncssh.SFTPName(name, b"", asyncssh.SFTPAttrs(permissions=kind | 0o777, size=0))

    @override
    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        return asyncssh.SFTPAttrs(permissions=stat.S_IFDIR | 0o755)

    lstat = stat

    @override
    def readlink(self, path: bytes) -> bytes:
        return self.held


@asynccontextmanager
async def lying_files() -> AsyncIterator[Files]:
    key = asyncssh.generate_private_key("ssh-ed25519")

    class Open(asyncssh.SSHServer):
        @override
        def begin_auth(self, username: str) -> bool:
            return not username

    async with (
        await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[key], server_factory=Open, sftp_factory=LyingSftp
        ) as listener,
        await asyncssh.connect("127.0.0.1", listener.get_port(), known_hosts=None, username="nixos") as connection,
    ):

        @asynccontextmanager
        async def open_sftp(_workspace_id: str) -> AsyncIterator[asyncssh.SFTPClient]:
            async with await connection.start_sftp_client(path_encoding=None) as sftp:
                yield sftp

        files = Files(open_sftp)
        try:
            yield files
        finally:
            await files.close()


@asynccontextmanager
async def lying_services(data: Path) -> AsyncIterator[Services]:
    async with fake_services(data) as services, lying_files() as files:
        yield replace(services, files=files)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(tmp_path_factory.mktemp("data"), lying_services) as running:
        running.create("liar")
        yield running


def copied(web: Web, target: Path) -> subprocess.CompletedProcess[bytes]:
    environment = {"NIXWS_URL": web.url, "NIXWS_TOKEN": web.token, "PATH": os.environ["PATH"], "COLUMNS": "500"}
    command = [sys.executable, "-m", "nixos_workspaces.cli.main", "cp", "-r", "liar:/lies", str(target)]
    return subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("name", [b"../outside", b"a/b", b"/etc", b"x/../..", b"a\0b"])
def test_names_that_no_file_can_have_end_the_copy(
    web: Web, outside: Path, monkeypatch: pytest.MonkeyPatch, name: bytes
) -> None:
    """The service refuses them wherever it lists: no archive is made of them."""
    monkeypatch.setattr(LyingSftp, "listed", ((name, stat.S_IFDIR),))
    before = picture(outside)
    done = copied(web, outside.parent / "copies/t")
    assert done.returncode != 0
    assert b"Traceback" not in done.stderr
    assert picture(outside) == before
    assert {path.name for path in (outside.parent / "copies").rglob("*")} <= {"t"}
    with web.http() as http:
        listed = http.get("/api/nixos/workspaces/liar/files", params={"path": "/lies"})
    assert (listed.status_code, listed.json()["error"]["code"]) == (409, "file_refused")


def test_a_link_and_a_directory_of_one_name_change_nothing_elsewhere(
    web: Web, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It once set the mode of the local directory that the link named."""
    monkeypatch.setattr(LyingSftp, "held", os.fsencode(outside))
    monkeypatch.setattr(LyingSftp, "listed", ((b"x", stat.S_IFLNK), (b"x", stat.S_IFDIR)))
    before = picture(outside)
    done = copied(web, outside.parent / "copies/t")
    assert done.returncode == 0, done.stderr
    assert picture(outside) == before
    assert not (outside.parent / "copies/t/x").is_symlink()


def test_a_link_out_is_named(web: Web, outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LyingSftp, "held", b"../../\x1b[31moutside")
    monkeypatch.setattr(LyingSftp, "listed", ((b"x", stat.S_IFLNK), (b"f", stat.S_IFDIR)))
    done = copied(web, outside.parent / "copies/t")
    assert done.returncode == 0, done.stderr
    assert b"not copied: lies/x: it is a link that leads out" in done.stderr
    assert b"\x1b" not in done.stderr
    assert [path.name for path in (outside.parent / "copies/t").iterdir()] == ["f"]
