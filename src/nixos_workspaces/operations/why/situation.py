"""All that the reason is concluded from, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from nixos_workspaces.errors import Said, WorkspacesError
from nixos_workspaces.model.machine import Observed
from nixos_workspaces.model.network import NetworkMode
from nixos_workspaces.model.service import Sentence, quoting
from nixos_workspaces.model.workspace import Failure, Workspace

NO_ROOM = frozenset(
    {
        *("insufficient_resources", "insufficient_memory", "insufficient_storage", "exceeds_machine"),
        *("quota_exceeded", "addresses_used_up", "memory_in_use", "storage_in_use"),
    }
)
"""Codes of failures for want of something that the machine has too little of."""
REFUSED_KEY = frozenset({"ssh_refused", "host_key_mismatch"})
BUSY = 90.0
"""Percent of processors or memory at which a workspace counts as busy."""
FULL = 95.0
"""Percent of the storage at which it counts as full."""
WAITING = 20.0
"""Percent of the time for which programs may wait."""
FAR_MS = 500.0


class Part(StrEnum):
    """A part of a login to a workspace; ``operations.logins`` tries them in this order."""

    SSH = "SSH"
    COMMAND = "command"
    TERMINAL = "terminal"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A part of a login that did not answer."""

    code: str
    """Of the error; empty where there was none."""
    message: str
    said: Said | None = None
    """The message by its code, where it has one."""


def unanswered_by(said: Sentence, code: str = "") -> Unanswered:
    """Return that a part did not answer, with the reason by its code."""
    return Unanswered(code, said.text, said)


def login_sentence(part: Part, silent: Unanswered) -> Sentence:
    """Return the sentence about a part of a login that did not answer."""
    said = quoting("why.seen.login", silent)
    return replace(said, parts={**said.parts, "part": Sentence(f"login.part.{part.lower()}")})


@dataclass(frozen=True, slots=True)
class Load:
    """The figures of a running workspace, in percent: of its limits, or of the time in which programs waited."""

    cpu: float
    memory: float
    storage: float
    throttled: float = 0.0
    waits_cpu: float = 0.0
    """0 too where the kernel does not tell."""
    waits_memory: float = 0.0
    waits_disk: float = 0.0


@dataclass(frozen=True, slots=True)
class Asking:
    """The asker's own part: what they may do, and have open."""

    may_act: bool = True
    """Start, stop, change and build it."""
    may_read_log: bool = True
    may_read_files: bool = True
    may_write_files: bool = True
    sockets: int = 0
    """Terminals that they have open in browsers and programs, of all workspaces."""
    most_sockets: int = 1
    arrived: int = 0
    """All WebSockets of theirs that are open, also those without a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A workspace as it is wanted and seen. None stands for what was not looked at or did not answer."""

    workspace: Workspace
    machine: Observed | None = None
    engine_problem: WorkspacesError | None = None
    """Why the engine did not answer."""
    boot_end: str = ""
    """The last line of the boot log that says something."""
    load: Load | None = None
    login: Mapping[Part, Unanswered] | None = None
    """The parts of a login that did not answer; None where none was tried."""
    is_young: bool = False
    """It runs for so short a time that not all in it has started."""
    latency_ms: float | None = None
    network: NetworkMode | None = None
    way_out_trouble: str = ""
    full_disk: Sentence | None = None
    """Why nothing is built for want of room, in a sentence; empty where there is room."""
    free_bytes: int | None = None
    """Storage for new volumes."""
    asking: Asking = field(default=Asking())

    @property
    def failure(self) -> Failure | None:
        """The failure under the present intent; that of a step before that of a build."""
        workspace = self.workspace
        both = (workspace.step_failure, workspace.build_failure)
        return next((one for one in both if one is not None and one.intent == workspace.intent), None)


def figure(value: float) -> str:
    """Return a figure as sentences have it."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three figures
