"""One recording on its way to the disk: a client of the terminal that stores what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.model.terminals import Recording
from nixos_workspaces.terminals import protocol
from nixos_workspaces.terminals.output import Control, Failed, Received
from nixos_workspaces.terminals.recording import cast
from nixos_workspaces.terminals.recording.progress import Progress

STORE_SECONDS = 0.25
"""The longest that output waits to be stored: what a killed service has to read again."""
RETRY_SECONDS = 2.0
"""Time between two attempts while the disk is full."""
MOST_WAITING_BYTES = 1 << 20
"""Beyond this the workspace is asked to send no more: what its terminal does not keep meanwhile is a gap."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a writer has ended."""

    exited: protocol.Exited | None = None
    failed: WorkspacesError | None = None
    not_stored: OSError | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """The calls that a writer makes on what it stands on."""

    store: Callable[[bytes], Awaitable[None]]
    """Appends a piece to the file; raises ``OSError``."""
    pause: Callable[[], None]
    resume: Callable[[], None]
    now_ms: Callable[[], int]
    """Milliseconds since the recording began."""


class RecordingWriter:
    """A ``TerminalClient`` that stores; ``run`` does so until the terminal ends, the link fails or ``close``."""

    def __init__(self, recording: Recording, progress: Progress, output: Output, *, is_strict: bool) -> None:
        """``is_strict``: end at the first piece that cannot be stored, instead of trying again."""
        self.recording = recording
        self.progress = progress
        self.is_failing = False
        """The last piece could not be stored."""
        self._output = output
        self._is_strict = is_strict
        self._is_paused = False
        self._size = (0, 0)
        self._ending: Ending | None = None
        self._news = asyncio.Event()

    # ---- from the session

    def send_output(self, data: bytes, end_offset: int) -> None:
        """Take output."""
        self.progress.output(self._output.now_ms(), data, end_offset)
        self._news.set()
        if self.progress.waiting > MOST_WAITING_BYTES and not self._is_paused:
            self._is_paused = True
            self._output.pause()

    def send_control(self, message: Control) -> None:
        """Take anything else."""
        ms = self._output.now_ms()
        match message:
            case protocol.Attached():
                self._begin(ms, message)
            case protocol.Gap():
                self.progress.gap(ms, message.start, message.end)
            case protocol.Resized():
                self._resize(ms, message.cols, message.rows)
            case protocol.Exited():
                self.progress.event(ms, cast.Code.EXIT, str(message.status))
                self._ending = Ending(exited=message)
            case Failed():
                self._ending = Ending(failed=message.error)
            case protocol.News() | Received():
                return
            case _:  # shown to people in other windows only
                return
        self._news.set()

    def note_typed(self, principal: str, name: str, count: int) -> None:
        """Take note that somebody typed."""
        self.progress.note_typed(self._output.now_ms(), principal, name, count)
        self._news.set()

    def close(self) -> None:
        """Let ``run`` store the rest and return."""
        if self._ending is None:
            self._ending = Ending()
        self._news.set()

    # ---- to the disk

    async def run(self) -> Ending:
        """Store until the end; return how it came."""
        while True:
            await self._news.wait()
            if self._ending is None:
                await asyncio.sleep(STORE_SECONDS)
            self._news.clear()
            ending = self._ending
            while (piece := self.progress.take_piece()) is not None:
                if (failure := await self._stored(piece)) is not None:
                    return Ending(not_stored=failure)
            if ending is not None:
                return ending

    async def _stored(self, piece: bytes) -> OSError | None:
        """Store a piece; return the failure where that ends the recording."""
        while True:
            try:
                await self._output.store(piece)
            except OSError as failure:
                self.is_failing = True
                if self._is_strict or self._ending is not None:
                    return failure
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.is_failing = False
                if self._is_paused:
                    self._is_paused = False
                    self._output.resume()
                return None

    def _begin(self, ms: int, attached: protocol.Attached) -> None:
        self._size = (attached.cols, attached.rows)
        if not self.progress.is_begun:
            started = int(self.recording.started_at.timestamp())
            self.progress.begin(cast.header(attached.cols, attached.rows, started, self.recording.title))
        else:
            self.progress.event(ms, cast.Code.RESIZE, f"{attached.cols}x{attached.rows}")

    def _resize(self, ms: int, cols: int, rows: int) -> None:
        if (cols, rows) != self._size:
            self._size = (cols, rows)
            self.progress.event(ms, cast.Code.RESIZE, f"{cols}x{rows}")
