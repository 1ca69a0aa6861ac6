"""Wire types of workspaces, their figures and logs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from nixos_workspaces.model.environment import environment
from nixos_workspaces.model.machine import Address, Metrics, Resources
from nixos_workspaces.model.service import LogLine
from nixos_workspaces.model.usage import Sample, Span
from nixos_workspaces.model.workspace import (
    Desire,
    Fault,
    Page,
    Phase,
    Progress,
    Status,
    Workspace,
    WorkspaceChange,
    WorkspaceConfig,
)
from nixos_workspaces.schemas.wire import (
    Answer,
    Cores,
    MemoryGB,
    Name,
    Packages,
    Ports,
    Request,
    StorageGB,
    TemplateName,
    Time,
    absent,
    to_bytes,
    to_gb,
)


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
    """The cause of a workspace's ``error``, or its last failure."""

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
    """The requested resources and environment."""

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
    """The keys to log in with, for the owner only."""

    private_key: str = Field(description="In OpenSSH's format.")
    username: str
    host_key: str = Field(description="The machine's public host key, one line; pin it.")


class CreateRequest(Request):
    """A workspace to be made."""

    name: Name
    cpu: Cores = 1.0
    memory: MemoryGB = 2.0
    storage: StorageGB = 10.0
    template: TemplateName = "development"
    packages: Packages = Field(default_factory=list)
    ports: Ports = Field(default_factory=list)

    def to_model(self) -> WorkspaceConfig:
        """Return the value for the orchestrator."""
        resources = Resources(self.cpu, to_bytes(self.memory), to_bytes(self.storage))
        return WorkspaceConfig(self.name, resources, environment(self.template, self.packages, self.ports))


class UpdateRequest(Request):
    """A partial update of resources and environment; an absent field keeps its value."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

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
