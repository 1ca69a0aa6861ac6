"""The witness: a place outside the database that gets every checkpoint, so that an older copy put back is found."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from nixos_workspaces.audit.notes import Checkpoint, open_note, split_notes
from nixos_workspaces.audit.tree import covering, prove
from nixos_workspaces.database import Database
from nixos_workspaces.errors import InvalidInput, RuntimeFailed, Unavailable

WITNESS_SECONDS = 60.0
_SECONDS = 10.0
_TAIL_BYTES = 8192


class Witness:
    """Sends checkpoints to a file or, by POST, to an HTTP address; does nothing without a place."""

    def __init__(
        self, database: Database, place: str, key: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Send to ``place``, a path or an ``http(s)`` URL; ``key`` is the log's public key."""
        self._database = database
        self._place = place
        self._key = key
        self._clock = clock

    async def send(self) -> None:
        """Send the newest checkpoint, if the witness has not got it; call it once a minute.

        Raises ``Unavailable`` (``witness_unreachable``) where the witness does not take it: then the next call tries
        again. Raises ``RuntimeFailed`` (``audit_rolled_back``) if a witness's file has a checkpoint that this log does
        not agree with; nothing is added to it then.
        """
        if not self._place:
            return
        is_url = self._place.startswith(("http://", "https://"))
        if not is_url:
            await self._compare(await asyncio.to_thread(_last_of, Path(self._place), self._key))
        async with self._database.reading() as tx:
            last = await tx.checkpoints.latest()
        if last is None or last.witnessed_at is not None:
            return
        if is_url:
            await _post(self._place, last.note)
        else:
            await asyncio.to_thread(_append, Path(self._place), last.note)
        async with self._database.transaction() as tx:
            await tx.checkpoints.witness(last.size, self._clock())

    async def _compare(self, witnessed: Checkpoint | None) -> None:
        """Raise if the log is not what the witness has seen."""
        if witnessed is None or witnessed.size == 0:
            return
        async with self._database.reading() as tx:
            size = (await tx.audit.head()).size
            if witnessed.size <= size:
                ranges = [(0, witnessed.size)]
                nodes = await tx.audit.nodes(covering(ranges[0]))
                if prove(ranges, nodes.__getitem__) == (witnessed.root,):
                    return
        raise RuntimeFailed(
            f"The witness has a checkpoint of {witnessed.size} audit entries that this log, of {size}, does not agree "
            "with: an older copy of the database was put back, or entries were changed. "
            "`nixws audit verify --checkpoint FILE` names the first.",
            code="audit_rolled_back",
        )


def _last_of(path: Path, key: str) -> Checkpoint | None:
    """Return the last checkpoint in the witness's file; one that is torn or not ours is passed over."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            tail = file.read().decode(errors="replace")
    except FileNotFoundError:
        return None
    except OSError as failed:
        raise _unreachable(failed) from failed
    for note in reversed(split_notes(tail)):
        try:
            return open_note(note, key)
        except InvalidInput:
            continue
    return None


def _append(path: Path, note: str) -> None:
    """Put a note at the end of the witness's file, safely on the disk."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        with os.fdopen(descriptor, "wb") as file:
            # Begins a line of its own also after a note that was torn.
            file.write(f"\n{note}".encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as failed:
        raise _unreachable(failed) from failed


async def _post(url: str, note: str) -> None:
    # Loaded when it is used: most installations have no such witness.
    import httpx2

    try:
        async with httpx2.AsyncClient(timeout=_SECONDS, trust_env=False) as http:
            answer = await http.post(url, content=note.encode(), headers={"Content-Type": "text/plain; charset=utf-8"})
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as failed:
        raise _unreachable(failed) from failed
    if not answer.is_success:
        raise _unreachable(f"status {answer.status_code}")


def _unreachable(why: object) -> Unavailable:
    """Return the error; a witness's address may hold a secret, so it is not told."""
    told = why.strerror if isinstance(why, OSError) and why.strerror else type(why).__name__
    return Unavailable(
        f"The witness of the audit log does not take its checkpoints ({why if isinstance(why, str) else told}). Look "
        "at the setting audit_witness; it is tried again every minute.",
        code="witness_unreachable",
    )
