"""The route of plans, which tell the outcome of a change before it is made."""

from __future__ import annotations

from fastapi import APIRouter

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
