"""Conclude why: pure, out of a ``Situation``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from nixos_workspaces.model.machine import BYTES_PER_GB
from nixos_workspaces.model.service import Sentence, moment, quoting
from nixos_workspaces.model.why.explanation import Explanation, NextAction, NextStep, Question
from nixos_workspaces.model.workspace import Desire, Failure, Status, Workspace
from nixos_workspaces.operations.why.lines import checks_of
from nixos_workspaces.operations.why.situation import (
    BUSY,
    FAR_MS,
    FULL,
    NO_ROOM,
    REFUSED_KEY,
    WAITING,
    Part,
    Situation,
    Unanswered,
    figure,
    login_sentence,
)

_PASSING = frozenset({"build_timeout", "evaluation_timeout", "download_failed", "package_set_unavailable"})
"""Codes of failed builds that may succeed another time."""

Reason = tuple[Sentence, NextAction]


def explain(situation: Situation, question: Question | None = None) -> Explanation:
    """Return why, for one complaint; without one, for the first that there is reason for."""
    asked = tuple(Question) if question is None else (question,)
    for one in asked:
        if (reason := _reason(situation, one)) is not None:
            said, action = reason
            return Explanation(one, said, tuple(evidence(situation)), _next(situation, action), checks_of(situation))
    well = Sentence("why.well")
    return Explanation(None, well, tuple(evidence(situation)), _next(situation, NextAction.NONE), checks_of(situation))


def _reason(situation: Situation, question: Question) -> Reason | None:
    """Return the reason for a complaint with the step that helps; None where there is none."""
    down = not_running(situation)
    match question:
        case Question.NOT_RUNNING:
            return down
        case Question.UNREACHABLE:
            return down or unreachable(situation)
        case Question.FILES:
            return _forbidden(situation) or down or files(situation)
        case Question.SLOW:
            return down or slow(situation)


def not_running(situation: Situation) -> Reason | None:
    """Return why it does not run; None if it does."""
    workspace, machine = situation.workspace, situation.machine
    if workspace.status is Status.DELETING:
        return Sentence("why.deleting"), NextAction.WAIT
    if situation.engine_problem is not None:
        problem = situation.engine_problem
        return quoting("why.engine", problem), NextAction.LOOK_AT_SERVICE
    if machine is not None and machine.quarantine:
        return Sentence("why.quarantined", {"told": machine.quarantine}), NextAction.LOOK_AT_SERVICE
    if workspace.status is Status.RUNNING:
        return None
    failure = situation.failure
    if failure is not None and workspace.status is not Status.STOPPED:
        return _failed(situation, failure)
    return _on_the_way(situation)


def _on_the_way(situation: Situation) -> Reason:
    """Return why a workspace does not run of which nothing has failed."""
    match situation.workspace.status:
        case Status.PAUSED:
            return _rest(situation.workspace, Sentence("why.paused")), NextAction.RESUME
        case Status.STOPPED:
            return _rest(situation.workspace, Sentence("why.stopped")), NextAction.START
        case Status.STOPPING:
            if situation.workspace.desire is Desire.STOPPED:
                return Sentence("why.stopping"), NextAction.WAIT
            return Sentence("why.restarting"), NextAction.WAIT
        case _:
            if situation.full_disk:
                return Sentence("why.disk", parts={"said": situation.full_disk}), NextAction.LOOK_AT_SERVICE
            return Sentence("why.starting"), NextAction.WAIT


def _rest(workspace: Workspace, unknown: Sentence) -> Sentence:
    """Return the reason of a stop or a pause; ``unknown`` where none was noted."""
    return unknown if workspace.stop_reason is None else workspace.stop_reason.said


def _failed(situation: Situation, failure: Failure) -> Reason:
    """Return the reason out of the failure that stands in the way."""
    fault = failure.fault
    if situation.full_disk and failure is situation.workspace.build_failure:
        return Sentence("why.disk", parts={"said": situation.full_disk}), NextAction.LOOK_AT_SERVICE
    if failure.retry_at is not None and fault.code not in NO_ROOM:
        return quoting("why.retried", fault, at=moment(failure.retry_at)), NextAction.WAIT
    code, action = "why.failed", NextAction.START
    if fault.code in NO_ROOM:
        code, action = "why.no_room", NextAction.RESIZE
    elif fault.code in _LAST:
        code, action = _LAST[fault.code]
    elif failure is situation.workspace.build_failure:
        code, action = "why.build", NextAction.REBUILD if fault.code in _PASSING else NextAction.CHANGE_ENVIRONMENT
    return quoting(code, fault), action


_LAST: Mapping[str, tuple[str, NextAction]] = MappingProxyType(
    {
        "volume_lost": ("why.lost", NextAction.DELETE),
        "boot_failed": ("why.boot", NextAction.READ_LOG),
        "start_timeout": ("why.boot", NextAction.READ_LOG),
        "machine_died": ("why.died", NextAction.START),
        "machine_stopped": ("why.died", NextAction.START),
    }
)
"""The reason and the step by the code of a failure that was given up."""


def unreachable(situation: Situation) -> Reason | None:
    """Return why a running workspace does not answer; None if it does."""
    login = situation.login or {}
    if login and (broken := _broken_device(situation)) is not None:
        return broken
    if (ssh := login.get(Part.SSH)) is not None:
        return _no_ssh(situation, ssh)
    for part, code in ((Part.COMMAND, "why.commands"), (Part.TERMINAL, "why.terminals")):
        if (silent := login.get(part)) is not None:
            return quoting(code, silent), NextAction.RESTART
    if situation.asking.sockets >= situation.asking.most_sockets:
        return Sentence("why.sockets", {"count": str(situation.asking.sockets)}), NextAction.CLOSE_TERMINALS
    return None


def _no_ssh(situation: Situation, ssh: Unanswered) -> Reason:
    """Return why the SSH server of a running workspace does not let the service in."""
    if situation.is_young:
        return Sentence("why.young"), NextAction.WAIT
    if ssh.code in REFUSED_KEY:
        return quoting("why.key", ssh), NextAction.RESTART
    if situation.load is not None and situation.load.cpu >= BUSY:
        return Sentence("why.busy", {"share": figure(situation.load.cpu)}), NextAction.RESIZE
    return quoting("why.silent", ssh), NextAction.RESTART


def files(situation: Situation) -> Reason | None:
    """Return why the files of a running workspace cannot be used; None if they can."""
    login = situation.login or {}
    if Part.SSH in login:
        return unreachable(situation)
    if (broken := _broken_device(situation)) is not None:
        return broken
    if (silent := login.get(Part.FILE)) is not None:
        return quoting("why.files", silent), NextAction.RESTART
    return _full(situation)


def _forbidden(situation: Situation) -> Reason | None:
    """Return why the asker may not use the files; None if they may."""
    if not situation.asking.may_read_files:
        return Sentence("why.no_files"), NextAction.ASK_OWNER
    if not situation.asking.may_write_files:
        return Sentence("why.read_only"), NextAction.ASK_OWNER
    return None


def slow(situation: Situation) -> Reason | None:
    """Return why a running workspace is slow; None where nothing says that it is."""
    load, kills = situation.load, situation.workspace.oom_kills
    if kills:
        return Sentence("why.killed", {"count": str(kills)}), NextAction.RESIZE
    if load is not None:
        for share, most, code, action in (
            (load.waits_memory, WAITING, "why.waits_memory", NextAction.RESIZE),
            (load.memory, BUSY, "why.memory", NextAction.RESIZE),
            (load.throttled, WAITING, "why.throttled", NextAction.RESIZE),
            (load.cpu, BUSY, "why.processor", NextAction.RESIZE),
            (load.waits_cpu, WAITING, "why.waits_processor", NextAction.LOOK_AT_SERVICE),
            (load.waits_disk, WAITING, "why.waits_disk", NextAction.LOOK_AT_SERVICE),
        ):
            if share >= most:
                return Sentence(code, {"share": figure(share)}), action
    if situation.latency_ms is not None and situation.latency_ms >= FAR_MS:
        return Sentence("why.far", {"latency": figure(situation.latency_ms)}), NextAction.LOOK_AT_SERVICE
    return _broken_device(situation) or _full(situation)


def _full(situation: Situation) -> Reason | None:
    if situation.load is None or situation.load.storage < FULL:
        return None
    return Sentence("why.space", {"share": figure(situation.load.storage)}), NextAction.FREE_SPACE


def _broken_device(situation: Situation) -> Reason | None:
    if situation.machine is None or not situation.machine.flaw:
        return None
    return Sentence("why.device", {"said": situation.machine.flaw}), NextAction.RESTART


def evidence(situation: Situation) -> Iterator[Sentence]:
    """Yield what was seen, the nearest first."""
    workspace = situation.workspace
    yield Sentence("why.seen.status", {"status": workspace.status, "desire": workspace.desire})
    if situation.machine is not None:
        yield Sentence("why.seen.machine", {"state": situation.machine.state})
    if workspace.progress is not None and workspace.progress.said is not None:
        yield workspace.progress.said
    if workspace.stop_reason is not None and workspace.status is not Status.RUNNING:
        yield from workspace.stop_reason.seen
    if (failure := situation.failure) is not None:
        fault = failure.fault
        yield quoting("why.seen.fault", fault, at=moment(fault.at))
        if failure.count > 1:
            yield Sentence("why.seen.tries", {"step": failure.step, "count": str(failure.count)})
    if situation.boot_end and workspace.status is not Status.RUNNING and situation.asking.may_read_log:
        yield Sentence("why.seen.boot", {"line": situation.boot_end})
    for part, silent in (situation.login or {}).items():
        yield login_sentence(part, silent)
    yield from _figures(situation)


def _figures(situation: Situation) -> Iterator[Sentence]:
    if (load := situation.load) is not None:
        for name, share in (("processor", load.cpu), ("memory", load.memory), ("storage", load.storage)):
            yield Sentence(f"why.seen.{name}", {"share": figure(share)})
    if situation.latency_ms is not None:
        yield Sentence("why.seen.latency", {"latency": figure(situation.latency_ms)})
    if situation.network is not None:
        yield Sentence("why.seen.network", {"mode": situation.network})
    if situation.way_out_trouble:
        yield Sentence("why.seen.way_out", {"told": situation.way_out_trouble})
    if situation.free_bytes is not None and situation.workspace.volume_bytes == 0:
        yield Sentence("why.seen.free", {"free": figure(situation.free_bytes / BYTES_PER_GB)})


_NEEDS_LEAVE = frozenset(
    {
        *(NextAction.START, NextAction.RESUME, NextAction.RESTART, NextAction.REBUILD, NextAction.RESIZE),
        *(NextAction.CHANGE_ENVIRONMENT, NextAction.FREE_SPACE, NextAction.DELETE),
    }
)


_STEPS: Mapping[NextAction, tuple[str, str]] = MappingProxyType(
    {
        NextAction.START: ("nixws start {name}", "{here}"),
        NextAction.RESUME: ("nixws resume {name}", "{here}"),
        NextAction.RESTART: ("nixws restart {name}", "{here}"),
        NextAction.REBUILD: ("nixws rebuild {name}", "{here}"),
        NextAction.RESIZE: ("nixws resize {name} --help", "{here}/settings"),
        NextAction.CHANGE_ENVIRONMENT: ("nixws rebuild {name}", "{here}/packages"),
        NextAction.FREE_SPACE: ("nixws ssh {name} -- du -xh --max-depth=2 /home", "{here}/files"),
        NextAction.READ_LOG: ("nixws logs {name}", "{here}/logs"),
        NextAction.CLOSE_TERMINALS: ("nixws terminal list {name}", "{here}/terminal"),
        NextAction.LOOK_AT_SERVICE: ("nixws doctor", "/admin/health"),
        NextAction.DELETE: ("nixws start {name}", "{here}"),
    }
)
"""The command line and the page of each step; others have none."""


def _next(situation: Situation, action: NextAction) -> NextStep:
    """Return the step as it is typed and clicked; one that the asker may not take is the owner's."""
    asking, name = situation.asking, situation.workspace.name
    if (action in _NEEDS_LEAVE and not asking.may_act) or (action is NextAction.READ_LOG and not asking.may_read_log):
        action = NextAction.ASK_OWNER
    command, page = _STEPS.get(action, ("", ""))
    return NextStep(action, command.format(name=name), page.format(here=f"/workspaces/{situation.workspace.id}"))
