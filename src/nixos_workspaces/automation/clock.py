"""The times of schedules. Pure.

``cronsim`` counts: a time that summer time leaves out comes with the next one that there is, one that comes twice is
once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.automation.schedules import ScheduledAction, ScheduledRun

START_WITHIN = timedelta(hours=1)
"""A start that was missed is made up for within this time; a stop always is."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One run of a schedule."""

    at: datetime
    run: ScheduledRun


def check_zone(zone: str, field: str) -> ZoneInfo:
    """Return the time zone of that name; raises ``InvalidInput``."""
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as unknown:
        raise InvalidInput(f"{zone[:64]!r} is no time zone such as Europe/Berlin.", field=field) from unknown


def check_cron(run: ScheduledRun, now: datetime, field: str) -> None:
    """Refuse a line that is no cron expression, or that is never due; raises ``InvalidInput``."""
    from cronsim import CronSimError

    zone = check_zone(run.zone, f"{field}/zone")
    try:
        found = len(run.cron.split()) == _CRON_FIELDS and next(iter(_times(run, now.astimezone(zone))), None)
    except CronSimError:
        found = None
    if not found:
        raise InvalidInput(
            f"{run.cron!r} is no cron expression that is ever due: minute, hour, day, month, day of the week, such as "
            "30 8 * * 1-5.",
            field=f"{field}/cron",
        )


_CRON_FIELDS = 5


def next_runs(runs: Iterable[ScheduledRun], now: datetime, most: int) -> list[Occurrence]:
    """Return the next occurrences after ``now``, the earliest first."""
    found = [
        Occurrence(at, run) for run in runs for at in islice(_times(run, now.astimezone(ZoneInfo(run.zone))), most)
    ]
    return sorted(found, key=lambda one: one.at)[:most]


def last_due(runs: Iterable[ScheduledRun], done_until: datetime, now: datetime) -> Occurrence | None:
    """Return the last occurrence after ``done_until`` and not after ``now``; of two at once, the stop."""
    found = []
    for run in runs:
        # cronsim tells what lies before an instant, which the instant itself does not.
        before = now.astimezone(ZoneInfo(run.zone)) + timedelta(seconds=1)
        at = next(iter(_times(run, before, reverse=True)), None)
        if at is not None and done_until < at <= now:
            found.append(Occurrence(at, run))
    return max(found, key=lambda one: (one.at, one.run.action is ScheduledAction.STOP), default=None)


def is_wanted(one: Occurrence, now: datetime) -> bool:
    """Tell whether an occurrence that may have been missed is still carried out."""
    return one.run.action is ScheduledAction.STOP or now - one.at <= START_WITHIN


def _times(run: ScheduledRun, at: datetime, *, reverse: bool = False) -> Iterable[datetime]:
    from cronsim import CronSim

    return (one.astimezone(UTC) for one in CronSim(run.cron, at, reverse=reverse))
