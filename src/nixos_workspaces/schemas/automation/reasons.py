"""The reason of a stop as the API tells it."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from nixos_workspaces.model.automation.reasons import StoppedBy, StopReason
from nixos_workspaces.schemas.wire import Answer, SentenceAnswer, Time


class StopReasonAnswer(Answer):
    """Why a workspace was stopped or paused."""

    by: StoppedBy = Field(description="system: nothing worked in it.")
    actor: str = Field(description="The id of who asked for it.")
    code: str = Field(description="Stable, for programs.")
    sentence: str
    said: SentenceAnswer = Field(description="The sentence by its code.")
    seen: list[SentenceAnswer] = Field(description="What was seen: the last work, and what used the most.")
    at: Time

    @classmethod
    def of(cls, reason: StopReason | None) -> Self | None:
        """Convert; None stays None."""
        if reason is None:
            return None
        return cls(
            by=reason.by,
            actor=reason.actor,
            code=reason.said.code,
            sentence=reason.said.text,
            said=SentenceAnswer.of(reason.said),
            seen=[SentenceAnswer.of(one) for one in reason.seen],
            at=reason.at,
        )
