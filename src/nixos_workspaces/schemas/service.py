"""Wire types of the service itself: errors, health, capacity, sessions."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from nixos_workspaces.model.machine import Capacity
from nixos_workspaces.model.service import HealthItem
from nixos_workspaces.schemas.wire import (
    Answer,
    Request,
    absent,
    to_gb,
)


class ErrorDetail(Answer):
    """An error with its stable code."""

    code: str = Field(description="Stable, for programs.")
    message: str = Field(description="The fact and what to do, for people.")
    field: str | None = Field(description="The one input that is to blame, if one is.")
    request_id: str = Field(description="Stands in the service's log too.")


class ErrorAnswer(Answer):
    """The shape of every error."""

    error: ErrorDetail


class CapacityAnswer(Answer):
    """The machine's resources, in all and free for new workspaces."""

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
    """Every finding about the service, with remedies for the bad ones."""

    status: str = Field(description="ok, or degraded when any item is not ok.")
    version: str
    package_set: str
    capacity: CapacityAnswer | None = Field(description="null while the engine does not answer.")
    items: list[HealthItemAnswer]


class AliveAnswer(Answer):
    """The service answers."""

    status: str = "ok"


class SessionAnswer(Answer):
    """The principal of the caller."""

    name: str
    role: str


class CollectedAnswer(Answer):
    """The space that collecting garbage freed."""

    freed_bytes: int


class SignedIn(Answer):
    """A new session."""

    token: str = Field(description="Send it as Authorization: Bearer TOKEN.")


class LoginRequest(Request):
    """The credential to exchange for a session: a one-time code from the login link, or an API token; one of them."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    code: Annotated[str, Field(min_length=1, max_length=256)] = Field(default_factory=absent)
    token: Annotated[str, Field(min_length=1, max_length=256)] = Field(default_factory=absent)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError("one", "give either code or token")
        return self
