"""Reading: entries, directories and the bytes of files."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace

import asyncssh

from nixos_workspaces.errors import Conflict, InvalidInput, WorkspacesError
from nixos_workspaces.files.entries import SMALL_BYTES, entry, etag, is_fresh, owner_of
from nixos_workspaces.files.sessions import Session
from nixos_workspaces.model.files import Entry, Kind
from nixos_workspaces.model.paths import shown

DEPTH = 6
"""Blocks of one transfer that are on their way at the same time, while few transfers run (``Session.depth``)."""
_READ_DEPTH = 8
"""The same for reading: the requests are small, and half of them are sent with one system call."""
MAX_NAMES = 100_000
"""Names of one directory that are listed."""
_READLINKS = 32


async def stat(session: Session, path: bytes, *, follow: bool = True) -> Entry:
    """Return the entry at ``path``, with ``follow`` that of a link's target. Raises ``NotFound``."""
    attributes = await session.do(session.sftp.stat(path) if follow else session.sftp.lstat(path), path)
    found = entry(path, attributes)
    if found.kind is not Kind.LINK:
        return found
    return entry(path, attributes, link_target=await _link_target(session, path))


async def find(session: Session, path: bytes, *, follow: bool = True) -> Entry | None:
    """Return the entry at ``path``; None if there is none."""
    try:
        return entry(path, await _attributes(session, path, follow=follow))
    except asyncssh.SFTPNoSuchFile:
        return None


async def _attributes(session: Session, path: bytes, *, follow: bool) -> asyncssh.SFTPAttrs:
    """Return the attributes; let "no such file" through as asyncssh's error."""

    async def ask() -> asyncssh.SFTPAttrs | asyncssh.SFTPNoSuchFile:
        try:
            return await (session.sftp.stat(path) if follow else session.sftp.lstat(path))
        except asyncssh.SFTPNoSuchFile as missing:
            return missing

    answer = await session.do(ask(), path)
    if isinstance(answer, asyncssh.SFTPNoSuchFile):
        raise answer
    return answer


async def _link_target(session: Session, path: bytes) -> bytes | None:
    """Return a link's target; None if it is gone or is no link by now."""
    try:
        return await session.do(session.sftp.readlink(path), path)
    except WorkspacesError:
        if session.spoiled:
            raise
        return None


async def names(session: Session, path: bytes) -> list[Entry]:
    """Return the entries of a directory, in no order, without ``.`` and ``..``; links without their target.

    Each name is there once, also where the directory changes while it is read. Raises ``Conflict`` for what is not a
    directory, for one of more than ``MAX_NAMES`` names, and for a server that answers with names that no file can have.
    """
    prefix = path.rstrip(b"/") + b"/"

    async def collect() -> list[Entry]:
        found: dict[bytes, Entry] = {}
        async with contextlib.aclosing(session.sftp.scandir(path)) as listing:  # type: ignore[type-var]
            async for one in listing:
                assert isinstance(one.filename, bytes)
                if one.filename in {b".", b".."}:
                    continue
                if not one.filename or b"/" in one.filename or b"\0" in one.filename:
                    raise Conflict(
                        f"The workspace's file server lists {shown(one.filename)!r}, which no file can be called.",
                        code="file_refused",
                        field="path",
                    )
                found[one.filename] = entry(prefix + one.filename, one.attrs, owner=owner_of(one.longname))
                if len(found) > MAX_NAMES:
                    raise Conflict(
                        f"The directory {shown(path)!r} holds more than {MAX_NAMES} names; use a terminal.",
                        code="too_many_entries",
                        field="path",
                    )
        return [*found.values()]

    try:
        return await session.do_patiently(collect(), path)
    except WorkspacesError:
        if not session.spoiled and (await stat(session, path)).kind is not Kind.DIRECTORY:
            raise Conflict(f"{shown(path)!r} is not a directory.", code="not_a_directory", field="path") from None
        raise


async def with_link_targets(session: Session, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the entries with the targets of their links, a few asked for at a time."""
    places = asyncio.Semaphore(_READLINKS)

    async def complete(one: Entry) -> Entry:
        if one.kind is not Kind.LINK:
            return one
        async with places:
            return replace(one, link_target=await _link_target(session, one.path))

    return tuple(await asyncio.gather(*map(complete, entries)))


@dataclass(frozen=True, slots=True)
class Download:
    """A regular file that is open for reading; valid inside the context that gave it."""

    entry: Entry
    """As it was when it was opened; ``path`` is as it was asked for, links are followed."""
    etag: str
    """The version, as an HTTP entity tag."""
    strong: bool
    """Whether equal tags mean equal bytes; False only for larger files that were changed in the last seconds."""
    stream: Callable[[int, int], AsyncIterator[bytes]]
    """``stream(start, end)`` yields the bytes from ``start`` up to, without, ``end``.

    Raises ``Conflict`` with code ``file_changed`` instead of the last block when the file was changed meanwhile:
    what was sent is then not one version of the file.
    """


async def opened(session: Session, path: bytes, now: Callable[[], float], close: contextlib.AsyncExitStack) -> Download:
    """Open a regular file; ``close`` closes it. Raises ``Conflict`` at once for anything else.

    Its kind is checked before, so that opening has no effect on a pipe's other end, and once it is open: another file
    may have been put in its place. The workspace opens without waiting (decision 11).
    """
    require_file(entry(path, await session.do(session.sftp.stat(path), path)))
    file = await session.do(session.sftp.open(path, "rb", block_size=None), path)
    close.push_async_callback(close_file, session, file)
    found = entry(path, await session.do(file.stat(), path))
    require_file(found)
    content: bytes | None = None
    fresh = is_fresh(found, now())
    if not found.size:
        content = await _unsized(session, file, path)
        found = replace(found, size=len(content))
    elif fresh and found.size <= SMALL_BYTES:
        content = await _whole(session, file, found)

    def stream(start: int, end: int) -> AsyncIterator[bytes]:
        if not 0 <= start <= end <= found.size:
            raise InvalidInput(f"The file has {found.size} bytes.", code="range_outside", field="range")
        if content is not None:
            return _once(content[start:end])
        return _blocks(session, file, found, start, end, whole=end - start == found.size)

    return Download(found, etag(found, content=content), not fresh or content is not None, stream)


def require_file(found: Entry) -> None:
    """Raise ``Conflict`` for everything but a regular file."""
    if found.kind is Kind.DIRECTORY:
        raise Conflict(
            f"{shown(found.path)!r} is a directory; download it as an archive.", code="is_a_directory", field="path"
        )
    if found.kind is not Kind.FILE:
        raise Conflict(
            f"{shown(found.path)!r} is a pipe, socket or device, not a file.", code="not_a_file", field="path"
        )


async def close_file(session: Session, file: asyncssh.SFTPClientFile) -> None:
    """Close a handle, unless the session is closed as a whole anyway."""
    if not session.spoiled:
        with contextlib.suppress(WorkspacesError):
            await session.do(file.close())


async def _whole(session: Session, file: asyncssh.SFTPClientFile, found: Entry) -> bytes:
    """Return the content of a small file; ``Conflict`` if it is not as long as it was."""
    content = await _read(session, file, found.path, 0, found.size)
    if len(content) != found.size:
        raise _changed(found.path)
    return content


async def _unsized(session: Session, file: asyncssh.SFTPClientFile, path: bytes) -> bytes:
    """Return the content of a file that tells no size: empty, or generated by the kernel under /proc and /sys."""
    content = await _read(session, file, path, 0, SMALL_BYTES + 1)
    if len(content) > SMALL_BYTES:
        raise Conflict(
            f"{shown(path)!r} tells no size, and is longer than {SMALL_BYTES} bytes; read it in a terminal.",
            code="size_unknown",
            field="path",
        )
    return content


async def content_of(session: Session, path: bytes) -> bytes:
    """Return the content of a file of up to ``SMALL_BYTES``; longer content is cut off."""
    file = await session.do(session.sftp.open(path, "rb", block_size=None), path)
    try:
        require_file(entry(path, await session.do(file.stat(), path)))
        return await _read(session, file, path, 0, SMALL_BYTES)
    finally:
        await close_file(session, file)


async def stream_of(session: Session, path: bytes) -> tuple[Entry, AsyncIterator[bytes], contextlib.AsyncExitStack]:
    """Open a file of any size; return its entry, its bytes up to its present length, and a function that closes it.

    A file that grows while it is read is fine, one that shrinks is ``Conflict``.
    """
    async with contextlib.AsyncExitStack() as close:
        require_file(entry(path, await session.do(session.sftp.stat(path), path)))
        file = await session.do(session.sftp.open(path, "rb", block_size=None), path)
        close.push_async_callback(close_file, session, file)
        found = entry(path, await session.do(file.stat(), path))
        require_file(found)
        return found, _blocks(session, file, found, 0, found.size, whole=False), close.pop_all()


async def _once(content: bytes) -> AsyncIterator[bytes]:
    if content:
        yield content


async def _read(session: Session, file: asyncssh.SFTPClientFile, path: bytes, start: int, size: int) -> bytes:
    """Return ``size`` bytes; fewer only where the file ends."""
    data = await session.do_patiently(session.bulk.read(file, size, start), path) if size else b""
    while data and len(data) < size:
        more = await session.do_patiently(session.bulk.read(file, size - len(data), start + len(data)), path)
        if not more:
            break
        data += more
    return data


async def _blocks(
    session: Session, file: asyncssh.SFTPClientFile, found: Entry, start: int, end: int, *, whole: bool
) -> AsyncIterator[bytes]:
    """Yield a range with up to ``_READ_DEPTH`` requests on their way; the last block only when nothing was changed."""
    pending: deque[tuple[int, asyncio.Future[bytes]]] = deque()
    position = start
    done = start
    try:
        while done < end:
            depth = session.depth(_READ_DEPTH)
            few = len(pending) <= depth // 2
            while few and position < end and len(pending) < depth:
                size = min(session.block_bytes, end - position)
                pending.append((size, session.bulk.read(file, size, position)))
                position += size
            size, answer = pending[0]
            data = await session.do_patiently(answer, found.path)
            pending.popleft()
            if len(data) < size:
                data += await _read(session, file, found.path, done + len(data), size - len(data))
            if len(data) < size:
                raise _changed(found.path)
            done += size
            if done == end:
                await _require_unchanged(session, file, found, whole=whole)
            yield data
    finally:
        if pending:
            session.spoiled = True
            for _, answer in pending:
                answer.cancel()


async def _require_unchanged(session: Session, file: asyncssh.SFTPClientFile, found: Entry, *, whole: bool) -> None:
    """Raise ``Conflict`` if the bytes that were read may be of two versions.

    A part of a file that only grew (a log) is fine: the part is what it was.
    """
    latest = entry(found.path, await session.do(file.stat(), found.path))
    same = (latest.size, latest.modified) == (found.size, found.modified)
    grown = latest.size > found.size and not whole
    if not same and not grown:
        raise _changed(found.path)


def _changed(path: bytes) -> Conflict:
    return Conflict(f"{shown(path)!r} was changed while it was read; try again.", code="file_changed", field="path")
