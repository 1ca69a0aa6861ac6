"""The route of the support bundle."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from nixos_workspaces.logs.recent import RECENT
from nixos_workspaces.operations.support.collecting import Support
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, RequestId

router = APIRouter(route_class=StrictRoute, tags=["service"])
_ZIP = "application/zip"


@router.get(
    "/api/nixos/support",
    response_class=Response,
    responses={
        **problems(body=False),
        200: {"description": "A ZIP archive.", "content": {_ZIP: {"schema": {"type": "string", "format": "binary"}}}},
    },
)
async def support_bundle(services: Asked, principal: By, request_id: RequestId) -> Response:
    """Return all that tells why the service is as it is, without secrets, names or contents; for administrators."""
    support = Support(services.settings, services.database, services.runtime, services.health, RECENT)
    bundle = await support.bundle(principal=principal, request_id=request_id)
    headers = {"Content-Disposition": 'attachment; filename="nixws-support.zip"'}
    return Response(bundle, media_type=_ZIP, headers=headers)
