"""A workspace: its desired state, its observed state, and lists of workspaces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import takewhile
from typing import NewType

from nixos_workspaces.errors import Said
from nixos_workspaces.model.access.shares import Grant
from nixos_workspaces.model.automation.reasons import StopReason
from nixos_workspaces.model.contents.repositories import GitSource
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import Address, Metrics, Resources
from nixos_workspaces.model.network import NetworkEntry, NetworkMode
from nixos_workspaces.model.service import Sentence

AuthorisedId = NewType("AuthorisedId", str)
"""The id of a workspace that a principal was let into: the only key to its files and terminals.

``auth.policy.enter`` alone makes one; a test looks that nothing else does.
"""


class Status(StrEnum):
    """The status of a workspace that users see (specification, "List All Workspaces"; design section 6)."""

    CREATING = "creating"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DELETING = "deleting"
    ERROR = "error"


class Desire(StrEnum):
    """The state that was asked for last; the reconciler works towards it."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DELETED = "deleted"


class PersonalSecrets(StrEnum):
    """Whether its owner's own secrets are delivered to a workspace, besides those of the workspace."""

    DELIVERED = "delivered"
    WITHHELD = "withheld"


class Phase(StrEnum):
    """The phases of making a workspace ready, in order (design section 6)."""

    EVALUATE = "evaluate"
    FETCH = "fetch"
    BUILD = "build"
    VOLUME = "volume"
    BOOT = "boot"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a workspace's current work has got."""

    phase: Phase
    fraction: float | None = None
    """0.0 to 1.0 within the phase; None where it cannot be told."""
    said: Sentence | None = None
    """More than the phase tells; None for nothing."""

    @property
    def message(self) -> str:
        """The same in English; empty for nothing."""
        return self.said.text if self.said else ""


@dataclass(frozen=True, slots=True)
class PhaseTime:
    """When a phase was worked on."""

    phase: Phase
    started_at: datetime
    ended_at: datetime | None = None
    """None while it is worked on."""


@dataclass(frozen=True, slots=True)
class Phases:
    """The phases of the present work, or of the last one, in order; ``READY`` ends a work that succeeded."""

    times: tuple[PhaseTime, ...] = ()

    def entered(self, phase: Phase, at: datetime) -> Phases:
        """Return them with a phase that begins; one that was there already is done anew, with all that follow it."""
        is_over = bool(self.times) and self.times[-1].phase is Phase.READY
        before = () if is_over else tuple(takewhile(lambda one: one.phase is not phase, self.times))
        return Phases((*Phases(before).closed(at).times, PhaseTime(phase, at)))

    def closed(self, at: datetime) -> Phases:
        """Return them with nothing under way."""
        if not self.times or self.times[-1].ended_at is not None:
            return self
        return Phases((*self.times[:-1], replace(self.times[-1], ended_at=at)))

    def ready(self, at: datetime) -> Phases:
        """Return them with the work done."""
        if not self.times or self.times[-1].phase is Phase.READY:
            return self
        return Phases((*self.closed(at).times, PhaseTime(Phase.READY, at, at)))


@dataclass(frozen=True, slots=True)
class Fault:
    """The cause of a workspace's ``error``, or its last failure."""

    code: str
    message: str
    """The failed step, the reason and what to do, in one or two sentences."""
    at: datetime
    said: Said | None = None
    """The message by its code, where it has one."""


@dataclass(frozen=True, slots=True)
class WorkspaceConfig:
    """The configuration of a new workspace."""

    name: str
    resources: Resources
    environment: Environment
    network: NetworkMode | None = None
    """Its reach; None: as the settings say for new workspaces."""
    git: GitSource | None = None
    """The repository that is cloned into it once it runs."""
    allow: tuple[NetworkEntry, ...] = ()
    """Names and addresses that it reaches in the modes ``balanced`` and ``locked``."""


@dataclass(frozen=True, slots=True)
class WorkspaceChange:
    """A partial update of a workspace; None keeps the current value."""

    name: str | None = None
    """Becomes the host name with the next start."""
    cpu: float | None = None
    memory_bytes: int | None = None
    storage_bytes: int | None = None
    template: str | None = None
    packages: tuple[str, ...] | None = None
    ports: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that failed, and when it is tried again."""

    step: str
    """Value of ``lifecycle.StepKind``, or ``died`` for a machine that stopped by itself."""
    fault: Fault
    count: int
    """Failures in a row under one intent, 1 or more."""
    retry_at: datetime | None
    """None: given up until the next verb."""
    intent: int
    """The intent that was worked on; the failure says nothing about later ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One workspace: its desired and its observed state.

    Verbs write the desired half, the reconciler the observed half, so neither can undo the writes of the other.
    """

    id: str
    """``ws-`` and 12 lower-case letters and digits."""
    name: str
    owner_id: str
    hostname: str
    created_at: datetime
    last_accessed: datetime

    desire: Desire
    resources: Resources
    environment: Environment
    intent: int = 1
    """Counts the verbs that wanted a change; a failure of an earlier intent does not count for a later one."""
    revision: int = 1
    """Counts the changes of the environment and the requests to build it again."""
    pinned: int | None = None
    """The generation that ``rebuild`` chose; None: the one that the environment builds to."""
    restarts: int = 0
    """Counts the requests to restart."""
    stop_reason: StopReason | None = None
    """Why it was stopped or paused last; None once it is to run again."""
    scaled_cpu: float | None = None
    """The cores that it has by itself in place of those of ``resources``; None: it has those."""
    scaled_memory_bytes: int | None = None
    """As ``scaled_cpu``."""

    status: Status = Status.CREATING
    progress: Progress | None = None
    phases: Phases = Phases()
    package_set: str = ""
    """The package set that the present generation was built from, for people."""
    generation: int | None = None
    """The generation that boots next, or has booted; None before the first build."""
    toplevel: str = ""
    open_ports: tuple[int, ...] = ()
    """The ports that are open, or were in its last run; they may lag behind those of ``environment``."""
    built_revision: int = 0
    restarts_done: int = 0
    address: Address | None = None
    """Where sshd answers; None while the machine does not run."""
    encryption: str = ""
    volume_bytes: int = 0
    """Size of the volume; 0 until it is made."""
    started_at: datetime | None = None
    ready_at: datetime | None = None
    """When it first ran; None until then."""
    oom_kills: int = 0
    """Processes that were killed since the last boot because the memory limit was reached."""
    host_key: str = ""
    """The public line of its SSH host key; empty until the volume is made."""
    forgotten: bool = False
    """Its generations have been given back; only while it is deleted."""
    build_failure: Failure | None = None
    step_failure: Failure | None = None
    withholds_personal: bool = False
    """It came from another owner, and its present one has not let their personal secrets be delivered to it."""
    owner_name: str = ""
    """The owner's handle when it was read; empty for an owner who is no user."""
    grants: tuple[Grant, ...] = ()
    """The shares that were in force when it was read; ``auth.policy`` alone looks at them."""

    @property
    def limits(self) -> Resources:
        """The resources that it is to have now: those that were chosen, unless it has changed size by itself."""
        chosen = self.resources
        return Resources(
            chosen.cpu if self.scaled_cpu is None else self.scaled_cpu,
            chosen.memory_bytes if self.scaled_memory_bytes is None else self.scaled_memory_bytes,
            chosen.storage_bytes,
        )

    @property
    def personal_secrets(self) -> PersonalSecrets:
        """Whether its owner's own secrets are delivered to it."""
        return PersonalSecrets.WITHHELD if self.withholds_personal else PersonalSecrets.DELIVERED

    @property
    def fault(self) -> Fault | None:
        """The cause of its ``error``, or the last failure under the present intent."""
        for failure in (self.step_failure, self.build_failure):
            if failure is not None and failure.intent == self.intent:
                return failure.fault
        return None

    @property
    def notice(self) -> Sentence | None:
        """A warning for its owner although nothing failed; None if there is none."""
        if not self.oom_kills:
            return None
        if self.oom_kills == 1:
            return Sentence("notice.memory_one")
        return Sentence("notice.memory", {"count": str(self.oom_kills)})


@dataclass(frozen=True, slots=True)
class WorkspaceStatus:
    """A workspace's status and, while it runs, its figures (specification, "Get Workspace Details")."""

    workspace: Workspace
    metrics: Metrics | None
    """None while it does not run, and when the engine cannot tell."""

    @property
    def status(self) -> Status:
        """The status that users see."""
        return self.workspace.status

    @property
    def progress(self) -> Progress | None:
        """How far the present work has got; None when there is none."""
        return self.workspace.progress

    @property
    def fault(self) -> Fault | None:
        """The cause of its ``error``, or its last failure."""
        return self.workspace.fault


class Sort(StrEnum):
    """Orders of a list of workspaces; a leading minus turns the order round."""

    NAME = "name"
    NAME_DOWN = "-name"
    CREATED = "created_at"
    CREATED_DOWN = "-created_at"
    ACCESSED = "last_accessed"
    ACCESSED_DOWN = "-last_accessed"


MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class WorkspaceQuery:
    """The filters, order and page of a list of workspaces."""

    limit: int = 50
    """1 to ``MAX_PAGE``."""
    cursor: str | None = None
    """``Page.next_cursor`` of the page before; valid for the same ``sort`` only."""
    status: Status | None = None
    template: str | None = None
    q: str = ""
    """Part of the name, in any case."""
    sort: Sort = Sort.CREATED_DOWN


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, in the order that was asked for."""

    items: tuple[Workspace, ...]
    next_cursor: str | None
    """None on the last page."""
