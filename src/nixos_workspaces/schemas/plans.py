"""Wire types of plans, which tell the outcome of a change before it is made."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from nixos_workspaces.model.plans import Losses, Plan, RestartReason
from nixos_workspaces.schemas.wire import Answer
from nixos_workspaces.schemas.workspaces import UpdateRequest


class PlanRequest(UpdateRequest):
    """A change as ``PATCH`` takes it, or ``rebuild``: building the environment again, or going to a generation."""

    rebuild: Annotated[bool, Field(description="Build the environment again, whatever else changes.")] = False


class LostTerminal(Answer):
    """A terminal that ends."""

    id: str
    name: str = Field(description="Its name or, without one, the title that its program has set; may be empty.")
    process: str = Field(description="Name of the foreground process: its shell's, if nothing else runs in it.")


class PlanDetail(Answer):
    """The outcome of a change."""

    restarts: bool = Field(description="It restarts the workspace, or may: a build can lead to the system that runs.")
    reasons: list[RestartReason] = Field(description="The parts of the change that need a restart.")
    terminals: list[LostTerminal] | None = Field(
        description="The terminals that end with the restart; null where the workspace does not tell."
    )
    processes: int | None = Field(
        description="All processes that end, those of the system included; null where the engine does not tell."
    )

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Convert."""
        losses = plan.losses or Losses((), 0)
        lost = losses.terminals
        return cls(
            restarts=bool(plan.reasons),
            reasons=list(plan.reasons),
            terminals=None
            if lost is None
            else [LostTerminal(id=one.id, name=one.name or one.title, process=one.process) for one in lost],
            processes=losses.processes,
        )


class PlanAnswer(Answer):
    """One plan."""

    plan: PlanDetail
