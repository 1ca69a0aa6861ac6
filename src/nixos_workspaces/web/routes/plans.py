"""The routes of plans, which tell the outcome of a change before it is made, and of what generations differ in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from nixos_workspaces.schemas.environments import MOST_GENERATION, DifferenceAnswer
from nixos_workspaces.schemas.plans import PlanAnswer, PlanDetail, PlanRequest
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference

router = APIRouter(prefix="/api/nixos/workspaces", route_class=StrictRoute, tags=["workspaces"])


@router.post("/{workspace_id}/plan", responses=problems(404, 409))
async def plan_change(services: Asked, principal: By, workspace_id: Reference, wanted: PlanRequest) -> PlanAnswer:
    """Tell whether a change restarts the workspace and what ends then; changes nothing."""
    plan = await services.plans.change(workspace_id, wanted.to_model(), rebuild=wanted.rebuild, principal=principal)
    return PlanAnswer(plan=PlanDetail.of(plan))


@router.get("/{workspace_id}/generations/{number}/diff", responses=problems(404, body=False))
async def compare_generations(
    services: Asked,
    principal: By,
    workspace_id: Reference,
    number: Annotated[int, Path(ge=1, le=MOST_GENERATION)],
    to: Annotated[
        int | None, Query(ge=1, le=MOST_GENERATION, description="The other generation; without it the present one.")
    ] = None,
) -> DifferenceAnswer:
    """Tell how another generation of the environment differs: packages with versions and sizes, units."""
    first, second, found = await services.plans.between(workspace_id, number, to, principal=principal)
    return DifferenceAnswer.of(first.number, second.number, found)
