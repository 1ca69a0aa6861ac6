"""The wire types of quotas."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from nixos_workspaces.model.access.people import Amounts, Quota
from nixos_workspaces.schemas.wire import Answer, Request, to_bytes, to_gb

_Count = Annotated[int, Field(ge=0, le=1_000_000)]
_Size = Annotated[float, Field(ge=0, le=1_048_576, allow_inf_nan=False)]


class QuotaRequest(Request):
    """The bounds of a user or a group; what is null or left out has none."""

    workspaces: _Count | None = None
    running: _Count | None = Field(default=None, description="Workspaces that are to run; paused ones count.")
    cpu: _Size | None = Field(default=None, description="Cores of those that are to run.")
    memory: _Size | None = Field(default=None, description="GB of those that are to run.")
    storage: _Size | None = Field(default=None, description="GB of all.")

    def amounts(self) -> Amounts:
        """Convert."""
        memory, storage = (None if one is None else to_bytes(one) for one in (self.memory, self.storage))
        return Amounts(self.workspaces, self.running, self.cpu, memory, storage)


class AmountsAnswer(Answer):
    """Amounts; null is no bound."""

    workspaces: int | None
    running: int | None
    cpu: float | None
    memory: float | None
    storage: float | None

    @classmethod
    def of(cls, amounts: Amounts) -> Self:
        """Convert."""
        return cls(
            workspaces=None if amounts.workspaces is None else int(amounts.workspaces),
            running=None if amounts.running is None else int(amounts.running),
            cpu=None if amounts.cpu is None else round(amounts.cpu, 3),
            memory=None if amounts.memory_bytes is None else to_gb(int(amounts.memory_bytes)),
            storage=None if amounts.storage_bytes is None else to_gb(int(amounts.storage_bytes)),
        )


class QuotaAnswer(Answer):
    """A quota beside what of it is used."""

    kind: str = Field(description="user: bounds what the user has; group: what all its members have together.")
    subject_id: str
    name: str
    allowed: AmountsAnswer
    used: AmountsAnswer

    @classmethod
    def of(cls, quota: Quota) -> Self:
        """Convert."""
        return cls(
            kind=quota.kind.value,
            subject_id=quota.subject_id,
            name=quota.name,
            allowed=AmountsAnswer.of(quota.allowed),
            used=AmountsAnswer.of(quota.used),
        )


class QuotaList(Answer):
    """Quotas."""

    quotas: list[QuotaAnswer]


class OwnQuotasAnswer(QuotaList):
    """Everything that bounds the caller, and what the caller has; without quotas only the machine bounds."""

    used: AmountsAnswer
