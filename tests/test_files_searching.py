"""Searching in files: over a real OpenSSH server, with the tools of the machine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from files_fixture import WS, files, give, home, server
from sshd_fixture import LocalSshd

from nixos_workspaces.errors import Conflict, Forbidden, LimitExceeded, NotFound, Unavailable
from nixos_workspaces.files import Files, OpenScript, Search, Searches
from nixos_workspaces.files.searching import MAX_AT_ONCE, MAX_TEXT_BYTES, Parser, lines_of, names_of
from nixos_workspaces.model.searches import Bound, Match, NamesQuery, SearchEnd, TextQuery, Tool
from nixos_workspaces.ssh.commands import open_script
from nixos_workspaces.terminals.ssh_bridge import SSHBridge

__all__ = ["files", "home", "server"]


@pytest.fixture
async def searches(server: LocalSshd, files: Files) -> AsyncIterator[Searches]:
    bridge = server.bridge()
    try:
        yield Searches(files, partial(open_script, bridge.connections))
    finally:
        await bridge.close()


async def everything(search: Search) -> tuple[list[Match], SearchEnd]:
    found: list[Match] = []
    async for part in search.found:
        if isinstance(part, SearchEnd):
            return found, part
        found += part
    raise AssertionError("It has no end.")


async def text(
    searches: Searches, home: Path, what: str, limit: int = 100, *, case: bool = False, hidden: bool = False
) -> tuple[list[Match], SearchEnd]:
    async with searches.text(WS, os.fsencode(home), TextQuery(what, limit, case, hidden)) as search:
        return await everything(search)


async def names(
    searches: Searches, home: Path, limit: int = 100, *, hidden: bool = False
) -> tuple[list[str], SearchEnd]:
    async with searches.names(WS, os.fsencode(home), NamesQuery(limit, hidden)) as search:
        found, end = await everything(search)
        return sorted(os.fsdecode(one.path).removeprefix(f"{home}/") for one in found), end


async def test_lines_that_hold_the_text_are_told_with_their_number(
    searches: Searches, server: LocalSshd, home: Path
) -> None:
    give(home / "a.nix", server, b"one\n  services.Nginx = true;\r\n")
    (home / "deep").mkdir()
    give(home / "deep" / "it's $(b) \\ \n.txt", server, b"nothing\nnginx\n")
    give(home / "program", server, b"\0nginx\n")
    give(home / ".hidden", server, b"nginx\n")
    (home / "node_modules").mkdir()
    give(home / "node_modules" / "c.js", server, b"nginx\n")
    found, end = await text(searches, home, "nginx")
    assert sorted((one.path, one.line, one.text) for one in found) == [
        (os.fsencode(home / "a.nix"), 2, b"  services.Nginx = true;"),
        (os.fsencode(home / "deep" / "it's $(b) \\ \n.txt"), 2, b"nginx"),
    ]
    assert (end.count, end.bound) == (2, None)
    found, _ = await text(searches, home, "nginx", case=True, hidden=True)
    assert {one.path.rpartition(b"/")[2] for one in found} == {b".hidden", b"it's $(b) \\ \n.txt"}


@pytest.mark.parametrize("what", ["-e x", "'; touch made; '", "$(touch made)", "a.c", "\\", '"', "ü*[", "%s"])
async def test_a_text_is_taken_as_it_is(searches: Searches, server: LocalSshd, home: Path, what: str) -> None:
    give(home / "file", server, f"abc\n{what}\n".encode())
    found, _ = await text(searches, home, what)
    assert [(one.line, one.text.decode()) for one in found] == [(2, what)]
    assert not (server.home / "made").exists()
    assert not (home / "made").exists()


async def test_a_directory_of_any_bytes_is_searched(searches: Searches, server: LocalSshd, home: Path) -> None:
    odd = home / os.fsdecode(b"-it's \xff\n\\'$(id)")
    odd.mkdir()
    give(odd / "file", server, b"here\n")
    found, _ = await text(searches, odd, "here")
    assert [one.path for one in found] == [os.fsencode(odd / "file")]


async def test_a_limit_ends_the_search_and_is_told(searches: Searches, server: LocalSshd, home: Path) -> None:
    for number in range(5):
        give(home / f"f{number}", server, b"x\n" * 10)
    found, end = await text(searches, home, "x", 7)
    assert (len(found), end.count, end.bound) == (7, 7, Bound.LIMIT)


async def test_a_line_of_any_length_is_cut(searches: Searches, server: LocalSshd, home: Path) -> None:
    give(home / "long", server, b"x" * 3_000_000 + b"\nx\n")
    found, _ = await text(searches, home, "x")
    assert [(one.line, len(one.text)) for one in found] == [(1, MAX_TEXT_BYTES), (2, 1)]


async def test_all_names_are_told(searches: Searches, server: LocalSshd, home: Path) -> None:
    for directory in ("a/b", ".git", ".cache", "node_modules"):
        (home / directory).mkdir(parents=True)
        give(home / directory / "file", server)
    assert (await names(searches, home))[0] == ["a/b/file"]
    shown, end = await names(searches, home, hidden=True)
    assert (shown, end.count, end.bound) == ([".cache/file", "a/b/file"], 2, None)
    assert (await names(searches, home, 1, hidden=True))[1].bound is Bound.LIMIT


async def test_what_cannot_be_searched_is_told_at_once(searches: Searches, server: LocalSshd, home: Path) -> None:
    give(home / "file", server)
    (home / "shut").mkdir(mode=0o700)
    (home / "shut").chmod(0)
    with pytest.raises(NotFound):
        await text(searches, home / "missing", "x")
    with pytest.raises(Conflict) as wrong:
        await text(searches, home / "file", "x")
    assert wrong.value.code == "not_a_directory"
    with pytest.raises(Forbidden):
        await text(searches, home / "shut", "x")


Slow = tuple[SSHBridge, OpenScript]


def opener(bridge: SSHBridge, first: bytes) -> OpenScript:
    """Return what runs scripts behind a line that a user's start-up files might hold."""
    return lambda workspace_id, script: open_script(bridge.connections, workspace_id, first + b"\n" + script)


async def test_what_start_up_files_print_is_not_taken_for_an_answer(
    server: LocalSshd, files: Files, home: Path
) -> None:
    bridge = server.bridge()
    try:
        give(home / "file", server, b"x\n")
        found, _ = await text(Searches(files, opener(bridge, b"printf 'Welcome\\na\\0001:x\\n'")), home, "x")
        assert [one.path for one in found] == [os.fsencode(home / "file")]
    finally:
        await bridge.close()


def running(server: LocalSshd, program: str) -> bool:
    for pid in server.processes()[1:]:
        try:
            if Path(f"/proc/{pid}/comm").read_text().strip() == program:
                return True
        except OSError:
            continue
    return False


async def until(server: LocalSshd, program: str, *, runs: bool) -> None:
    async with asyncio.timeout(10):
        while await asyncio.to_thread(running, server, program) is not runs:
            pass


@pytest.fixture
async def slow(server: LocalSshd, home: Path) -> AsyncIterator[Slow]:
    """A way in with a ripgrep that finds one line, and does not end by itself."""
    tools = home / "bin"
    tools.mkdir()
    (tools / "rg").write_text("#!/bin/sh\nprintf './slow\\0001:x\\n'\nexec sleep 100\n")
    (tools / "rg").chmod(0o755)
    bridge = server.bridge()
    yield bridge, opener(bridge, b"export PATH=%s:$PATH" % os.fsencode(tools))
    await bridge.close()


async def test_a_search_that_nobody_waits_for_is_killed(
    slow: Slow, server: LocalSshd, files: Files, home: Path
) -> None:
    """Also one that finds nothing more, and so would never notice."""
    async with Searches(files, slow[1]).text(WS, os.fsencode(home), TextQuery("x", 10)) as search:
        assert isinstance(await anext(search.found), list)
        await until(server, "sleep", runs=True)
    await until(server, "sleep", runs=False)
    await until(server, "timeout", runs=False)


async def test_time_is_bounded_and_told(slow: Slow, server: LocalSshd, files: Files, home: Path) -> None:
    found, end = await text(Searches(files, slow[1], seconds=0.5), home, "x")
    assert ([one.text for one in found], end) == ([b"x"], SearchEnd(Tool.RIPGREP, 1, Bound.TIME))
    await until(server, "sleep", runs=False)


async def test_a_connection_that_breaks_is_told(slow: Slow, files: Files, home: Path) -> None:
    async with Searches(files, slow[1]).text(WS, os.fsencode(home), TextQuery("x", 10)) as search:
        slow[0].connections.forget(WS)
        with pytest.raises(Unavailable):
            await everything(search)


async def test_searches_of_one_workspace_are_bounded(searches: Searches, home: Path) -> None:
    opened = [searches.names(WS, os.fsencode(home), NamesQuery(10)) for _ in range(MAX_AT_ONCE + 1)]
    for one in opened[:-1]:
        await one.__aenter__()
    with pytest.raises(LimitExceeded) as refused:
        await opened[-1].__aenter__()
    assert refused.value.code == "too_many_searches"
    for one in opened[:-1]:
        await one.__aexit__(None, None, None)
    assert (await names(searches, home))[0] == []


def fed(parser: Parser, *pieces: bytes) -> list[Match]:
    next(parser)
    return [one for piece in pieces for one in parser.send(piece)]


def test_answers_are_read_from_pieces_of_any_size() -> None:
    printed = b"./a\n:b\x001:x:y\n./a: WARNING: stopped searching binary file after match (found)\n./c\x0022:\n"
    expected = [Match(b"./a\n:b", 1, b"x:y"), Match(b"./c", 22, b"")]
    for size in (1, 2, 7, 1000):
        pieces = [printed[at : at + size] for at in range(0, len(printed), size)]
        assert fed(lines_of(), *pieces) == expected
    assert fed(names_of(), b"./a\0./", b"b\0./c") == [Match(b"./a"), Match(b"./b")]
