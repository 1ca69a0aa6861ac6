"""The wire types of terminals."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from nixos_workspaces.model.terminals import (
    CutReason,
    RecordedLine,
    Recording,
    RecordingState,
    Start,
    Terminal,
    TerminalChoices,
    TypedRange,
)
from nixos_workspaces.schemas.wire import Answer, Request, Time

MOST_CELLS = 4096
MOST_NAME_BYTES = 64
_MOST_TEXT = 4096
_LONGEST_PATH = 4095
"""The kernel's bound, without its NUL (path_resolution(7))."""


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("nul", "this has a NUL character")
    return value


def _short(value: str) -> str:
    if len(value.encode()) > MOST_NAME_BYTES:
        raise PydanticCustomError("name", "a name has at most 64 bytes in UTF-8")
    return _without_nul(value)


def _absolute(value: str) -> str:
    if value and not value.startswith("/"):
        raise PydanticCustomError("directory", "this is not an absolute path")
    if len(value.encode()) > _LONGEST_PATH:
        raise PydanticCustomError("directory", "a path has at most 4,095 bytes in UTF-8")
    return _without_nul(value)


Cells = Annotated[int, Field(ge=1, le=MOST_CELLS)]
TerminalName = Annotated[str, Field(max_length=MOST_NAME_BYTES), AfterValidator(_short)]


class TerminalRequest(Request):
    """A terminal to be opened."""

    cols: Cells = 80
    rows: Cells = 24
    command: Annotated[str, Field(max_length=_MOST_TEXT), AfterValidator(_without_nul)] = Field(
        default="",
        description="Run by the login shell; empty for the login shell itself.",
        json_schema_extra={"pattern": r"^[^\u0000]*$"},
    )
    cwd: Annotated[str, Field(max_length=_LONGEST_PATH), AfterValidator(_absolute)] = Field(
        default="",
        description="Absolute path; empty for the home directory.",
        json_schema_extra={"pattern": r"^(/[^\u0000]*)?$"},
    )
    name: TerminalName = ""

    def to_model(self) -> Start:
        """Return the bridge's value."""
        return Start(self.cols, self.rows, self.command, self.cwd, self.name)


class TerminalRename(Request):
    """Another name for a terminal."""

    name: TerminalName


class TerminalInfo(Answer):
    """One terminal as the workspace lists it."""

    id: str
    name: str
    title: str = Field(description="What its program last set as the window's title.")
    command: str = Field(description="Empty for a login shell.")
    cwd: str
    process: str = Field(description="Name of the foreground process.")
    created_at: Time
    active_at: Time = Field(description="Last input or output.")
    start: int = Field(description="Offset of the first byte of output that is still kept.")
    end: int = Field(description="Offset at which its output ends.")
    cols: int
    rows: int
    attached: int = Field(description="Number of clients that are attached.")
    exit_status: int | None = Field(description="Exit code, or 128 + signal; null while its program runs.")

    @classmethod
    def of(cls, terminal: Terminal) -> Self:
        """Convert."""
        return cls(
            id=terminal.id,
            name=terminal.name,
            title=terminal.title,
            command=terminal.command,
            cwd=terminal.cwd,
            process=terminal.process,
            created_at=terminal.created_at,
            active_at=terminal.active_at,
            start=terminal.start,
            end=terminal.end,
            cols=terminal.cols,
            rows=terminal.rows,
            attached=terminal.attached,
            exit_status=terminal.exit_status,
        )


class TerminalAnswer(Answer):
    """One terminal."""

    terminal: TerminalInfo


class TerminalList(Answer):
    """The terminals of a workspace, oldest first."""

    terminals: list[TerminalInfo]


class TerminalConnection(Answer):
    """How to reach a workspace's terminals."""

    websocket_url: str
    ssh_host: str
    ssh_port: int
    username: str
    ticket: str = Field(
        description="Opens this WebSocket once within 30 seconds, sent as the subprotocol nixws.ticket.TICKET."
    )


class TerminalConnectionAnswer(Answer):
    """How to reach a workspace's terminals, with their list."""

    terminal: TerminalConnection
    terminals: list[TerminalInfo]


class TerminalChoicesRequest(Request):
    """The choices about a workspace's terminals."""

    record: bool = Field(description="Terminals are recorded.")
    moderated: bool = Field(description="Others type only while a moderator is at the terminal.")

    def to_model(self) -> TerminalChoices:
        """Return the choices."""
        return TerminalChoices(self.record, self.moderated)


class TerminalChoicesAnswer(Answer):
    """The choices about a workspace's terminals, and the service's rule."""

    record: bool
    moderated: bool
    policy: str = Field(description="Of the service: off, optional or required; only optional leaves the choice.")


class RecordingInfo(Answer):
    """A recording of a terminal's output."""

    id: str
    terminal_id: str
    started_at: Time
    ended_at: Time | None
    state: RecordingState
    reason: CutReason = Field(description="Why it ends before its terminal did.")
    end: int = Field(description="Offset of the terminal's output at which it ends.")
    missing: int = Field(description="Bytes of output before that which are not in it.")
    sha256: str = Field(description="Of the output in it; empty while it runs.")
    cast_sha256: str = Field(description="Of the asciicast file; empty while it runs.")
    size: int = Field(description="Bytes on the service's disk; 0 while it runs.")
    exit_status: int | None

    @classmethod
    def of(cls, recording: Recording) -> Self:
        """Return the wire form."""
        return cls.model_validate(recording, from_attributes=True)


class RecordingAnswer(Answer):
    """One recording."""

    recording: RecordingInfo


class RecordedLineInfo(Answer):
    """A line that holds the text which was sought."""

    at_ms: int = Field(description="Milliseconds since the recording began.")
    text: str

    @classmethod
    def of(cls, line: RecordedLine) -> Self:
        """Return the wire form."""
        return cls(at_ms=line.at_ms, text=line.text)


class FoundRecording(Answer):
    """A recording, with the lines that were sought."""

    recording: RecordingInfo
    lines: list[RecordedLineInfo]


class RecordingList(Answer):
    """The recordings of a workspace, the latest first."""

    recordings: list[FoundRecording]


class TypedRangeInfo(Answer):
    """Bytes of a terminal's input from one person, without the bytes."""

    at_ms: int = Field(description="Milliseconds since the recording began.")
    principal: str
    name: str
    first: int = Field(description="Number of the first byte, over everybody's input.")
    end: int
    offset: int = Field(description="The terminal's output when they were typed.")

    @classmethod
    def of(cls, typed: TypedRange) -> Self:
        """Return the wire form."""
        return cls.model_validate(typed, from_attributes=True)


class TypedRangeList(Answer):
    """The input of a terminal by person and time."""

    typed: list[TypedRangeInfo]
