"""Wire types of the service itself: errors, health, capacity, sessions."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from nixos_workspaces.model.machine import Capacity
from nixos_workspaces.model.service import HealthItem, Severity
from nixos_workspaces.schemas.wire import (
    Answer,
    Request,
    SentenceAnswer,
    absent,
    to_gb,
)


class ErrorDetail(Answer):
    """An error with its stable code."""

    code: str = Field(description="Stable, for programs.")
    message: str = Field(description="The fact and what to do, for people.")
    field: str | None = Field(description="The one input that is to blame, if one is.")
    request_id: str = Field(description="Stands in the service's log too.")
    said: SentenceAnswer | None = Field(
        default=None, description="The message by its code, where it has one: a page says it in its language."
    )


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
    cpu_committed: float = Field(
        description="Cores that running workspaces may use together: more than there are is over-commitment."
    )
    memory_committed: float = Field(description="Memory that running workspaces may use together.")

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
            cpu_committed=round(capacity.cpu_committed, 2),
            memory_committed=to_gb(capacity.memory_committed_bytes),
        )


class HealthItemAnswer(Answer):
    """One finding about the service."""

    code: str
    ok: bool
    severity: Severity = Field(description="ok, notice (still ok), warning or critical.")
    message: str
    remedy: str
    said: SentenceAnswer = Field(
        description="The finding by its code; the code of a bad one stands for its remedy too."
    )

    @classmethod
    def of(cls, item: HealthItem) -> Self:
        """Convert."""
        said = SentenceAnswer.of(item.finding)
        return cls(
            code=item.code,
            ok=item.ok,
            severity=item.severity,
            message=item.message,
            remedy=item.remedy,
            said=said,
        )


class ResponseTimeAnswer(Answer):
    """The response times of one route over the last ten to twenty minutes."""

    method: str
    route: str
    count: int
    p50_ms: float
    p95_ms: float


class HealthAnswer(Answer):
    """Every finding about the service, with remedies for the bad ones."""

    status: str = Field(description="ok, or degraded when any item is not ok.")
    version: str
    package_set: str
    capacity: CapacityAnswer | None = Field(description="null while the engine does not answer.")
    items: list[HealthItemAnswer]
    response_times: list[ResponseTimeAnswer] = Field(
        description="Of each route that was asked lately, until its answer began; slowest first."
    )


class AliveAnswer(Answer):
    """The service answers."""

    status: str = "ok"


class SessionAnswer(Answer):
    """The principal of the caller."""

    name: str
    role: str
    csrf_token: str = Field(
        description="Of a browser's session: what its unsafe requests send along in the header `X-CSRF-Token`. "
        "Empty for tokens, which need none."
    )


class CollectedAnswer(Answer):
    """The space that collecting garbage freed."""

    freed_bytes: int


class SignedIn(Answer):
    """A new session."""

    token: str = Field(description="Send it as Authorization: Bearer TOKEN.")


class SignedOut(Answer):
    """A session has ended here, and goes on at the OpenID provider."""

    url: str = Field(description="Address of the provider that ends it there, for the browser to go to.")


class LoginRequest(Request):
    """The credential to exchange for a session: a code from a login link, an API token, or handle and password."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 2})

    code: Annotated[str, Field(min_length=1, max_length=256)] = Field(default_factory=absent)
    token: Annotated[str, Field(min_length=1, max_length=256)] = Field(default_factory=absent)
    handle: Annotated[str, Field(min_length=1, max_length=64)] = Field(default_factory=absent)
    password: Annotated[str, Field(min_length=1, max_length=256)] = Field(default_factory=absent)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.model_fields_set not in ({"code"}, {"token"}, {"handle", "password"}):
            raise PydanticCustomError("one", "give either code, token, or handle and password")
        return self
