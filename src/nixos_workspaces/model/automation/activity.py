"""The evidence of work in a machine: figures of its units, its terminals and its programs at one instant."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_NAME = 64
"""Letters of a name that a workspace has chosen; the rest is cut off."""
MOST_UNITS = 256
MOST_PROGRAMS = 128
MOST_INHIBITORS = 16


@dataclass(frozen=True, slots=True)
class UnitActivity:
    """The figures of one systemd unit, or of another group of processes that the workspace has made."""

    name: str
    cpu_seconds: float
    """CPU time used since it was started."""
    io_bytes: int
    """Bytes that its present processes, and those they have waited for, read from and wrote to disks."""
    processes: int


@dataclass(frozen=True, slots=True)
class Inhibitor:
    """A program's request to systemd that the machine be not put to sleep."""

    who: str
    why: str


@dataclass(frozen=True, slots=True)
class Activity:
    """The activity of one running or paused machine until an instant; two of them tell what works in it."""

    taken_at: float
    """``time.monotonic()`` of the reading, for rates."""
    run: str
    """Names the machine's present run: all that is counted begins anew with another."""
    cpu_seconds: float
    """CPU time of the whole machine since its boot."""
    network_bytes: int
    """Bytes received and sent."""
    units: tuple[UnitActivity, ...] = ()
    last_input: float | None = None
    """Seconds since a program last read from a terminal, to within 8; None where none has."""
    programs: tuple[str, ...] = ()
    """The names of the programs that run, each once, sorted."""
    traced: tuple[str, ...] = ()
    """The names of the programs that a debugger holds."""
    inhibitors: tuple[Inhibitor, ...] = ()
