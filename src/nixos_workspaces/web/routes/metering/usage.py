"""The route of the ledger of use."""

from __future__ import annotations

from fastapi import APIRouter

from nixos_workspaces.schemas.metering.usage import UsageVerification
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By

router = APIRouter(prefix="/api/nixos/usage", route_class=StrictRoute, tags=["costs"])


@router.get("/verification", responses=problems(body=False))
async def verify_usage(services: Asked, principal: By) -> UsageVerification:
    """Compare the records of use with their seals in the audit log, for administrators and auditors."""
    found = await services.metering.ledger.verify(principal=principal)
    return UsageVerification(
        records=found.records, seals=found.seals, unsealed=found.unsealed, findings=list(found.findings)
    )
