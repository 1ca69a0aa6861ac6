"""The verbs on files, over the real service; random trees make the round trip byte for byte."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from files_web import FilesWeb, files_web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nixos_workspaces.cli.files import send_tree, walk
from nixos_workspaces.client import Client
from nixos_workspaces.client.files import FileCalls, unpack


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilesWeb]:
    with files_web(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture
def home(service: FilesWeb, request: pytest.FixtureRequest) -> Path:
    path = service.server.home / f"t{abs(hash(request.node.nodeid)):x}"
    path.mkdir()
    os.chown(path, service.server.uid, service.server.uid)
    return path


def nixws(service: FilesWeb, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    given_to_it = {"NIXWS_URL": service.web.url, "NIXWS_TOKEN": service.web.token, "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "nixos_workspaces.cli.main", *map(str, words)]
    return subprocess.run(command, env={**given_to_it, **environment}, capture_output=True, timeout=120, check=False)


def picture(root: Path) -> dict[bytes, tuple[int, bytes]]:
    found: dict[bytes, tuple[int, bytes]] = {}
    for path in root.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            found[os.fsencode(path.relative_to(root))] = (stat.S_IFLNK, os.fsencode(os.readlink(path)))  # noqa: PTH115 - Path would tidy it up
        else:
            content = path.read_bytes() if stat.S_ISREG(mode) else b""
            found[os.fsencode(path.relative_to(root))] = (mode, content)
    return found


def equals(one: Path, other: Path) -> bool:
    """Whether two trees are the same; False while one of them changes under the look."""
    try:
        return one.exists() and picture(one) == picture(other)
    except FileNotFoundError:
        return False


def until_equal(one: Path, other: Path) -> None:
    deadline = time.monotonic() + 30
    while not equals(one, other):
        assert time.monotonic() < deadline, "the trees never became the same"
        time.sleep(0.02)


def make_tree(root: Path) -> None:
    for directory in (root, root / "d", root / "d/e", root / "none"):
        directory.mkdir()
    for number in range(30):
        (root / "d/e" / f"f{number}").write_bytes(os.urandom(number * 100))
    (root / "run").write_bytes(b"#!/bin/sh\n")
    (root / "run").chmod(0o755)
    (root / "link").symlink_to("d/e/f1")
    (root / "d/e").chmod(0o700)
    Path(os.fsdecode(os.fsencode(root) + b"/\xff%22\n\xfe")).write_bytes(b"odd")


def test_a_tree_goes_there_and_back(service: FilesWeb, home: Path, tmp_path: Path) -> None:
    make_tree(tmp_path / "tree")
    sent = nixws(service, "cp", "-r", tmp_path / "tree", f"files:{home}/there")
    assert sent.returncode == 0, sent.stderr
    assert picture(home / "there") == picture(tmp_path / "tree")
    back = nixws(service, "cp", "-r", f"files:{home}/there", tmp_path / "back")
    assert back.returncode == 0, back.stderr
    assert picture(tmp_path / "back") == picture(tmp_path / "tree")
    assert nixws(service, "cp", tmp_path / "tree", f"files:{home}/x").returncode == 2
    assert nixws(service, "cp", tmp_path / "tree", tmp_path / "x").returncode == 2


def test_large_and_small_files(service: FilesWeb, home: Path, tmp_path: Path) -> None:
    for size in (0, 10, 9_000_000):
        (tmp_path / "f").write_bytes(os.urandom(size))
        (tmp_path / "f").chmod(0o640)
        sent = nixws(service, "cp", tmp_path / "f", f"files:{home}")
        assert sent.returncode == 0, sent.stderr
        assert (home / "f").read_bytes() == (tmp_path / "f").read_bytes()
        assert stat.S_IMODE((home / "f").stat().st_mode) == 0o640
        assert nixws(service, "cp", f"files:{home}/f", tmp_path / "g").returncode == 0
        assert (tmp_path / "g").read_bytes() == (tmp_path / "f").read_bytes()
        assert nixws(service, "cat", f"files:{home}/f").stdout == (tmp_path / "f").read_bytes()


def test_a_copy_onto_a_link_a_pipe_or_a_device_is_written_through_it(
    service: FilesWeb, home: Path, tmp_path: Path
) -> None:
    """As scp does: neither is replaced by a file."""
    (home / "f").write_bytes(b"content")
    (tmp_path / "behind").write_bytes(b"something longer")
    (tmp_path / "behind").chmod(0o640)
    for name, target in (("link", "behind"), ("dangling", "made")):
        (tmp_path / name).symlink_to(target)
        copied = nixws(service, "cp", f"files:{home}/f", tmp_path / name)
        assert copied.returncode == 0, copied.stderr
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / target).read_bytes() == b"content"
    assert stat.S_IMODE((tmp_path / "behind").stat().st_mode) == 0o640
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as thread:
        read = thread.submit((tmp_path / "pipe").read_bytes)
        assert nixws(service, "cp", f"files:{home}/f", tmp_path / "pipe").returncode == 0
        assert read.result(20) == b"content"
    assert (tmp_path / "pipe").is_fifo()
    outer, inner = os.openpty()
    device = Path(os.ttyname(inner))
    try:
        assert nixws(service, "cp", f"files:{home}/f", device).returncode == 0
        assert os.read(outer, 100) == b"content"
        assert device.is_char_device()
    finally:
        os.close(outer)
        os.close(inner)


def test_a_copy_onto_a_link_in_the_workspace_is_written_through_it(
    service: FilesWeb, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"content")
    (home / "behind").write_bytes(b"old")
    os.chown(home / "behind", service.server.uid, service.server.uid)
    (home / "link").symlink_to("behind")
    copied = nixws(service, "cp", tmp_path / "f", f"files:{home}/link")
    assert copied.returncode == 0, copied.stderr
    assert (home / "link").is_symlink()
    assert (home / "behind").read_bytes() == b"content"


def test_listing_and_deleting(service: FilesWeb, home: Path) -> None:
    (home / "d").mkdir()
    os.chown(home / "d", service.server.uid, service.server.uid)
    (home / "d/f").write_bytes(b"x")
    (home / "d/\x1b[31mred").write_bytes(b"x")
    listed = nixws(service, "ls", f"files:{home}/d")
    assert b"\x1b" not in listed.stdout
    assert b"red" in listed.stdout
    as_json = json.loads(nixws(service, "--json", "ls", f"files:{home}/d").stdout)
    assert [one["size"] for one in as_json["files"]] == [1, 1]
    assert nixws(service, "rm", f"files:{home}/d").returncode == 5
    assert nixws(service, "rm", "-r", f"files:{home}/d").returncode == 0
    assert nixws(service, "cat", f"files:{home}/d").returncode == 3


def test_edit_does_not_overwrite_what_others_changed(service: FilesWeb, home: Path, tmp_path: Path) -> None:
    (home / "f").write_bytes(b"one\n")
    os.chown(home / "f", service.server.uid, service.server.uid)
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho two >> "$1"\n')
    editor.chmod(0o755)
    assert nixws(service, "edit", f"files:{home}/f", EDITOR=str(editor)).returncode == 0
    assert (home / "f").read_bytes() == b"one\ntwo\n"
    editor.write_text(f'#!/bin/sh\necho mine >> "$1"; echo theirs > {home}/f\n')
    refused = nixws(service, "edit", f"files:{home}/f", EDITOR=str(editor))
    assert refused.returncode == 5
    assert (home / "f").read_bytes() == b"theirs\n"
    kept = Path(refused.stderr.decode().partition("kept in ")[2].splitlines()[0].rstrip("."))
    assert kept.read_bytes().endswith(b"mine\n")
    shutil.rmtree(kept.parent)


def test_an_editor_that_fails_writes_nothing(service: FilesWeb, home: Path, tmp_path: Path) -> None:
    (home / "f").write_bytes(b"one\n")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho two >> "$1"; exit 1\n')
    editor.chmod(0o755)
    refused = nixws(service, "edit", f"files:{home}/f", EDITOR=str(editor))
    assert refused.returncode == 2
    assert (home / "f").read_bytes() == b"one\n"
    kept = Path(refused.stderr.decode().partition("kept in ")[2].replace("\n", "").rstrip("."))
    assert kept.read_bytes() == b"one\ntwo\n"
    shutil.rmtree(kept.parent)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["cp", "{tmp}/nothing", "files:{home}/x"], "nothing: No such file"),
        (["cp", "files:{home}/f", "{tmp}/no/dir/f"], "No such file"),
        (["cp", "files:{home}/f", "/proc/f"], "/proc/"),
        (["cp", "{tmp}/closed/f", "files:{home}/x"], "closed/f: "),
        (["edit", "files:{home}/f"], "/no/editor: No such file"),
    ],
)
def test_what_is_wrong_on_this_side_is_one_sentence(
    service: FilesWeb, home: Path, tmp_path: Path, words: list[str], named: str
) -> None:
    (home / "f").write_bytes(b"content")
    (tmp_path / "closed").write_bytes(b"a file, not a directory")
    given_words = [word.format(tmp=tmp_path, home=home) for word in words]
    refused = nixws(service, *given_words, EDITOR="/no/editor", COLUMNS="500")
    assert refused.returncode == 2
    told = refused.stderr.decode()
    assert told.startswith("nixws: ")
    assert named in told
    assert "Traceback" not in told
    assert (
        json.loads(nixws(service, "--json", *given_words, EDITOR="/no/editor").stderr)["error"]["code"] == "local_file"
    )


def test_sync_sends_what_changed(service: FilesWeb, home: Path, tmp_path: Path) -> None:
    from nixos_workspaces.cli.files import Remote
    from nixos_workspaces.cli.sync import Mirror

    tree = tmp_path / "tree"
    make_tree(tree)
    assert nixws(service, "sync", "--once", tree, f"files:{home}/s").returncode == 0
    assert picture(home / "s") == picture(tree)
    with Client(service.web.url, service.web.token) as client:
        mirror = Mirror(FileCalls(client, "files"), tree, Remote("files", os.fsencode(home / "s")), delete=True)
        mirror.step()
        assert mirror.step() == (0, 0)
        (tree / "new").write_bytes(b"n")
        (tree / "link").unlink()
        shutil.rmtree(tree / "d")
        changed, deleted = mirror.step()
        assert (changed, deleted > 0) == (1, True)
        assert picture(home / "s") == picture(tree)


def test_sync_listens_for_changes(service: FilesWeb, home: Path, tmp_path: Path) -> None:
    """Every kind of change arrives, also of names that are not UTF-8; Ctrl-C ends it."""
    tree = tmp_path / "tree"
    make_tree(tree)
    environment = {"NIXWS_URL": service.web.url, "NIXWS_TOKEN": service.web.token, "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "nixos_workspaces.cli.main", "sync", "--delete", str(tree), f"files:{home}/s"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as running:
        try:
            until_equal(home / "s", tree)
            odd = Path(os.fsdecode(os.fsencode(tree) + b"/\xfe\xff"))
            for change in (
                lambda: (tree / "d/e/f1").write_bytes(b"changed"),
                lambda: (tree / "run").chmod(0o640),
                lambda: (tree / "new/deep").mkdir(parents=True),
                lambda: (tree / "new/deep/file").write_bytes(b"in a new directory"),
                lambda: (tree / "run").rename(tree / "new/run"),
                lambda: odd.write_bytes(b"odd"),
                odd.unlink,
                lambda: shutil.rmtree(tree / "d"),
            ):
                change()
                until_equal(home / "s", tree)
            running.send_signal(signal.SIGINT)
            assert running.wait(10) == 130
        finally:
            running.kill()
        assert running.stderr is not None
        assert b"Traceback" not in running.stderr.read()


names = st.binary(min_size=1, max_size=30).filter(
    lambda name: not set(name) & set(b"/\0") and name not in {b".", b".."} and name != b"NOT-INCLUDED.txt"
)
leaves = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=2000), st.sampled_from([0o644, 0o600, 0o755, 0o444])),
    st.tuples(st.just("link"), names, st.just(0)),
)
trees = st.recursive(
    st.dictionaries(names, leaves, max_size=4),
    lambda inner: st.dictionaries(names, st.one_of(leaves, inner), max_size=4),
    max_leaves=12,
)


def build(root: bytes, tree: dict[bytes, object]) -> None:
    Path(os.fsdecode(root)).mkdir()
    Path(os.fsdecode(root)).chmod((0o755, 0o700, 0o750)[len(tree) % 3])
    for name, what in tree.items():
        path = root + b"/" + name
        if isinstance(what, dict):
            build(path, what)
            continue
        assert isinstance(what, tuple)
        kind, content, mode = what
        if kind == "link":
            os.symlink(content, path)  # noqa: PTH211 - Path would tidy it up
        else:
            Path(os.fsdecode(path)).write_bytes(content)
            Path(os.fsdecode(path)).chmod(mode)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(tree=trees)
def test_random_trees_make_the_round_trip(service: FilesWeb, tree: dict[bytes, object]) -> None:
    with tempfile.TemporaryDirectory() as scratch, Client(service.web.url, service.web.token) as client:
        build(os.fsencode(scratch) + b"/tree", tree)
        calls = FileCalls(client, "files")
        there = os.fsencode(service.server.home) + b"/round"
        calls.make_directory(there)
        assert send_tree(calls, list(walk(Path(scratch) / "tree")), there, lambda _count: None) == []
        with calls.open(there, archive="tar") as answer:
            assert unpack(answer, Path(scratch) / "back") == []
        assert picture(Path(scratch) / "back") == picture(Path(scratch) / "tree")
        calls.remove(there, recursive=True)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=trees)
def test_random_trees_make_the_round_trip_by_the_command_line(service: FilesWeb, tree: dict[bytes, object]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        there = f"files:{service.server.home}/cli-round"
        build(os.fsencode(scratch) + b"/tree", tree)
        sent = nixws(service, "cp", "-r", f"{scratch}/tree", there)
        assert sent.returncode == 0, sent.stderr
        back = nixws(service, "cp", "-r", there, f"{scratch}/back")
        assert back.returncode == 0, back.stderr
        assert picture(Path(scratch) / "back") == picture(Path(scratch) / "tree")
        assert nixws(service, "rm", "-r", there).returncode == 0


@pytest.mark.alone  # it copies at the speed of a quiet machine
def test_a_sparse_file_of_four_gib_goes_there_and_back(service: FilesWeb, home: Path, tmp_path: Path) -> None:
    """Sizes and offsets beyond 32 bits; compared a piece at a time, the holes too."""
    marks = {0: b"first", (1 << 32) - 3: b"across the border", (1 << 31) + 7: b"middle"}
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate((4 << 30) + 100)
        for place, mark in marks.items():
            file.seek(place)
            file.write(mark)
    sent = nixws(service, "cp", tmp_path / "sparse", f"files:{home}/sparse")
    assert sent.returncode == 0, sent.stderr
    got = nixws(service, "cp", f"files:{home}/sparse", tmp_path / "back")
    assert got.returncode == 0, got.stderr
    (home / "sparse").unlink()
    assert filecmp.cmp(tmp_path / "sparse", tmp_path / "back", shallow=False)
    (tmp_path / "back").unlink()


def test_a_sparse_file_of_four_gib_is_downloaded_in_parts(service: FilesWeb, home: Path) -> None:
    with (home / "sparse").open("wb") as file:
        file.truncate(4 << 30)
        file.seek((4 << 30) - 5)
        file.write(b"last!")
    with Client(service.web.url, service.web.token) as client:
        calls = FileCalls(client, "files")
        assert [one.size for one in calls.names(os.fsencode(home))] == [4 << 30]
        with calls._sent("GET", os.fsencode(home / "sparse"), headers={"Range": "bytes=-10"}) as answer:
            assert answer.read() == b"\0\0\0\0\0last!"


def test_a_text_is_looked_for_and_names_are_listed(service: FilesWeb, home: Path) -> None:
    where = f"{service.root.rpartition('/')[2]}:{home}"
    (home / "deep").mkdir()
    (home / "a b.txt").write_text("first\nan Umlaut & möre\n")
    (home / "deep" / ".hidden").write_text("umlaut\n")
    for path in home.rglob("*"):
        os.chown(path, service.server.uid, service.server.uid)
    found = nixws(service, "grep", "umlaut & m", where)
    assert (found.returncode, found.stdout.decode()) == (0, f"{home}/a b.txt:2:an Umlaut & möre\n"), found.stderr
    assert nixws(service, "grep", "--case", "umlaut & m", where).returncode == 1
    every = nixws(service, "find", "--all", where).stdout.decode().splitlines()
    assert sorted(every) == [f"{home}/a b.txt", f"{home}/deep/.hidden"]
    cut = nixws(service, "find", "--all", "--limit", "1", where)
    assert (len(cut.stdout.splitlines()), b"--limit" in cut.stderr) == (1, True)
    lines = [json.loads(line) for line in nixws(service, "--json", "grep", "umlaut", where).stdout.splitlines()]
    assert lines[0]["line"] == 2
    assert lines[-1]["complete"] is True
    missing = nixws(service, "find", f"{where}/nowhere")
    assert missing.returncode == 3
    assert b"nixws:" in missing.stderr
