"""The routes of templates, packages, health, capacity and garbage."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request

from nixos_workspaces import __version__
from nixos_workspaces.errors import Unavailable, WorkspacesError
from nixos_workspaces.schemas.environments import PackageAnswer, PackageList, TemplateAnswer, TemplateList
from nixos_workspaces.schemas.service import (
    AliveAnswer,
    CapacityAnswer,
    CollectedAnswer,
    HealthAnswer,
    HealthItemAnswer,
    ResponseTimeAnswer,
)
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, Limit, RequestId

router = APIRouter(route_class=StrictRoute, tags=["service"])


@router.get("/api/nixos/templates", responses=problems(body=False))
async def list_templates(services: Asked, _: By) -> TemplateList:
    """List the templates that a workspace can be made from."""
    return TemplateList(templates=[TemplateAnswer.of(one) for one in await services.environments.templates()])


@router.get("/api/nixos/packages", responses=problems(body=False))
async def search_packages(
    services: Asked,
    _: By,
    query: Annotated[str, Query(max_length=100, description="Part of a name or description.")] = "",
    limit: Limit = 50,
) -> PackageList:
    """Search the package set in force."""
    found = await services.environments.search(query, limit)
    return PackageList(packages=[PackageAnswer.of(one) for one in found], package_set=services.package_set)


@router.get("/api/nixos/health", responses=problems(body=False))
async def health(request: Request, services: Asked, _: By) -> HealthAnswer:
    """Return the health of each part of the service, with remedies."""
    items = await services.health.items()
    try:
        capacity = CapacityAnswer.of(await services.workspaces.capacity())
    except WorkspacesError:
        capacity = None
    return HealthAnswer(
        status="ok" if all(item.ok for item in items) else "degraded",
        version=__version__,
        package_set=services.package_set,
        capacity=capacity,
        items=[HealthItemAnswer.of(item) for item in items],
        response_times=[ResponseTimeAnswer(**asdict(one)) for one in request.app.state.response_times.told()],
    )


@router.get("/api/nixos/capacity", responses=problems(body=False))
async def capacity(services: Asked, _: By) -> CapacityAnswer:
    """Return the machine's resources, in all and free for new workspaces."""
    return CapacityAnswer.of(await services.workspaces.capacity())


@router.post("/api/nixos/collect-garbage", responses=problems(409))
async def collect_garbage(services: Asked, principal: By, request_id: RequestId) -> CollectedAnswer:
    """Delete store paths that no workspace needs any more; for administrators."""
    return CollectedAnswer(
        freed_bytes=await services.maintenance.collect_garbage(principal=principal, request_id=request_id)
    )


@router.get("/healthz", responses=problems(authenticated=False, body=False))
async def alive() -> AliveAnswer:
    """Tell that the service answers; needs no credential."""
    return AliveAnswer()


@router.get("/readyz", responses=problems(authenticated=False, body=False))
async def ready(request: Request, services: Asked) -> AliveAnswer:
    """Tell whether database, schema and node answer, or 503 with the parts that do not; needs no credential."""
    if request.app.state.stopping.is_set():
        raise Unavailable("The service is being stopped.", code="stopping")
    if lacking := await services.health.readiness.lacking():
        raise Unavailable(
            f"The service cannot do its work: {', '.join(lacking)}. `nixws doctor` tells why and what to do.",
            code="not_serving",
        )
    return AliveAnswer()
