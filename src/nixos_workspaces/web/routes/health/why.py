"""The route of why a workspace does not do what is expected of it."""

from __future__ import annotations

from fastapi import APIRouter, Request

from nixos_workspaces.auth.policy import Action, may
from nixos_workspaces.model.why.explanation import Question
from nixos_workspaces.operations.why.situation import Asking
from nixos_workspaces.schemas.health.why import WhyAnswer
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference

router = APIRouter(prefix="/api/nixos/workspaces", route_class=StrictRoute, tags=["workspaces"])


@router.get("/{workspace_id}/why", responses=problems(404, body=False))
async def explain_workspace(
    request: Request, services: Asked, principal: By, workspace_id: Reference, question: Question | None = None
) -> WhyAnswer:
    """Say in one sentence why a workspace does not run, is slow or is not reached, with the next step.

    A running one is logged in to for that. Without ``question`` the first complaint with a reason is answered.
    """
    workspace = await services.workspaces.get(workspace_id, principal=principal, action=Action.READ_USAGE)
    state = request.app.state
    sockets = state.terminal_sockets
    asking = Asking(
        may_act=may(principal, Action.START, workspace),
        may_read_log=may(principal, Action.READ_LOGS, workspace),
        may_read_files=may(principal, Action.READ_FILES, workspace),
        may_write_files=may(principal, Action.WRITE_FILES, workspace),
        sockets=sockets.of(principal),
        most_sockets=sockets.most_of_one,
        arrived=sum(one.of(principal) for one in (sockets, state.event_sockets, state.tunnel_sockets)),
    )
    return WhyAnswer.of(await services.why.of(workspace, asking, question))
