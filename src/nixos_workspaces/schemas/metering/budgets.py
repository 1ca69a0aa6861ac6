"""The wire types of budgets."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from nixos_workspaces.model.metering.budgets import (
    DEFAULT_THRESHOLDS,
    MOST_THRESHOLDS,
    AtLimit,
    Budget,
    BudgetState,
    BudgetSubject,
)
from nixos_workspaces.model.metering.costs import money
from nixos_workspaces.schemas.metering.costs import Micro
from nixos_workspaces.schemas.wire import Answer, Request


class BudgetRequest(Request):
    """A budget for each calendar month, in UTC."""

    amount: Micro
    at_limit: Annotated[
        AtLimit,
        Field(
            strict=False,
            description="notify: it is only told; no_new: nothing is created or started; stop: what runs is shut down "
            "besides, after a warning.",
        ),
    ] = AtLimit.NOTIFY
    thresholds: Annotated[
        list[Annotated[int, Field(ge=1, le=1000)]],
        Field(max_length=MOST_THRESHOLDS, description="Percents that are told, each once a month; 50, 80, 100."),
    ] = Field(default_factory=lambda: list(DEFAULT_THRESHOLDS))

    def to_model(self, kind: BudgetSubject, subject: str) -> Budget:
        """Convert."""
        return Budget(kind, subject, self.amount, self.at_limit, tuple(sorted(set(self.thresholds))))


class BudgetAnswer(Answer):
    """A budget beside what of it is spent in this month."""

    subject: str = Field(description="user:, group: or workspace: and the id.", examples=["user:usr-3f8k2m9q1x7c"])
    kind: BudgetSubject
    name: str
    amount: str
    spent: str
    percent: float
    at_limit: AtLimit
    thresholds: list[int]
    reached: bool = Field(description="It was used up in this month, so that at_limit is in force.")

    @classmethod
    def of(cls, state: BudgetState, month: str) -> Self:
        """Convert."""
        budget = state.budget
        return cls(
            subject=f"{budget.kind}:{budget.subject_id}",
            kind=budget.kind,
            name=state.name,
            amount=money(budget.amount_micro),
            spent=money(state.spent_micro),
            percent=round(state.spent_micro * 100 / max(budget.amount_micro, 1), 1),
            at_limit=budget.at_limit,
            thresholds=list(budget.thresholds),
            reached=budget.reached == month,
        )


class BudgetList(Answer):
    """Budgets."""

    currency: str = Field(description="Of the price book; empty where there are no prices.")
    budgets: list[BudgetAnswer]
