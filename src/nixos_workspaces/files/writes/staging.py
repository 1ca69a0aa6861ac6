"""Temporary files: where they are, and that they go away.

They are in one directory of the user's home, so that what a crash leaves is found and removed (``sweep``). Where the
target is on another file system, and could not be renamed to from there, they lie beside the target, and a note in the
directory names them.
"""

from __future__ import annotations

import asyncio
import contextlib
import posixpath
import secrets
import weakref
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import asyncssh

from nixos_workspaces.errors import Conflict, LimitExceeded, Unavailable, WorkspacesError
from nixos_workspaces.files.reading import content_of, find, names
from nixos_workspaces.files.sessions import Session, Sessions
from nixos_workspaces.files.trees.deleting import delete_tree
from nixos_workspaces.files.trees.walking import remove_if_there
from nixos_workspaces.files.writes import writing
from nixos_workspaces.model.files import Kind

STAGING = b".cache/nixws/uploads"
"""Directory of temporary files, under the user's home."""
NOTE = b".at"
"""Ending of the notes that name a temporary file elsewhere."""
KEPT = (b".part", b".json")
"""Endings of the files of resumable uploads, which expire on their own (``uploads``)."""
STALE_SECONDS = 45
"""Age without a write at which a temporary file counts as left by a crash."""


_CLEAR_TRIES = 30
_CLEAR_SECONDS = 5.0


class Staging:
    """The temporary files of this process, and the sweeping of others'."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._active: set[bytes] = set()
        self._clearing: set[asyncio.Task[None]] = set()
        self._locks: weakref.WeakValueDictionary[tuple[str, bytes], asyncio.Lock] = weakref.WeakValueDictionary()

    def commit_lock(self, workspace_id: str, path: bytes) -> asyncio.Lock:
        """Return the lock that keeps two writers of a file from both finding their condition met."""
        return self._locks.setdefault((workspace_id, path), asyncio.Lock())

    @asynccontextmanager
    async def place(self, workspace_id: str, session: Session, directory: bytes) -> AsyncIterator[bytes]:
        """Yield a path from which a file or directory can be renamed into ``directory``.

        Nothing is there yet. Anything there at the end is removed, also when the caller is cancelled; where the
        workspace does not answer, ``sweep`` does it later.
        """
        name = secrets.token_hex(8).encode("ascii")
        temporary, note = await _choose(session, directory, name)
        self._active.add(temporary)
        try:
            if note is not None:
                await _leave_note(session, note, temporary)
            yield temporary
        finally:
            self._active.discard(temporary)
            left = [temporary] if note is None else [temporary, note]
            if session.usable:
                with contextlib.suppress(WorkspacesError):
                    await _remove_all(session, left)
            if not session.usable:
                # The caller has an error to tell, or has gone: neither waits for this.
                clearing = asyncio.create_task(self._clear(workspace_id, left))
                self._clearing.add(clearing)
                clearing.add_done_callback(self._clearing.discard)

    async def _clear(self, workspace_id: str, paths: Sequence[bytes]) -> None:
        """Remove the leftovers, by another session; try again for a while when the workspace does not answer."""
        for _ in range(_CLEAR_TRIES):
            try:
                async with self._sessions.lease(workspace_id) as session:
                    await _remove_all(session, paths)
            except (Unavailable, LimitExceeded):
                await asyncio.sleep(_CLEAR_SECONDS)
            except WorkspacesError:
                return
            else:
                return

    async def close(self) -> None:
        """Wait a moment for removals under way; the rest is left to the sweeping of the next start."""
        if self._clearing:
            await asyncio.wait(self._clearing, timeout=_CLEAR_SECONDS)
        for clearing in list(self._clearing):
            clearing.cancel()
        await asyncio.gather(*self._clearing, return_exceptions=True)

    async def sweep(self, workspace_id: str) -> int:
        """Remove temporary files that are not in use and had no write for ``STALE_SECONDS``; return how many.

        The workspace's own clock decides: it is read off a file made for it.
        """
        async with self._sessions.lease(workspace_id) as session:
            directory = posixpath.join(await session.home(), STAGING)
            found = await find(session, directory)
            if found is None or found.kind is not Kind.DIRECTORY:
                return 0
            left = [one for one in await names(session, directory) if not one.name.endswith(KEPT)]
            if not left:
                return 0
            now = await clock(session, directory)
            removed = 0
            for one in left:
                temporary = await content_of(session, one.path) if one.name.endswith(NOTE) else one.path
                if temporary not in self._active and one.modified + STALE_SECONDS <= now:
                    await _remove_all(session, {temporary, one.path})
                    removed += 1
            return removed


async def _remove_all(session: Session, paths: Iterable[bytes]) -> None:
    for path in paths:
        present = await find(session, path, follow=False)
        if present is None:
            continue
        if present.kind is Kind.DIRECTORY:
            await delete_tree(session, path)
        else:
            await remove_if_there(session, path)


async def make_staging(session: Session) -> bytes:
    """Make the directory of temporary files if it is missing; return it."""
    directory = await session.home()
    for part in STAGING.split(b"/"):
        directory = posixpath.join(directory, part)
        if await find(session, directory) is None:
            private = asyncssh.SFTPAttrs(permissions=0o700)
            try:
                await session.do(session.sftp.mkdir(directory, private), directory)
            except Conflict as refused:
                # Another request may have made it at the same time.
                if await find(session, directory) is None:
                    raise await writing.explain(session, posixpath.dirname(directory), refused) from refused
    return directory


async def _choose(session: Session, directory: bytes, name: bytes) -> tuple[bytes, bytes | None]:
    """Return a temporary path for an entry of ``directory``, and that of its note if it needs one."""
    staging = await make_staging(session)
    here, there = await asyncio.gather(
        session.do(session.sftp.statvfs(staging), staging),
        session.do(session.sftp.statvfs(directory), directory),
    )
    if here.fsid == there.fsid:
        return posixpath.join(staging, name), None
    return posixpath.join(directory, b".nixws-" + name), posixpath.join(staging, name + NOTE)


async def choose_part(session: Session, directory: bytes, upload_id: str) -> bytes:
    """Return a path for the bytes of an upload into ``directory``; the upload's own note tells of it."""
    temporary, note = await _choose(session, directory, upload_id.encode("ascii"))
    return temporary + b".part" if note is None else temporary


async def _leave_note(session: Session, note: bytes, temporary: bytes) -> None:
    """Write down where a temporary file lies that is not in the staging directory."""
    staged = await writing.create(session, note, 0o600)
    try:
        await staged.write(temporary)
        await staged.flush()
    finally:
        await staged.close()


async def clock(session: Session, directory: bytes) -> int:
    """Return the workspace's time."""
    path = posixpath.join(directory, b"clock-" + secrets.token_hex(4).encode("ascii"))
    staged = await writing.create(session, path, 0o600)
    try:
        return (await staged.entry(path)).modified
    finally:
        await staged.close()
        await remove_if_there(session, path)
