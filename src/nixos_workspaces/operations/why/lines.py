"""Look at every line of the specification's section "Troubleshooting": pure, out of a ``Situation``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from nixos_workspaces.model.service import Sentence, quoting
from nixos_workspaces.model.why.explanation import Check, Line, Outcome
from nixos_workspaces.model.workspace import Status
from nixos_workspaces.operations.why.situation import FAR_MS, FULL, NO_ROOM, REFUSED_KEY, Part, Situation, figure

Found = tuple[Outcome, Sentence]
_UNTRIED: Found = (Outcome.UNKNOWN, Sentence("why.found.untried"))
_UNKNOWN: Found = (Outcome.UNKNOWN, Sentence("why.found.unknown"))


def checks_of(situation: Situation) -> tuple[Check, ...]:
    """Return every line with what was found, in the specification's order."""
    return tuple(Check(line, *_LINES[line](situation)) for line in Line)


def _resources(situation: Situation) -> Found:
    if situation.full_disk:
        return Outcome.BAD, Sentence("why.disk", parts={"said": situation.full_disk})
    failure = situation.failure
    if failure is not None and failure.fault.code in NO_ROOM:
        return Outcome.BAD, quoting("why.no_room", failure.fault)
    if situation.engine_problem is not None:
        return _UNKNOWN
    return Outcome.GOOD, Sentence("why.found.resources")


def _infrastructure(situation: Situation) -> Found:
    if (problem := situation.engine_problem) is not None:
        return Outcome.BAD, quoting("why.engine", problem)
    if situation.machine is None:
        return _UNKNOWN
    if situation.machine.quarantine:
        return Outcome.BAD, Sentence("why.quarantined", {"told": situation.machine.quarantine})
    return Outcome.GOOD, Sentence("why.found.infrastructure")


def _configuration(situation: Situation) -> Found:
    workspace, failure = situation.workspace, situation.workspace.build_failure
    if failure is not None and failure.intent == workspace.intent:
        return Outcome.BAD, quoting("why.build", failure.fault)
    if workspace.built_revision != workspace.revision:
        return Outcome.UNKNOWN, Sentence("why.found.unbuilt")
    return Outcome.GOOD, Sentence("why.found.configuration")


def _logs(situation: Situation) -> Found:
    failure = situation.failure
    if failure is None:
        return Outcome.GOOD, Sentence("why.found.log")
    if situation.boot_end and situation.asking.may_read_log and failure is not situation.workspace.build_failure:
        return Outcome.BAD, Sentence("why.seen.boot", {"line": situation.boot_end})
    return Outcome.BAD, quoting("why.failed", failure.fault)


def _running(situation: Situation) -> Found:
    status = situation.workspace.status
    if status is Status.RUNNING:
        return Outcome.GOOD, Sentence("why.found.running")
    return Outcome.BAD, Sentence("why.found.not_running", {"status": status})


def _ssh(situation: Situation) -> Found:
    if situation.workspace.status is not Status.RUNNING:
        return _UNTRIED
    if situation.login is None:
        return _UNKNOWN
    for part, code in ((Part.SSH, "why.silent"), (Part.COMMAND, "why.commands"), (Part.TERMINAL, "why.terminals")):
        if (silent := situation.login.get(part)) is not None:
            return Outcome.BAD, quoting(code, silent)
    return Outcome.GOOD, Sentence("why.found.ssh")


def _websocket(situation: Situation) -> Found:
    asking = situation.asking
    if asking.sockets >= asking.most_sockets:
        return Outcome.BAD, Sentence("why.sockets", {"count": str(asking.sockets)})
    if asking.arrived:
        return Outcome.GOOD, Sentence("why.found.sockets", {"count": str(asking.arrived)})
    return Outcome.UNKNOWN, Sentence("why.found.no_sockets", {"count": str(asking.most_sockets)})


def _network(situation: Situation) -> Found:
    if situation.workspace.status is not Status.RUNNING:
        return _UNTRIED
    if situation.latency_ms is None:
        silent = (situation.login or {}).get(Part.SSH)
        if silent is None or silent.code in REFUSED_KEY:
            return _UNKNOWN
        return Outcome.BAD, quoting("why.silent", silent)
    latency = {"latency": figure(situation.latency_ms)}
    if situation.latency_ms >= FAR_MS:
        return Outcome.BAD, Sentence("why.far", latency)
    return Outcome.GOOD, Sentence("why.found.network", latency)


def _permissions(situation: Situation) -> Found:
    if not situation.asking.may_read_files:
        return Outcome.BAD, Sentence("why.no_files")
    if not situation.asking.may_write_files:
        return Outcome.BAD, Sentence("why.read_only")
    return Outcome.GOOD, Sentence("why.found.permissions")


def _authentication(situation: Situation) -> Found:
    if situation.workspace.status is not Status.RUNNING:
        return _UNTRIED
    if situation.login is None:
        return _UNKNOWN
    silent = situation.login.get(Part.SSH)
    if silent is None:
        return Outcome.GOOD, Sentence("why.found.login")
    if silent.code in REFUSED_KEY:
        return Outcome.BAD, quoting("why.key", silent)
    return _UNKNOWN


def _file_system(situation: Situation) -> Found:
    if situation.workspace.status is not Status.RUNNING:
        return _UNTRIED
    if situation.machine is not None and situation.machine.flaw:
        return Outcome.BAD, Sentence("why.device", {"said": situation.machine.flaw})
    if situation.login is None or Part.SSH in situation.login:
        return _UNKNOWN
    if (silent := situation.login.get(Part.FILE)) is not None:
        return Outcome.BAD, quoting("why.files", silent)
    return Outcome.GOOD, Sentence("why.found.files")


def _space(situation: Situation) -> Found:
    if situation.load is None:
        return _UNTRIED if situation.workspace.status is not Status.RUNNING else _UNKNOWN
    share = {"share": figure(situation.load.storage)}
    if situation.load.storage >= FULL:
        return Outcome.BAD, Sentence("why.space", share)
    return Outcome.GOOD, Sentence("why.found.space", share)


_LINES: Mapping[Line, Callable[[Situation], Found]] = MappingProxyType(
    {
        Line.START_RESOURCES: _resources,
        Line.START_INFRASTRUCTURE: _infrastructure,
        Line.START_CONFIGURATION: _configuration,
        Line.START_LOGS: _logs,
        Line.TERMINAL_RUNNING: _running,
        Line.TERMINAL_SSH: _ssh,
        Line.TERMINAL_WEBSOCKET: _websocket,
        Line.TERMINAL_NETWORK: _network,
        Line.FILES_PERMISSIONS: _permissions,
        Line.FILES_SSH: _authentication,
        Line.FILES_SYSTEM: _file_system,
        Line.FILES_SPACE: _space,
    }
)
