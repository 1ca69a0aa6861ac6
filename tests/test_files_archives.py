"""Archives of directories: everything in them, readable by the usual tools, honest about what is missing."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import files_fixture
import pytest
from files_fixture import WS, give
from sshd_fixture import LocalSshd

from nixos_workspaces.errors import Conflict
from nixos_workspaces.files import Files, Format

server, home, files = files_fixture.server, files_fixture.home, files_fixture.files


def make_tree(root: Path, server: LocalSshd) -> dict[str, bytes]:
    content = {f"d{number % 3}/file{number}": os.urandom(number * 17) for number in range(60)}
    content["big"] = os.urandom(1_000_003) + bytes(2_000_000)
    content["empty"] = b""
    content["ünï ☃"] = b"utf-8"
    content["\udcff\udcfe"] = b"not utf-8"
    for name, data in content.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        give(path, server, data)
    (root / "big").chmod(0o755)
    (root / "link").symlink_to("big")
    (root / "none").mkdir()
    return content


def unpack_and_compare(raw: bytes, out: Path, tree: Path, form: Format) -> None:
    """Let GNU tar unpack it."""
    how = "-xzf" if form is Format.TAR_GZ else "-xf"
    subprocess.run(["tar", how, "-", "-C", out], input=raw, check=True)
    subprocess.run(["diff", "-r", "--no-dereference", tree, out / "tree"], check=True)


async def archived(files: Files, path: Path, form: Format) -> bytes:
    async with files.archive(WS, os.fsencode(path), form) as archive:
        return b"".join([piece async for piece in archive.stream])


@pytest.mark.parametrize("form", [Format.TAR, Format.TAR_GZ])
async def test_tar_holds_the_tree(files: Files, server: LocalSshd, home: Path, form: Format) -> None:
    content = make_tree(home / "tree", server)
    raw = await archived(files, home / "tree", form)
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        members = {one.name: one for one in archive.getmembers()}
        found = {name: archive.extractfile(one) for name, one in members.items() if one.isfile()}
        assert {name: file.read() for name, file in found.items() if file} == {
            f"tree/{name}": data for name, data in content.items()
        }
    assert members["tree/big"].mode == 0o755
    assert members["tree/link"].linkname == "big"
    assert members["tree/none"].isdir()
    (home / "out").mkdir()
    await asyncio.to_thread(unpack_and_compare, raw, home / "out", home / "tree", form)


async def test_zip_holds_the_tree(files: Files, server: LocalSshd, home: Path) -> None:
    content = make_tree(home / "tree", server)
    raw = await archived(files, home / "tree", Format.ZIP)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.testzip() is None
        found = {one.filename: archive.read(one) for one in archive.infolist() if not one.is_dir()}
        assert archive.getinfo("tree/big").external_attr >> 16 & 0o777 == 0o755
    assert found.pop("tree/link") == b"big"
    odd = found.pop(b"tree/\xff\xfe".decode("cp437"))
    assert odd == content.pop("\udcff\udcfe")
    assert found == {f"tree/{name}": data for name, data in content.items()}


async def test_an_archive_names_what_is_not_in_it(files: Files, server: LocalSshd, home: Path) -> None:
    make_tree(home / "tree", server)
    os.mkfifo(home / "tree/pipe")
    for name in ("secret", "secret-big"):
        give(home / "tree" / name, server, b"x" * (300_000 if "big" in name else 5))
        (home / "tree" / name).chmod(0)
    (home / "tree/closed").mkdir(mode=0o700)
    async with files.archive(WS, os.fsencode(home / "tree"), Format.TAR) as archive:
        assert archive.total is not None
        assert archive.total.entries == len(list((home / "tree").rglob("*"))) + 1
        raw = b"".join([piece async for piece in archive.stream])
    with tarfile.open(fileobj=io.BytesIO(raw)) as opened:
        note = opened.extractfile("tree/NOT-INCLUDED.txt")
        assert note is not None
        left_out = sorted(line.rpartition(b"/")[2].strip() for line in note.readlines())
        assert left_out == [b"closed", b"pipe", b"secret", b"secret-big"]
        assert not {"tree/pipe", "tree/secret", "tree/secret-big"} & set(opened.getnames())


async def test_only_directories_are_archived(files: Files, server: LocalSshd, home: Path) -> None:
    give(home / "file", server, b"x")
    with pytest.raises(Conflict):
        await archived(files, home / "file", Format.ZIP)


async def test_a_leaving_reader_closes_everything(files: Files, server: LocalSshd, home: Path) -> None:
    make_tree(home / "tree", server)
    async with files.archive(WS, os.fsencode(home / "tree"), Format.TAR) as archive:
        await anext(archive.stream)
    assert await archived(files, home / "tree/d1", Format.TAR)


def test_zip_tools_are_happy(tmp_path: Path) -> None:
    """More names than the short format counts, and a size beyond 4 GiB in a header."""
    from nixos_workspaces.files.trees.zipping import ZipStream

    stream = ZipStream()
    pieces = []
    for number in range(66_000):
        pieces += [stream.begin(b"f%d" % number, 0o100644, 0), stream.data(b"x"), stream.end()]
    path = tmp_path / "many.zip"
    path.write_bytes(b"".join(pieces) + stream.finish())
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == 66_000
        assert archive.read("f65999") == b"x"
    unzip = shutil.which("unzip")
    assert unzip is None or subprocess.run([unzip, "-tqq", path], check=False).returncode == 0
