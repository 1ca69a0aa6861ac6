"""Wire types of workspaces, their figures and logs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from nixos_workspaces.model.access.shares import Relation
from nixos_workspaces.model.environment import environment
from nixos_workspaces.model.machine import Address, Metrics, Resources
from nixos_workspaces.model.network import NetworkMode
from nixos_workspaces.model.service import JournalEntry, JournalLevel, LogLine
from nixos_workspaces.model.usage import Connectivity, Sample, Span
from nixos_workspaces.model.workspace import (
    Desire,
    Fault,
    Page,
    Phase,
    PhaseTime,
    Progress,
    Sort,
    Status,
    Workspace,
    WorkspaceChange,
    WorkspaceConfig,
    WorkspaceQuery,
)
from nixos_workspaces.schemas.automation.reasons import StopReasonAnswer
from nixos_workspaces.schemas.contents.repositories import GitRequest
from nixos_workspaces.schemas.metering.metrics import UsageFigures
from nixos_workspaces.schemas.network.requests import Entries, read_entries
from nixos_workspaces.schemas.wire import (
    Answer,
    Cores,
    MemoryGB,
    Mode,
    Name,
    Packages,
    PageSize,
    Ports,
    Request,
    SentenceAnswer,
    StorageGB,
    TemplateName,
    Time,
    absent,
    to_bytes,
    to_gb,
)

RELATION_TOLD = (
    "Of the caller. editor: works in it; reader, viewer: looks at it, with or without its files; typist, watcher, "
    "visitor: one terminal or one port of it; none: sees it by their role."
)


class ProgressAnswer(Answer):
    """How far the present work on a workspace has got."""

    phase: Phase
    fraction: float | None = Field(description="0 to 1 within the phase; null where it cannot be told.")
    message: str
    said: SentenceAnswer | None = Field(description="The message by its code; null where there is none.")

    @classmethod
    def of(cls, progress: Progress | None) -> Self | None:
        """Convert; None stays None."""
        if progress is None:
            return None
        said = None if progress.said is None else SentenceAnswer.of(progress.said)
        return cls(phase=progress.phase, fraction=progress.fraction, message=progress.message, said=said)


class PhaseAnswer(Answer):
    """When a phase of making a workspace ready was worked on."""

    phase: Phase
    started_at: Time
    ended_at: Time | None = Field(description="null while it is worked on.")

    @classmethod
    def of(cls, time: PhaseTime) -> Self:
        """Convert."""
        return cls(phase=time.phase, started_at=time.started_at, ended_at=time.ended_at)


class FaultAnswer(Answer):
    """The cause of a workspace's ``error``, or its last failure."""

    code: str
    message: str
    at: Time
    said: SentenceAnswer | None = Field(default=None, description="The message by its code, where it has one.")

    @classmethod
    def of(cls, fault: Fault | None) -> Self | None:
        """Convert; None stays None."""
        if fault is None:
            return None
        said = None if fault.said is None else SentenceAnswer.of(fault.said)
        return cls(code=fault.code, message=fault.message, at=fault.at, said=said)


class MetricsAnswer(Answer):
    """Present use, each in percent of its limit."""

    cpu_usage: float
    memory_usage: float
    storage_usage: float

    @classmethod
    def of(cls, metrics: Metrics | None) -> Self | None:
        """Convert; None stays None."""
        if metrics is None:
            return None
        return cls(
            cpu_usage=round(metrics.cpu_usage, 1),
            memory_usage=round(metrics.memory_usage, 1),
            storage_usage=round(metrics.storage_usage, 1),
        )


class WorkspaceSummary(Answer):
    """One workspace in a list."""

    id: str
    name: str
    status: Status
    cpu: float
    memory: float
    storage: float
    created_at: Time
    last_accessed: Time
    template: str
    packages: list[str]
    ports: list[int]
    package_set: str
    desired: Desire
    progress: ProgressAnswer | None
    fault: FaultAnswer | None
    owner: str
    owner_name: str = Field(description="The owner's handle; the id where there is none.")
    relation: Relation = Field(description=RELATION_TOLD)
    started_at: Time | None = Field(description="Begin of the present or the last run.")
    usage: MetricsAnswer | None = Field(
        default=None, description="Measured at most 10 seconds ago, in lists; null where nothing is known."
    )

    @classmethod
    def of(cls, workspace: Workspace, relation: Relation, usage: Metrics | None = None) -> Self:
        """Convert; ``relation`` is that of the caller."""
        return cls(
            id=workspace.id,
            name=workspace.name,
            status=workspace.status,
            owner=workspace.owner_id,
            owner_name=workspace.owner_name or workspace.owner_id,
            relation=relation,
            started_at=workspace.started_at,
            usage=MetricsAnswer.of(usage) if workspace.status == Status.RUNNING else None,
            cpu=workspace.resources.cpu,
            memory=to_gb(workspace.resources.memory_bytes),
            storage=to_gb(workspace.resources.storage_bytes),
            created_at=workspace.created_at,
            last_accessed=workspace.last_accessed,
            template=workspace.environment.template,
            packages=list(workspace.environment.packages),
            ports=list(workspace.environment.ports),
            package_set=workspace.package_set,
            desired=workspace.desire,
            progress=ProgressAnswer.of(workspace.progress),
            fault=FaultAnswer.of(workspace.fault),
        )


class WorkspaceList(Answer):
    """A page of workspaces."""

    workspaces: list[WorkspaceSummary]
    next_cursor: str | None = Field(description="Give it as cursor for the next page; null on the last one.")

    @classmethod
    def of(cls, page: Page, relation: Callable[[Workspace], Relation], usage: Callable[[str], Metrics | None]) -> Self:
        """Convert; ``relation`` gives that of the caller, ``usage`` the last figures of the workspace with an id."""
        items = [WorkspaceSummary.of(item, relation(item), usage(item.id)) for item in page.items]
        return cls(workspaces=items, next_cursor=page.next_cursor)


class ConfigAnswer(Answer):
    """The requested resources and environment."""

    cpu: float
    memory: float
    storage: float
    template: str
    packages: list[str]
    ports: list[int]


class SampleAnswer(Answer):
    """Use at one moment, or on average over the step that begins then."""

    at: Time
    cpu_usage: float
    memory_usage: float
    storage_usage: float


class MetricsHistory(Answer):
    """The figures of a workspace over time; where more than two steps lie between two samples nothing was measured."""

    span: Span
    step: float = Field(description="Seconds between two samples.")
    begin: Time
    end: Time
    samples: list[SampleAnswer]

    @classmethod
    def of(cls, span: Span, end: datetime, samples: Sequence[Sample]) -> Self:
        """Convert."""
        told = [
            SampleAnswer(
                at=one.at,
                cpu_usage=round(one.metrics.cpu_usage, 1),
                memory_usage=round(one.metrics.memory_usage, 1),
                storage_usage=round(one.metrics.storage_usage, 1),
            )
            for one in samples
        ]
        return cls(span=span, step=span.step.total_seconds(), begin=end - span.length, end=end, samples=told)


class SshInfo(Answer):
    """Where the workspace's sshd answers from the machine that runs the service."""

    host: str
    port: int
    username: str

    @classmethod
    def of(cls, address: Address | None) -> Self | None:
        """Convert; None stays None."""
        return None if address is None else cls(host=address.host, port=address.port, username=address.username)


class ConnectivityAnswer(Answer):
    """Whether and how fast a running workspace is reached."""

    sshd: bool = Field(description="Its sshd lets the service in and answers.")
    latency_ms: float | None = Field(description="Time of one question to it and back; null where it does not answer.")
    last_checked: Time
    egress_mode: NetworkMode = Field(description="The mode of its network that is in force.")

    @classmethod
    def of(cls, seen: Connectivity, egress_mode: NetworkMode) -> Self:
        """Convert."""
        latency = None if seen.latency_ms is None else round(seen.latency_ms, 2)
        return cls(sshd=seen.answers, latency_ms=latency, last_checked=seen.at, egress_mode=egress_mode)


class WorkspaceDetail(Answer):
    """One workspace in full."""

    id: str
    name: str
    status: Status
    config: ConfigAnswer
    metrics: UsageFigures | None = Field(description="null while the workspace does not run.")
    ssh_info: SshInfo | None = Field(description="null while the workspace does not run.")
    hostname: str
    owner: str
    owner_name: str = Field(description="The owner's handle; the id where there is none.")
    relation: Relation = Field(description=RELATION_TOLD)
    created_at: Time
    last_accessed: Time
    started_at: Time | None
    generation: int | None = Field(description="The generation that boots next, or has booted.")
    toplevel: str = Field(description="Store path of that generation; empty before the first build.")
    package_set: str
    encryption: str = Field(description="How the volume is encrypted; empty until it is made.")
    ssh_host_key: str = Field(description="The machine's public host key, one line, to pin; empty until it has one.")
    oom_kills: int = Field(description="Processes killed since the last boot because the memory limit was reached.")
    notice: str | None = Field(description="What its owner should know although nothing failed.")
    notice_said: SentenceAnswer | None = Field(description="The notice by its code; null where there is none.")
    progress: ProgressAnswer | None
    phases: list[PhaseAnswer] = Field(
        description="The phases of the present work with their times, or of the last; ready ends one that succeeded."
    )
    fault: FaultAnswer | None
    stop_reason: StopReasonAnswer | None = Field(
        default=None, description="Why it was stopped or paused last; null once it is to run again."
    )
    connectivity: ConnectivityAnswer | None = Field(
        default=None, description="Told where one workspace is asked for while it runs; null otherwise."
    )

    @classmethod
    def of(cls, workspace: Workspace, relation: Relation, metrics: Metrics | None = None) -> Self:
        """Convert; ``relation`` is that of the caller."""
        notice = workspace.notice
        return cls(
            id=workspace.id,
            name=workspace.name,
            status=workspace.status,
            config=ConfigAnswer(
                cpu=workspace.resources.cpu,
                memory=to_gb(workspace.resources.memory_bytes),
                storage=to_gb(workspace.resources.storage_bytes),
                template=workspace.environment.template,
                packages=list(workspace.environment.packages),
                ports=list(workspace.environment.ports),
            ),
            metrics=UsageFigures.of(metrics),
            ssh_info=SshInfo.of(workspace.address),
            hostname=workspace.hostname,
            owner=workspace.owner_id,
            owner_name=workspace.owner_name or workspace.owner_id,
            relation=relation,
            created_at=workspace.created_at,
            last_accessed=workspace.last_accessed,
            started_at=workspace.started_at,
            generation=workspace.generation,
            toplevel=workspace.toplevel,
            package_set=workspace.package_set,
            encryption=workspace.encryption,
            ssh_host_key=workspace.host_key,
            oom_kills=workspace.oom_kills,
            notice=None if notice is None else notice.text,
            notice_said=None if notice is None else SentenceAnswer.of(notice),
            progress=ProgressAnswer.of(workspace.progress),
            phases=[PhaseAnswer.of(one) for one in workspace.phases.times],
            fault=FaultAnswer.of(workspace.fault),
            stop_reason=StopReasonAnswer.of(workspace.stop_reason),
        )


class WorkspaceAnswer(Answer):
    """One workspace, as the specification nests it."""

    workspace: WorkspaceDetail


class LogLineAnswer(Answer):
    """One line of a workspace's log."""

    source: str = Field(description="build or boot.")
    text: str
    at: datetime | None = Field(description="When it was written; null where nobody noted it.")

    @classmethod
    def of(cls, line: LogLine) -> Self:
        """Convert; bytes that were not UTF-8 have become replacement characters before."""
        return cls(source=line.source, text=line.text, at=line.at)


class LogAnswer(Answer):
    """A workspace's log so far."""

    lines: list[LogLineAnswer]


class JournalEntryAnswer(Answer):
    """One entry of the journal of a running workspace."""

    at: datetime
    level: JournalLevel
    unit: str = Field(description="The systemd unit that it is about; empty for none.")
    program: str
    text: str

    @classmethod
    def of(cls, entry: JournalEntry) -> Self:
        """Convert."""
        return cls(at=entry.at, level=entry.level, unit=entry.unit, program=entry.program, text=entry.text)


class JournalAnswer(Answer):
    """The end of a running workspace's journal, oldest entry first."""

    entries: list[JournalEntryAnswer]


class SshKeyAnswer(Answer):
    """The keys to log in with, for the owner only."""

    private_key: str = Field(description="In OpenSSH's format.")
    username: str
    host_key: str = Field(description="The machine's public host key, one line; pin it.")


class ListParameters(BaseModel):
    """Query of a list of workspaces: one type, which is read at once."""

    limit: PageSize = 50
    cursor: Annotated[str | None, Field(min_length=1, max_length=512)] = None
    status: Status | None = None
    template: Annotated[str | None, Field(min_length=1, max_length=63)] = None
    q: Annotated[str, Field(max_length=100, description="Part of the name, in any case.")] = ""
    sort: Sort = Sort.CREATED_DOWN

    def to_model(self) -> WorkspaceQuery:
        """Return the core's value."""
        return WorkspaceQuery(self.limit, self.cursor, self.status, self.template, self.q, self.sort)


class CreateRequest(Request):
    """A workspace to be made."""

    name: Name
    cpu: Cores = 1.0
    memory: MemoryGB = 2.0
    storage: StorageGB = 10.0
    template: TemplateName = "development"
    packages: Packages = Field(default_factory=list)
    ports: Ports = Field(default_factory=list)
    network: Mode = Field(
        default_factory=absent, description="What it may reach; left out: as the administrator has set it."
    )
    git: GitRequest = Field(
        default_factory=absent, description="A repository that is cloned into it once it runs; brings the package git."
    )
    allow: Entries = Field(
        default_factory=list, description="What it may reach in the modes balanced and locked: at most 256 entries."
    )

    def to_model(self) -> WorkspaceConfig:
        """Return the value for the orchestrator."""
        resources = Resources(self.cpu, to_bytes(self.memory), to_bytes(self.storage))
        made_of = environment(self.template, self.packages, self.ports)
        network = self.network if "network" in self.model_fields_set else None
        git = self.git.to_model() if "git" in self.model_fields_set else None
        return WorkspaceConfig(self.name, resources, made_of, network, git, read_entries(self.allow, "/allow"))


class UpdateRequest(Request):
    """A partial update of name, resources and environment; an absent field keeps its value."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    name: Name = Field(default_factory=absent)
    cpu: Cores = Field(default_factory=absent)
    memory: MemoryGB = Field(default_factory=absent)
    storage: StorageGB = Field(default_factory=absent)
    template: TemplateName = Field(default_factory=absent)
    packages: Packages = Field(default_factory=absent)
    ports: Ports = Field(default_factory=absent)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise PydanticCustomError(
                "empty", "give at least one of {fields}", {"fields": ", ".join(type(self).model_fields)}
            )
        return self

    def to_model(self) -> WorkspaceChange:
        """Return the value for the orchestrator."""
        given = self.model_fields_set
        return WorkspaceChange(
            name=self.name if "name" in given else None,
            cpu=self.cpu if "cpu" in given else None,
            memory_bytes=to_bytes(self.memory) if "memory" in given else None,
            storage_bytes=to_bytes(self.storage) if "storage" in given else None,
            template=self.template if "template" in given else None,
            packages=tuple(sorted(set(self.packages))) if "packages" in given else None,
            ports=tuple(sorted(set(self.ports))) if "ports" in given else None,
        )


class RebuildRequest(Request):
    """The generation to go to; without one the present environment is built anew."""

    generation: Annotated[int, Field(ge=1, le=2**31 - 1)] = Field(default_factory=absent)
