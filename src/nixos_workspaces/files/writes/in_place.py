"""Writing into the present file: the only way to keep its hard links, and an owner or group that is not ours.

It is no single step as renaming is: a reader may see parts of both versions, and a crash may leave them. It is
therefore done only where it is asked for and there is something to keep.
"""

from __future__ import annotations

import contextlib
import posixpath

from nixos_workspaces.errors import Forbidden, WorkspacesError
from nixos_workspaces.files.reading import stream_of
from nixos_workspaces.files.sessions import Session
from nixos_workspaces.files.writes import writing
from nixos_workspaces.files.writes.writing import Condition
from nixos_workspaces.model.files import Entry, Loss


async def losses(session: Session, present: Entry, staged: Entry) -> tuple[Loss, ...]:
    """Return what ``present`` would lose if ``staged`` took its place."""
    found = []
    if staged.uid != present.uid:
        found.append(Loss.OWNER)
    if staged.gid != present.gid:
        found.append(Loss.GROUP)
    if await _links(session, present.path) > 1:
        found.append(Loss.LINKS)
    return tuple(found)


async def _links(session: Session, path: bytes) -> int:
    """Return how many names a file has; 1 where nobody can tell. Only the line of a listing says it."""
    directory, name = posixpath.split(path)

    async def look() -> int:
        async with contextlib.aclosing(session.sftp.scandir(directory)) as listing:  # type: ignore[type-var]
            async for one in listing:
                if one.filename == name:
                    longname = one.longname
                    assert isinstance(longname, bytes)
                    words = longname.split(None, 2)
                    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 1
        return 1

    try:
        return await session.do_patiently(look(), directory)
    except WorkspacesError:
        if session.spoiled:
            raise
        return 1


async def overwrite(session: Session, source: bytes, path: bytes, condition: Condition) -> bool:
    """Write the content of ``source`` into the file at ``path``; False if user ``nixos`` may not."""
    await writing.check(session, path, condition)
    try:
        target = await writing.reopen(session, path, 0)
    except Forbidden:
        return False
    try:
        _, blocks, close = await stream_of(session, source)
        async with close:
            async for block in blocks:
                await target.write(block)
        await target.flush()
        await target.cut()
        await target.sync()
    finally:
        await target.close()
    return True
