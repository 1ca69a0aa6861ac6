"""The routes of schedules."""

from __future__ import annotations

from fastapi import APIRouter

from nixos_workspaces.automation.schedules import ScheduleStatus
from nixos_workspaces.schemas.automation.schedules import (
    NextRun,
    RunAnswer,
    ScheduleAnswer,
    ScheduleDetail,
    ScheduleRequest,
)
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference, RequestId

router = APIRouter(prefix="/api/nixos/workspaces/{workspace_id}/schedule", route_class=StrictRoute, tags=["automation"])


@router.get("", responses=problems(404, body=False))
async def get_schedule(services: Asked, principal: By, workspace_id: Reference) -> ScheduleAnswer:
    """Return when the workspace is started and stopped by the clock, and the next times."""
    return _answer(await services.automation.schedules.read(workspace_id, principal=principal))


@router.put("", responses=problems(404))
async def put_schedule(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, wanted: ScheduleRequest
) -> ScheduleAnswer:
    """Replace the schedule of the workspace. A stop that is missed is made up for, a start within an hour."""
    runs = tuple(one.to_model() for one in wanted.runs)
    status = await services.automation.schedules.change(workspace_id, runs, principal=principal, request_id=request_id)
    return _answer(status)


def _answer(status: ScheduleStatus) -> ScheduleAnswer:
    return ScheduleAnswer(
        schedule=ScheduleDetail(
            runs=[RunAnswer.of(one) for one in status.schedule.runs],
            next=[NextRun(at=one.at, action=one.run.action) for one in status.next],
        )
    )
