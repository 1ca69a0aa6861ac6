"""Wire types of the rest of workspaces."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Annotated, Self

from pydantic import Field, StringConstraints

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.automation.idle import (
    LONGEST,
    LONGEST_HOLD,
    LONGEST_REASON,
    MOST_UNITS,
    SHORTEST,
    TIMER_WITHIN,
    WARNING,
    Hold,
    IdlePolicy,
    IdleState,
    QuietHours,
    RestStep,
    RestTimes,
)
from nixos_workspaces.schemas.wire import Answer, Duration, Request, SentenceAnswer, Time

_USUAL = IdlePolicy()
_UNITS = {"d": 86_400, "h": 3600, "m": 60}
_LONGEST_ZONE = 64
_LONGEST_TIMER = timedelta(days=1)

Unit = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


def length_of(length: timedelta) -> str:
    """Return a length of time as ``Duration`` reads it."""
    seconds = round(length.total_seconds())
    unit, size = next(((unit, size) for unit, size in _UNITS.items() if seconds % size == 0), ("s", 1))
    return f"{seconds // size}{unit}"


def _length_or_none(length: timedelta | None) -> str | None:
    return None if length is None else length_of(length)


class QuietRequest(Request):
    """Hours of every day in which other times hold."""

    begin: Clock
    end: Clock
    zone: Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_ZONE)]
    pause_after: Duration | None = None
    stop_after: Duration | None = None

    def to_model(self) -> QuietHours:
        """Return the core's value; raises ``InvalidInput``."""
        begin, end = time.fromisoformat(self.begin), time.fromisoformat(self.end)
        return QuietHours(begin, end, self.zone, _times(self.pause_after, self.stop_after, "/quiet"))


class IdleRequest(Request):
    """When a workspace rests."""

    pause_after: Duration | None = Field(
        default=None, description="Nothing works for so long: it is paused, its memory kept; null: never."
    )
    stop_after: Duration | None = Field(
        default=None, description="It is stopped; counted from the same moment as pause_after. null: never."
    )
    # Defaults are written here as they are read, not as pydantic writes times.
    warn: Duration = Field(
        default=WARNING, description="So long before, it is told.", json_schema_extra={"default": length_of(WARNING)}
    )
    quiet: QuietRequest | None = None
    units: Annotated[list[Unit], Field(max_length=MOST_UNITS)] = Field(
        default_factory=list, description="Units, with * and ?, that count as work as long as they have processes."
    )
    cpu_percent: Annotated[float, Field(ge=0.1, le=100, allow_inf_nan=False)] = _USUAL.cpu_percent
    io_kb: Annotated[float, Field(ge=1, le=1_000_000, allow_inf_nan=False)] = _USUAL.io_kb
    timer_within: Duration = Field(
        default=TIMER_WITHIN,
        description="A timer that is due so soon counts as work.",
        json_schema_extra={"default": length_of(TIMER_WITHIN)},
    )

    def to_model(self) -> IdlePolicy:
        """Return the core's value; raises ``InvalidInput`` for times that cannot be."""
        for name, length in (("warn", self.warn), ("timer_within", self.timer_within)):
            if length > _LONGEST_TIMER:
                raise InvalidInput(f"{name} is at most a day.", field=f"/{name}")
        return IdlePolicy(
            times=_times(self.pause_after, self.stop_after, ""),
            quiet=None if self.quiet is None else self.quiet.to_model(),
            warn=self.warn,
            units=tuple(self.units),
            cpu_percent=self.cpu_percent,
            io_kb=self.io_kb,
            timer_within=self.timer_within,
        )


def _times(pause: timedelta | None, stop: timedelta | None, where: str) -> RestTimes:
    for name, length in (("pause_after", pause), ("stop_after", stop)):
        if length is not None and not SHORTEST <= length <= LONGEST:
            raise InvalidInput(f"{name} is between 10 seconds and 30 days.", field=f"{where}/{name}")
    if pause is not None and stop is not None and stop < pause:
        raise InvalidInput("It can be stopped only after it was paused.", field=f"{where}/stop_after")
    return RestTimes(pause, stop)


class HoldRequest(Request):
    """A request that a workspace be left running."""

    for_: Duration = Field(alias="for")
    reason: Annotated[str, StringConstraints(max_length=LONGEST_REASON)] = ""

    def length(self) -> timedelta:
        """Return its length; raises ``InvalidInput`` for one that is too long."""
        if self.for_ > LONGEST_HOLD:
            raise InvalidInput("A workspace is held for 30 days at most.", field="/for")
        return self.for_


class QuietAnswer(Answer):
    """Hours of every day in which other times hold."""

    begin: str
    end: str
    zone: str
    pause_after: str | None
    stop_after: str | None


class IdlePolicyAnswer(Answer):
    """When a workspace rests."""

    pause_after: str | None = Field(description="As 10m; null: never.")
    stop_after: str | None
    warn: str
    quiet: QuietAnswer | None
    units: list[str]
    cpu_percent: float = Field(description="A unit that uses more of one core works.")
    io_kb: float = Field(description="Kilobytes a second over its network, or of a unit's disks: more is work.")
    timer_within: str

    @classmethod
    def of(cls, policy: IdlePolicy) -> Self:
        """Convert."""
        quiet = policy.quiet
        return cls(
            pause_after=_length_or_none(policy.times.pause_after),
            stop_after=_length_or_none(policy.times.stop_after),
            warn=length_of(policy.warn),
            quiet=None
            if quiet is None
            else QuietAnswer(
                begin=quiet.begin.isoformat("minutes"),
                end=quiet.end.isoformat("minutes"),
                zone=quiet.zone,
                pause_after=_length_or_none(quiet.times.pause_after),
                stop_after=_length_or_none(quiet.times.stop_after),
            ),
            units=list(policy.units),
            cpu_percent=policy.cpu_percent,
            io_kb=policy.io_kb,
            timer_within=length_of(policy.timer_within),
        )


class HoldAnswer(Answer):
    """A hold that is in force."""

    until: Time
    reason: str
    by: str = Field(description="The id of who asked for it.")

    @classmethod
    def of(cls, hold: Hold | None) -> Self | None:
        """Convert; None stays None."""
        return None if hold is None else cls(until=hold.until, reason=hold.reason, by=hold.by)


class NextRest(Answer):
    """The next step of a workspace in which nothing works."""

    step: RestStep
    at: Time
    told: bool = Field(description="Its warning has been given.")


class IdleDetail(Answer):
    """The rest of a workspace, and why it is awake."""

    own: bool = Field(description="It has a policy of its own; false: that of the service's settings.")
    policy: IdlePolicyAnswer
    state: IdleState
    because: list[SentenceAnswer] = Field(description="The evidence of work; while it is quiet, that of the last work.")
    since: Time | None = Field(description="Nothing has worked since then; null unless it is quiet.")
    most: SentenceAnswer | None = Field(description="What uses the most while nothing works.")
    next: NextRest | None
    hold: HoldAnswer | None


class IdleAnswer(Answer):
    """The rest of one workspace."""

    idle: IdleDetail
