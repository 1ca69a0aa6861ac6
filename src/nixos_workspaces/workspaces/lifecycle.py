"""The life of a workspace, decided purely: states, transitions and the one next step.

Nothing here waits, reads a clock or touches the world. The reconciler asks ``next_step`` what to do for a workspace as
it is wanted and its machine as it is seen, does that one thing, folds the outcome back with ``succeeded`` or ``failed``
and asks again. Every step is idempotent, so that a crash between any two lines heals by asking again.

A failure belongs to the *intent* it happened under. A new verb is a new intent, so that it leaves ``error`` without
having to undo anything, and a reconciler that finishes late cannot blame the new intent for the old failure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from nixos_workspaces.errors import Conflict, RuntimeFailed, Unavailable, WorkspacesError
from nixos_workspaces.model.environment import Generation
from nixos_workspaces.model.machine import MachineState, Observed
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Desire, Failure, Fault, Phase, Status, Workspace

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.CREATING: frozenset(
        {Status.STARTING, Status.RUNNING, Status.STOPPING, Status.STOPPED, Status.DELETING, Status.ERROR}
    ),
    Status.STARTING: frozenset(
        {Status.RUNNING, Status.PAUSED, Status.STOPPING, Status.STOPPED, Status.DELETING, Status.ERROR}
    ),
    Status.RUNNING: frozenset(
        {Status.PAUSED, Status.STARTING, Status.STOPPING, Status.STOPPED, Status.DELETING, Status.ERROR}
    ),
    Status.PAUSED: frozenset(
        {Status.RUNNING, Status.STARTING, Status.STOPPING, Status.STOPPED, Status.DELETING, Status.ERROR}
    ),
    Status.STOPPING: frozenset(
        {Status.CREATING, Status.STOPPED, Status.STARTING, Status.RUNNING, Status.DELETING, Status.ERROR}
    ),
    Status.STOPPED: frozenset(
        {Status.CREATING, Status.STARTING, Status.RUNNING, Status.STOPPING, Status.DELETING, Status.ERROR}
    ),
    Status.ERROR: frozenset(set(Status) - {Status.ERROR}),
    Status.DELETING: frozenset(),
}
"""Which status may follow which; staying is always allowed. Only ``deleting`` has no way but its end."""

RETRY_SECONDS = (1.0, 5.0)
"""Waits after the first and second failure of a step that may work the next time; the third gives up."""
PATIENT_SECONDS = (1.0, 2.0, 5.0, 10.0)
"""Waits while a needed part does not answer, and while deleting; the last one repeats for ever."""
STABLE_SECONDS = 60.0
"""How long a workspace must hold before its failures are forgotten: one that dies again and again is given up."""
SETTLED = frozenset({Status.RUNNING, Status.PAUSED, Status.STOPPED, Status.ERROR})
_UP = frozenset({MachineState.BOOTING, MachineState.RUNNING, MachineState.PAUSED})
_CPU_TOLERANCE = 0.01
_MEMORY_TOLERANCE = 1 << 20
DIED = "died"
OBSERVE = "observe"
"""Names of failures that are no step's: a machine that stopped by itself, an engine that cannot be observed."""


class StepKind(StrEnum):
    """Everything the reconciler can do to a workspace."""

    BUILD = "build"
    SELECT = "select"
    """Choose an older generation."""
    CREATE = "create"
    """Make the keys and the volume."""
    START = "start"
    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"
    RESIZE = "resize"
    OPEN_PORTS = "open-ports"
    """Change the open ports of a running machine."""
    DESTROY_KEYS = "destroy-keys"
    """First of a deletion: from here on the data on the disk cannot be read any more."""
    DELETE_MACHINE = "delete-machine"
    FORGET = "forget"
    """Give the generations back to the collector."""
    DELETE_RECORD = "delete-record"


@dataclass(frozen=True, slots=True)
class Observation:
    """A workspace's machine and keys as they are now."""

    machine: Observed
    has_keys: bool
    host_key: str = ""
    """The public line of the SSH host key; empty if that was not looked up."""
    live_growth: bool = False
    """The engine can grow a volume while it is in use."""


@dataclass(frozen=True, slots=True)
class Step:
    """Do ``kind`` now; the workspace shows ``status`` meanwhile."""

    kind: StepKind
    status: Status


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing before ``until``."""

    until: datetime
    status: Status


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do until something changes."""

    status: Status


Decision = Step | Wait | Done


def next_step(workspace: Workspace, seen: Observation, now: datetime) -> Decision:
    """Return the one next thing to do for ``workspace``."""
    kind = _wanted(workspace, seen)
    if kind is None:
        return Done(_settled_status(workspace, seen.machine.state))
    status = _status_during(workspace, kind, seen.machine.state)
    failure = current(workspace, workspace.step_failure)
    if failure is None:
        return Step(kind, status)
    if failure.retry_at is None:
        return Done(_settled_status(workspace, seen.machine.state))
    # A retry further away than any wait there is means that the clock was set back.
    if now < failure.retry_at <= now + timedelta(seconds=PATIENT_SECONDS[-1]):
        return Wait(failure.retry_at, status)
    return Step(kind, status)


def current(workspace: Workspace, failure: Failure | None) -> Failure | None:
    """Return ``failure`` if it happened under the present intent."""
    return failure if failure is not None and failure.intent == workspace.intent else None


def needs_build(workspace: Workspace) -> bool:
    """Tell whether the wanted environment is still to be built, and may be."""
    return workspace.built_revision != workspace.revision and current(workspace, workspace.build_failure) is None


def _wanted(workspace: Workspace, seen: Observation) -> StepKind | None:
    """Return the first step towards the desired state; None if it is reached or no step leads there."""
    state = seen.machine.state
    match workspace.desire:
        case Desire.DELETED:
            return _towards_deleted(workspace, seen)
        case Desire.STOPPED:
            if state in _UP:
                return StepKind.STOP
            return StepKind.RESIZE if state is MachineState.STOPPED and _too_small(workspace, seen.machine) else None
        case Desire.PAUSED:
            return None if state is MachineState.PAUSED else _towards_running(workspace, seen)
        case Desire.RUNNING:
            return _towards_running(workspace, seen)
        case _ as never:
            assert_never(never)


def _towards_deleted(workspace: Workspace, seen: Observation) -> StepKind:
    """Return the next step of a deletion."""
    if seen.has_keys:
        return StepKind.DESTROY_KEYS
    if seen.machine.state is not MachineState.ABSENT:
        return StepKind.DELETE_MACHINE
    return StepKind.DELETE_RECORD if workspace.forgotten else StepKind.FORGET


def _towards_running(workspace: Workspace, seen: Observation) -> StepKind | None:
    """Return the next step towards a running (or, after that, paused) machine."""
    if needs_build(workspace):
        return StepKind.BUILD if workspace.pinned is None else StepKind.SELECT
    if not workspace.toplevel:
        return None
    match seen.machine.state:
        case MachineState.ABSENT:
            return StepKind.CREATE if workspace.volume_bytes == 0 else None
        case MachineState.STOPPED | MachineState.BOOTING:
            return StepKind.START
        case MachineState.RUNNING | MachineState.PAUSED:
            return _adjust(workspace, seen)
        case _ as never:
            assert_never(never)


def _adjust(workspace: Workspace, seen: Observation) -> StepKind | None:
    """Return the next step of a machine that is up; None if it is as wanted."""
    machine = seen.machine
    grow = _too_small(workspace, machine)
    if workspace.restarts_done != workspace.restarts or (grow and not seen.live_growth):
        return StepKind.STOP
    if machine.toplevel and machine.toplevel != workspace.toplevel:
        return StepKind.STOP
    if machine.state is MachineState.PAUSED:
        return StepKind.RESUME if workspace.desire is Desire.RUNNING else None
    if grow or _limits_differ(workspace, machine):
        return StepKind.RESIZE
    if machine.ports is not None and machine.ports != workspace.environment.ports:
        return StepKind.OPEN_PORTS
    return StepKind.PAUSE if workspace.desire is Desire.PAUSED else None


def restarts(workspace: Workspace, seen: Observation) -> bool:
    """Tell whether a machine that is up is stopped on the way to what is wanted.

    A build counts as one that leads to another system, which only building it can tell.
    """
    if seen.machine.state not in _UP or workspace.desire not in (Desire.RUNNING, Desire.PAUSED):
        return False
    return needs_build(workspace) or _adjust(workspace, seen) is StepKind.STOP


def _too_small(workspace: Workspace, machine: Observed) -> bool:
    """Tell whether the volume is smaller than wanted."""
    return machine.resources is not None and machine.resources.storage_bytes < workspace.resources.storage_bytes


def _limits_differ(workspace: Workspace, machine: Observed) -> bool:
    """Tell whether CPU or memory in force are others than wanted, beyond an engine's rounding."""
    if machine.resources is None:
        return False
    return (
        abs(machine.resources.cpu - workspace.limits.cpu) > _CPU_TOLERANCE
        or abs(machine.resources.memory_bytes - workspace.limits.memory_bytes) > _MEMORY_TOLERANCE
    )


def _status_during(workspace: Workspace, kind: StepKind, state: MachineState) -> Status:
    """Return the workspace's status while ``kind`` is done."""
    match kind:
        case (
            StepKind.BUILD | StepKind.SELECT | StepKind.RESIZE | StepKind.OPEN_PORTS | StepKind.RESUME | StepKind.PAUSE
        ):
            return _shown(state) or starting(workspace)
        case StepKind.CREATE | StepKind.START:
            return starting(workspace)
        case StepKind.STOP:
            return Status.STOPPING
        case StepKind.DESTROY_KEYS | StepKind.DELETE_MACHINE | StepKind.FORGET | StepKind.DELETE_RECORD:
            return Status.DELETING
        case _ as never:
            assert_never(never)


def _shown(state: MachineState) -> Status | None:
    """Return the status of a machine that is up, or None."""
    return {MachineState.RUNNING: Status.RUNNING, MachineState.PAUSED: Status.PAUSED}.get(state)


def starting(workspace: Workspace) -> Status:
    """Return the status on the way to running: ``creating`` until it ran for the first time."""
    return Status.CREATING if workspace.ready_at is None else Status.STARTING


def _settled_status(workspace: Workspace, state: MachineState) -> Status:
    """Return the status when nothing can be done: the machine's, or ``error`` if that is not as desired."""
    if workspace.desire is Desire.DELETED:
        return Status.DELETING
    if workspace.desire is Desire.STOPPED:
        lost = state is MachineState.ABSENT and workspace.volume_bytes > 0
        return Status.ERROR if state in _UP or lost else Status.STOPPED
    return _shown(state) or Status.ERROR


def status_after_verb(workspace: Workspace) -> Status:
    """Return the status as soon as a verb has been recorded, before anything was done."""
    match workspace.desire:
        case Desire.DELETED:
            return Status.DELETING
        case Desire.STOPPED:
            return Status.STOPPED if workspace.status is Status.STOPPED else Status.STOPPING
        case Desire.RUNNING | Desire.PAUSED:
            if workspace.status in (Status.RUNNING, Status.PAUSED):
                return workspace.status if workspace.restarts == workspace.restarts_done else Status.STARTING
            return starting(workspace)
        case _ as never:
            assert_never(never)


def seen_now(workspace: Workspace, seen: Observation, now: datetime) -> Workspace:
    """Fold the observation into the workspace, before ``next_step``: addresses, first readiness, death, lost volume.

    A machine that stopped although it was running and nobody asked for it counts as a failure; so does a volume that
    is gone, which is never made anew by itself, because it held the user's work.
    """
    machine = seen.machine
    up = machine.state in _UP
    ready = machine.state in (MachineState.RUNNING, MachineState.PAUSED)
    size = machine.resources.storage_bytes if machine.resources is not None else workspace.resources.storage_bytes
    result = replace(
        workspace,
        address=machine.address if ready else None,
        encryption=machine.encryption or workspace.encryption,
        host_key=seen.host_key or workspace.host_key,
        oom_kills=machine.oom_kills if up else 0,
        started_at=machine.started_at if up else None,
        ready_at=(workspace.ready_at or now) if ready else workspace.ready_at,
        volume_bytes=workspace.volume_bytes if machine.state is MachineState.ABSENT else size,
        restarts_done=workspace.restarts_done if up else workspace.restarts,
        open_ports=workspace.open_ports if machine.ports is None else machine.ports,
    )
    if workspace.desire is Desire.DELETED:
        return _forgive(result, now)
    if machine.state is MachineState.ABSENT and workspace.volume_bytes > 0:
        return result if current(result, result.step_failure) else _lost(result, now)
    died = workspace.status in (Status.RUNNING, Status.PAUSED) and machine.state is MachineState.STOPPED
    return (
        _died(result, machine.exit_reason, now)
        if died and workspace.desire is not Desire.STOPPED
        else _forgive(result, now)
    )


def _died(workspace: Workspace, reason: str, now: datetime) -> Workspace:
    """Count a death, and change the status with it, so that one death counts once, also over a crash."""
    fault = Fault(
        "machine_stopped",
        "The machine was shut down from inside, with its host or with the service, not by a verb.",
        now,
    )
    if reason:
        fault = Fault("machine_died", f"The machine died: {reason}. The boot log tells more.", now)
    result = _failed(workspace, DIED, fault, RETRY_SECONDS, now)
    return replace(result, status=starting(result))


def _forgive(workspace: Workspace, now: datetime) -> Workspace:
    """Forget a step's failure once the workspace has held for a while, or was asked for something else since."""
    failure = workspace.step_failure
    if failure is None:
        return workspace
    held = workspace.status in SETTLED and workspace.status is not Status.ERROR
    stable = held and now - failure.fault.at > timedelta(seconds=STABLE_SECONDS) and failure.retry_at is not None
    return replace(workspace, step_failure=None) if stable or failure.intent != workspace.intent else workspace


def _lost(workspace: Workspace, now: datetime) -> Workspace:
    """Give up a workspace that lost its volume without a deletion."""
    message = (
        "The workspace's volume is not on the machine any more. Put the data directory back and start the workspace, "
        "or delete it."
    )
    return _failed(workspace, StepKind.CREATE, Fault("volume_lost", message, now), (), now)


def begun(workspace: Workspace, step: Step) -> Workspace:
    """Return the workspace as it is stored before ``step`` is done."""
    done = workspace.restarts if step.kind is StepKind.START else workspace.restarts_done
    progress = workspace.progress if PHASE_OF.get(step.kind) else None
    return replace(workspace, status=step.status, restarts_done=done, progress=progress)


PHASE_OF = {
    StepKind.BUILD: Phase.EVALUATE,
    StepKind.SELECT: Phase.EVALUATE,
    StepKind.CREATE: Phase.VOLUME,
    StepKind.START: Phase.BOOT,
}
"""The phase in which a step begins; steps that are not part of making a workspace ready have none."""


def succeeded(workspace: Workspace, kind: StepKind, built: Generation | None = None) -> Workspace:
    """Fold the success of a step in; ``built`` is the generation of ``BUILD`` and ``SELECT``."""
    if built is not None:
        return replace(
            workspace,
            generation=built.number,
            toplevel=built.toplevel,
            built_revision=workspace.revision,
            build_failure=None,
        )
    return replace(workspace, forgotten=True) if kind is StepKind.FORGET else workspace


def failed(workspace: Workspace, kind: str, error: WorkspacesError, now: datetime) -> Workspace:
    """Fold the failure of a step in, and when it is worth another try.

    A build that Nix refused is not tried again by itself, nor held against the machine: a running workspace runs on.
    """
    fault = Fault(error.code, error.message, now, error.said)
    if kind in (StepKind.BUILD, StepKind.SELECT) and not isinstance(error, Unavailable | RuntimeFailed):
        return replace(workspace, build_failure=Failure(kind, fault, 1, None, workspace.intent))
    if workspace.desire is Desire.DELETED or isinstance(error, Unavailable):
        return _failed(workspace, kind, fault, PATIENT_SECONDS, now, patient=True)
    return _failed(workspace, kind, fault, RETRY_SECONDS if isinstance(error, RuntimeFailed) else (), now)


def _failed(
    workspace: Workspace, step: str, fault: Fault, delays: tuple[float, ...], now: datetime, *, patient: bool = False
) -> Workspace:
    """Count a failure and set the time of the next try; without ``patient`` give up when ``delays`` are used up."""
    before = current(workspace, workspace.step_failure)
    count = before.count + 1 if before is not None else 1
    retry_at: datetime | None = None
    if patient or count <= len(delays):
        retry_at = now + timedelta(seconds=delays[min(count, len(delays)) - 1])
    return replace(workspace, step_failure=Failure(step, fault, count, retry_at, workspace.intent))


def superseded(kind: StepKind, then: Workspace, now: Workspace) -> bool:
    """Tell whether work on ``kind``, begun for ``then``, has lost its point for the state wanted ``now``."""
    if kind in (StepKind.BUILD, StepKind.SELECT):
        return then.revision != now.revision or now.desire in (Desire.STOPPED, Desire.DELETED)
    if kind is StepKind.START:
        return now.desire in (Desire.STOPPED, Desire.DELETED) or then.restarts != now.restarts
    return False


class Verb(StrEnum):
    """The verbs of a workspace."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    PAUSE = "pause"
    RESUME = "resume"
    RESIZE = "resize"
    REBUILD = "rebuild"
    DELETE = "delete"


_ALL = frozenset(Status)
_ALIVE = _ALL - {Status.DELETING}
_FROZEN_OR_RUNNING = frozenset({Status.RUNNING, Status.PAUSED})
ALLOWED: dict[Verb, frozenset[Status]] = {
    Verb.START: _ALIVE,
    Verb.STOP: _ALIVE,
    Verb.RESTART: _ALIVE,
    Verb.PAUSE: _FROZEN_OR_RUNNING,
    Verb.RESUME: _FROZEN_OR_RUNNING,
    Verb.RESIZE: _ALIVE,
    Verb.REBUILD: _ALIVE,
    Verb.DELETE: _ALL,
}
"""The statuses in which each verb is allowed."""


def asked(workspace: Workspace, verb: Verb) -> Workspace:
    """Return the workspace as it is wanted after ``verb``; the same value if that is so already.

    Raises ``Conflict`` saying what to do where the present status does not allow the verb. ``RESIZE`` and ``REBUILD``
    only open a new intent here; the caller sets their changes.
    """
    if workspace.desire is Desire.DELETED and verb is not Verb.DELETE:
        raise Conflict(f"Workspace {workspace.name} is being deleted.", code="being_deleted")
    if workspace.status not in ALLOWED[verb]:
        said = Sentence(f"refused.{verb.value}", {"name": workspace.name, "status": workspace.status})
        raise Conflict(said, code="wrong_state")
    wanted = replace(workspace, intent=workspace.intent + 1)
    match verb:
        case Verb.START | Verb.RESUME:
            wanted = replace(wanted, desire=Desire.RUNNING)
        case Verb.STOP:
            wanted = replace(wanted, desire=Desire.STOPPED)
        case Verb.RESTART:
            wanted = replace(wanted, desire=Desire.RUNNING, restarts=workspace.restarts + 1)
        case Verb.PAUSE:
            wanted = replace(wanted, desire=Desire.PAUSED)
        case Verb.DELETE:
            wanted = replace(wanted, desire=Desire.DELETED)
        case Verb.RESIZE | Verb.REBUILD:
            pass
        case _ as never:
            assert_never(never)
    if wanted == replace(workspace, intent=wanted.intent) and verb not in (Verb.RESIZE, Verb.REBUILD):
        settled = workspace.status is not Status.ERROR and workspace.fault is None
        return workspace if settled or workspace.desire is Desire.DELETED else _retried(wanted)
    return _retried(wanted)


def _retried(wanted: Workspace) -> Workspace:
    """Return the workspace with the status of the work that now begins."""
    return replace(wanted, status=status_after_verb(wanted), progress=None)


def as_error(problem: Exception) -> WorkspacesError:
    """Return any failure as one of ours, so that a mistake in a step is shown and retried, never lost."""
    if isinstance(problem, WorkspacesError):
        return problem
    return RuntimeFailed(
        f"The step failed unexpectedly ({type(problem).__name__}). See the service's log.", code="internal"
    )
