"""The table of states and the single decisions; what they add up to is in ``properties``."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from nixos_workspaces.errors import BuildFailed, Conflict, InsufficientResources, RuntimeFailed, Unavailable
from nixos_workspaces.model.environment import Environment, Generation
from nixos_workspaces.model.machine import MachineState, Observed, Resources
from nixos_workspaces.model.workspace import Desire, Status, Workspace
from nixos_workspaces.workspaces import lifecycle
from nixos_workspaces.workspaces.lifecycle import Done, Observation, Step, StepKind, Verb, Wait

GB = 1 << 30
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEW = Workspace(
    id="ws-a",
    name="a",
    owner_id="ann",
    hostname="a",
    created_at=NOW,
    last_accessed=NOW,
    desire=Desire.RUNNING,
    resources=Resources(1.0, GB, GB),
    environment=Environment("minimal"),
)
BUILT = replace(NEW, built_revision=1, toplevel="/top", generation=1)
READY = replace(BUILT, volume_bytes=GB, ready_at=NOW, status=Status.RUNNING)


def machine(state: MachineState, **given: object) -> Observation:
    """Return an observation of a machine that is as READY wants it."""
    plain = Observed("ws-a", state, toplevel="/top", resources=READY.resources)
    return Observation(replace(plain, **given), has_keys=True)  # type: ignore[arg-type]


RUNNING = machine(MachineState.RUNNING)
BIGGER = replace(READY, resources=Resources(1.0, GB, 2 * GB))


@pytest.mark.parametrize(
    ("workspace", "seen", "expected"),
    [
        (NEW, machine(MachineState.ABSENT), Step(StepKind.BUILD, Status.CREATING)),
        (BUILT, machine(MachineState.ABSENT), Step(StepKind.CREATE, Status.CREATING)),
        (BUILT, machine(MachineState.STOPPED), Step(StepKind.START, Status.CREATING)),
        (READY, machine(MachineState.STOPPED), Step(StepKind.START, Status.STARTING)),
        (READY, machine(MachineState.BOOTING), Step(StepKind.START, Status.STARTING)),
        (READY, RUNNING, Done(Status.RUNNING)),
        (READY, machine(MachineState.PAUSED), Step(StepKind.RESUME, Status.PAUSED)),
        (READY, machine(MachineState.RUNNING, toplevel="/old"), Step(StepKind.STOP, Status.STOPPING)),
        (READY, machine(MachineState.RUNNING, toplevel=""), Done(Status.RUNNING)),
        (replace(READY, restarts=1), RUNNING, Step(StepKind.STOP, Status.STOPPING)),
        (replace(READY, revision=2), RUNNING, Step(StepKind.BUILD, Status.RUNNING)),
        (replace(READY, revision=2, pinned=1), RUNNING, Step(StepKind.SELECT, Status.RUNNING)),
        (replace(READY, resources=Resources(2.0, GB, GB)), RUNNING, Step(StepKind.RESIZE, Status.RUNNING)),
        (replace(READY, resources=Resources(1.001, GB, GB)), RUNNING, Done(Status.RUNNING)),
        (BIGGER, RUNNING, Step(StepKind.STOP, Status.STOPPING)),
        (BIGGER, replace(RUNNING, live_growth=True), Step(StepKind.RESIZE, Status.RUNNING)),
        (replace(BIGGER, desire=Desire.STOPPED), machine(MachineState.STOPPED), Step(StepKind.RESIZE, Status.STARTING)),
        (replace(READY, desire=Desire.PAUSED), RUNNING, Step(StepKind.PAUSE, Status.RUNNING)),
        (replace(READY, desire=Desire.PAUSED), machine(MachineState.PAUSED), Done(Status.PAUSED)),
        (replace(READY, desire=Desire.STOPPED), machine(MachineState.PAUSED), Step(StepKind.STOP, Status.STOPPING)),
        (replace(NEW, desire=Desire.STOPPED), machine(MachineState.ABSENT), Done(Status.STOPPED)),
        (replace(READY, desire=Desire.DELETED), RUNNING, Step(StepKind.DESTROY_KEYS, Status.DELETING)),
        (
            replace(READY, desire=Desire.DELETED),
            replace(RUNNING, has_keys=False),
            Step(StepKind.DELETE_MACHINE, Status.DELETING),
        ),
        (
            replace(READY, desire=Desire.DELETED),
            Observation(Observed("ws-a", MachineState.ABSENT), has_keys=False),
            Step(StepKind.FORGET, Status.DELETING),
        ),
        (
            replace(READY, desire=Desire.DELETED, forgotten=True),
            Observation(Observed("ws-a", MachineState.ABSENT), has_keys=False),
            Step(StepKind.DELETE_RECORD, Status.DELETING),
        ),
    ],
)
def test_next_step(workspace: Workspace, seen: Observation, expected: lifecycle.Decision) -> None:
    """One thing at a time, the first one first."""
    assert lifecycle.next_step(workspace, seen, NOW) == expected


def test_every_state_but_deleting_has_a_way_out_by_every_allowed_verb() -> None:
    """Nothing can be stuck."""
    assert set(lifecycle.TRANSITIONS) == set(lifecycle.ALLOWED[Verb.DELETE]) == set(Status)
    for status, after in lifecycle.TRANSITIONS.items():
        assert (Status.DELETING in after) == (status is not Status.DELETING)
        assert status not in after
    for status in set(Status) - {Status.DELETING}:
        assert {verb for verb in Verb if status in lifecycle.ALLOWED[verb]} >= {Verb.START, Verb.STOP, Verb.DELETE}


def test_failures_are_retried_with_growing_waits_then_given_up() -> None:
    """1 s, 5 s, error; a new intent begins anew."""
    workspace, now = READY, NOW
    waits = []
    for _ in range(3):
        workspace = lifecycle.failed(workspace, StepKind.START, RuntimeFailed("no"), now)
        decision = lifecycle.next_step(workspace, machine(MachineState.STOPPED), now)
        if isinstance(decision, Wait):
            waits.append((decision.until - now).total_seconds())
            now = decision.until
    assert waits == [1.0, 5.0]
    assert decision == Done(Status.ERROR)
    again = lifecycle.asked(replace(workspace, status=Status.ERROR), Verb.START)
    assert (again.status, again.fault) == (Status.STARTING, None)
    step = lifecycle.next_step(again, machine(MachineState.STOPPED), now)
    assert step == Step(StepKind.START, Status.STARTING)


@pytest.mark.parametrize("desire", [Desire.RUNNING, Desire.DELETED])
def test_absent_engine_is_never_given_up(desire: Desire) -> None:
    """Nor is a deletion, whatever fails."""
    error = Unavailable("silent") if desire is Desire.RUNNING else RuntimeFailed("no")
    workspace = replace(READY, desire=desire)
    for _ in range(50):
        workspace = lifecycle.failed(workspace, StepKind.START, error, NOW)
    assert workspace.step_failure is not None
    assert workspace.step_failure.retry_at == NOW + timedelta(seconds=10)


def test_clock_set_back_does_not_delay_a_retry() -> None:
    """A retry that lies further away than any wait there is, is due."""
    workspace = lifecycle.failed(READY, StepKind.START, RuntimeFailed("no"), NOW + timedelta(hours=2))
    step = lifecycle.next_step(workspace, machine(MachineState.STOPPED), NOW)
    assert isinstance(step, Step)


@pytest.mark.parametrize("error", [BuildFailed("no"), InsufficientResources("full")])
def test_failed_build_does_not_touch_what_runs(error: BuildFailed | InsufficientResources) -> None:
    """It is shown, not tried again, and the old system boots on."""
    changed = replace(READY, revision=2)
    after = lifecycle.failed(changed, StepKind.BUILD, error, NOW)
    assert after.fault is not None
    assert lifecycle.next_step(after, RUNNING, NOW) == Done(Status.RUNNING)
    stopped = lifecycle.next_step(after, machine(MachineState.STOPPED), NOW)
    assert stopped == Step(StepKind.START, Status.STARTING)


def test_build_of_an_older_wish_does_not_count_for_a_newer_one() -> None:
    """A generation is of the revision it was built for."""
    begun = replace(NEW, revision=2)
    built = Generation(1, "/top", NEW.environment, NOW)
    after = replace(lifecycle.succeeded(begun, StepKind.BUILD, built), revision=3)
    assert lifecycle.needs_build(after)
    assert not lifecycle.needs_build(replace(after, revision=2))


def test_one_death_counts_once() -> None:
    """Also when it is seen again before anything was done; the third in a row is an error."""
    workspace, dead = READY, machine(MachineState.STOPPED, exit_reason="killed")
    for count in (1, 2, 3):
        seen = lifecycle.seen_now(replace(workspace, status=Status.RUNNING), dead, NOW)
        assert seen.step_failure is not None
        assert seen.step_failure.count == count
        assert lifecycle.seen_now(seen, dead, NOW) == seen
        workspace = seen
    assert lifecycle.next_step(workspace, dead, NOW) == Done(Status.ERROR)


def test_failures_are_forgotten_after_a_minute_of_holding() -> None:
    """Not earlier, or a machine that dies every half minute would be booted for ever."""
    dead = lifecycle.seen_now(READY, machine(MachineState.STOPPED), NOW)
    up = replace(dead, status=Status.RUNNING)
    assert lifecycle.seen_now(up, RUNNING, NOW + timedelta(seconds=59)).step_failure is not None
    assert lifecycle.seen_now(up, RUNNING, NOW + timedelta(seconds=61)).step_failure is None


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("verb", Verb)
def test_verbs(verb: Verb, status: Status) -> None:
    """Allowed or refused by the table, and never back from a deletion."""
    desire = Desire.DELETED if status is Status.DELETING else Desire.RUNNING
    workspace = replace(READY, status=status, desire=desire)
    if status in lifecycle.ALLOWED[verb]:
        wanted = lifecycle.asked(workspace, verb)
        assert wanted.status is status or wanted.status in lifecycle.TRANSITIONS[status]
        assert (wanted.desire is Desire.DELETED) == (verb is Verb.DELETE)
    else:
        with pytest.raises(Conflict) as refused:
            lifecycle.asked(workspace, verb)
        assert refused.value.code in ("wrong_state", "being_deleted")


def test_asking_for_what_is_so_changes_nothing() -> None:
    """No new intent, so that nothing is written or woken."""
    assert lifecycle.asked(READY, Verb.START) == READY
    deleting = replace(READY, desire=Desire.DELETED, status=Status.DELETING)
    assert lifecycle.asked(deleting, Verb.DELETE) == deleting
    stopped = replace(READY, desire=Desire.STOPPED, status=Status.STOPPED)
    assert lifecycle.asked(stopped, Verb.STOP) == stopped


def test_superseded_work() -> None:
    """A build that nobody wants any more is broken off, a stop never is."""
    newer, stopped = replace(READY, revision=2), replace(READY, desire=Desire.STOPPED)
    assert lifecycle.superseded(StepKind.BUILD, READY, newer)
    assert lifecycle.superseded(StepKind.BUILD, READY, stopped)
    assert lifecycle.superseded(StepKind.START, READY, replace(READY, desire=Desire.DELETED))
    assert not lifecycle.superseded(StepKind.BUILD, READY, replace(READY, intent=9))
    assert not lifecycle.superseded(StepKind.STOP, READY, newer)
