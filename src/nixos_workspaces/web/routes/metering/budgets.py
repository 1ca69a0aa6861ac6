"""The routes of budgets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from nixos_workspaces.errors import NotFound
from nixos_workspaces.model.metering.budgets import BudgetSubject
from nixos_workspaces.model.metering.costs import month_of
from nixos_workspaces.schemas.metering.budgets import BudgetAnswer, BudgetList, BudgetRequest
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, RequestId

router = APIRouter(prefix="/api/nixos/budgets", route_class=StrictRoute, tags=["costs"])

Subject = Annotated[
    str, Path(max_length=96, description="user:, group: or workspace: and an id or a name, such as user:anna.")
]


@router.get("", responses=problems(body=False))
async def list_budgets(services: Asked, principal: By) -> BudgetList:
    """List the budgets that bound the caller, all for administrators and auditors, with what of each is spent."""
    metering = services.metering
    book = await metering.costs.prices(principal=principal)
    month = month_of(datetime.now(UTC))
    found = await metering.budgets.list(principal=principal)
    return BudgetList(currency=book.currency, budgets=[BudgetAnswer.of(one, month) for one in found])


@router.put("/{subject}", status_code=204, responses=problems(404))
async def put_budget(
    *, services: Asked, principal: By, request_id: RequestId, subject: Subject, wanted: BudgetRequest
) -> Response:
    """Set the budget of a user, a group or a workspace, for administrators."""
    budget = wanted.to_model(*_parted(subject))
    await services.metering.budgets.replace(budget, principal=principal, request_id=request_id)
    return Response(status_code=204)


@router.delete("/{subject}", status_code=204, responses=problems(404, body=False))
async def delete_budget(*, services: Asked, principal: By, request_id: RequestId, subject: Subject) -> Response:
    """Remove a budget, for administrators."""
    kind, reference = _parted(subject)
    await services.metering.budgets.remove(kind, reference, principal=principal, request_id=request_id)
    return Response(status_code=204)


def _parted(subject: str) -> tuple[BudgetSubject, str]:
    """Return kind and reference of a subject."""
    kind, _, reference = subject.partition(":")
    if kind not in set(BudgetSubject) or not reference:
        raise NotFound(
            "There is no such budget: name user:, group: or workspace: and an id or a name.",
            code="budget_not_found",
            field="subject",
        )
    return BudgetSubject(kind), reference
