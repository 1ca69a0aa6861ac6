"""Walking through directories: bounded, several requests at a time, never through links."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

from nixos_workspaces.errors import Forbidden, LimitExceeded, NotFound
from nixos_workspaces.files.reading import names
from nixos_workspaces.files.sessions import Session
from nixos_workspaces.model.files import Entry, Kind

_DIRECTORIES_AT_ONCE = 16
_REQUESTS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a walk goes."""

    entries: int = 200_000
    seconds: float = 300.0


async def walk(
    session: Session,
    root: bytes,
    bounds: Bounds,
    *,
    unreadable: list[bytes] | None = None,
    descend: Callable[[Entry], Awaitable[Entry | None]] | None = None,
) -> AsyncIterator[list[Entry]]:
    """Yield the entries below a directory, a few directories at a time, each name after that of its directory.

    Directories that may not be read, or are gone by now, are added to ``unreadable``; without it they are errors.
    ``descend`` may put another entry, or None, in the place of each one before it is yielded and gone into.
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
        if descend is not None:
            found = [now for one in found if (now := await descend(one)) is not None]
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


async def remove_if_there(session: Session, path: bytes) -> None:
    """Remove a file; that it is gone already is fine."""
    with contextlib.suppress(NotFound):
        await session.do(session.sftp.remove(path), path)
