"""The routes of quotas."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from nixos_workspaces.model.access.people import QuotaSubject
from nixos_workspaces.schemas.people.quotas import (
    AmountsAnswer,
    OwnQuotasAnswer,
    QuotaAnswer,
    QuotaList,
    QuotaRequest,
)
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, RequestId
from nixos_workspaces.web.routes.people.users import GroupReference, UserReference

router = APIRouter(prefix="/api/nixos/quotas", route_class=StrictRoute, tags=["people"])


@router.get("", responses=problems(body=False))
async def list_quotas(services: Asked, principal: By) -> QuotaList:
    """List every quota with what is used, for administrators and auditors."""
    found = await services.people.quotas.list(principal=principal)
    return QuotaList(quotas=[QuotaAnswer.of(one) for one in found])


@router.get("/me", responses=problems(body=False))
async def get_own_quotas(services: Asked, principal: By) -> OwnQuotasAnswer:
    """Return what the caller has, and what the caller may have."""
    own = await services.people.quotas.own(principal=principal)
    return OwnQuotasAnswer(used=AmountsAnswer.of(own.used), quotas=[QuotaAnswer.of(one) for one in own.quotas])


@router.put("/users/{user}", status_code=204, responses=problems(404))
async def set_user_quota(
    *, services: Asked, principal: By, request_id: RequestId, user: UserReference, wanted: QuotaRequest
) -> Response:
    """Set a user's quota; without any bound it is removed. One below what is used ends nothing."""
    kind, allowed = QuotaSubject.USER, wanted.amounts()
    await services.people.quotas.replace(kind, user, allowed, principal=principal, request_id=request_id)
    return Response(status_code=204)


@router.put("/groups/{group}", status_code=204, responses=problems(404))
async def set_group_quota(
    *, services: Asked, principal: By, request_id: RequestId, group: GroupReference, wanted: QuotaRequest
) -> Response:
    """Set a group's quota, which bounds what all its members have together."""
    kind, allowed = QuotaSubject.GROUP, wanted.amounts()
    await services.people.quotas.replace(kind, group, allowed, principal=principal, request_id=request_id)
    return Response(status_code=204)
