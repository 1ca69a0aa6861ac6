"""``Tree``: making, moving, copying and deleting entries of a workspace's file system, and finding names in it."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Callable
from functools import partial

import asyncssh
from asyncssh import FXF_CREAT, FXF_EXCL, FXF_WRITE

from nixos_workspaces.errors import Conflict, InvalidInput, LimitExceeded
from nixos_workspaces.files.entries import PERMISSION_BITS, entry
from nixos_workspaces.files.reading import close_file, find, require_file, stat
from nixos_workspaces.files.sessions import Lane, Session, Sessions
from nixos_workspaces.files.trees.deleting import delete_tree
from nixos_workspaces.files.trees.walking import Bounds, side_by_side, walk
from nixos_workspaces.files.writes import writing
from nixos_workspaces.files.writes.staging import Staging
from nixos_workspaces.model.files import Entry, Found, Kind
from nixos_workspaces.model.paths import MAX_PATH_BYTES, checked, checked_target, shown
from nixos_workspaces.model.workspace import AuthorisedId

_COPY_BYTES = 32 << 20
SEARCH_BOUNDS = Bounds(entries=100_000, seconds=5.0)
MAX_FOUND = 1000


class Tree:
    """Directories, names and modes.

    The contract of ``Files`` holds here too. Deleting, moving and walking never follow links.
    """

    def __init__(self, sessions: Sessions, staging: Staging) -> None:
        self._sessions = sessions
        self._staging = staging

    async def make_directory(self, workspace_id: AuthorisedId, path: bytes, *, parents: bool = False) -> bool:
        """Make a directory; return whether it was made.

        ``parents``: make missing ones above it too, and be content if it exists. Otherwise that is a ``Conflict``.
        """
        path = checked_target(path)
        async with self._sessions.lease(workspace_id) as session:
            present = await find(session, path)
            if present is not None:
                if parents and present.kind is Kind.DIRECTORY:
                    return False
                raise _exists(path)
            await (make_directories(session, path) if parents else _make_directory(session, path))
        return True

    async def make_link(self, workspace_id: AuthorisedId, path: bytes, target: bytes) -> Entry:
        """Make a symbolic link that holds ``target``, which need not exist; ``Conflict`` where something is."""
        path = checked_target(path)
        if not target or b"\0" in target or len(target) > MAX_PATH_BYTES:
            raise InvalidInput("A link holds 1 to 4095 bytes without NUL.", code="invalid_path", field="target")
        async with self._sessions.lease(workspace_id) as session:
            if await find(session, path, follow=False) is not None:
                raise _exists(path)
            await session.do(session.sftp.symlink(target, path), path)
            return await stat(session, path, follow=False)

    async def move(self, workspace_id: AuthorisedId, path: bytes, to: bytes, *, overwrite: bool = False) -> Entry:
        """Give a file, link or directory another name, in one step.

        Raises ``Conflict`` with code ``exists`` where something has that name and ``overwrite`` is not set, and with
        code ``other_file_system`` where it would have to be copied.
        """
        path, to = checked_target(path), checked_target(to, "to")
        async with self._sessions.lease(workspace_id) as session:
            await stat(session, path, follow=False)
            if not overwrite and await find(session, to, follow=False) is not None:
                raise _exists(to)
            rename = session.sftp.posix_rename if overwrite else session.sftp.rename
            try:
                await session.do(rename(path, to), path)
            except Conflict as refused:
                raise await _why_not_moved(session, path, to, refused) from refused
            return await stat(session, to, follow=False)

    async def change_mode(self, workspace_id: AuthorisedId, path: bytes, mode: int) -> Entry:
        """Set the permission bits of the entry at ``path``, or of its target where it is a link."""
        path = checked(path)
        if not 0 <= mode <= PERMISSION_BITS:
            raise InvalidInput("A mode is 0 to 0777 (octal): set-user-id and the like cannot be set.", field="mode")
        async with self._sessions.lease(workspace_id) as session:
            await session.do(session.sftp.chmod(path, mode), path)
            return await stat(session, path)

    async def delete(self, workspace_id: AuthorisedId, path: bytes, *, recursive: bool = False) -> int:
        """Delete a name; return how many were deleted. A directory that holds something needs ``recursive``.

        A recursive deletion that fails half way has deleted a part, and may have moved directories that lay very deep
        to temporary names (``.nixws-…``) in the directory; it can be called again.
        """
        path = checked_target(path)
        async with self._sessions.lease(workspace_id, Lane.TRANSFER) as session:
            root = await stat(session, path, follow=False)
            if root.kind is not Kind.DIRECTORY:
                await session.do(session.sftp.remove(path), path)
                return 1
            if recursive:
                return await delete_tree(session, path)
            try:
                await session.do(session.sftp.rmdir(path), path)
            except Conflict as refused:
                raise Conflict(
                    f"The directory {shown(path)!r} is not empty; delete it recursively.",
                    code="directory_not_empty",
                    field="path",
                ) from refused
            return 1

    async def copy(self, workspace_id: AuthorisedId, path: bytes, to: bytes) -> int:
        """Copy a file, link or directory inside the workspace; return how many names were made.

        Nothing may be at ``to``; the copy appears there whole or not at all. Pipes, sockets and devices in it
        are ``Conflict``.
        """
        path, to = checked(path), checked_target(to, "to")
        async with self._sessions.lease(workspace_id, Lane.TRANSFER) as session:
            root = await stat(session, path, follow=False)
            if await find(session, to, follow=False) is not None:
                raise _exists(to)
            above = posixpath.dirname(to)
            if (await stat(session, above)).kind is not Kind.DIRECTORY:
                raise Conflict(f"{shown(above)!r} is not a directory.", code="not_a_directory", field="to")
            if root.kind is Kind.DIRECTORY:
                await _refuse_below(session, path, above)
            async with self._staging.place(workspace_id, session, above) as temporary:
                made = await _copy(session, root, temporary)
                await session.do(session.sftp.rename(temporary, to), to)
        return made

    async def search(self, workspace_id: AuthorisedId, path: bytes, pattern: str, *, limit: int = 200) -> Found:
        """Find names below a directory: those that contain ``pattern``, in any case, or match it if it has ``*?[``.

        It ends after ``limit`` findings, 5 seconds or 100,000 names, whichever comes first.
        """
        path = checked(path)
        if not pattern or not 1 <= limit <= MAX_FOUND:
            raise InvalidInput(f"A search needs a pattern, and a limit of 1 to {MAX_FOUND}.", field="q")
        matches = _matcher(pattern)
        found: list[Entry] = []
        async with self._sessions.lease(workspace_id, Lane.TRANSFER) as session:
            try:
                async for part in walk(session, path, SEARCH_BOUNDS, unreadable=[]):
                    found += [one for one in part if matches(one.name)]
                    if len(found) > limit:
                        return Found(tuple(found[:limit]), complete=False)
            except LimitExceeded:
                return Found(tuple(found), complete=False)
        return Found(tuple(found), complete=True)


def _matcher(pattern: str) -> Callable[[bytes], bool]:
    wanted = pattern.casefold()
    if any(sign in pattern for sign in "*?["):
        return lambda name: fnmatch.fnmatchcase(shown(name).casefold(), wanted)
    return lambda name: wanted in shown(name).casefold()


def _exists(path: bytes) -> Conflict:
    return Conflict(f"There is a {shown(path)!r} already.", code="exists", field="path")


async def make_directories(session: Session, path: bytes) -> None:
    """Make a directory and the missing ones above it; content if it exists."""
    missing = []
    above = path
    while (present := await find(session, above)) is None:
        missing.append(above)
        above = posixpath.dirname(above)
    if present.kind is not Kind.DIRECTORY:
        raise Conflict(f"{shown(above)!r} is not a directory.", code="not_a_directory", field="path")
    for directory in reversed(missing):
        try:
            await _make_directory(session, directory)
        except Conflict:
            if await find(session, directory) is None:
                raise


async def _make_directory(session: Session, path: bytes) -> None:
    try:
        await session.do(session.sftp.mkdir(path), path)
    except Conflict as refused:
        raise await writing.explain(session, posixpath.dirname(path), refused) from refused


async def _why_not_moved(session: Session, path: bytes, to: bytes, refused: Conflict) -> Conflict:
    """Return the error that SFTP's "Failure" of a rename stands for."""
    if session.spoiled:
        return refused
    present = await find(session, to, follow=False)
    if present is not None:
        return _exists(to)
    above = posixpath.dirname(to)
    if await find(session, above) is None:
        return refused
    here = await session.do(session.sftp.statvfs(posixpath.dirname(path)), path)
    there = await session.do(session.sftp.statvfs(above), to)
    if here.fsid != there.fsid:
        return Conflict(
            f"{shown(to)!r} is on another file system; copy it and delete the old one.",
            code="other_file_system",
            field="to",
        )
    return refused


async def _refuse_below(session: Session, source: bytes, above: bytes) -> None:
    """Raise ``InvalidInput`` if ``above`` is ``source`` or below it."""
    outer = await session.do(session.sftp.realpath(source), source)
    inner = await session.do(session.sftp.realpath(above), above)
    if (inner.rstrip(b"/") + b"/").startswith(outer.rstrip(b"/") + b"/"):
        raise InvalidInput("A directory cannot be copied into itself.", code="copy_into_itself", field="to")


async def _copy(session: Session, root: Entry, to: bytes) -> int:
    """Copy an entry with everything below it; return how many names were made."""
    try:
        if root.kind is not Kind.DIRECTORY:
            await _copy_one(session, root, to)
            return 1
        return await _copy_tree(session, root, to)
    except Conflict as refused:
        raise await writing.explain(session, posixpath.dirname(to), refused) from refused


async def _copy_tree(session: Session, root: Entry, to: bytes) -> int:
    await _make_directory(session, to)
    made = 1
    skip = len(root.path.rstrip(b"/"))
    modes = [(to, root.mode)]
    async for part in walk(session, root.path, Bounds()):
        for one in part:
            if one.kind is Kind.DIRECTORY:
                await _make_directory(session, to + one.path[skip:])
                modes.append((to + one.path[skip:], one.mode))
        rest = [one for one in part if one.kind is not Kind.DIRECTORY]
        await side_by_side(partial(_copy_one, session, one, to + one.path[skip:]) for one in rest)
        made += len(part)
        # Its time tells the sweeper that a copy is under way here.
        await session.do(session.sftp.utime(to), to)
    for path, mode in reversed(modes):
        await session.do(session.sftp.chmod(path, mode & PERMISSION_BITS), path)
    return made


async def _copy_one(session: Session, one: Entry, to: bytes) -> None:
    """Copy a file or a link to where nothing is."""
    if one.kind is Kind.LINK:
        target = await session.do(session.sftp.readlink(one.path), one.path)
        await session.do(session.sftp.symlink(target, to), to)
        return
    require_file(one)
    source = await session.do(session.sftp.open(one.path, "rb", block_size=None), one.path)
    try:
        opened = entry(one.path, await session.do(source.stat(), one.path))
        require_file(opened)
        await _copy_content(session, source, opened, to)
    finally:
        await close_file(session, source)


async def _copy_content(session: Session, source: asyncssh.SFTPClientFile, opened: Entry, to: bytes) -> None:
    """Copy the bytes inside the workspace: they do not travel."""
    attributes = asyncssh.SFTPAttrs(permissions=opened.mode & PERMISSION_BITS)
    flags = FXF_WRITE | FXF_CREAT | FXF_EXCL
    target = await session.do(session.sftp.open(to, flags, attributes, encoding=None, block_size=None), to)
    try:
        for offset in range(0, opened.size, _COPY_BYTES):
            length = min(_COPY_BYTES, opened.size - offset)
            copying = session.sftp.remote_copy(source, target, offset, length, offset)
            await session.do_patiently(copying, opened.path)
    finally:
        await close_file(session, target)
