"""``Files``: reading and writing the files of a workspace, for every caller."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from nixos_workspaces.errors import Conflict, NotFound
from nixos_workspaces.files import listing, reading
from nixos_workspaces.files.entries import etag
from nixos_workspaces.files.listing import Wanted
from nixos_workspaces.files.reading import Download
from nixos_workspaces.files.sessions import Lane, OpenSftp, Session, Sessions
from nixos_workspaces.files.trees import archives
from nixos_workspaces.files.trees.archives import Archive, Format
from nixos_workspaces.files.trees.tree import Tree
from nixos_workspaces.files.writes import writing
from nixos_workspaces.files.writes.batch import Batch
from nixos_workspaces.files.writes.in_place import losses, overwrite
from nixos_workspaces.files.writes.staging import Staging
from nixos_workspaces.files.writes.uploads import Uploads
from nixos_workspaces.files.writes.writing import ANYTHING, NEW_FILE_MODE, Condition, Target
from nixos_workspaces.model.files import Entry, FilePage, Kind, Loss, Written
from nixos_workspaces.model.paths import checked, checked_target, shown
from nixos_workspaces.model.workspace import AuthorisedId


class Files:
    """The files of workspaces, as user ``nixos`` sees them; every path is bytes, absolute (``paths``).

    The workspace's kernel keeps every path inside the workspace. All methods raise ``InvalidInput`` for what cannot be
    a path, ``NotFound``, ``Forbidden`` where user ``nixos`` may not, ``Conflict`` where something else is there than
    is asked for, ``Unavailable`` within 10 s when the workspace does not answer, ``LimitExceeded`` when too much is
    asked at the same time. The workspace has to be running, and the caller to be allowed: neither is asked here.
    """

    def __init__(self, open_sftp: OpenSftp, *, now: Callable[[], float] = time.time) -> None:
        self.sessions = Sessions(open_sftp)
        self._now = now
        self.staging = Staging(self.sessions)
        self._snapshots = listing.Snapshots()
        self.tree = Tree(self.sessions, self.staging)
        self.uploads = Uploads(self.sessions, self.staging)

    async def stat(self, workspace_id: AuthorisedId, path: bytes, *, follow: bool = False) -> Entry:
        """Return the entry at ``path``; with ``follow`` that of its target where it is a link."""
        path = checked(path)
        async with self.sessions.lease(workspace_id) as session:
            return await reading.stat(session, path, follow=follow)

    async def list(self, workspace_id: AuthorisedId, path: bytes, wanted: Wanted) -> FilePage:
        """Return a part of a directory's entries; what follows the first part is of the same few seconds."""
        path = checked(path)
        async with self.sessions.lease(workspace_id) as session:
            entries = self._snapshots.take(workspace_id, path) if wanted.cursor is not None else None
            if entries is None:
                entries = await reading.names(session, path)
            found = listing.page(path, entries, wanted)
            if found.next_cursor is not None and wanted.cursor is None:
                self._snapshots.keep(workspace_id, path, entries)
            complete = await reading.with_link_targets(session, found.entries)
        return FilePage(path, complete, found.next_cursor, found.total)

    @asynccontextmanager
    async def download(self, workspace_id: AuthorisedId, path: bytes) -> AsyncIterator[Download]:
        """Open a regular file for reading for as long as the context lasts; ``Conflict`` for anything else."""
        path = checked(path)
        async with self.sessions.lease(workspace_id, Lane.TRANSFER) as session, AsyncExitStack() as close:
            yield await reading.opened(session, path, self._now, close)

    @asynccontextmanager
    async def archive(
        self, workspace_id: AuthorisedId, path: bytes, form: Format, *, only: frozenset[bytes] = frozenset()
    ) -> AsyncIterator[Archive]:
        """Open a directory for sending it as an archive for as long as the context lasts.

        ``only``: the names in it that are wanted; one that is not there is ``NotFound``.
        """
        path = checked(path)
        async with self.sessions.lease(workspace_id, Lane.TRANSFER) as session:
            root = await reading.stat(session, path, follow=True)
            if root.kind is not Kind.DIRECTORY:
                raise Conflict(f"{shown(path)!r} is not a directory.", code="not_a_directory", field="path")
            there = {one.name for one in await reading.names(session, path)}
            for name in sorted(only - there):
                raise NotFound(f"There is no {shown(name)!r} in {shown(path)!r}.", code="file_not_found", field="only")
            total = await archives.count(session, path, only)
            yield Archive(root, total, archives.stream(session, root, form, only))

    async def write(
        self,
        workspace_id: AuthorisedId,
        path: bytes,
        body: AsyncIterator[bytes],
        *,
        size: int | None = None,
        mode: int | None = None,
        condition: Condition = ANYTHING,
        in_place: bool = False,
    ) -> Written:
        """Write a file whole, or leave the present one as it is.

        ``size``: how many bytes ``body`` yields, if that is known; fewer or more are ``InvalidInput``. ``mode``: the
        permission bits; None keeps those of the present file. ``in_place``: write into the present file where that
        keeps its owner, group or hard links, and tell what could not be kept. The file is on disk when this returns.
        Raises ``Conflict`` with code ``precondition_failed`` where ``condition`` is not met, ``InsufficientResources``
        with code ``no_space``. Errors of ``body`` pass through; then nothing is changed.
        """
        path = checked_target(path)
        async with self.sessions.lease(workspace_id, Lane.TRANSFER) as session:
            target = await writing.resolve(session, path)
            await writing.check(session, target.path, condition)
            await writing.require_space(session, target.directory, (size or 0) + writing.SPARE_BYTES)
            return await self._write(
                session, workspace_id, target, body, size=size, mode=mode, condition=condition, in_place=in_place
            )

    async def _write(
        self,
        session: Session,
        workspace_id: AuthorisedId,
        target: Target,
        body: AsyncIterator[bytes],
        *,
        size: int | None,
        mode: int | None,
        condition: Condition,
        in_place: bool,
    ) -> Written:
        """Write through a temporary file, which is gone at the end in any case."""
        async with self.staging.place(workspace_id, session, target.directory) as temporary:
            staged = await writing.create(session, temporary, NEW_FILE_MODE)
            try:
                await writing.fill(staged, session, target.directory, body, size)
                kept = target.present.mode if target.present is not None else NEW_FILE_MODE
                await staged.set_mode(kept if mode is None else mode)
                lost: tuple[Loss, ...] = ()
                if in_place and target.present is not None:
                    lost = await losses(session, target.present, await staged.entry(temporary))
                async with self.staging.commit_lock(workspace_id, target.path):
                    if lost and await overwrite(session, temporary, target.path, condition):
                        written = await reading.stat(session, target.path)
                        return Written(written, etag(written, digest=staged.digest), created=False)
                    await writing.put_in_place(session, temporary, target.path, condition)
                await staged.sync()
                written = await staged.entry(target.path)
                return Written(written, etag(written, digest=staged.digest), target.present is None, lost)
            finally:
                await staged.close()

    def batch(self, workspace_id: AuthorisedId, directory: bytes) -> Batch:
        """Return a context in which many files are written below ``directory``, which is made if it is missing."""
        return Batch(self.sessions, self.staging, self.write, workspace_id, directory)

    async def sweep(self, workspace_id: str) -> int:
        """Remove the temporary files that a crash left; return how many.

        To be called when a workspace has become reachable, and when the service has started.
        """
        return await self.staging.sweep(workspace_id) + await self.uploads.sweep(workspace_id)

    async def close(self) -> None:
        """Close every session; transfers that run have to be ended before."""
        await self.staging.close()
        await self.sessions.close()
