"""Writing: into a file with a temporary name, which then takes the target's place in one step.

Whatever is killed at whatever byte, the target is the old file or the new one, whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import posixpath
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any

import asyncssh
from asyncssh import FXF_CREAT, FXF_EXCL, FXF_WRITE

from nixos_workspaces.errors import Conflict, InsufficientResources, InvalidInput, NotFound, WorkspacesError
from nixos_workspaces.files.entries import PERMISSION_BITS, SMALL_BYTES, digest_in, entry, etag
from nixos_workspaces.files.reading import DEPTH, content_of, find
from nixos_workspaces.files.sessions import Session
from nixos_workspaces.model.files import Entry, Kind
from nixos_workspaces.model.paths import shown

NEW_FILE_MODE = 0o644
SYNC_BYTES = 256 << 20
"""After so many bytes of all transfers, those of one are forced to disk, so that its last sync is short: the more run,
the sooner, as they would all wait for the disk at their ends while the processors idle."""
LEAST_SYNC_BYTES = 32 << 20
SPARE_BYTES = 1 << 20
"""Fewer free bytes than this count as "no space left": SFTP does not tell why a write failed."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A write's precondition on its target; without ``matches`` and ``absent`` none."""

    matches: tuple[str, ...] | None = None
    """Entity tags, of which one must be the present version's; ``*`` stands for any existing file."""
    absent: bool = False
    """Nothing may be there."""


ANYTHING = Condition()


@dataclass(frozen=True, slots=True)
class Target:
    """Where a file will be written."""

    path: bytes
    """With links followed: a write through a link changes the file behind it, and leaves the link."""
    present: Entry | None

    @property
    def directory(self) -> bytes:
        """The directory the file is in."""
        return posixpath.dirname(self.path)


async def resolve(session: Session, path: bytes) -> Target:
    """Return where a write to ``path`` goes.

    Raises ``Conflict`` if a directory, pipe, socket or device is there, ``NotFound`` if the directory is missing.
    """
    present = await find(session, path, follow=False)
    if present is not None and present.kind is Kind.LINK:
        path = await session.do(session.sftp.realpath(path), path)
        present = await find(session, path, follow=False)
    if present is not None and present.kind is not Kind.FILE:
        what = "a directory" if present.kind is Kind.DIRECTORY else "a pipe, socket, device or broken link"
        raise Conflict(f"{shown(path)!r} is {what}, not a file.", code="not_a_file", field="path")
    if present is None:
        parent = await find(session, posixpath.dirname(path))
        if parent is None:
            raise NotFound(
                f"There is no directory {shown(posixpath.dirname(path))!r} in the workspace; make it first.",
                code="directory_not_found",
                field="path",
            )
        if parent.kind is not Kind.DIRECTORY:
            raise Conflict(f"{shown(parent.path)!r} is not a directory.", code="not_a_directory", field="path")
    return Target(path, present)


async def require_space(session: Session, directory: bytes, size: int) -> None:
    """Raise ``InsufficientResources`` with code ``no_space`` if ``size`` more bytes do not fit."""
    space = await session.do(session.sftp.statvfs(directory), directory)
    # Pseudo file systems such as /proc have no blocks at all; they refuse in their own way.
    if space.blocks and ((space.bavail or 0) * (space.frsize or 1) < size or not space.favail):
        raise no_space()


def no_space() -> InsufficientResources:
    """Return the error for a full workspace."""
    return InsufficientResources(
        "The workspace has no space left for this; delete files or give it more storage.", code="no_space"
    )


async def explain(session: Session, directory: bytes, error: Conflict) -> WorkspacesError:
    """Return why a write was refused: SFTP calls a full disk, as most other things, "Failure"."""
    if error.code == "file_refused" and not session.spoiled:
        try:
            await require_space(session, directory, SPARE_BYTES)
        except InsufficientResources as full:
            return full
    return error


class Staged:
    """A temporary file that is being written, in order, from ``offset`` on."""

    def __init__(self, session: Session, file: asyncssh.SFTPClientFile, path: bytes, *, offset: int = 0) -> None:
        self.path = path
        self.acknowledged = offset
        """Bytes from the start that the workspace has, without a hole."""
        self._session = session
        self._file = file
        self._position = offset
        self._synced = offset
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._gathered: list[bytes | memoryview] = []
        self._gathered_bytes = 0
        self._digest = hashlib.sha256() if offset == 0 else None

    async def write(self, data: bytes) -> None:
        """Take more bytes; returns when all but a bounded number of them are written."""
        self._gathered.append(data)
        self._gathered_bytes += len(data)
        block = self._session.block_bytes
        while self._gathered_bytes >= block:
            self._send(block)
            while len(self._waiting) >= self._session.depth(DEPTH):
                await self._acknowledge()
        if self.acknowledged - self._synced >= max(self._session.share(SYNC_BYTES), LEAST_SYNC_BYTES):
            await self._session.do_patiently(self._file.fsync(), self.path)
            self._synced = self.acknowledged

    async def flush(self) -> None:
        """Return when everything is written and on disk."""
        while self._gathered_bytes:
            self._send(min(self._session.block_bytes, self._gathered_bytes))
        while self._waiting:
            await self._acknowledge()
        await self.sync()

    async def write_small(self, content: bytes, mode: int | None) -> None:
        """Write the whole of a small file, set its mode where that is given, and have it on disk, all at once."""
        requests: list[Coroutine[Any, Any, object]] = [self._file.write(content, 0)] if content else []
        if mode is not None:
            requests.append(self._file.chmod(mode & PERMISSION_BITS))
        # One after the other at the workspace's end: the sync comes last.
        await self._session.do_patiently(asyncio.gather(*requests, self._file.fsync()), self.path)

    def close_soon(self) -> None:
        """Close the handle without waiting for the answer."""
        if not self._session.spoiled:
            self._session.forget(self._file.close())

    async def sync(self) -> None:
        """Return when the acknowledged bytes are on disk, under the file's present name."""
        await self._session.do_patiently(self._file.fsync(), self.path)
        self._synced = self.acknowledged

    async def set_mode(self, mode: int) -> None:
        """Set the permission bits."""
        await self._session.do(self._file.chmod(mode & PERMISSION_BITS), self.path)

    async def cut(self) -> None:
        """Cut the file off at its first hole: a write failed, and later ones may not have."""
        for _, answer in self._waiting:
            with contextlib.suppress(WorkspacesError):
                await self._session.do_patiently(answer, self.path)
        self._waiting.clear()
        await self._session.do(self._file.truncate(self.acknowledged), self.path)

    async def entry(self, path: bytes) -> Entry:
        """Return the file's entry, under its new name."""
        return entry(path, await self._session.do(self._file.stat(), path))

    @property
    def digest(self) -> str | None:
        """The content's digest for the ETag, for small files written in one go; None for others."""
        if self._digest is None or self._position > SMALL_BYTES:
            return None
        return self._digest.hexdigest()[:32]

    async def close(self) -> None:
        """Close the handle."""
        if not self._session.spoiled:
            with contextlib.suppress(WorkspacesError):
                await self._session.do(self._file.close())
        for _, answer in self._waiting:
            answer.cancel()

    def _send(self, size: int) -> None:
        """Write the first ``size`` of the gathered bytes."""
        over = self._gathered_bytes - size
        parts, self._gathered, self._gathered_bytes = self._gathered, [], over
        if over:
            last = memoryview(parts[-1])
            parts[-1] = last[: len(last) - over]
            self._gathered.append(last[len(last) - over :])
        if self._digest is not None and self._position <= SMALL_BYTES:
            for part in parts:
                self._digest.update(part)
        self._waiting.append((size, self._session.bulk.write(self._file, parts, self._position)))
        self._position += size

    async def _acknowledge(self) -> None:
        size, answer = self._waiting[0]
        await self._session.do_patiently(answer, self.path)
        self._waiting.popleft()
        self.acknowledged += size


async def create(session: Session, path: bytes, mode: int) -> Staged:
    """Make a temporary file, which must not exist yet."""
    attributes = asyncssh.SFTPAttrs(permissions=mode & PERMISSION_BITS)
    opening = session.sftp.open(path, FXF_WRITE | FXF_CREAT | FXF_EXCL, attributes, encoding=None, block_size=None)
    try:
        return Staged(session, await session.do(opening, path), path)
    except Conflict as refused:
        raise await explain(session, posixpath.dirname(path), refused) from refused


async def reopen(session: Session, path: bytes, offset: int) -> Staged:
    """Go on with a temporary file that has ``offset`` bytes."""
    opening = session.sftp.open(path, FXF_WRITE, encoding=None, block_size=None)
    return Staged(session, await session.do(opening, path), path, offset=offset)


async def check(session: Session, path: bytes, condition: Condition) -> None:
    """Raise ``Conflict`` with code ``precondition_failed`` if the entry at ``path`` does not meet the condition."""
    if condition.matches is None and not condition.absent:
        return
    present = await find(session, path, follow=False)
    if condition.absent and present is not None:
        raise _failed(path, "it exists")
    if condition.matches is not None:
        if present is None:
            raise _failed(path, "it does not exist")
        if not await _is_one_of(session, present, condition.matches):
            raise _failed(path, "it was changed; read it again before you write")


async def _is_one_of(session: Session, present: Entry, tags: tuple[str, ...]) -> bool:
    """Whether one of the tags is that of the present version."""
    if "*" in tags or etag(present) in tags:
        return True
    with_content = [tag for tag in tags if digest_in(tag) and tag == etag(present, digest=digest_in(tag))]
    if not with_content or present.size > SMALL_BYTES:
        return False
    content = await content_of(session, present.path)
    return etag(present, content=content) in with_content


def _failed(path: bytes, why: str) -> Conflict:
    return Conflict(f"{shown(path)!r} was not written: {why}.", code="precondition_failed", field="path")


async def put_in_place(session: Session, temporary: bytes, path: bytes, condition: Condition) -> None:
    """Give a finished temporary file the target's name, in one step."""
    await check(session, path, condition)
    if not condition.absent:
        await session.do(session.sftp.posix_rename(temporary, path), path)
        return
    try:
        # This rename refuses to replace: nothing that appeared since the check is lost.
        await session.do(session.sftp.rename(temporary, path), path)
    except Conflict as refused:
        if not session.spoiled and await find(session, path, follow=False) is not None:
            raise _failed(path, "it exists") from refused
        raise


async def fill(
    staged: Staged, session: Session, directory: bytes, body: AsyncIterator[bytes], size: int | None
) -> None:
    """Write a whole body to a temporary file and have it on disk."""
    received = 0
    try:
        async for chunk in body:
            received += len(chunk)
            if size is not None and received > size:
                break
            await staged.write(chunk)
        if size is not None and received != size:
            raise InvalidInput(f"{size} bytes were announced, but not sent.", code="wrong_length", field="body")
        await staged.flush()
    except Conflict as refused:
        raise await explain(session, directory, refused) from refused
