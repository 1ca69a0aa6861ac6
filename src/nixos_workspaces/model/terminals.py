"""Terminals of a workspace: one as it is listed, and one to be started."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Start:
    """The program to start on a new terminal."""

    cols: int
    rows: int
    command: str = ""
    """Run by the login shell; empty for the login shell itself."""
    cwd: str = ""
    """Empty for the home directory."""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Terminal:
    """One terminal as the holder lists it."""

    id: str
    name: str
    title: str
    """The title that the program last set with OSC 0 or OSC 2."""
    command: str
    """Empty for a login shell."""
    cwd: str
    process: str
    """Name of the foreground process."""
    created_at: datetime
    active_at: datetime
    """Last input or output."""
    start: int
    """First byte of output that is still kept."""
    end: int
    cols: int
    rows: int
    attached: int
    exit_status: int | None
    """None while the program runs."""


class Mode(StrEnum):
    """The part of one client at a terminal that several people use."""

    OBSERVER = "observer"
    """Sees; never types, never sizes."""
    PEER = "peer"
    """Types, where the keyboard is nobody else's."""
    MODERATOR = "moderator"
    """A peer who gives and takes the keyboard, sends others away and may end the terminal."""


@dataclass(frozen=True, slots=True)
class TerminalChoices:
    """The choices of a workspace's owner about its terminals."""

    record: bool = False
    moderated: bool = False
    """Others type only while a moderator is at the terminal."""


class RecordingState(StrEnum):
    """How far a recording has come."""

    RUNNING = "running"
    COMPLETE = "complete"
    """It reaches to the end of its terminal; ``missing`` tells of gaps."""
    CUT = "cut"
    """It ends before its terminal did, or the end is not known; ``reason`` tells why."""


class CutReason(StrEnum):
    """Why a recording ends before its terminal."""

    NONE = ""
    TURNED_OFF = "turned_off"
    NOT_STORED = "not_stored"
    """There was no room, and the service is set to end what it cannot record."""
    TERMINAL_GONE = "terminal_gone"
    """The terminal ended while nothing was connected to it."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The record of a terminal's output; its content is a sealed file."""

    id: str
    workspace_id: str
    terminal_id: str
    title: str
    started_at: datetime
    ended_at: datetime | None = None
    state: RecordingState = RecordingState.RUNNING
    reason: CutReason = CutReason.NONE
    end: int = 0
    """Offset of the terminal's output at which it ends; it begins at 0 or with a gap."""
    missing: int = 0
    """Bytes of output before ``end`` that are not in it."""
    sha256: str = ""
    """Of the output that is in it, in order; empty while it runs."""
    cast_sha256: str = ""
    """Of the asciicast file."""
    size: int = 0
    """Bytes on the disk."""
    exit_status: int | None = None


@dataclass(frozen=True, slots=True)
class TypedRange:
    """Bytes of a terminal's input from one person, without the bytes."""

    at_ms: int
    """Milliseconds since the recording began."""
    principal: str
    name: str
    first: int
    """Number of the first byte, counted over everybody's input since the service attached to the terminal."""
    end: int
    offset: int
    """The terminal's output when they were typed."""


@dataclass(frozen=True, slots=True)
class RecordedLine:
    """A line of a recording that holds a text which was sought."""

    at_ms: int
    text: str
