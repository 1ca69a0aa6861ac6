"""Deleting a directory with everything below it, however deep that is; never through links.

The kernel takes paths of up to ``MAX_PATH_BYTES``, and SFTP has no calls relative to an open directory. A directory
below which names would have longer paths is moved up first, to a temporary name in the directory that is being deleted,
and gone into there. A deletion that ends half way may leave such names; the next one deletes them too.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from functools import partial

from nixos_workspaces.errors import Conflict, LimitExceeded, NotFound
from nixos_workspaces.files.reading import find
from nixos_workspaces.files.sessions import Session
from nixos_workspaces.files.trees.walking import Bounds, remove_if_there, side_by_side, walk
from nixos_workspaces.model.files import Entry, Kind
from nixos_workspaces.model.paths import MAX_NAME_BYTES, MAX_PATH_BYTES, shown

_LONGEST_DIRECTORY = MAX_PATH_BYTES - 1 - MAX_NAME_BYTES
"""Bytes of the longest path below which every name can be reached. A longer one lists some of its names only."""
_PREFIX = b"/.nixws-"


async def delete_tree(session: Session, root: bytes, bounds: Bounds = Bounds()) -> int:  # noqa: B008  frozen
    """Delete a directory with everything below it; return how many names that were.

    Raises ``LimitExceeded`` where a bound is reached: a part has been deleted then, and calling it again goes on.
    """
    lifted = _Lifted(session, root)
    directories = [root]
    deleted = 0
    try:
        async for part in walk(session, root, bounds, descend=lifted.within_reach):
            files = [one.path for one in part if one.kind is not Kind.DIRECTORY]
            directories += [one.path for one in part if one.kind is Kind.DIRECTORY]
            await side_by_side(partial(remove_if_there, session, path) for path in files)
            deleted += len(files)
    except LimitExceeded as large:
        await _remove_directories(session, directories, whole=False)
        raise LimitExceeded(
            f"{shown(root)!r} is too large to be deleted at once; a part of it is gone. Delete it again.",
            code="too_many_entries",
            field="path",
        ) from large
    await _remove_directories(session, directories, whole=True)
    return deleted + len(directories)


class _Lifted:
    """The directories of one deletion that were moved up to its top."""

    def __init__(self, session: Session, root: bytes) -> None:
        self._session = session
        self._prefix = root + _PREFIX + secrets.token_hex(4).encode() + b"-"
        self._count = 0

    async def within_reach(self, one: Entry) -> Entry | None:
        """Return an entry as it can be reached with all that is in it; None if it is gone.

        Raises ``Conflict`` for the mount point of another file system.
        """
        self._count += 1
        short = self._prefix + str(self._count).encode()
        if one.kind is not Kind.DIRECTORY or len(one.path) <= _LONGEST_DIRECTORY or len(short) > _LONGEST_DIRECTORY:
            return one
        try:
            await self._session.do(self._session.sftp.rename(one.path, short), one.path)
        except NotFound:
            return None
        # Whoever put something else in its place in this moment had that moved: it is looked at anew.
        moved = await find(self._session, short, follow=False)
        return moved and replace(one, path=short, kind=moved.kind)


async def _remove_directories(session: Session, directories: list[bytes], *, whole: bool) -> None:
    """Remove emptied directories, the deepest first; without ``whole`` those that are empty."""
    depths: dict[int, list[bytes]] = {}
    for directory in directories:
        depths.setdefault(directory.count(b"/"), []).append(directory)
    for depth in sorted(depths, reverse=True):
        await side_by_side(partial(_remove_directory, session, path, whole=whole) for path in depths[depth])


async def _remove_directory(session: Session, path: bytes, *, whole: bool) -> None:
    try:
        await session.do(session.sftp.rmdir(path), path)
    except NotFound:
        return
    except Conflict as refused:
        if whole and len(path) > _LONGEST_DIRECTORY:
            raise Conflict(
                "The directory lies too deep for what is in it; delete one further up.",
                code="path_too_long",
                field="path",
            ) from refused
        if whole:
            raise Conflict(
                f"Something was put into {shown(path)!r} while it was deleted; delete it again.",
                code="directory_not_empty",
                field="path",
            ) from refused
