"""Whether anything works in a workspace, and what follows when nothing does. Pure.

Work is what a machine *does*: CPU time and disks of a unit above a floor, bytes over its network, a terminal that is
typed in, an inhibitor, a named unit, a program that is at work by being there, a process that a debugger holds, a timer
that is due soon. Connections and open pages are no work.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from nixos_workspaces.model.automation.activity import Activity, UnitActivity
from nixos_workspaces.model.automation.idle import IdlePolicy, RestStep, RestTimes
from nixos_workspaces.model.automation.reasons import MOST_SEEN
from nixos_workspaces.model.service import Sentence

INPUT_BLUR = 8.0
"""Seconds within which the kernel tells when a terminal was read from."""


@dataclass(frozen=True, slots=True)
class WorkList:
    """Names that tell of work, out of a file that may be another one."""

    programs: tuple[str, ...]
    """Patterns of programs that are at work as long as they are there."""
    timers: tuple[str, ...]
    """Patterns of timers that are no work."""
    units: tuple[str, ...]
    """Patterns of units whose CPU time and disks are no work: managers of units, which work in units."""


OWN_LIST = Path(__file__).with_name("work.toml")


@cache
def work_list(path: Path = OWN_LIST) -> WorkList:
    """Return the names in a file."""
    told = tomllib.loads(path.read_text())
    programs = [one for group in told["programs"].values() for one in group]
    return WorkList(tuple(programs), tuple(told["timers"]["ignored"]), tuple(told["units"]["ignored"]))


@dataclass(frozen=True, slots=True)
class Look:
    """A look at a workspace: the evidence of work since the look before."""

    at: float
    """``time.monotonic()``."""
    found: tuple[Sentence, ...]
    """Empty: nothing works."""
    most: Sentence | None = None
    """The unit that used the most CPU time, though too little to be work."""


@dataclass(frozen=True, slots=True)
class Working:
    """Something works."""

    because: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing works."""

    since: float
    last: tuple[Sentence, ...] = ()
    """The evidence of the last work that was seen."""
    most: Sentence | None = None


Verdict = Working | Quiet


def look_at(before: Activity | None, after: Activity, policy: IdlePolicy, known: WorkList) -> Look:
    """Return the evidence of work between two readings of one run; without the first: what one reading tells."""
    found = list(_present(after, policy, known))
    most = None
    if before is not None and before.run == after.run and after.taken_at > before.taken_at:
        elapsed = after.taken_at - before.taken_at
        if after.last_input is not None and after.last_input <= elapsed + INPUT_BLUR:
            found.append(Sentence("idle.input", {"seconds": f"{after.last_input:.0f}"}))
        used, read = _rates(before, after, elapsed)
        found += [
            Sentence("idle.cpu", {"unit": name, "percent": f"{share:.1f}"})
            for name, share in _descending(used)
            if share >= policy.cpu_percent and _counts(name, known)
        ]
        found += [
            Sentence("idle.disk", {"unit": name, "rate": f"{rate:.0f}"})
            for name, rate in _descending(read)
            if rate >= policy.io_kb and _counts(name, known)
        ]
        network = max(0, after.network_bytes - before.network_bytes) / 1024 / elapsed
        if network >= policy.io_kb:
            found.append(Sentence("idle.network", {"rate": f"{network:.0f}"}))
        top = next(iter(_descending(used)), None)
        if top is not None:
            most = Sentence("idle.most", {"unit": top[0], "percent": f"{top[1]:.1f}"})
    return Look(after.taken_at, tuple(found[:MOST_SEEN]), most)


def _counts(unit: str, known: WorkList) -> bool:
    return not any(fnmatchcase(unit, pattern) for pattern in known.units)


def _present(seen: Activity, policy: IdlePolicy, known: WorkList) -> Iterable[Sentence]:
    """Yield the evidence that one reading gives."""
    for one in seen.units:
        if one.processes and any(fnmatchcase(one.name, pattern) for pattern in policy.units):
            yield Sentence("idle.unit", {"unit": one.name})
    for program in seen.programs:
        if any(fnmatchcase(program, pattern) for pattern in known.programs):
            yield Sentence("idle.program", {"program": program})
    for program in seen.traced:
        yield Sentence("idle.debugger", {"program": program})
    for inhibitor in seen.inhibitors:
        yield Sentence("idle.inhibitor", {"program": inhibitor.who, "why": inhibitor.why})


OTHER_UNITS = "-"
"""Stands for processes whose unit has ended since the look before, or was not found."""


def _rates(before: Activity, after: Activity, elapsed: float) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Return percent of a core and kilobytes a second on disks by unit."""
    old = {one.name: one for one in before.units}
    nothing = UnitActivity("", 0.0, 0, 0)
    used: dict[str, float] = {}
    read: dict[str, float] = {}
    for one in after.units:
        then = old.get(one.name, nothing)
        # A unit that was started anew begins to count anew.
        cpu = one.cpu_seconds - then.cpu_seconds if one.cpu_seconds >= then.cpu_seconds else one.cpu_seconds
        used[one.name] = used.get(one.name, 0.0) + 100 * cpu / elapsed
        read[one.name] = read.get(one.name, 0.0) + max(0, one.io_bytes - then.io_bytes) / 1024 / elapsed
    whole = 100 * max(0.0, after.cpu_seconds - before.cpu_seconds) / elapsed
    used[OTHER_UNITS] = max(0.0, whole - sum(used.values()))
    return used, read


def _descending(rates: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(rates.items(), key=lambda one: (-one[1], one[0]))


def with_work(look: Look, found: Iterable[Sentence]) -> Look:
    """Return a look with more evidence."""
    return Look(look.at, (*look.found, *found)[:MOST_SEEN], look.most)


def judge(looks: Iterable[Look]) -> Verdict | None:
    """Return whether anything works, out of all looks of one run in their order; None before the first."""
    verdict: Verdict | None = None
    last: tuple[Sentence, ...] = ()
    before = None
    for look in looks:
        if look.found:
            verdict, last = Working(look.found), look.found
        elif isinstance(verdict, Quiet):
            verdict = Quiet(verdict.since, last, look.most)
        else:
            verdict = Quiet(look.at if before is None else before, last, look.most)
        before = look.at
    return verdict


def following(verdict: Verdict | None, before: float, look: Look) -> Verdict:
    """Return the verdict after one more look; ``before`` is when the look before it was. Agrees with ``judge``."""
    if look.found:
        return Working(look.found)
    match verdict:
        case Quiet():
            return Quiet(verdict.since, verdict.last, look.most)
        case Working():
            return Quiet(before, verdict.because, look.most)
        case None:
            return Quiet(look.at, (), look.most)


def times_at(policy: IdlePolicy, now: datetime) -> RestTimes:
    """Return the times that hold at an instant: those of the quiet hours within them."""
    quiet = policy.quiet
    if quiet is None:
        return policy.times
    clock = now.astimezone(ZoneInfo(quiet.zone)).time()
    return quiet.times if _is_between(clock, quiet.begin, quiet.end) else policy.times


def _is_between(clock: time, begin: time, end: time) -> bool:
    if begin <= end:
        return begin <= clock < end
    return clock >= begin or clock < end


@dataclass(frozen=True, slots=True)
class Plan:
    """The next step of a workspace in which nothing works."""

    step: RestStep
    at: float
    """``time.monotonic()`` at which it is due."""
    lead: float
    """Seconds before it in which it has to have been told."""


def planned(times: RestTimes, warn: float, verdict: Verdict | None, *, is_paused: bool, is_held: bool) -> Plan | None:
    """Return the next step and its time; None where there is none: something works, or a hold is in force."""
    if is_held or not isinstance(verdict, Quiet):
        return None
    plans = []
    if times.stop_after is not None:
        after = times.stop_after.total_seconds()
        plans.append(Plan(RestStep.STOP, verdict.since + after, min(warn, after / 2)))
    if times.pause_after is not None and not is_paused:
        after = times.pause_after.total_seconds()
        plans.append(Plan(RestStep.PAUSE, verdict.since + after, min(warn, after / 2)))
    # Of two that are due at once, the one that gives the memory free.
    return min(plans, key=lambda one: (one.at, one.step is not RestStep.STOP), default=None)


@dataclass(frozen=True, slots=True)
class Warned:
    """A step that was told, and when."""

    step: RestStep
    since: float
    """The beginning of the quiet that it was told in."""
    at: float


@dataclass(frozen=True, slots=True)
class Due:
    """The things to do now for a plan."""

    warn: bool = False
    act: bool = False
    seen: tuple[Sentence, ...] = field(default=())


def due(plan: Plan | None, verdict: Verdict | None, warned: Warned | None, now: float) -> Due:
    """Return what is to be done now. Nothing is done that was not told ``lead`` seconds before, in the same quiet."""
    if plan is None or not isinstance(verdict, Quiet):
        return Due()
    is_told = warned is not None and (warned.step, warned.since) == (plan.step, verdict.since)
    if not is_told:
        return Due(warn=now >= plan.at - plan.lead)
    assert warned is not None
    if now < plan.at or now < warned.at + plan.lead:
        return Due()
    most = () if verdict.most is None else (verdict.most,)
    return Due(act=True, seen=(*verdict.last, *most)[:MOST_SEEN])
