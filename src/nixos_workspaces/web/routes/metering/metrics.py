"""The routes of a workspace's figures: over time, and by program."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from nixos_workspaces.auth.counted import Kind
from nixos_workspaces.auth.policy import Action
from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.metering.figures import LEVELS
from nixos_workspaces.schemas.metering.metrics import MetricsSeries, ProgramAnswer, ProgramList
from nixos_workspaces.schemas.wire import Moment
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference, RequestId

router = APIRouter(prefix="/api/nixos/workspaces", route_class=StrictRoute, tags=["workspaces"])

MOST_STEPS = 2000
_USUAL_STEPS = 300
_LEAST_STEP, _MOST_STEP = LEVELS[0].step, 7 * 24 * 3600
_USUAL = timedelta(hours=1)


@router.get("/{workspace_id}/metrics", responses=problems(404, body=False))
async def get_metrics(
    *,
    services: Asked,
    principal: By,
    workspace_id: Reference,
    begin: Annotated[Moment | None, Query(alias="from", description="An hour before the end if not given.")] = None,
    to: Annotated[Moment | None, Query(description="Now if not given.")] = None,
    step: Annotated[
        int | None,
        Query(ge=_LEAST_STEP, le=_MOST_STEP, multiple_of=_LEAST_STEP, description="Seconds; chosen if not given."),
    ] = None,
) -> MetricsSeries:
    """Return all figures of a workspace over time, with sums and extremes of each step."""
    workspace = await services.workspaces.get(workspace_id, principal=principal, action=Action.READ_USAGE)
    now = services.clock()
    end = now if to is None else to
    begin = end - _USUAL if begin is None else begin
    length = (end - begin).total_seconds()
    if length <= 0:
        raise InvalidInput("from has to be before to.", field="from")
    if end > now + timedelta(days=1) or (now - begin).total_seconds() > LEVELS[-1].kept + _MOST_STEP:
        message = f"Figures are kept for {LEVELS[-1].kept // 86400} days; ask for a time within them."
        raise InvalidInput(message, field="from" if end <= now else "to")
    if step is None:
        step = next((level.step for level in LEVELS if length / level.step <= _USUAL_STEPS), LEVELS[-1].step)
        step *= max(1, -(-int(length) // (step * MOST_STEPS)))
    if length / step > MOST_STEPS:
        raise InvalidInput(f"This would be more than {MOST_STEPS} steps; ask for longer ones.", field="step")
    first, after = int(begin.timestamp()), int(end.timestamp()) + 1
    step, rows = await services.figures.history.rows(workspace.id, first, after, step)
    return MetricsSeries.of(begin, end, step, rows)


@router.get("/{workspace_id}/programs", responses=problems(404, 409, body=False))
async def list_programs(
    *, services: Asked, principal: By, request_id: RequestId, workspace_id: Reference
) -> ProgramList:
    """List the systemd units of a running workspace that use the most CPU and memory; it takes half a second."""
    workspace, _ = await services.workspaces.enter(workspace_id, principal=principal, action=Action.READ_PROGRAMS)
    services.counted_audit.note(Kind("read-programs", actor=principal.id, workspace_id=workspace.id), request_id)
    found = await services.runtime.programs(workspace.id)
    return ProgramList(programs=[ProgramAnswer.of(one) for one in found])
