"""The routes of shares: those of a workspace's owner, and those of people who come by a link."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from nixos_workspaces.auth.sharing.joining import GUEST_LIFETIME
from nixos_workspaces.auth.sharing.shares import ShareWish
from nixos_workspaces.errors import Unauthenticated
from nixos_workspaces.schemas.access.shares import (
    GuestRequest,
    JoinAnswer,
    JoinRequest,
    ShareAnswer,
    ShareDetail,
    ShareList,
    ShareRequest,
)
from nixos_workspaces.web.http.access.origin import PublicOrigin
from nixos_workspaces.web.http.access.rates import Attempt, address_of
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference, RequestId

router = APIRouter(prefix="/api/nixos", route_class=StrictRoute, tags=["shares"])

ShareId = Annotated[str, Path(max_length=64, description="The share's id.")]


@router.get("/workspaces/{workspace_id}/shares", responses=problems(403, 404, body=False))
async def list_shares(services: Asked, principal: By, workspace_id: Reference) -> ShareList:
    """List those who have the workspace, or a part of it, besides its owner; for the owner only."""
    found = await services.sharing.shares.list(workspace_id, principal=principal)
    return ShareList(shares=[ShareAnswer.of(one) for one in found])


@router.post("/workspaces/{workspace_id}/shares", status_code=201, responses=problems(403, 404, 409, 429))
async def add_share(
    *,
    request: Request,
    services: Asked,
    principal: By,
    request_id: RequestId,
    workspace_id: Reference,
    wanted: ShareRequest,
) -> ShareDetail:
    """Share the workspace or a part of it, with a user or group, or by a link; an equal share is replaced."""
    recipient, name = wanted.recipient
    wish = ShareWish(
        recipient=recipient,
        name=name,
        access=wanted.access,
        part=wanted.whole_or_part(),
        files=wanted.files,
        knock=wanted.knock,
        lifetime=wanted.lifetime(),
    )
    share, secret = await services.sharing.shares.add(workspace_id, wish, principal=principal, request_id=request_id)
    origin: PublicOrigin = request.app.state.origin
    # No browser sends what follows the mark, so that the secret stands in no log.
    link = None if secret is None else f"{origin.of(request.scope)}/join#{secret}"
    return ShareDetail(share=ShareAnswer.of(share), link=link)


@router.post("/workspaces/{workspace_id}/shares/{share_id}/admit", responses=problems(403, 404))
async def admit_guest(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, share_id: ShareId
) -> ShareDetail:
    """Let in one who came by a link and waits; ``DELETE`` of the share refuses them."""
    share = await services.sharing.shares.admit(workspace_id, share_id, principal=principal, request_id=request_id)
    return ShareDetail(share=ShareAnswer.of(share))


@router.delete("/workspaces/{workspace_id}/shares/{share_id}", status_code=204, responses=problems(403, 404))
async def remove_share(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, share_id: ShareId
) -> Response:
    """End a share, and of a link those of all who came by it; what they have open ends within a second."""
    await services.sharing.shares.remove(workspace_id, share_id, principal=principal, request_id=request_id)
    return Response(status_code=204)


@router.post("/workspaces/{workspace_id}/leave", status_code=204, responses=problems(404, 409))
async def leave_workspace(services: Asked, principal: By, request_id: RequestId, workspace_id: Reference) -> Response:
    """Give up a workspace that is shared with the caller."""
    await services.sharing.shares.leave(workspace_id, principal=principal, request_id=request_id)
    return Response(status_code=204)


@router.post("/join", responses=problems(401, 403, 409, 429))
async def join_share(
    request: Request, services: Asked, principal: By, request_id: RequestId, wanted: JoinRequest
) -> JoinAnswer:
    """Take what a link shares; asked again, it tells whether the owner has admitted the caller."""
    try:
        joined = await services.sharing.joining.join(wanted.secret, principal=principal, request_id=request_id)
    except Unauthenticated:
        await request.app.state.refusals.count(Attempt.CODE, request.scope)
        raise
    return JoinAnswer.of(joined.workspace, joined.share)


@router.post("/join-as-guest", responses=problems(401, 429))
async def join_as_guest(
    request: Request, response: Response, services: Asked, request_id: RequestId, wanted: GuestRequest
) -> JoinAnswer:
    """Take what a link shares without an account: begins a guest's session, in a cookie."""
    request.app.state.rates.guest(address_of(request.scope))
    try:
        joined = await services.sharing.joining.join_as_guest(wanted.secret, wanted.name, request_id=request_id)
    except Unauthenticated:
        await request.app.state.refusals.count(Attempt.CODE, request.scope)
        raise
    origin: PublicOrigin = request.app.state.origin
    origin.set_cookie(request.scope, response, joined.secret, int(GUEST_LIFETIME.total_seconds()))
    return JoinAnswer.of(joined.workspace, joined.share)
