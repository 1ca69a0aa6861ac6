"""The recordings that there are, for people: listed, read, searched, removed; and the choices about them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from nixos_workspaces.audit.entries import SYSTEM
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.errors import Conflict, NotFound
from nixos_workspaces.model.terminals import (
    RecordedLine,
    Recording,
    RecordingState,
    TerminalChoices,
    TypedRange,
)
from nixos_workspaces.model.workspace import AuthorisedId
from nixos_workspaces.settings import RecordingPolicy
from nixos_workspaces.terminals.recording import cast
from nixos_workspaces.terminals.recording.files import RecordingFiles
from nixos_workspaces.terminals.recording.progress import cast_of, typed_of

MOST_MATCHES = 20
"""Lines of one recording that a search returns."""
MOST_LINE = 200
MOST_SEARCHED_BYTES = 1 << 27
"""Text of all recordings that one search reads, the latest first."""
_STALE = timedelta(minutes=10)
"""Age of files without a row that are removed: younger ones may be about to get theirs."""
_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f]"
)


class Recordings:
    """Reading, searching and removing; ``actor`` is the id of the principal on whose behalf."""

    def __init__(
        self,
        database: Database,
        files: RecordingFiles,
        policy: RecordingPolicy,
        kept_for: timedelta,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Remove recordings ``kept_for`` after their end."""
        self.policy = policy
        self.on_choice: Callable[[str, TerminalChoices], None] = lambda _workspace_id, _chosen: None
        """Called when a workspace's choices have changed."""
        self._database = database
        self._files = files
        self._kept_for = kept_for
        self._clock = clock

    async def choices(self, workspace_id: AuthorisedId) -> TerminalChoices:
        """Return the choices of a workspace as its owner made them; the policy may overrule them."""
        async with self._database.reading(once=True) as tx:
            return await tx.terminal_choices.find(workspace_id)

    async def choose(self, workspace_id: AuthorisedId, chosen: TerminalChoices, *, actor: str, request_id: str) -> None:
        """Store the choices of a workspace.

        Raises ``Conflict`` with code ``recording_policy`` where the service's policy leaves no choice.
        """
        if self.policy is RecordingPolicy.OFF and chosen.record:
            raise Conflict("This service records no terminals.", code="recording_policy", field="record")
        if self.policy is RecordingPolicy.REQUIRED and not chosen.record:
            raise Conflict("This service records every terminal.", code="recording_policy", field="record")
        async with self._database.transaction() as tx:
            before = await tx.terminal_choices.find(workspace_id)
            await tx.terminal_choices.replace(workspace_id, chosen)
            entry = AuditEntry(
                *(self._clock(), actor, "choose-terminals", workspace_id, "accepted", request_id),
                detail=asdict(chosen),
                before=asdict(before),
                after=asdict(chosen),
            )
            await tx.audit.append(entry)
        self.on_choice(workspace_id, chosen)

    async def of_workspace(self, workspace_id: AuthorisedId, terminal_id: str = "") -> list[Recording]:
        """Return the recordings of a workspace, or of one terminal, the latest first."""
        async with self._database.reading(once=True) as tx:
            return await tx.recordings.of_workspace(workspace_id, terminal_id)

    async def get(self, workspace_id: AuthorisedId, recording_id: str) -> Recording:
        """Return one recording. Raises ``NotFound``."""
        async with self._database.reading(once=True) as tx:
            found = await tx.recordings.find(workspace_id, recording_id)
        if found is None:
            raise NotFound("There is no such recording; it was removed.", code="recording_not_found")
        return found

    async def cast(self, recording: Recording) -> AsyncIterator[bytes]:
        """Return the asciicast file in parts; raises ``RuntimeFailed`` where it is damaged."""
        parts = cast_of(self._files.pieces(recording))
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            yield part

    async def typed(self, recording: Recording) -> list[TypedRange]:
        """Return who typed which bytes when, without the bytes."""
        return await asyncio.to_thread(lambda: [*typed_of(self._files.pieces(recording))])

    async def search(
        self, workspace_id: AuthorisedId, text: str, terminal_id: str = ""
    ) -> list[tuple[Recording, list[RecordedLine]]]:
        """Return the recordings in which a line holds ``text`` (its case does not matter), with those lines."""
        found: list[tuple[Recording, list[RecordedLine]]] = []
        left = MOST_SEARCHED_BYTES
        for recording in await self.of_workspace(workspace_id, terminal_id):
            if left <= 0:
                break
            left -= recording.size
            lines = await asyncio.to_thread(self._matches, recording, text.casefold())
            if lines:
                found.append((recording, lines))
        return found

    async def remove(self, workspace_id: AuthorisedId, recording_id: str, *, actor: str, request_id: str) -> None:
        """Remove a recording for good.

        Raises ``NotFound``; ``Conflict`` while it is being written, and where the policy requires recordings.
        """
        recording = await self.get(workspace_id, recording_id)
        if recording.state is RecordingState.RUNNING:
            raise Conflict("The recording still runs; end its terminal first.", code="recording_runs")
        if self.policy is RecordingPolicy.REQUIRED:
            raise Conflict("This service keeps recordings until their time is over.", code="recording_policy")
        await self._forget([recording], actor, request_id)

    async def expire(self) -> None:
        """Remove the recordings whose time is over and, unless all are required, those of deleted workspaces."""
        before = self._clock() - self._kept_for
        async with self._database.reading() as tx:
            due = await tx.recordings.due(before, with_workspace=self.policy is not RecordingPolicy.REQUIRED)
            kept = await tx.recordings.ids()
        if due:
            await self._forget(due, SYSTEM, "")
        stale = (self._clock() - _STALE).timestamp()
        await asyncio.to_thread(self._files.sweep, kept, older_than=stale)

    async def _forget(self, gone: list[Recording], actor: str, request_id: str) -> None:
        now = self._clock()
        async with self._database.transaction() as tx:
            await tx.recordings.remove([one.id for one in gone])
            for one in gone:
                detail = {"recording": one.id, "terminal": one.terminal_id, "cast_sha256": one.cast_sha256}
                await tx.audit.append(
                    AuditEntry(now, actor, "delete-recording", one.workspace_id, "accepted", request_id, detail=detail)
                )
        # A crash between the two leaves a file that ``sweep`` removes.
        for one in gone:
            await asyncio.to_thread(self._files.remove, one)

    def _matches(self, recording: Recording, text: str) -> list[RecordedLine]:
        found: list[RecordedLine] = []
        for one in _printed(
            cast.read(line for part in cast_of(self._files.pieces(recording)) for line in _lines(part))
        ):
            if text in one.text.casefold():
                found.append(RecordedLine(one.at_ms, one.text[:MOST_LINE]))
                if len(found) == MOST_MATCHES:
                    break
        return found


def _lines(part: bytes) -> Iterator[bytes]:
    return filter(None, part.split(b"\n"))


def _printed(events: Iterator[cast.CastEvent]) -> Iterator[RecordedLine]:
    """Return the lines that were printed, without what moves the cursor; a screen program's are what it wrote."""
    held, ms = "", 0
    for event in events:
        if event.code != cast.Code.OUTPUT:
            continue
        ms = event.ms
        *whole, held = (held + event.data).split("\n")
        for one in whole:
            yield RecordedLine(ms, _SEQUENCE.sub("", one))
        if len(held) > 1 << 16:
            yield RecordedLine(ms, _SEQUENCE.sub("", held))
            held = ""
    if held:
        yield RecordedLine(ms, _SEQUENCE.sub("", held))
