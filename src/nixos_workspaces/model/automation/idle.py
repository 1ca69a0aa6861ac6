"""When a workspace rests: its policy, holds, and the state that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum

SHORTEST = timedelta(seconds=10)
LONGEST = timedelta(days=30)
LONGEST_HOLD = timedelta(days=30)
LONGEST_REASON = 200
MOST_UNITS = 32
WARNING = timedelta(minutes=5)
TIMER_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class RestTimes:
    """How long nothing may work before a workspace is paused, and before it is stopped; None: never."""

    pause_after: timedelta | None = None
    stop_after: timedelta | None = None
    """Counted from the same moment as ``pause_after``."""

    @property
    def is_off(self) -> bool:
        """Whether it never rests."""
        return self.pause_after is None and self.stop_after is None


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A part of every day in which other times hold; it may pass midnight."""

    begin: time
    end: time
    zone: str
    """An IANA name."""
    times: RestTimes


@dataclass(frozen=True, slots=True)
class IdlePolicy:
    """When a workspace rests, and what counts as work besides what always does."""

    times: RestTimes = RestTimes()
    quiet: QuietHours | None = None
    warn: timedelta = WARNING
    """So long before it is paused or stopped it is told."""
    units: tuple[str, ...] = ()
    """Names of units, with ``*`` and ``?``, that count as work as long as they have processes."""
    cpu_percent: float = 1.5
    """A unit that uses more of one core works."""
    io_kb: float = 20.0
    """Kilobytes a second on a unit's disks, or over the machine's network: more is work."""
    timer_within: timedelta = TIMER_WITHIN
    """A timer that is due so soon counts as work."""

    @property
    def is_off(self) -> bool:
        """Whether the workspace never rests by itself."""
        return self.times.is_off and (self.quiet is None or self.quiet.times.is_off)


@dataclass(frozen=True, slots=True)
class UsualPolicies:
    """The policies of workspaces that have none of their own."""

    general: IdlePolicy = IdlePolicy()
    templates: Mapping[str, IdlePolicy] = field(default_factory=dict)
    """Those of some templates."""

    def of(self, template: str) -> IdlePolicy:
        """Return that of a template."""
        return self.templates.get(template, self.general)

    @property
    def is_off(self) -> bool:
        """Whether no workspace rests by them."""
        return self.general.is_off and all(one.is_off for one in self.templates.values())


@dataclass(frozen=True, slots=True)
class Hold:
    """A request that a workspace be left running for a while."""

    until: datetime
    reason: str
    by: str
    """The id of the principal."""


@dataclass(frozen=True, slots=True)
class StoredIdle:
    """The stored policy and hold of a workspace."""

    policy: IdlePolicy | None = None
    """None: as the settings say."""
    hold: Hold | None = None

    def held_at(self, now: datetime) -> Hold | None:
        """Return the hold that is in force."""
        return self.hold if self.hold is not None and self.hold.until > now else None


class IdleState(StrEnum):
    """Whether anything works in a workspace."""

    OFF = "off"
    """It has no policy that would pause or stop it; it is not looked at."""
    UNSEEN = "unseen"
    """It does not run, or was not looked at for long enough yet."""
    WORKING = "working"
    QUIET = "quiet"
    HELD = "held"
    """A person has asked that it be left running."""


class RestStep(StrEnum):
    """The next thing that happens to a workspace in which nothing works."""

    PAUSE = "pause"
    STOP = "stop"
