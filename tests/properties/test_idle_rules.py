"""The rules of rest and of schedules: never against evidence of work, a hold, or a person's clock."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.automation.clock import is_wanted, last_due, next_runs
from nixos_workspaces.automation.idle import (
    Due,
    Look,
    Quiet,
    Verdict,
    Warned,
    Working,
    due,
    following,
    judge,
    look_at,
    planned,
    times_at,
    work_list,
)
from nixos_workspaces.automation.timers import read_timers, work_ahead
from nixos_workspaces.model.automation.activity import Activity, UnitActivity
from nixos_workspaces.model.automation.idle import IdlePolicy, QuietHours, RestStep, RestTimes
from nixos_workspaces.model.automation.schedules import ScheduledAction, ScheduledRun
from nixos_workspaces.model.service import Sentence

WORK = (Sentence("idle.input", {"seconds": "1"}),)
steps = st.lists(st.tuples(st.floats(0.1, 600), st.booleans()), min_size=1, max_size=40)
lengths = st.none() | st.integers(10, 4000).map(lambda seconds: timedelta(seconds=seconds))
policies = st.builds(RestTimes, lengths, lengths)


def looks_of(walk: list[tuple[float, bool]]) -> list[Look]:
    now, found = 0.0, []
    for step, works in walk:
        now += step
        found.append(Look(now, WORK if works else ()))
    return found


@given(steps)
def test_looking_step_by_step_judges_as_looking_back_does(walk: list[tuple[float, bool]]) -> None:
    looks = looks_of(walk)
    verdict: Verdict | None = None
    before = 0.0
    for look in looks:
        verdict = following(verdict, before, look)
        before = look.at
    assert verdict == judge(looks)
    assert isinstance(verdict, Working) is bool(looks[-1].found)


@given(steps, policies, st.floats(0, 900), st.booleans())
def test_nothing_rests_before_its_time_with_work_or_untold(
    walk: list[tuple[float, bool]],
    times: RestTimes,
    warn: float,
    is_held: bool,  # noqa: FBT001
) -> None:
    """Every step comes after ``after`` seconds without any evidence, told in the same quiet, and under no hold."""
    verdict: Verdict | None = None
    warned: Warned | None = None
    before, last_work = 0.0, looks_of(walk)[0].at
    for look in looks_of(walk):
        verdict = following(verdict, before, look)
        if look.found:
            last_work = look.at
        plan = planned(times, warn, verdict, is_paused=False, is_held=is_held)
        what = due(plan, verdict, warned, look.at)
        if look.found or is_held or times.is_off:
            assert what == Due()
        if what.act:
            assert plan is not None
            after = times.stop_after if plan.step is RestStep.STOP else times.pause_after
            assert after is not None
            assert look.at - last_work >= after.total_seconds() - 600  # the look before was quiet too, or began it
            assert isinstance(verdict, Quiet)
            assert look.at - verdict.since >= after.total_seconds()
            assert warned is not None
            assert warned.since == verdict.since
            assert look.at - warned.at >= plan.lead
        if what.warn and plan is not None and isinstance(verdict, Quiet):
            warned = Warned(plan.step, verdict.since, look.at)
        before = look.at


@given(policies, st.floats(0, 900), st.floats(0, 5000), st.floats(0, 5000))
def test_waiting_longer_never_takes_a_step_back(times: RestTimes, warn: float, one: float, more: float) -> None:
    verdict = Quiet(0.0)
    plan = planned(times, warn, verdict, is_paused=False, is_held=False)
    if plan is None:
        return
    warned = Warned(plan.step, 0.0, plan.at - plan.lead)
    if due(plan, verdict, warned, one).act:
        assert due(plan, verdict, warned, one + more).act


@given(st.times(), st.times(), st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))  # noqa: DTZ001
def test_quiet_hours_hold_by_their_own_clock(begin: time, end: time, moment: datetime) -> None:
    night = RestTimes(timedelta(minutes=1))
    policy = IdlePolicy(RestTimes(), QuietHours(begin, end, "Europe/Berlin", night))
    now = moment.replace(tzinfo=UTC)
    clock = now.astimezone(ZoneInfo("Europe/Berlin")).time()
    inside = begin <= clock < end if begin <= end else not end <= clock < begin
    assert times_at(policy, now) == (night if inside else RestTimes())


def reading(at: float, cpu: float, *, io: int = 0, network: int = 0, name: str = "work.service") -> Activity:
    return Activity(at, "run", cpu, network, (UnitActivity(name, cpu, io, 1),))


@given(st.floats(5, 60), st.floats(0, 2), st.integers(0, 1 << 30), st.integers(0, 1 << 30))
def test_evidence_is_what_is_above_the_floor(elapsed: float, cpu: float, io: int, network: int) -> None:
    policy = IdlePolicy()
    look = look_at(reading(0, 0), reading(elapsed, cpu * elapsed, io=io, network=network), policy, work_list())
    found = {one.code for one in look.found}
    for code, value, floor in (
        ("idle.cpu", cpu * 100, policy.cpu_percent),
        ("idle.disk", io / 1024 / elapsed, policy.io_kb),
        ("idle.network", network / 1024 / elapsed, policy.io_kb),
    ):
        if abs(value - floor) > floor / 100:
            assert (code in found) is (value > floor)


RUNS = (
    ScheduledRun(ScheduledAction.START, "30 8 * * 1-5", "Europe/Berlin"),
    ScheduledRun(ScheduledAction.STOP, "0 19 * * *", "Europe/Berlin"),
    ScheduledRun(ScheduledAction.START, "30 2 * * *", "America/New_York"),
)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)), st.integers(0, 400_000))  # noqa: DTZ001
def test_a_missed_run_is_the_last_of_those_that_cronsim_counts(moment: datetime, seconds: int) -> None:
    """Over both changes of summer time; the runs are found backwards here, and forwards by cronsim itself."""
    since = moment.replace(tzinfo=UTC)
    now = since + timedelta(seconds=seconds)
    all_of_them = []
    for run in RUNS:
        for at in CronSim(run.cron, since.astimezone(ZoneInfo(run.zone))):
            if at > now:
                break
            all_of_them.append(at.astimezone(UTC))
    found = last_due(RUNS, since, now)
    assert (None if found is None else found.at) == max(all_of_them, default=None)
    if found is not None and found.run.action is ScheduledAction.START:
        assert is_wanted(found, now) is (now - found.at <= timedelta(hours=1))
    upcoming = next_runs(RUNS, now, 5)
    assert [one.at for one in upcoming] == sorted(one.at for one in upcoming)
    assert all(one.at > now for one in upcoming)


@given(st.binary(max_size=400))
def test_whatever_a_workspace_prints_is_read(printed: bytes) -> None:
    read_timers(printed + b"\ncrontabs\n" + printed, datetime.now(UTC))


def test_timers_and_crontabs_are_work_ahead_but_for_the_systems_own() -> None:
    now = datetime(2026, 11, 29, 12, 0, 30, tzinfo=UTC)
    soon = int((now + timedelta(minutes=4)).timestamp() * 1e6)
    printed = (
        f'[{{"next":{soon},"unit":"backup.timer"}},{{"next":{soon},"unit":"logrotate.timer"}}]\n[]\ncrontabs\n+0100\n'
        "# m h\nSHELL=/bin/sh\n4 13 * * * root make report\n0 5 * * * late\n@hourly x\n* * * * nonsense\n"
    ).encode()
    found = work_ahead(read_timers(printed, now), now, now + timedelta(minutes=10), work_list())
    assert [one.values["timer"] for one in found] == ["backup.timer", "4 13 * * * root make report"]
    assert found[1].values["at"] == "2026-11-29 12:04:00 UTC"
