"""The routes of giving workspaces to other owners, who accept or refuse them."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from nixos_workspaces.schemas.access.transfers import (
    AcceptRequest,
    OwnedAnswer,
    PersonalSecretsRequest,
    TransferAnswer,
    TransferList,
    TransferRequest,
)
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference, RequestId

router = APIRouter(prefix="/api/nixos", route_class=StrictRoute, tags=["transfers"])


@router.post("/workspaces/{workspace_id}/transfer", responses=problems(403, 404, 409))
async def transfer_workspace(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, wanted: TransferRequest
) -> TransferAnswer:
    """Offer the workspace to another owner, in place of an earlier offer; nothing changes before they accept.

    An administrator gives it at once. With another owner all its shares and links end.
    """
    state, expires_at = await services.sharing.transfers.transfer(
        workspace_id, wanted.to, principal=principal, request_id=request_id
    )
    return TransferAnswer.of(wanted.to, state, expires_at)


@router.delete("/workspaces/{workspace_id}/transfer", status_code=204, responses=problems(403, 404, 409))
async def withdraw_transfer(services: Asked, principal: By, request_id: RequestId, workspace_id: Reference) -> Response:
    """Withdraw the offer of the workspace."""
    await services.sharing.transfers.withdraw(workspace_id, principal=principal, request_id=request_id)
    return Response(status_code=204)


@router.get("/transfers", responses=problems(403, body=False))
async def list_transfers(services: Asked, principal: By) -> TransferList:
    """List the workspaces that are offered to the caller, and by the caller."""
    return TransferList.of(await services.sharing.transfers.list(principal=principal))


@router.post("/transfers/{workspace_id}/accept", responses=problems(403, 404, 409))
async def accept_transfer(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, wanted: AcceptRequest
) -> OwnedAnswer:
    """Make a workspace that is offered to the caller, given by its id, their own.

    All that its former owner put into it stays there, programs that start by themselves included: look at it before
    you put secrets in it. Your personal secrets are withheld from it until you have them delivered.
    """
    accepted = await services.sharing.transfers.accept(
        workspace_id, principal=principal, deliver_secrets=wanted.deliver_secrets, request_id=request_id
    )
    return OwnedAnswer.of(accepted)


@router.post("/transfers/{workspace_id}/refuse", status_code=204, responses=problems(403, 404))
async def refuse_transfer(services: Asked, principal: By, request_id: RequestId, workspace_id: Reference) -> Response:
    """Refuse a workspace that is offered to the caller, given by its id."""
    await services.sharing.transfers.refuse(workspace_id, principal=principal, request_id=request_id)
    return Response(status_code=204)


@router.put("/workspaces/{workspace_id}/personal-secrets", responses=problems(403, 404, 409))
async def put_personal_secrets(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, wanted: PersonalSecretsRequest
) -> OwnedAnswer:
    """Have the caller's personal secrets delivered to a workspace of theirs, or withheld from it and removed.

    A workspace that came from another owner gets none before this is asked for.
    """
    changed = await services.sharing.transfers.deliver_secrets(
        workspace_id, delivers=wanted.deliver, principal=principal, request_id=request_id
    )
    return OwnedAnswer.of(changed)
