"""Wire types of schedules."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints

from nixos_workspaces.model.automation.schedules import LONGEST_CRON, MOST_RUNS, ScheduledAction, ScheduledRun
from nixos_workspaces.schemas.wire import Answer, Request, Time

_LONGEST_ZONE = 64


class RunRequest(Request):
    """One line of a schedule."""

    action: Annotated[ScheduledAction, Field(strict=False)]
    cron: Annotated[str, StringConstraints(min_length=9, max_length=LONGEST_CRON)] = Field(
        description="Minute, hour, day, month, day of the week: 30 8 * * 1-5."
    )
    zone: Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_ZONE)] = Field(
        description="The clock that cron means: an IANA name such as Europe/Berlin."
    )

    def to_model(self) -> ScheduledRun:
        """Return the core's value."""
        return ScheduledRun(self.action, self.cron, self.zone)


class ScheduleRequest(Request):
    """The whole schedule of a workspace; empty: none."""

    runs: Annotated[list[RunRequest], Field(max_length=MOST_RUNS)]


class RunAnswer(Answer):
    """One line of a schedule."""

    action: ScheduledAction
    cron: str
    zone: str

    @classmethod
    def of(cls, run: ScheduledRun) -> Self:
        """Convert."""
        return cls(action=run.action, cron=run.cron, zone=run.zone)


class NextRun(Answer):
    """The time of a run."""

    at: Time
    action: ScheduledAction


class ScheduleDetail(Answer):
    """The schedule of a workspace and its next runs."""

    runs: list[RunAnswer]
    next: list[NextRun]


class ScheduleAnswer(Answer):
    """The schedule of one workspace."""

    schedule: ScheduleDetail
