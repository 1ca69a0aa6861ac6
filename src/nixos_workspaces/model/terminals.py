"""Terminals of a workspace: one as it is listed, and one to be started."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
