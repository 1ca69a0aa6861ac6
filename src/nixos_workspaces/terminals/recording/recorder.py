"""Records the terminals that are to be recorded, from first byte to last, across restarts of the service."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from nixos_workspaces.audit.entries import SYSTEM
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.errors import NotFound, RuntimeFailed, WorkspacesError
from nixos_workspaces.model.terminals import CutReason, Recording, RecordingState
from nixos_workspaces.model.workspace import Status
from nixos_workspaces.settings import RecordingPolicy
from nixos_workspaces.terminals import protocol
from nixos_workspaces.terminals.input_activity import InputActivity
from nixos_workspaces.terminals.link import Link, LinkOwner, Route, ask, open_link
from nixos_workspaces.terminals.recording.files import RecordingFiles
from nixos_workspaces.terminals.recording.progress import Progress, resumed
from nixos_workspaces.terminals.recording.sealed import SealedFile
from nixos_workspaces.terminals.recording.writer import Ending, Output, RecordingWriter
from nixos_workspaces.terminals.session import ClientOptions, SSHSession

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""How often terminals are looked for that were opened without the service, and ends that nobody told."""
_DOWN = frozenset({Status.STOPPED, Status.ERROR, Status.DELETING})

Key = tuple[str, str]
"""A workspace and one of its terminals."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The service's settings about recordings."""

    policy: RecordingPolicy = RecordingPolicy.OPTIONAL
    is_strict: bool = False


class Recorder:
    """The recordings that are being written. Call it from the event loop's thread only."""

    def __init__(
        self,
        database: Database,
        files: RecordingFiles,
        route: Route,
        rules: Rules,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Reach the terminals by ``route``."""
        self.on_change: Callable[[str, str], None] = lambda _workspace_id, _terminal_id: None
        """Called when a terminal is recorded, or no longer."""
        self._database = database
        self._files = files
        self._route = route
        self._rules = rules
        self._clock = clock
        self._writers: dict[Key, RecordingWriter] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._early: dict[Key, list[tuple[str, str, int]]] = {}
        """Input at terminals whose recording is being begun."""
        self._looking: asyncio.Task[None] | None = None

    def is_recording(self, workspace_id: str, terminal_id: str) -> bool:
        """Tell whether what a terminal prints now is stored."""
        writer = self._writers.get((workspace_id, terminal_id))
        return writer is not None and not writer.is_failing

    def note_attached(self, workspace_id: str, terminal_id: str) -> None:
        """Begin to record a terminal that somebody has just attached to, where it is to be."""
        if self._rules.policy is not RecordingPolicy.OFF:
            self._begin((workspace_id, terminal_id), only_where_wanted=True)

    def note_typed(self, workspace_id: str, terminal_id: str, principal: str, name: str, count: int) -> None:
        """Attribute ``count`` bytes of input to a person."""
        key = (workspace_id, terminal_id)
        if (writer := self._writers.get(key)) is not None:
            writer.note_typed(principal, name, count)
        elif (early := self._early.get(key)) is not None:
            early.append((principal, name, count))

    def look_soon(self) -> None:
        """Look because a choice has changed."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_alone())

    async def _look_alone(self) -> None:
        with suppress(WorkspacesError):  # the next look may succeed
            await self.look()

    async def look(self) -> None:
        """Begin what is to be recorded and end what is not, or can not be any more."""
        wanted, open_ones = await self._wanted_and_open()
        for workspace_id, terminal_id in [*self._writers]:
            if wanted is not None and workspace_id not in wanted:
                self._writers[workspace_id, terminal_id].close()
        up = await self._up()
        listed: dict[str, set[str]] = {}
        begun = {(one.workspace_id, one.terminal_id) for one in open_ones}
        for workspace_id in up if wanted is None else up & wanted:
            with suppress(WorkspacesError):
                found = await ask(self._route, workspace_id, protocol.list_terminals())
                listed[workspace_id] = {one.id for one in found}
                for one in found:
                    if one.exit_status is None or (workspace_id, one.id) in begun:
                        self._begin((workspace_id, one.id), has_ended=one.exit_status is not None)
        await self._end_lost(open_ones, listed, wanted)

    async def close(self) -> None:
        """Store what is to be stored; recordings go on when the service is back."""
        tasks = [*self._tasks.values(), *([self._looking] if self._looking is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- which terminals

    async def _up(self) -> frozenset[str]:
        async with self._database.reading(once=True) as tx:
            return frozenset(await tx.summaries.running(None))

    async def _wanted_and_open(self) -> tuple[frozenset[str] | None, list[Recording]]:
        """Return the workspaces to be recorded (None: all), and the recordings without an end."""
        async with self._database.reading() as tx:
            chosen, open_ones = await tx.terminal_choices.recorded(), await tx.recordings.running()
        match self._rules.policy:
            case RecordingPolicy.OFF:
                return frozenset(), open_ones
            case RecordingPolicy.OPTIONAL:
                return chosen, open_ones
            case RecordingPolicy.REQUIRED:
                return None, open_ones

    async def _end_lost(
        self, open_ones: list[Recording], listed: dict[str, set[str]], wanted: frozenset[str] | None
    ) -> None:
        """End the recordings of terminals that are gone, and of workspaces that are not to be recorded any more."""
        idle = [one for one in open_ones if (one.workspace_id, one.terminal_id) not in self._tasks]
        if not idle:
            return
        async with self._database.reading(once=True) as tx:
            known = await tx.summaries.statuses()
        for one in idle:
            is_off = wanted is not None and one.workspace_id not in wanted
            is_down = known.get(one.workspace_id, Status.STOPPED) in _DOWN
            if is_down or is_off or one.terminal_id not in listed.get(one.workspace_id, {one.terminal_id}):
                reason = CutReason.TURNED_OFF if is_off and not is_down else CutReason.TERMINAL_GONE
                progress = await asyncio.to_thread(self._progress_of, one)
                await self._finish(one, progress, RecordingState.CUT, reason)

    def _begin(self, key: Key, *, only_where_wanted: bool = False, has_ended: bool = False) -> None:
        if key not in self._tasks:
            self._early[key] = []
            work = self._record(key, only_where_wanted, has_ended)
            self._tasks[key] = asyncio.get_running_loop().create_task(work)

    # ---- one terminal

    async def _record(self, key: Key, only_where_wanted: bool, has_ended: bool) -> None:  # noqa: FBT001
        is_wanted = not only_where_wanted or self._rules.policy is RecordingPolicy.REQUIRED
        try:
            if not is_wanted:
                wanted, _ = await self._wanted_and_open()
                if wanted is not None and key[0] not in wanted:
                    return
                is_wanted = True
            await self._record_to_the_end(key, has_ended=has_ended)
        except (OSError, WorkspacesError) as failure:
            log.warning("A terminal of %s is not recorded for now: %s", key[0], failure)
            # Where it is not reached nobody else sees more of it either, and the holder keeps what it prints.
            is_away = isinstance(failure, WorkspacesError) and failure.code != "database_unavailable"
            if self._rules.is_strict and is_wanted and not is_away:
                with suppress(WorkspacesError):  # it is not reached: the next look may succeed
                    await self._end_terminal(key)
        finally:
            del self._tasks[key]
            self._early.pop(key, None)
            if self._writers.pop(key, None) is not None:
                self.on_change(*key)

    async def _record_to_the_end(self, key: Key, *, has_ended: bool) -> None:
        if (begun := await self._opened(key, has_ended=has_ended)) is None:
            return
        recording, file, progress = begun
        session: SSHSession | None = None

        async def store(piece: bytes) -> None:
            await asyncio.to_thread(self._files.append, file, piece)

        def paused(is_paused: bool) -> None:  # noqa: FBT001
            if session is not None:
                (session.pause_output if is_paused else session.resume_output)()

        output = Output(store, partial(paused, True), partial(paused, False), partial(self._ms_of, recording))
        writer = RecordingWriter(recording, progress, output, is_strict=self._rules.is_strict)
        try:
            session = await self._attached(key, writer, progress.end)
        except NotFound:
            await self._finish(recording, progress, RecordingState.CUT, CutReason.TERMINAL_GONE)
            return
        self._writers[key] = writer
        for early in self._early.pop(key, []):
            writer.note_typed(*early)
        self.on_change(*key)
        try:
            ending = await writer.run()
        except asyncio.CancelledError:
            session.close()
            writer.close()
            await writer.run()
            raise
        session.close()
        await self._conclude(key, writer, ending, file)

    async def _conclude(self, key: Key, writer: RecordingWriter, ending: Ending, file: SealedFile) -> None:
        """Store how the recording ended; one whose link was lost goes on later."""
        recording = writer.recording
        if ending.failed is not None:
            return
        if ending.not_stored is not None:
            if self._rules.is_strict and ending.exited is None:
                await self._end_terminal(key)
            stored = await asyncio.to_thread(self._progress_of, recording)
            await self._finish(recording, stored, RecordingState.CUT, CutReason.NOT_STORED)
            return
        await asyncio.to_thread(file.sync)
        if ending.exited is None:
            await self._finish(recording, writer.progress, RecordingState.CUT, CutReason.TURNED_OFF)
            return
        ended = replace(recording, exit_status=ending.exited.status)
        await self._finish(ended, writer.progress, RecordingState.COMPLETE, CutReason.NONE)

    async def _opened(self, key: Key, *, has_ended: bool) -> tuple[Recording, SealedFile, Progress] | None:
        """Return the recording of a terminal to go on with, or a new one; None where one has come to its end.

        A terminal that has ended gets no new one: its own was removed meanwhile, or there never was one.
        """
        workspace_id, terminal_id = key
        async with self._database.reading() as tx:
            before = await tx.recordings.of_workspace(workspace_id, terminal_id)
        if any(one.state is not RecordingState.RUNNING and one.reason is not CutReason.TURNED_OFF for one in before):
            return None
        for one in (one for one in before if one.state is RecordingState.RUNNING):
            try:
                file = await asyncio.to_thread(self._files.reopen, one)
                return one, file, await asyncio.to_thread(self._progress_of, one)
            except (NotFound, RuntimeFailed) as unusable:
                log.warning("The recording %s cannot go on: %s", one.id, unusable.message)
                await self._finish(one, Progress(), RecordingState.CUT, CutReason.NOT_STORED)
        if has_ended:
            return None
        now = self._clock()
        recording = Recording(f"rec-{secrets.token_hex(8)}", workspace_id, terminal_id, "", now)
        file = await asyncio.to_thread(self._files.create, recording)
        try:
            async with self._database.transaction() as tx:
                await tx.recordings.add(recording)
                await tx.audit.append(_entry(now, recording, "begin-recording"))
        except WorkspacesError:
            await asyncio.to_thread(self._files.remove, recording)
            raise
        return recording, file, Progress()

    async def _attached(self, key: Key, writer: RecordingWriter, offset: int) -> SSHSession:
        workspace_id, terminal_id = key

        async def link(owner: LinkOwner, first: bytes) -> Link:
            return await open_link(self._route, workspace_id, owner, first=first)

        session = SSHSession(
            *(f"{workspace_id}.recording", workspace_id, writer, link),
            *(lambda _: None, lambda news: news),
            input_activity=InputActivity(),
            options=ClientOptions(text=True, flow_control=False, news=False, token=0),
        )
        await session.attach(protocol.Attach(terminal_id, offset, 80, 24, readonly=True))
        return session

    async def _finish(self, recording: Recording, progress: Progress, state: RecordingState, reason: CutReason) -> None:
        """Store the end of a recording with the audit entry that its content can be compared with."""
        now = self._clock()
        ended = replace(
            recording,
            ended_at=now,
            state=state,
            reason=reason,
            end=progress.end,
            missing=progress.missing,
            sha256=progress.output_sum.hexdigest(),
            cast_sha256=progress.cast_sum.hexdigest(),
            size=await asyncio.to_thread(self._files.size, recording),
        )
        async with self._database.transaction() as tx:
            if await tx.recordings.save(ended):
                await tx.audit.append(_entry(now, ended, "end-recording"))

    async def _end_terminal(self, key: Key) -> None:
        """End a terminal that may not go on unrecorded."""
        log.error("A terminal of %s is ended: it cannot be recorded.", key[0])
        await ask(self._route, key[0], protocol.close(key[1]))

    def _progress_of(self, recording: Recording) -> Progress:
        """Return the sums over what is stored; nothing where that cannot be read."""
        try:
            return resumed(self._files.pieces(recording))
        except (NotFound, RuntimeFailed):
            return Progress()

    def _ms_of(self, recording: Recording) -> int:
        return int((self._clock() - recording.started_at).total_seconds() * 1000)


def _entry(now: datetime, recording: Recording, action: str) -> AuditEntry:
    detail: dict[str, object] = {"recording": recording.id, "terminal": recording.terminal_id}
    if recording.ended_at is not None:
        detail |= {
            "state": recording.state.value,
            "reason": recording.reason.value,
            "end": recording.end,
            "missing": recording.missing,
            "sha256": recording.sha256,
            "cast_sha256": recording.cast_sha256,
            "exit_status": recording.exit_status,
        }
    return AuditEntry(now, SYSTEM, action, recording.workspace_id, "accepted", detail=detail)
