"""The wire types of sizes: advice, sizes that change by themselves, boosts."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from nixos_workspaces.model.automation.scaling import (
    USUAL_DOWN,
    AutoscalePolicy,
    Boost,
    ScalingDecision,
    ScalingKind,
    Size,
)
from nixos_workspaces.schemas.wire import (
    Answer,
    Cores,
    Duration,
    MemoryGB,
    Request,
    SentenceAnswer,
    Time,
    absent,
    to_bytes,
    to_gb,
)


class CoresRange(Request):
    """The fewest and the most cores."""

    min: Cores
    max: Cores


class MemoryRange(Request):
    """The least and the most memory, in GB."""

    min: MemoryGB
    max: MemoryGB


class AutoscaleRequest(Request):
    """Between which sizes a workspace changes by itself."""

    cpu: CoresRange
    memory: MemoryRange
    down_after: Duration = Field(
        default=USUAL_DOWN,
        description="How long it must have needed less before it is made smaller: 10s to 1d.",
        # As it is written here, not as pydantic writes times.
        json_schema_extra={"default": f"{USUAL_DOWN.total_seconds() / 60:g}m"},
    )

    def to_model(self) -> AutoscalePolicy:
        """Convert."""
        least, most = Size(self.cpu.min, to_bytes(self.memory.min)), Size(self.cpu.max, to_bytes(self.memory.max))
        return AutoscalePolicy(least, most, self.down_after)


class BoostRequest(Request):
    """A larger size for a while; what is left out stays as it is."""

    cpu: Cores = Field(default_factory=absent)
    memory: MemoryGB = Field(default_factory=absent)
    length: Annotated[Duration, Field(alias="for", description="How long: 10s to 7d.")]

    def to_size(self) -> tuple[float | None, int | None]:
        """Return cores and bytes of memory."""
        memory: float | None = self.memory
        return self.cpu, None if memory is None else to_bytes(memory)


class SizeAnswer(Answer):
    """The part of a workspace's resources that changes while it runs."""

    cpu: float
    memory: float

    @classmethod
    def of(cls, size: Size) -> Self:
        """Convert."""
        return cls(cpu=size.cpu, memory=to_gb(size.memory_bytes))


class RangeAnswer(Answer):
    """The least and the most."""

    min: float
    max: float


class AutoscalePolicyAnswer(Answer):
    """Between which sizes a workspace changes by itself."""

    cpu: RangeAnswer
    memory: RangeAnswer
    down_after: int = Field(description="Seconds for which it must have needed less before it is made smaller.")

    @classmethod
    def of(cls, policy: AutoscalePolicy | None) -> Self | None:
        """Convert; None stays None."""
        if policy is None:
            return None
        least, most = policy.least, policy.most
        return cls(
            cpu=RangeAnswer(min=least.cpu, max=most.cpu),
            memory=RangeAnswer(min=to_gb(least.memory_bytes), max=to_gb(most.memory_bytes)),
            down_after=round(policy.down_after.total_seconds()),
        )


class BoostAnswer(Answer):
    """A larger size for a while; null: that part stays as it is."""

    cpu: float | None
    memory: float | None
    until: Time
    by: str = Field(description="Id of the user who asked for it.")

    @classmethod
    def of(cls, boost: Boost | None) -> Self | None:
        """Convert; None stays None."""
        if boost is None:
            return None
        memory = None if boost.memory_bytes is None else to_gb(boost.memory_bytes)
        return cls(cpu=boost.cpu, memory=memory, until=boost.until, by=boost.by)


class ScalingDecisionAnswer(Answer):
    """One decision about the size of a workspace, with the figures that it was made by."""

    at: Time
    kind: ScalingKind = Field(description="up, down, or refused: it should have changed and could not.")
    before: SizeAnswer
    after: SizeAnswer = Field(description="Of a refused one, the size that was wanted.")
    reason: SentenceAnswer
    message: str = Field(description="The reason in English.")
    evidence: dict[str, float]

    @classmethod
    def of(cls, decision: ScalingDecision) -> Self:
        """Convert."""
        return cls(
            at=decision.at,
            kind=decision.kind,
            before=SizeAnswer.of(decision.before),
            after=SizeAnswer.of(decision.after),
            reason=SentenceAnswer.of(decision.reason),
            message=decision.reason.text,
            evidence=dict(decision.evidence),
        )


class AutoscaleAnswer(Answer):
    """How a workspace changes size by itself."""

    policy: AutoscalePolicyAnswer | None = Field(description="null: it does not change by itself.")
    boost: BoostAnswer | None = Field(description="The boost that is in force.")
    chosen: SizeAnswer = Field(description="The size that was chosen, to which it comes back.")
    size: SizeAnswer = Field(description="The size that it has.")
    down_within: int | None = Field(
        description="Seconds from the largest size to the smallest at most, once it needs nothing."
    )
    decisions: list[ScalingDecisionAnswer] = Field(description="The last 50, newest first; kept for 30 days.")


class AdvicePartAnswer(Answer):
    """A part of a size: as chosen, and as advised."""

    now: float
    advised: float


class AdviceAnswer(Answer):
    """Advice about the size of a workspace."""

    state: str = Field(description="too_early: it has not run for an hour; fits; change: another size is advised.")
    cpu: AdvicePartAnswer
    memory: AdvicePartAnswer
    confidence: float = Field(description="0 to 1, by the time for which it was seen running.")
    since: Time | None = Field(description="Since when its use is known.")
    saving: int | None = Field(
        description="Millionths of the price book's currency that it saves an hour; null where there are no prices."
    )
    reasons: list[SentenceAnswer]
    messages: list[str] = Field(description="The reasons in English.")
    needs_restart: bool = Field(description="Whether following it restarts the workspace.")
    version: str = Field(description="Its entity tag, for If-Match.")
