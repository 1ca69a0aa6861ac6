"""``Uploads``: writing a file in several requests, going on where the last one broke off.

The state of an upload is its temporary file, whose length is the offset, and a small note beside it. Both are in the
workspace: an upload survives restarts of the service and of the workspace.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import posixpath
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

from nixos_workspaces.errors import Conflict, InvalidInput, NotFound, WorkspacesError
from nixos_workspaces.files.entries import etag
from nixos_workspaces.files.reading import content_of, find, names
from nixos_workspaces.files.sessions import Lane, Session, Sessions
from nixos_workspaces.files.trees.walking import remove_if_there
from nixos_workspaces.files.writes import staging, writing
from nixos_workspaces.files.writes.staging import STALE_SECONDS, Staging
from nixos_workspaces.files.writes.writing import ANYTHING, NEW_FILE_MODE, Condition, Staged, Target
from nixos_workspaces.model.files import Kind, Written
from nixos_workspaces.model.paths import checked, checked_target, decoded, encoded
from nixos_workspaces.model.workspace import AuthorisedId

EXPIRY_SECONDS = 24 * 3600
"""Time without a write after which an upload is given up."""
MAX_UPLOAD_BYTES = 1 << 44

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload and how far it has got."""

    id: str
    path: bytes
    size: int
    offset: int
    """Bytes that are in the workspace; ``size`` when the file is in place."""
    written: Written | None = None
    """The file, from the call that completed it."""


@dataclass(frozen=True, slots=True)
class _Note:
    """The note of an upload, kept beside its bytes."""

    path: bytes
    temporary: bytes
    size: int
    mode: int | None
    condition: Condition


class Uploads:
    """The resumable uploads of all workspaces; the contract of ``Files`` holds here too."""

    def __init__(self, sessions: Sessions, place: Staging) -> None:
        self._sessions = sessions
        self._staging = place
        self._appending: dict[str, asyncio.Task[object]] = {}
        self._taken_over: set[asyncio.Task[object]] = set()

    async def create(
        self,
        workspace_id: AuthorisedId,
        path: bytes,
        size: int,
        *,
        name: bytes = b"",
        mode: int | None = None,
        condition: Condition = ANYTHING,
    ) -> Upload:
        """Begin an upload of ``size`` bytes to ``path``; an empty file is complete at once.

        Where ``name`` is given, ``path`` may be the directory that will hold a file of that name; the home directory
        if it is empty. ``condition`` has to be met now and when the upload completes. Raises as ``Files.write`` does.
        """
        if name in {b".", b".."} or b"/" in name:
            raise InvalidInput("The file's name has to be a name, not a path.", code="invalid_path", field="filename")
        if not name:
            path = checked_target(path)
        if not 0 <= size <= MAX_UPLOAD_BYTES:
            raise InvalidInput(f"The size has to be 0 to {MAX_UPLOAD_BYTES} bytes.", field="size")
        async with self._sessions.lease(workspace_id) as session:
            target = await writing.resolve(session, await _placed(session, path, name))
            await writing.check(session, target.path, condition)
            await writing.require_space(session, target.directory, size + writing.SPARE_BYTES)
            upload_id = secrets.token_hex(16)
            temporary = await staging.choose_part(session, target.directory, upload_id)
            note = _Note(target.path, temporary, size, mode, condition)
            staged = await writing.create(session, temporary, NEW_FILE_MODE)
            try:
                await self._write_note(session, upload_id, note)
                written = None if size else await self._complete(workspace_id, session, note, staged)
            finally:
                await staged.close()
        return Upload(upload_id, note.path, size, 0, written)

    async def get(self, workspace_id: AuthorisedId, upload_id: str) -> Upload:
        """Return how far an upload has got; ``NotFound`` if it is given up."""
        async with self._sessions.lease(workspace_id) as session:
            note = await self._read_note(session, upload_id)
            return Upload(upload_id, note.path, note.size, await _offset(session, note))

    async def append(
        self, workspace_id: AuthorisedId, upload_id: str, offset: int, body: AsyncIterator[bytes]
    ) -> Upload:
        """Go on with an upload at its offset; put the file in place when it is complete.

        Bytes that came before ``body`` raised are kept. An older call for the same upload, whose client has gone and
        does not know it yet, ends with ``Conflict`` and code ``upload_taken_over``. Raises ``Conflict`` with code
        ``wrong_offset`` for another offset than the upload's.
        """
        await self._take_over(upload_id)
        task = asyncio.current_task()
        assert task is not None
        self._appending[upload_id] = task
        try:
            async with self._sessions.lease(workspace_id, Lane.TRANSFER) as session:
                return await self._append(workspace_id, session, upload_id, offset, body)
        except asyncio.CancelledError:
            if task not in self._taken_over:
                raise
            task.uncancel()
            raise Conflict("Another request goes on with this upload.", code="upload_taken_over") from None
        finally:
            self._taken_over.discard(task)
            if self._appending.get(upload_id) is task:
                del self._appending[upload_id]

    async def abort(self, workspace_id: AuthorisedId, upload_id: str) -> None:
        """Give an upload up and remove its bytes and note; a completed file stays."""
        await self._take_over(upload_id)
        async with self._sessions.lease(workspace_id) as session:
            note = await self._read_note(session, upload_id)
            await remove_if_there(session, note.temporary)
            await remove_if_there(session, await _note_path(session, upload_id))

    async def sweep(self, workspace_id: str) -> int:
        """Remove uploads that were given up, and leftovers of a crash; return how many."""
        async with self._sessions.lease(workspace_id) as session:
            directory = posixpath.join(await session.home(), staging.STAGING)
            found = await find(session, directory)
            if found is None or found.kind is not Kind.DIRECTORY:
                return 0
            left = {one.name: one for one in await names(session, directory) if one.name.endswith(staging.KEPT)}
            if not left:
                return 0
            now = await staging.clock(session, directory)
            removed = 0
            for name, one in left.items():
                upload_id = name.partition(b".")[0]
                age = now - max(other.modified for other in left.values() if other.name.partition(b".")[0] == upload_id)
                alone = upload_id + b".json" not in left
                if age > EXPIRY_SECONDS or (alone and age > STALE_SECONDS):
                    await self._remove(session, one.path)
                    removed += 1
            return removed

    async def _remove(self, session: Session, path: bytes) -> None:
        """Remove a note, with the bytes it names, or bytes."""
        if path.endswith(b".json"):
            with contextlib.suppress(NotFound):
                note = await self._read_note(session, posixpath.basename(path).decode("ascii").partition(".")[0])
                await remove_if_there(session, note.temporary)
        await remove_if_there(session, path)

    async def _take_over(self, upload_id: str) -> None:
        """End an older call that appends to this upload, and wait until it has ended."""
        while (older := self._appending.get(upload_id)) is not None:
            self._taken_over.add(older)
            older.cancel()
            await asyncio.wait({older})

    async def _append(
        self, workspace_id: str, session: Session, upload_id: str, offset: int, body: AsyncIterator[bytes]
    ) -> Upload:
        note = await self._read_note(session, upload_id)
        present = await _offset(session, note)
        if offset != present:
            raise Conflict(f"The upload has got to byte {present}; go on there.", code="wrong_offset", field="offset")
        if present == note.size:
            return Upload(upload_id, note.path, note.size, present)
        staged = await writing.reopen(session, note.temporary, present)
        try:
            await _receive(session, staged, note, body)
            written = None
            if staged.acknowledged == note.size:
                written = await self._complete(workspace_id, session, note, staged)
            return Upload(upload_id, note.path, note.size, staged.acknowledged, written)
        finally:
            await staged.close()

    async def _complete(self, workspace_id: str, session: Session, note: _Note, staged: Staged) -> Written:
        """Put the file in place; the note stays until it expires, so that the client can still ask."""
        target: Target = await writing.resolve(session, note.path)
        kept = target.present.mode if target.present is not None else NEW_FILE_MODE
        await staged.set_mode(kept if note.mode is None else note.mode)
        async with self._staging.commit_lock(workspace_id, target.path):
            await writing.put_in_place(session, note.temporary, target.path, note.condition)
        await staged.sync()
        written = await staged.entry(target.path)
        return Written(written, etag(written, digest=staged.digest), target.present is None)

    async def _write_note(self, session: Session, upload_id: str, note: _Note) -> None:
        content = {
            "path": encoded(note.path),
            "temporary": encoded(note.temporary),
            "size": note.size,
            "mode": note.mode,
            "matches": note.condition.matches,
            "absent": note.condition.absent,
        }
        staged = await writing.create(session, await _note_path(session, upload_id), 0o600)
        try:
            await staged.write(json.dumps(content).encode("ascii"))
            await staged.flush()
        finally:
            await staged.close()

    async def _read_note(self, session: Session, upload_id: str) -> _Note:
        if not _ID.fullmatch(upload_id):
            raise _unknown()
        try:
            raw = await content_of(session, await _note_path(session, upload_id))
            content = json.loads(raw)
            matches = content["matches"]
            return _Note(
                decoded(str(content["path"])),
                decoded(str(content["temporary"])),
                int(content["size"]),
                None if content["mode"] is None else int(content["mode"]),
                Condition(None if matches is None else tuple(map(str, matches)), bool(content["absent"])),
            )
        except (NotFound, ValueError, KeyError, TypeError) as wrong:
            raise _unknown() from wrong


async def _note_path(session: Session, upload_id: str) -> bytes:
    return posixpath.join(await session.home(), staging.STAGING, upload_id.encode("ascii") + b".json")


def _unknown() -> NotFound:
    return NotFound(
        "There is no such upload: it was given up or never begun; begin again.", code="upload_not_found", field="id"
    )


async def _placed(session: Session, path: bytes, name: bytes) -> bytes:
    """Return where a file is written: in ``path`` if that is a directory and the file has a name of its own."""
    if not name:
        return path
    place = checked(path) if path else await session.home()
    there = await find(session, place)
    if there is not None and there.kind is Kind.DIRECTORY:
        return checked_target(posixpath.join(place, name), "filename")
    return checked_target(place)


async def _offset(session: Session, note: _Note) -> int:
    """Return how many bytes are there; all, if the file has got its name already."""
    part = await find(session, note.temporary, follow=False)
    if part is not None and part.kind is Kind.FILE and part.size <= note.size:
        return part.size
    target = await find(session, note.path, follow=False)
    if part is None and target is not None and target.kind is Kind.FILE and target.size == note.size:
        return note.size
    raise _unknown()


async def _receive(session: Session, staged: Staged, note: _Note, body: AsyncIterator[bytes]) -> None:
    """Write the body; have its bytes on disk also when it breaks off."""
    left = note.size - staged.acknowledged
    try:
        try:
            async for chunk in body:
                left -= len(chunk)
                if left < 0:
                    raise InvalidInput("More bytes came than were announced.", code="wrong_length", field="body")
                await staged.write(chunk)
        finally:
            if not session.spoiled:
                await staged.flush()
    except Conflict as refused:
        with contextlib.suppress(WorkspacesError):
            await staged.cut()
        raise await writing.explain(session, posixpath.dirname(note.temporary), refused) from refused
