"""What the API reads."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from nixos_workspaces.model import (
    Resources,
    WorkspaceChange,
    WorkspaceConfig,
    environment,
)
from nixos_workspaces.schemas.wire import (
    Cores,
    MemoryGB,
    Name,
    Packages,
    Ports,
    Request,
    StorageGB,
    TemplateName,
    absent,
    to_bytes,
)


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
        """Return what the orchestrator takes."""
        resources = Resources(self.cpu, to_bytes(self.memory), to_bytes(self.storage))
        return WorkspaceConfig(self.name, resources, environment(self.template, self.packages, self.ports))


class UpdateRequest(Request):
    """Any of a workspace's resources and environment; what is not given stays."""

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
        """Return what the orchestrator takes."""
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
    """Which generation to go to; without one the present environment is built anew."""

    generation: Annotated[int, Field(ge=1, le=2**31 - 1)] = Field(default_factory=absent)


class LoginRequest(Request):
    """What a session is got for: a one-time code from the login link, or an API token; one of them."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    code: Annotated[str, Field(min_length=1, max_length=256)] = Field(default_factory=absent)
    token: Annotated[str, Field(min_length=1, max_length=256)] = Field(default_factory=absent)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError("one", "give either code or token")
        return self
