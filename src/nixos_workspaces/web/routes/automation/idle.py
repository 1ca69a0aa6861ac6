"""The routes of the rest of workspaces."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from fastapi import APIRouter

from nixos_workspaces.automation.clock import check_zone
from nixos_workspaces.automation.idle import Quiet, Working
from nixos_workspaces.automation.policies import IdleStatus
from nixos_workspaces.model.automation.idle import IdleState
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.schemas.automation.idle import (
    HoldAnswer,
    HoldRequest,
    IdleAnswer,
    IdleDetail,
    IdlePolicyAnswer,
    IdleRequest,
    NextRest,
)
from nixos_workspaces.schemas.wire import SentenceAnswer
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference, RequestId

router = APIRouter(prefix="/api/nixos/workspaces/{workspace_id}", route_class=StrictRoute, tags=["automation"])


@router.get("/idle", responses=problems(404, body=False))
async def get_idle(services: Asked, principal: By, workspace_id: Reference) -> IdleAnswer:
    """Return when the workspace rests, whether anything works in it, and what."""
    status = await services.automation.policies.read(workspace_id, principal=principal)
    return _answer(status, services.clock())


@router.put("/idle", responses=problems(404))
async def put_idle(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, wanted: IdleRequest
) -> IdleAnswer:
    """Replace the policy of the workspace: when it is paused and stopped, and what counts as work."""
    policy = wanted.to_model()
    if policy.quiet is not None:
        check_zone(policy.quiet.zone, "/quiet/zone")
    status = await services.automation.policies.change(workspace_id, policy, principal=principal, request_id=request_id)
    return _answer(status, services.clock())


@router.delete("/idle", responses=problems(404))
async def reset_idle(services: Asked, principal: By, request_id: RequestId, workspace_id: Reference) -> IdleAnswer:
    """Let the workspace have the policy of the service's settings."""
    status = await services.automation.policies.change(workspace_id, None, principal=principal, request_id=request_id)
    return _answer(status, services.clock())


@router.post("/hold", responses=problems(404))
async def hold_workspace(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, wanted: HoldRequest
) -> IdleAnswer:
    """Leave the workspace running for so long from now on, whatever works in it and whatever its schedule says."""
    status = await services.automation.policies.hold(
        workspace_id, wanted.length(), wanted.reason, principal=principal, request_id=request_id
    )
    return _answer(status, services.clock())


@router.delete("/hold", responses=problems(404))
async def release_workspace(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference
) -> IdleAnswer:
    """End a hold."""
    status = await services.automation.policies.release(workspace_id, principal=principal, request_id=request_id)
    return _answer(status, services.clock())


def _answer(status: IdleStatus, now: datetime) -> IdleAnswer:
    """Return the rest of a workspace as it goes over the wire."""
    seen, verdict = status.seen, None if status.seen is None else status.seen.verdict
    monotonic = time.monotonic()
    said: tuple[Sentence, ...] = ()
    state, since, most = IdleState.UNSEEN, None, None
    match verdict:
        case Working(because):
            state, said = IdleState.WORKING, because
        case Quiet(begin, last, used):
            state, said, most = IdleState.QUIET, last, used
            since = now - timedelta(seconds=monotonic - begin)
        case None:
            pass
    if status.policy.is_off:
        state = IdleState.OFF
    elif status.hold is not None:
        state = IdleState.HELD
    plan = None if seen is None or status.hold is not None else seen.plan
    warned = None if seen is None else seen.warned
    return IdleAnswer(
        idle=IdleDetail(
            own=status.stored.policy is not None,
            policy=IdlePolicyAnswer.of(status.policy),
            state=state,
            because=[SentenceAnswer.of(one) for one in said],
            since=since,
            most=None if most is None else SentenceAnswer.of(most),
            next=None
            if plan is None
            else NextRest(
                step=plan.step,
                at=now + timedelta(seconds=plan.at - monotonic),
                told=warned is not None and warned.step is plan.step,
            ),
            hold=HoldAnswer.of(status.hold),
        )
    )
