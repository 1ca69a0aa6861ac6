"""Walking through directories and deleting them: bounded, several requests at a time, never through links."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial

from nixos_workspaces.errors import Conflict, Forbidden, LimitExceeded, NotFound
from nixos_workspaces.files.reading import names
from nixos_workspaces.files.sessions import Session
from nixos_workspaces.model.files import Entry, Kind
from nixos_workspaces.model.paths import shown

_DIRECTORIES_AT_ONCE = 16
_REQUESTS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a walk goes."""

    entries: int = 200_000
    seconds: float = 300.0


async def walk(
    session: Session, root: bytes, bounds: Bounds, *, unreadable: list[bytes] | None = None
) -> AsyncIterator[list[Entry]]:
    """Yield the entries below a directory, a few directories at a time, each name after that of its directory.

    Directories that may not be read, or are gone by now, are added to ``unreadable``; without it they are errors.
    Raises ``LimitExceeded`` with code ``too_many_entries`` where a bound is reached.
    """
    waiting = deque([root])
    deadline = time.monotonic() + bounds.seconds
    seen = 0
    while waiting:
        part = [waiting.popleft() for _ in range(min(_DIRECTORIES_AT_ONCE, len(waiting)))]
        listings = await asyncio.gather(*(_listed(session, path, unreadable) for path in part))
        found = [one for listing in listings for one in listing]
        seen += len(found)
        if seen > bounds.entries or time.monotonic() > deadline:
            raise LimitExceeded(
                f"The directory is too large for this: {bounds.entries} names and {bounds.seconds:g} seconds are the "
                "bounds; take a part of it, or use a terminal.",
                code="too_many_entries",
                field="path",
            )
        waiting.extend(one.path for one in found if one.kind is Kind.DIRECTORY)
        yield found


async def _listed(session: Session, path: bytes, unreadable: list[bytes] | None) -> list[Entry]:
    try:
        return await names(session, path)
    except (Forbidden, NotFound):
        if unreadable is None:
            raise
        unreadable.append(path)
        return []


async def side_by_side(work: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Do many things, a bounded number at a time; the first error ends all, and is raised."""
    waiting = iter(work)

    async def worker() -> None:
        for one in waiting:
            await one()

    workers = [asyncio.create_task(worker()) for _ in range(_REQUESTS_AT_ONCE)]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def delete_tree(session: Session, root: bytes) -> int:
    """Delete a directory with everything below it; return how many names that were."""
    directories = [root]
    deleted = 0
    async for part in walk(session, root, Bounds()):
        files = [one.path for one in part if one.kind is not Kind.DIRECTORY]
        directories += [one.path for one in part if one.kind is Kind.DIRECTORY]
        await side_by_side(partial(remove_if_there, session, path) for path in files)
        deleted += len(files)
    depths: dict[int, list[bytes]] = {}
    for directory in directories:
        depths.setdefault(directory.count(b"/"), []).append(directory)
    for depth in sorted(depths, reverse=True):
        await side_by_side(partial(_remove_directory, session, path) for path in depths[depth])
    return deleted + len(directories)


async def _remove_directory(session: Session, path: bytes) -> None:
    try:
        await session.do(session.sftp.rmdir(path), path)
    except NotFound:
        return
    except Conflict as refused:
        raise Conflict(
            f"Something was put into {shown(path)!r} while it was deleted; delete it again.",
            code="directory_not_empty",
            field="path",
        ) from refused


async def remove_if_there(session: Session, path: bytes) -> None:
    """Remove a file; that it is gone already is fine."""
    with contextlib.suppress(NotFound):
        await session.do(session.sftp.remove(path), path)
