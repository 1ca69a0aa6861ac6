"""The routes of how a person has arranged a workspace's terminals, whether it runs or not."""

from __future__ import annotations

from fastapi import APIRouter

from nixos_workspaces.auth.policy import Action
from nixos_workspaces.schemas.layouts import LayoutAnswer, LayoutChange
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference

router = APIRouter(prefix="/api/nixos/workspaces/{workspace_id}", route_class=StrictRoute, tags=["terminals"])


@router.get("/terminal-layout", responses=problems(404, body=False))
async def get_terminal_layout(services: Asked, principal: By, workspace_id: Reference) -> LayoutAnswer:
    """Return how the caller has arranged the workspace's terminals."""
    _, key = await services.workspaces.enter(workspace_id, principal=principal, action=Action.ARRANGE_TERMINALS)
    version, layout = await services.layouts.read(key, principal)
    return LayoutAnswer(version=version, layout=layout)


@router.put("/terminal-layout", responses=problems(404, 409))
async def put_terminal_layout(
    services: Asked, principal: By, workspace_id: Reference, wanted: LayoutChange
) -> LayoutAnswer:
    """Arrange the workspace's terminals otherwise; refused where that was done elsewhere since ``version``."""
    workspace, key = await services.workspaces.enter(workspace_id, principal=principal, action=Action.ARRANGE_TERMINALS)
    version = await services.layouts.replace(workspace, key, principal, wanted.version, wanted.layout)
    return LayoutAnswer(version=version, layout=wanted.layout)
