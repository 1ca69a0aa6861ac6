"""Searching inside a workspace, by the programs that are there: ripgrep, else grep and find.

They run where the files are, as the workspace's user, and are killed when nobody waits for them any more. Answers come
while they are found; number, bytes and time are bounded.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shlex
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import asyncssh

from nixos_workspaces.errors import Conflict, Forbidden, LimitExceeded, NotFound, Unavailable
from nixos_workspaces.files.service import Files
from nixos_workspaces.model.files import Kind
from nixos_workspaces.model.paths import checked, shown
from nixos_workspaces.model.searches import Bound, Match, NamesQuery, SearchEnd, TextQuery, Tool
from nixos_workspaces.model.workspace import AuthorisedId

OpenScript = Callable[[str, bytes], AbstractAsyncContextManager[asyncssh.SSHClientProcess[bytes]]]
"""Runs a script inside a workspace for as long as the context lasts (``ssh.commands.open_script``)."""

SECONDS = 20
"""A search that takes longer ends with what it found."""
MAX_AT_ONCE = 3
"""Searches of one workspace that run at the same time."""
MAX_TEXT_BYTES = 400
"""Bytes of a line that are told."""
MAX_OUTPUT_BYTES = 32 << 20
_START_SECONDS = 10.0
_GRACE_SECONDS = 5.0
_TIMED_OUT = (124, 137)
"""The exit codes of ``timeout`` when it had to end the tool."""
_READ_BYTES = 64 << 10
_MAX_NOISE_BYTES = 1 << 20
"""Bytes that a user's start-up files may print before the search begins."""

_LEFT_OUT = (".git", "node_modules")
"""Directories of names that nobody looks for and that hold most of a disk."""

_FLAGS = "--no-config --no-messages --null --one-file-system"
_PER_FILE = "--max-count=100"


Parser = Generator[list[Match], bytes, None]
"""Takes the bytes that a tool prints, piece by piece, and gives what they tell."""

_REMARK = re.compile(rb"[^\0\n]*: (?:WARNING: stopped searching binary file|binary file matches)[^\0\n]*\n")
"""A remark of ripgrep between its lines: the file before turned out to hold no text."""


def names_of() -> Parser:
    """Read paths that end with NUL."""
    found: list[Match] = []
    rest = b""
    while True:
        *whole, rest = (rest + (yield found)).split(b"\0")
        found = [Match(path) for path in whole]


def lines_of() -> Parser:
    """Read ``PATH NUL LINE:TEXT``; a path may hold line ends, a text of any length is cut as it comes."""
    found: list[Match] = []
    rest = b""
    is_cut = False
    while True:
        rest += yield found
        found = []
        while True:
            if is_cut:
                _, end, rest = rest.partition(b"\n")
                is_cut = not end
                if is_cut:
                    break
            path, zero, behind = rest.partition(b"\0")
            if not zero:
                break
            told, end, after = behind.partition(b"\n")
            if not end and len(told) < MAX_TEXT_BYTES + _LONGEST_NUMBER:
                break
            number, colon, text = told.partition(b":")
            if colon and number.isdigit():
                found.append(Match(_REMARK.sub(b"", path), int(number), text[:MAX_TEXT_BYTES].rstrip(b"\r")))
            rest, is_cut = after, not end


_LONGEST_NUMBER = 20


@dataclass(frozen=True, slots=True)
class Search:
    """A search that runs; valid inside the context that gave it."""

    found: AsyncIterator[list[Match] | SearchEnd]
    """Lists of what was found, as it comes, then one ``SearchEnd``.

    Raises ``Unavailable`` where the workspace does not answer any more."""


class Searches:
    """Searches in the files of workspaces, for people who look for something.

    Every method raises ``InvalidInput`` for what cannot be a path, ``NotFound``, ``Forbidden`` where user ``nixos`` may
    not read, ``Conflict`` for what is no directory, ``LimitExceeded`` with code ``too_many_searches`` and
    ``Unavailable``. The workspace has to be running, and the caller to be allowed: neither is asked here.
    """

    def __init__(self, files: Files, open_script: OpenScript, *, seconds: float = SECONDS) -> None:
        self._files = files
        self._open_script = open_script
        self._seconds = seconds
        self._running: Counter[str] = Counter()

    def text(
        self, workspace_id: AuthorisedId, directory: bytes, query: TextQuery
    ) -> AbstractAsyncContextManager[Search]:
        """Look for lines that hold a text in the text files below a directory, for as long as the context lasts."""
        return self._opened(workspace_id, directory, _text_commands(query), lines_of(), query.limit)

    def names(
        self, workspace_id: AuthorisedId, directory: bytes, query: NamesQuery
    ) -> AbstractAsyncContextManager[Search]:
        """Look for all files below a directory, for as long as the context lasts."""
        return self._opened(workspace_id, directory, _name_commands(query), names_of(), query.limit)

    @asynccontextmanager
    async def _opened(
        self, workspace_id: AuthorisedId, directory: bytes, commands: dict[Tool, str], parser: Parser, limit: int
    ) -> AsyncIterator[Search]:
        directory = checked(directory)
        if self._running[workspace_id] >= MAX_AT_ONCE:
            raise LimitExceeded(
                f"{MAX_AT_ONCE} searches run in this workspace; wait for one to end, or end one.",
                code="too_many_searches",
            )
        self._running[workspace_id] += 1
        try:
            if (await self._files.stat(workspace_id, directory, follow=True)).kind is not Kind.DIRECTORY:
                raise Conflict(f"{shown(directory)!r} is not a directory.", code="not_a_directory", field="path")
            mark = secrets.token_hex(16).encode()
            async with self._open_script(workspace_id, _script(directory, commands, mark, self._seconds)) as process:
                tool, first = await _begun(process, mark, directory)
                yield Search(_found(process, first, tool, directory, parser, limit=limit, seconds=self._seconds))
        finally:
            self._running[workspace_id] -= 1
            self._running += Counter()  # drops what is not counted any more


def _script(directory: bytes, commands: dict[Tool, str], mark: bytes, seconds: float) -> bytes:
    """Return the script: in the directory, the first of the tools that is there, and its name after the mark.

    It is one compound command, read whole before it runs; a path is any bytes, and quoted as such.
    """
    quoted = b"'" + directory.replace(b"'", b"'\"'\"'") + b"'"
    programs = {Tool.RIPGREP: "rg", Tool.GREP: "grep", Tool.FIND: "find"}
    tries = "\n".join(
        f"if command -v {programs[tool]} >/dev/null 2>&1; then\n"
        f"printf '%s %s\\0' {mark.decode()} {tool.value}\n"
        f"exec timeout -k 1 {seconds:g} nice -n 10 {command} </dev/null 2>/dev/null\nfi"
        for tool, command in commands.items()
    )
    return (
        b"{\nPATH=$PATH:/run/current-system/sw/bin\ncd -- " + quoted + b" || exit 66\n" + tries.encode() + b"\n"
        b"printf '%s none\\0' " + mark + b"\nexit 69\n}\n"
    )


def _text_commands(query: TextQuery) -> dict[Tool, str]:
    text = shlex.quote(query.text)
    case = "--case-sensitive" if query.case else "--ignore-case"
    excluded = " ".join(f"--exclude-dir={name}" for name in _LEFT_OUT)
    visible = "" if query.hidden else " --exclude-dir='.?*' --exclude='.?*'"
    return {
        Tool.RIPGREP: (
            f"rg {_FLAGS} {_globs(hidden=query.hidden)} {case} {_PER_FILE} --fixed-strings --line-number --no-heading"
            f" --with-filename --color=never --max-columns={MAX_TEXT_BYTES} --max-columns-preview --max-filesize=10M"
            f" --regexp={text} ."
        ),
        Tool.GREP: (
            f"grep -rnIZF{'' if query.case else 'i'} {_PER_FILE} --devices=skip --color=never {excluded}{visible}"
            f" -e {text} ."
        ),
    }


def _name_commands(query: NamesQuery) -> dict[Tool, str]:
    left_out = " -o ".join(f"-name {name}" for name in (*_LEFT_OUT, *(() if query.hidden else ("'.?*'",))))
    return {
        Tool.RIPGREP: f"rg --files {_FLAGS} {_globs(hidden=query.hidden)} .",
        Tool.FIND: rf"find . -xdev \( {left_out} \) -prune -o -type f -print0",
    }


def _globs(*, hidden: bool) -> str:
    return " ".join((*(("--hidden",) if hidden else ()), *(f"--glob='!{name}'" for name in _LEFT_OUT)))


async def _begun(process: asyncssh.SSHClientProcess[bytes], mark: bytes, directory: bytes) -> tuple[Tool, bytes]:
    """Return the tool that runs, and the first bytes that it printed; whatever came before the mark is not ours."""
    seen = b""
    try:
        async with asyncio.timeout(_START_SECONDS):
            while True:
                head, found, rest = seen.partition(mark + b" ")
                if found and b"\0" in rest:
                    break
                if len(head) > _MAX_NOISE_BYTES:
                    raise Unavailable("The shell's start-up files print without an end.", code="search_unavailable")
                data = await process.stdout.read(_READ_BYTES)
                if not data:
                    raise Forbidden(
                        f"The workspace's user 'nixos' may not look into {shown(directory)!r}.",
                        code="permission_denied",
                        field="path",
                    )
                seen += data
    except TimeoutError as late:
        raise Unavailable(
            "The workspace does not begin to search; try again, or restart it.", code="workspace_not_answering"
        ) from late
    except (OSError, asyncssh.Error) as broken:
        raise _gone() from broken
    name, _, first = rest.partition(b"\0")
    if name == b"none":
        raise NotFound(
            "The workspace has no program that searches; add the package ripgrep.", code="search_unavailable"
        )
    return Tool(name.decode()), first


async def _found(
    process: asyncssh.SSHClientProcess[bytes],
    first: bytes,
    tool: Tool,
    directory: bytes,
    parser: Parser,
    *,
    limit: int,
    seconds: float,
) -> AsyncIterator[list[Match] | SearchEnd]:
    """Yield what the tool prints until it ends or a bound is reached."""
    until = asyncio.get_running_loop().time() + seconds + _GRACE_SECONDS
    count, received, data = 0, 0, first
    bound: Bound | None = None
    next(parser)
    prefix = directory.rstrip(b"/") + b"/"
    while True:
        found = [Match(prefix + one.path.removeprefix(b"./"), one.line, one.text) for one in parser.send(data)]
        received += len(data)
        if count + len(found) > limit or received > MAX_OUTPUT_BYTES:
            found, bound = found[: limit - count], Bound.LIMIT
        count += len(found)
        if found:
            yield found
        if bound is not None:
            break
        data = await _more(process, until)
        if not data:
            bound = await _bound_of(process)
            break
    yield SearchEnd(tool, count, bound)


async def _more(process: asyncssh.SSHClientProcess[bytes], until: float) -> bytes:
    """Return what the tool prints next; nothing at its end."""
    try:
        async with asyncio.timeout_at(until):
            return await process.stdout.read(_READ_BYTES)
    except TimeoutError as late:
        raise Unavailable(
            "The workspace does not go on with the search; try again.", code="workspace_not_answering"
        ) from late
    except (OSError, asyncssh.Error) as broken:
        raise _gone() from broken


async def _bound_of(process: asyncssh.SSHClientProcess[bytes]) -> Bound | None:
    """Return the bound that ended a tool which prints nothing more; it says so itself, or its connection broke."""
    try:
        async with asyncio.timeout(_GRACE_SECONDS):
            await process.wait_closed()
    except TimeoutError as late:
        raise _gone() from late
    if process.exit_status is None:
        raise _gone()
    return Bound.TIME if process.exit_status in _TIMED_OUT else None


def _gone() -> Unavailable:
    return Unavailable("The connection to the workspace broke; search again.", code="workspace_unreachable")
