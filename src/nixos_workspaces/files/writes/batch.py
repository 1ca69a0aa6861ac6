"""``Batch``: many files at once, each whole or not at all, with a result for each.

Small files are expensive: each takes six requests, one after the other. So many are written side by side, over several
sessions, whose syncs the file system then does together; directories are asked for once.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from nixos_workspaces.errors import Conflict, InvalidInput, LimitExceeded, NotFound, WorkspacesError
from nixos_workspaces.files.entries import PERMISSION_BITS, SMALL_BYTES
from nixos_workspaces.files.reading import names
from nixos_workspaces.files.sessions import Lane, Session, Sessions
from nixos_workspaces.files.trees.tree import make_directories
from nixos_workspaces.files.writes import writing
from nixos_workspaces.files.writes.staging import Staging
from nixos_workspaces.files.writes.writing import NEW_FILE_MODE
from nixos_workspaces.model.files import Entry, Kind, Outcome, Written
from nixos_workspaces.model.paths import checked, checked_relative, shown
from nixos_workspaces.model.workspace import AuthorisedId

SESSIONS = 2
WRITERS_PER_SESSION = 24
MAX_FILES = 20_000


class WriteWhole(Protocol):
    """``Files.write``."""

    def __call__(
        self, workspace_id: AuthorisedId, path: bytes, body: AsyncIterator[bytes], *, mode: int | None = None
    ) -> Coroutine[Any, Any, Written]:
        """Write one file."""


@dataclass(frozen=True, slots=True)
class _Small:
    number: int
    outcome: Outcome
    path: bytes
    content: bytes
    mode: int | None


@dataclass(slots=True)
class _Directory:
    """An existing directory, with the entries found in it."""

    present: dict[bytes, Entry] = field(default_factory=dict)


class Batch:
    """Files that are written together; made by ``Files.batch``, used by one task.

    ``add`` takes one file after the other, ``finish`` returns when all are written. An error of one file is in its
    outcome and stops no other; ``Unavailable`` of the whole workspace is raised.
    """

    def __init__(
        self, sessions: Sessions, staging: Staging, write: WriteWhole, workspace_id: AuthorisedId, directory: bytes
    ) -> None:
        self._sessions = sessions
        self._staging = staging
        self._write_whole = write
        self._workspace_id = workspace_id
        self._directory = checked(directory)
        self._outcomes: list[Outcome] = []
        self._seen: set[bytes] = set()
        self._queue: asyncio.Queue[_Small] = asyncio.Queue(maxsize=48)
        self._directories: dict[bytes, asyncio.Task[_Directory]] = {}
        self._workers: list[asyncio.Task[None]] = []
        self._used: list[Session] = []
        self._stack = AsyncExitStack()
        self._temporary = b""

    async def __aenter__(self) -> Self:
        """Make sure that the directory is there and can be written to."""
        async with AsyncExitStack() as opening:
            opening.push_async_callback(self._stack.aclose)
            session = await self._join()
            await make_directories(session, self._directory)
            placing = self._staging.place(self._workspace_id, session, self._directory)
            self._temporary = await self._stack.enter_async_context(placing)
            await session.do(session.sftp.mkdir(self._temporary), self._temporary)
            self._work(session)
            opening.pop_all()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Cancel running writes; files that are not written by now never will be."""
        running = [*self._workers, *self._directories.values()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._stack.aclose()

    async def add(self, name: bytes, body: AsyncIterator[bytes], mode: int | None = None) -> None:
        """Take one file; ``name`` is its path below the directory. Returns when ``body`` is read to its end.

        ``mode``: the permission bits; None keeps those of the present file.
        """
        outcome = Outcome(name)
        self._outcomes.append(outcome)
        try:
            path = outcome.path = self._place(name)
        except WorkspacesError as error:
            outcome.error = error
            async for _ in body:
                pass
            return
        gathered = bytearray()
        async for chunk in body:
            gathered += chunk
            if len(gathered) > SMALL_BYTES:
                await self._add_large(outcome, path, _chain(bytes(gathered), body), mode)
                return
        await self._queue_up(_Small(len(self._outcomes), outcome, path, bytes(gathered), mode))

    async def finish(self) -> list[Outcome]:
        """Return the outcome of each file, in the order in which they were added."""
        joined = asyncio.create_task(self._queue.join())
        try:
            await asyncio.wait({joined, *self._workers}, return_when=asyncio.FIRST_COMPLETED)
            self._raise_failure()
            return self._outcomes
        finally:
            joined.cancel()

    def _place(self, name: bytes) -> bytes:
        """Return the path for a name; refuse names that lead out, come twice, or are too many."""
        path = checked(posixpath.join(self._directory, checked_relative(name, "name")))
        if path in self._seen:
            raise InvalidInput(f"{shown(name)!r} comes twice in this upload.", code="duplicate_name", field="name")
        if len(self._seen) >= MAX_FILES:
            raise LimitExceeded(f"One upload holds at most {MAX_FILES} files.", code="too_many_files")
        self._seen.add(path)
        return path

    async def _add_large(self, outcome: Outcome, path: bytes, body: AsyncIterator[bytes], mode: int | None) -> None:
        """Write a large file at once, and read its body to the end even if writing fails."""
        try:
            await self._in_directory(self._used[0], posixpath.dirname(path))
            written = await self._write_whole(self._workspace_id, path, body, mode=mode)
            outcome.size, outcome.created = written.entry.size, written.created
        except WorkspacesError as error:
            outcome.error = error
            async for _ in body:
                pass

    async def _queue_up(self, small: _Small) -> None:
        if self._queue.full() and len(self._used) < SESSIONS:
            with suppress(LimitExceeded):
                self._work(await self._join())
        putting = asyncio.create_task(self._queue.put(small))
        await asyncio.wait({putting, *self._workers}, return_when=asyncio.FIRST_COMPLETED)
        if not putting.done():
            putting.cancel()
        self._raise_failure()

    def _raise_failure(self) -> None:
        """Raise the error that ended a worker: they end only when the workspace fails as a whole."""
        for worker in self._workers:
            if worker.done():
                worker.result()

    async def _join(self) -> Session:
        session = await self._stack.enter_async_context(self._sessions.lease(self._workspace_id, Lane.TRANSFER))
        self._used.append(session)
        return session

    def _work(self, session: Session) -> None:
        self._workers += [asyncio.create_task(self._worker(session)) for _ in range(WRITERS_PER_SESSION)]

    async def _worker(self, session: Session) -> None:
        while True:
            small = await self._queue.get()
            try:
                small.outcome.created = await self._write_small(session, small)
                small.outcome.size = len(small.content)
            except WorkspacesError as error:
                small.outcome.error = error
                if session.spoiled:
                    raise
            finally:
                self._queue.task_done()

    async def _in_directory(self, session: Session, path: bytes) -> _Directory:
        """Make a directory and return its record; requested once for all files of it."""
        known = self._directories.get(path)
        if known is None:
            known = self._directories[path] = asyncio.create_task(_made(session, path))
        return await asyncio.shield(known)

    async def _write_small(self, session: Session, small: _Small) -> bool:
        """Write one file; return whether nothing was there before."""
        directory, _, name = small.path.rpartition(b"/")
        present = (await self._in_directory(session, directory or b"/")).present.get(name)
        if present is not None and present.kind is not Kind.FILE:
            return (
                await self._write_whole(self._workspace_id, small.path, _one(small.content), mode=small.mode)
            ).created
        temporary = b"%s/%d" % (self._temporary, small.number)
        kept = present.mode if present is not None else NEW_FILE_MODE
        mode = (kept if small.mode is None else small.mode) & PERMISSION_BITS
        staged = await writing.create(session, temporary, mode)
        try:
            await staged.write_small(small.content, None if mode == NEW_FILE_MODE else mode)
            await session.do(session.sftp.posix_rename(temporary, small.path), small.path)
        except Conflict as refused:
            raise await writing.explain(session, directory or b"/", refused) from refused
        finally:
            staged.close_soon()
        return present is None


async def _made(session: Session, path: bytes) -> _Directory:
    """Make a directory if it is missing; return it with its entries."""
    await make_directories(session, path)
    try:
        return _Directory({one.name: one for one in await names(session, path)})
    except NotFound:
        return _Directory()


async def _one(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk
