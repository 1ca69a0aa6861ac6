"""The routes of sizes: advice, sizes that change by themselves, boosts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response

from nixos_workspaces.auth.policy import relation
from nixos_workspaces.automation.scaling.advising import AdviceStatus
from nixos_workspaces.automation.scaling.policies import ScalingStatus
from nixos_workspaces.model.automation.scaling import Size
from nixos_workspaces.model.machine import Resources
from nixos_workspaces.schemas.automation.scaling import (
    AdviceAnswer,
    AdvicePartAnswer,
    AutoscaleAnswer,
    AutoscalePolicyAnswer,
    AutoscaleRequest,
    BoostAnswer,
    BoostRequest,
    ScalingDecisionAnswer,
    SizeAnswer,
)
from nixos_workspaces.schemas.wire import SentenceAnswer, to_gb
from nixos_workspaces.schemas.workspaces import WorkspaceAnswer, WorkspaceDetail
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference, RequestId

router = APIRouter(prefix="/api/nixos/workspaces/{workspace_id}", route_class=StrictRoute, tags=["sizes"])

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=64, description="The entity tag of the advice that is followed."),
]


@router.get("/advice", responses=problems(404, body=False))
async def get_advice(services: Asked, principal: By, workspace_id: Reference, response: Response) -> AdviceAnswer:
    """Return advice about the size of a workspace, out of what it has used."""
    status = await services.scaling.advising.read(workspace_id, principal=principal)
    response.headers["ETag"] = f'"{status.version}"'
    return _advice(status)


@router.post("/advice/apply", responses=problems(404, 409, 412, body=False))
async def apply_advice(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, if_match: IfMatch = None
) -> WorkspaceAnswer:
    """Change the size as is advised; with If-Match only if the advice is still that."""
    version = None if if_match is None or if_match.strip() == "*" else if_match.strip().strip('"')
    workspace = await services.scaling.advising.apply(workspace_id, version, principal=principal, request_id=request_id)
    return WorkspaceAnswer(workspace=WorkspaceDetail.of(workspace, relation(principal, workspace)))


@router.get("/autoscale", responses=problems(404, body=False))
async def get_autoscale(services: Asked, principal: By, workspace_id: Reference) -> AutoscaleAnswer:
    """Return how a workspace changes size by itself, with the last decisions and their evidence."""
    return _autoscale(await services.scaling.policies.read(workspace_id, principal=principal))


@router.put("/autoscale", responses=problems(404))
async def put_autoscale(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, wanted: AutoscaleRequest
) -> AutoscaleAnswer:
    """Have a workspace change size by itself: up within seconds, down slowly."""
    status = await services.scaling.policies.change(
        workspace_id, wanted.to_model(), principal=principal, request_id=request_id
    )
    return _autoscale(status)


@router.delete("/autoscale", responses=problems(404, body=False))
async def delete_autoscale(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference
) -> AutoscaleAnswer:
    """Leave a workspace the size that was chosen."""
    status = await services.scaling.policies.change(workspace_id, None, principal=principal, request_id=request_id)
    return _autoscale(status)


@router.post("/boost", responses=problems(404, 409))
async def boost_workspace(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, wanted: BoostRequest
) -> AutoscaleAnswer:
    """Make a workspace larger at once, for a while."""
    status = await services.scaling.policies.boost(
        workspace_id, wanted.to_size(), wanted.length, principal=principal, request_id=request_id
    )
    return _autoscale(status)


@router.delete("/boost", responses=problems(404, body=False))
async def end_boost(services: Asked, principal: By, request_id: RequestId, workspace_id: Reference) -> AutoscaleAnswer:
    """End a boost before its time."""
    return _autoscale(
        await services.scaling.policies.end_boost(workspace_id, principal=principal, request_id=request_id)
    )


def _size(resources: Resources) -> SizeAnswer:
    return SizeAnswer.of(Size(resources.cpu, resources.memory_bytes))


def _autoscale(status: ScalingStatus) -> AutoscaleAnswer:
    return AutoscaleAnswer(
        policy=AutoscalePolicyAnswer.of(status.policy),
        boost=BoostAnswer.of(status.boost),
        chosen=_size(status.workspace.resources),
        size=_size(status.workspace.limits),
        down_within=None if status.down_within is None else round(status.down_within.total_seconds()),
        decisions=[ScalingDecisionAnswer.of(one) for one in status.decisions],
    )


def _advice(status: AdviceStatus) -> AdviceAnswer:
    advice = status.advice
    memory = advice.memory_bytes
    return AdviceAnswer(
        state=advice.state.value,
        cpu=AdvicePartAnswer(now=advice.cpu.now, advised=advice.cpu.advised),
        memory=AdvicePartAnswer(now=to_gb(int(memory.now)), advised=to_gb(int(memory.advised))),
        confidence=advice.confidence,
        since=advice.since,
        saving=status.saving,
        reasons=[SentenceAnswer.of(one) for one in advice.reasons],
        messages=[one.text for one in advice.reasons],
        # Cores and memory change while a workspace runs.
        needs_restart=False,
        version=status.version,
    )
