"""The timers of a workspace: work that begins soon, out of what its own systemd and crontabs say.

A workspace's root may have them say anything. That keeps it awake at most, as work would.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from nixos_workspaces.automation.idle import WorkList
from nixos_workspaces.model.service import Sentence, moment

MOST_BYTES = 1 << 18
MOST_TIMERS = 256
_LONGEST_NAME = 64
SCRIPT = b"""
list() { systemctl "$@" list-timers --all --output=json --no-pager </dev/null 2>/dev/null | head -c 100000; echo; }
list
list --user
echo crontabs
date +%z
for one in /var/spool/cron/*/* /var/cron/tabs/* /var/spool/cron/* /etc/crontab /etc/cron.d/*; do
  [ -f "$one" ] && head -c 20000 "$one"
  echo
done </dev/null 2>/dev/null | head -c 60000
exit
"""
"""Prints two lists of timers, a line ``crontabs``, the offset of the clock and the lines of all readable crontabs."""
_CRON_LINE = re.compile(r"^\s*((?:[\d*][\d*,/-]*\s+){2}(?:[\w*?,/-]+\s+){3})\S|^\s*(@(?:hourly|daily|midnight))\s+\S")
_MACROS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *"}
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)")


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer that is due at some time."""

    name: str
    at: datetime


def read_timers(printed: bytes, now: datetime) -> Sequence[Timer]:
    """Return the timers out of the output of ``SCRIPT``; whatever cannot be read is left out."""
    units, _, tabs = printed[:MOST_BYTES].decode(errors="replace").partition("\ncrontabs\n")
    found = [*_of_systemd(units), *_of_cron(tabs, now)]
    return found[:MOST_TIMERS]


def work_ahead(timers: Iterable[Timer], now: datetime, until: datetime, known: WorkList) -> list[Sentence]:
    """Return the timers that are due before ``until`` and are work, as evidence."""
    soon = [
        one
        for one in timers
        if now - timedelta(seconds=1) <= one.at <= until
        and not any(fnmatchcase(one.name, pattern) for pattern in known.timers)
    ]
    return [Sentence("idle.timer", {"timer": one.name, "at": moment(one.at)}) for one in soon[:4]]


def _of_systemd(text: str) -> Iterable[Timer]:
    for line in text.splitlines():
        try:
            listed = json.loads(line)
        except (ValueError, RecursionError):
            continue
        for one in listed if isinstance(listed, list) else ():
            match one:
                case {"next": int(due), "unit": str(name)} if due > 0:
                    try:
                        yield Timer(_plain(name), datetime.fromtimestamp(due / 1e6, UTC))
                    except (ValueError, OverflowError, OSError):
                        continue


def _of_cron(text: str, now: datetime) -> Iterable[Timer]:
    from cronsim import CronSim, CronSimError

    first, _, rest = text.partition("\n")
    clock = now + _offset(first)
    for line in rest.splitlines()[:MOST_TIMERS]:
        found = _CRON_LINE.match(line)
        if found is None:
            continue
        when = _MACROS.get(found[2] or "", "") or (found[1] or "").strip()
        try:
            due = next(CronSim(when, clock.replace(tzinfo=None)))
        except (CronSimError, StopIteration, ValueError, OverflowError):
            continue
        yield Timer(_plain(line.strip()), (due - _offset(first)).replace(tzinfo=UTC))


def _offset(text: str) -> timedelta:
    found = _OFFSET.fullmatch(text.strip())
    if found is None:
        return timedelta()
    return timedelta(hours=int(found[2]), minutes=int(found[3])) * (-1 if found[1] == "-" else 1)


def _plain(text: str) -> str:
    return "".join(filter(str.isprintable, text))[:_LONGEST_NAME]
