"""What the API writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import Field

from nixos_workspaces.history import Sample, Span
from nixos_workspaces.model import (
    Address,
    Capacity,
    Desire,
    Fault,
    Generation,
    HealthItem,
    LogLine,
    Metrics,
    Package,
    Page,
    Phase,
    Progress,
    Status,
    Template,
    Workspace,
)
from nixos_workspaces.schemas.wire import (
    Answer,
    Time,
    to_gb,
)


class ErrorDetail(Answer):
    """What went wrong."""

    code: str = Field(description="Stable, for programs.")
    message: str = Field(description="The fact and what to do, for people.")
    field: str | None = Field(description="The one input that is to blame, if one is.")
    request_id: str = Field(description="Stands in the service's log too.")


class ErrorAnswer(Answer):
    """The shape of every error."""

    error: ErrorDetail


class ProgressAnswer(Answer):
    """How far the present work on a workspace has got."""

    phase: Phase
    fraction: float | None = Field(description="0 to 1 within the phase; null where it cannot be told.")
    message: str

    @classmethod
    def of(cls, progress: Progress | None) -> Self | None:
        """Convert; None stays None."""
        return (
            None
            if progress is None
            else cls(phase=progress.phase, fraction=progress.fraction, message=progress.message)
        )


class FaultAnswer(Answer):
    """Why a workspace is in ``error``, or what last went wrong with it."""

    code: str
    message: str
    at: Time

    @classmethod
    def of(cls, fault: Fault | None) -> Self | None:
        """Convert; None stays None."""
        return None if fault is None else cls(code=fault.code, message=fault.message, at=fault.at)


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

    @classmethod
    def of(cls, workspace: Workspace) -> Self:
        """Convert."""
        return cls(
            id=workspace.id,
            name=workspace.name,
            status=workspace.status,
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
    def of(cls, page: Page) -> Self:
        """Convert."""
        return cls(workspaces=[WorkspaceSummary.of(item) for item in page.items], next_cursor=page.next_cursor)


class ConfigAnswer(Answer):
    """What was asked for."""

    cpu: float
    memory: float
    storage: float
    template: str
    packages: list[str]
    ports: list[int]


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


class SampleAnswer(Answer):
    """Use at one moment, or on average over the step that begins then."""

    at: Time
    cpu_usage: float
    memory_usage: float
    storage_usage: float


class MetricsHistory(Answer):
    """What a workspace used; where more than two steps lie between two samples nothing was measured."""

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


class WorkspaceDetail(Answer):
    """One workspace in full."""

    id: str
    name: str
    status: Status
    config: ConfigAnswer
    metrics: MetricsAnswer | None = Field(description="null while the workspace does not run.")
    ssh_info: SshInfo | None = Field(description="null while the workspace does not run.")
    hostname: str
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
    progress: ProgressAnswer | None
    fault: FaultAnswer | None

    @classmethod
    def of(cls, workspace: Workspace, metrics: Metrics | None = None) -> Self:
        """Convert."""
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
            metrics=MetricsAnswer.of(metrics),
            ssh_info=SshInfo.of(workspace.address),
            hostname=workspace.hostname,
            created_at=workspace.created_at,
            last_accessed=workspace.last_accessed,
            started_at=workspace.started_at,
            generation=workspace.generation,
            toplevel=workspace.toplevel,
            package_set=workspace.package_set,
            encryption=workspace.encryption,
            ssh_host_key=workspace.host_key,
            oom_kills=workspace.oom_kills,
            notice=workspace.notice or None,
            progress=ProgressAnswer.of(workspace.progress),
            fault=FaultAnswer.of(workspace.fault),
        )


class WorkspaceAnswer(Answer):
    """One workspace, as the specification nests it."""

    workspace: WorkspaceDetail


class GenerationAnswer(Answer):
    """One built version of a workspace's environment."""

    number: int
    toplevel: str
    template: str
    packages: list[str]
    ports: list[int]
    created_at: Time
    current: bool = Field(description="It boots next, or has booted.")

    @classmethod
    def of(cls, generation: Generation, current: int | None) -> Self:
        """Convert."""
        return cls(
            number=generation.number,
            toplevel=generation.toplevel,
            template=generation.environment.template,
            packages=list(generation.environment.packages),
            ports=list(generation.environment.ports),
            created_at=generation.created_at,
            current=generation.number == current,
        )


class GenerationList(Answer):
    """Every generation of a workspace that can be rebuilt to, newest first."""

    generations: list[GenerationAnswer]


class LogLineAnswer(Answer):
    """One line of a workspace's log."""

    source: str = Field(description="build or boot.")
    text: str

    @classmethod
    def of(cls, line: LogLine) -> Self:
        """Convert; bytes that were not UTF-8 have become replacement characters before."""
        return cls(source=line.source, text=line.text)


class LogAnswer(Answer):
    """A workspace's log so far."""

    lines: list[LogLineAnswer]


class SshKeyAnswer(Answer):
    """What it takes to log in, for the owner only."""

    private_key: str = Field(description="In OpenSSH's format.")
    username: str
    host_key: str = Field(description="The machine's public host key, one line; pin it.")


class TemplateAnswer(Answer):
    """A base that a workspace can be made from."""

    name: str
    title: str
    description: str
    icon: str
    packages: list[str]

    @classmethod
    def of(cls, template: Template) -> Self:
        """Convert."""
        return cls(
            name=template.name,
            title=template.title,
            description=template.description,
            icon=template.icon,
            packages=list(template.packages),
        )


class TemplateList(Answer):
    """Every template."""

    templates: list[TemplateAnswer]


class PackageAnswer(Answer):
    """One package of the set in force."""

    name: str
    version: str
    description: str
    size: int | None = Field(
        description="Bytes on disk with everything that it needs, shared or not; null where the set does not tell."
    )

    @classmethod
    def of(cls, package: Package) -> Self:
        """Convert."""
        return cls(name=package.name, version=package.version, description=package.description, size=package.size_bytes)


class PackageList(Answer):
    """The packages that match a search, best first."""

    packages: list[PackageAnswer]
    package_set: str = Field(description="The set that was searched: the one that workspaces are built from.")


class CapacityAnswer(Answer):
    """What the machine has, and what new workspaces may still take."""

    cpu_total: float
    cpu_free: float = Field(description="Cores that no running workspace may use; more may be asked for, and shared.")
    memory_total: float
    memory_free: float = Field(description="Memory that no running workspace may use; more may be asked for.")
    storage_total: float
    storage_free: float

    @classmethod
    def of(cls, capacity: Capacity) -> Self:
        """Convert."""
        return cls(
            cpu_total=capacity.cpu_total,
            cpu_free=round(capacity.cpu_free, 2),
            memory_total=to_gb(capacity.memory_total_bytes),
            memory_free=to_gb(capacity.memory_free_bytes),
            storage_total=to_gb(capacity.storage_total_bytes),
            storage_free=to_gb(capacity.storage_free_bytes),
        )


class HealthItemAnswer(Answer):
    """One finding about the service."""

    code: str
    ok: bool
    message: str
    remedy: str

    @classmethod
    def of(cls, item: HealthItem) -> Self:
        """Convert."""
        return cls(code=item.code, ok=item.ok, message=item.message, remedy=item.remedy)


class HealthAnswer(Answer):
    """Every finding about the service, with what to do about the bad ones."""

    status: str = Field(description="ok, or degraded when any item is not ok.")
    version: str
    package_set: str
    capacity: CapacityAnswer | None = Field(description="null while the engine does not answer.")
    items: list[HealthItemAnswer]


class AliveAnswer(Answer):
    """The service answers."""

    status: str = "ok"


class SessionAnswer(Answer):
    """Who the caller is."""

    name: str
    role: str


class CollectedAnswer(Answer):
    """What collecting garbage gave back."""

    freed_bytes: int


class SignedIn(Answer):
    """A new session."""

    token: str = Field(description="Send it as Authorization: Bearer TOKEN.")
