"""A directory as one stream: tar, compressed or not, or zip; memory does not grow with its size.

What cannot be put in (pipes, sockets, devices, what user ``nixos`` may not read, what vanished meanwhile) is named in a
last member, ``NOT-INCLUDED.txt``: an archive that lacks something says so.
"""

from __future__ import annotations

import asyncio
import posixpath
import stat
import zlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from typing_extensions import override

from nixos_workspaces.errors import Conflict, Forbidden, LimitExceeded, NotFound
from nixos_workspaces.files.entries import SMALL_BYTES
from nixos_workspaces.files.reading import content_of, stream_of
from nixos_workspaces.files.sessions import Session
from nixos_workspaces.files.trees.walking import Bounds, walk
from nixos_workspaces.files.trees.zipping import ZipStream
from nixos_workspaces.model.files import Entry, Kind
from nixos_workspaces.model.paths import encoded

COUNT_BOUNDS = Bounds(entries=50_000, seconds=3.0)
"""How far a directory is counted before its archive is sent."""
AHEAD_BYTES = 2 << 20
"""Small files that are read ahead of the one that is sent."""
_THREAD_BYTES = 64 * 1024
_BLOCK = 512
"""Of tar (POSIX ustar)."""
NOT_INCLUDED = b"NOT-INCLUDED.txt"


class Format(StrEnum):
    """Kinds of archives."""

    ZIP = "zip"
    TAR = "tar"
    TAR_GZ = "tar.gz"


@dataclass(frozen=True, slots=True)
class Total:
    """How much an archive will hold, as far as that was counted."""

    entries: int
    content_bytes: int


@dataclass(frozen=True, slots=True)
class Archive:
    """A directory that is ready to be sent; valid inside the context that gave it."""

    root: Entry
    total: Total | None
    """For showing progress; None where counting would take too long."""
    stream: AsyncIterator[bytes]
    """The archive, once."""


class _Writer(Protocol):
    def begin(self, one: Entry, name: bytes, size: int) -> bytes: ...

    def data(self, content: bytes) -> bytes: ...

    def end(self) -> bytes: ...

    def finish(self) -> bytes: ...


class _Tar(_Writer):
    """A writer of tar archives (GNU's format, with names of bytes)."""

    def __init__(self) -> None:
        self._size = 0

    @override
    def begin(self, one: Entry, name: bytes, size: int) -> bytes:
        import tarfile  # loaded late: hardly any service packs directories at once

        info = tarfile.TarInfo(name.decode("utf-8", "surrogateescape"))
        info.mode, info.mtime, info.size = one.mode & 0o777, one.modified, size
        info.uid, info.gid, info.uname = one.uid, one.gid, one.owner
        if one.kind is Kind.DIRECTORY:
            info.type = tarfile.DIRTYPE
        elif one.kind is Kind.LINK:
            info.type = tarfile.SYMTYPE
            info.linkname = (one.link_target or b"").decode("utf-8", "surrogateescape")
        self._size = size
        return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")

    @override
    def data(self, content: bytes) -> bytes:
        return content

    @override
    def end(self) -> bytes:
        return bytes(-self._size % _BLOCK)

    @override
    def finish(self) -> bytes:
        return bytes(2 * _BLOCK)


class _TarGz(_Tar):
    """The same through gzip."""

    def __init__(self) -> None:
        super().__init__()
        self._packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    @override
    def begin(self, one: Entry, name: bytes, size: int) -> bytes:
        return self._packer.compress(super().begin(one, name, size))

    @override
    def data(self, content: bytes) -> bytes:
        return self._packer.compress(content)

    @override
    def end(self) -> bytes:
        return self._packer.compress(super().end())

    @override
    def finish(self) -> bytes:
        return self._packer.compress(super().finish()) + self._packer.flush()


class _Zip(_Writer):
    """The same as zip; a link's content is its target, as Info-ZIP does it."""

    def __init__(self) -> None:
        self._stream = ZipStream()

    @override
    def begin(self, one: Entry, name: bytes, size: int) -> bytes:
        mode = one.mode & 0o777 | _TYPES.get(one.kind, stat.S_IFREG)
        name += b"/" if one.kind is Kind.DIRECTORY else b""
        piece = self._stream.begin(name, mode, one.modified)
        return piece + self._stream.data(one.link_target or b"") if one.kind is Kind.LINK else piece

    @override
    def data(self, content: bytes) -> bytes:
        return self._stream.data(content)

    @override
    def end(self) -> bytes:
        return self._stream.end()

    @override
    def finish(self) -> bytes:
        return self._stream.finish()


_TYPES = {Kind.DIRECTORY: stat.S_IFDIR, Kind.LINK: stat.S_IFLNK}
_WRITERS: dict[Format, type[_Tar | _Zip]] = {Format.ZIP: _Zip, Format.TAR: _Tar, Format.TAR_GZ: _TarGz}


Only = frozenset[bytes]
"""Names right below a directory that are wanted; all where it is empty."""


def _taking(root: bytes, only: Only) -> Callable[[Entry], Awaitable[Entry | None]]:
    """Return what a walk asks of each entry: those right below the root need a wanted name."""
    prefix = root.rstrip(b"/") + b"/"

    async def wanted(one: Entry) -> Entry | None:
        name = one.path.removeprefix(prefix)
        return one if not only or b"/" in name or name in only else None

    return wanted


async def count(session: Session, root: bytes, only: Only = frozenset()) -> Total | None:
    """Return how much is below a directory; None if counting takes too long."""
    entries, content_bytes = 1, 0
    try:
        async for part in walk(session, root, COUNT_BOUNDS, unreadable=[], descend=_taking(root, only)):
            entries += len(part)
            content_bytes += sum(one.size for one in part if one.kind is Kind.FILE)
    except LimitExceeded:
        return None
    return Total(entries, content_bytes)


async def stream(session: Session, root: Entry, form: Format, only: Only = frozenset()) -> AsyncIterator[bytes]:
    """Yield the archive of a directory, whose name is the first part of every member's.

    Raises ``Conflict`` with code ``file_changed`` where a large file is cut while it is read: the archive then ends.
    """
    writer: _Writer = _WRITERS[form]()
    top = root.name.strip(b"/") or b"root"
    skip = len(root.path.rstrip(b"/"))
    left_out: list[bytes] = []
    yield writer.begin(root, top, 0) + writer.end()
    bounds = Bounds(entries=1_000_000, seconds=24 * 3600)
    async for part in walk(session, root.path, bounds, unreadable=left_out, descend=_taking(root.path, only)):
        part.sort(key=lambda one: one.path)
        async for one, content in _read_ahead(session, part, left_out):
            async for piece in _member(session, writer, one, top + one.path[skip:], content, left_out):
                yield piece
    if left_out:
        text = b"".join(f"{encoded(path)}\n".encode("ascii") for path in left_out)
        note = Entry(
            path=NOT_INCLUDED, kind=Kind.FILE, size=len(text), mode=0o644, modified=root.modified, uid=0, gid=0
        )
        yield writer.begin(note, posixpath.join(top, NOT_INCLUDED), len(text)) + writer.data(text) + writer.end()
    yield writer.finish()


async def _read_ahead(
    session: Session, part: list[Entry], left_out: list[bytes]
) -> AsyncIterator[tuple[Entry, bytes | None]]:
    """Yield entries with the content of small files; None for entries without any, or that the caller is to read."""
    waiting: deque[tuple[Entry, asyncio.Task[tuple[Entry, bytes | None] | None]]] = deque()
    ahead = 0
    rest = deque(part)
    try:
        while rest or waiting:
            while rest and (not waiting or (ahead < AHEAD_BYTES and len(waiting) < 64)):  # noqa: PLR2004 - also bounded in number
                one = rest.popleft()
                waiting.append((one, asyncio.create_task(_prepared(session, one))))
                ahead += one.size if one.size <= SMALL_BYTES else 0
            one, task = waiting.popleft()
            ready = await task
            ahead -= one.size if one.size <= SMALL_BYTES else 0
            if ready is None:
                left_out.append(one.path)
            else:
                yield ready
    finally:
        for _, task in waiting:
            task.cancel()
        await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)


async def _prepared(session: Session, one: Entry) -> tuple[Entry, bytes | None] | None:
    """Return an entry with its link target or content read, ready to be put in; None if it cannot be."""
    try:
        match one.kind:
            case Kind.DIRECTORY:
                return one, None
            case Kind.LINK:
                target = await session.do(session.sftp.readlink(one.path), one.path)
                return replace(one, link_target=target), None
            case Kind.FILE:
                return one, await content_of(session, one.path) if one.size <= SMALL_BYTES else None
            case Kind.OTHER:
                return None
    except (NotFound, Forbidden, Conflict):
        if session.spoiled:
            raise
        return None


async def _member(
    session: Session, writer: _Writer, one: Entry, name: bytes, content: bytes | None, left_out: list[bytes]
) -> AsyncIterator[bytes]:
    """Yield the bytes of one member."""
    if content is not None or one.kind is not Kind.FILE:
        content = content or b""
        yield writer.begin(one, name, len(content)) + await _packed(writer, content) + writer.end()
        return
    try:
        found, blocks, close = await stream_of(session, one.path)
    except (NotFound, Forbidden, Conflict):
        if session.spoiled:
            raise
        left_out.append(one.path)
        return
    async with close:
        yield writer.begin(found, name, found.size)
        async for block in blocks:
            if piece := await _packed(writer, block):
                yield piece
        yield writer.end()


async def _packed(writer: _Writer, content: bytes) -> bytes:
    """Pass content to the writer; in a thread where packing takes so long that others would wait."""
    if len(content) < _THREAD_BYTES or type(writer) is _Tar:
        return writer.data(content)
    return await asyncio.to_thread(writer.data, content)
