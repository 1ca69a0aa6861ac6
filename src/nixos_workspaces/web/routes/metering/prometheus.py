"""The figures of all workspaces for Prometheus, at ``/metrics``; not in the OpenAPI document: it is no JSON."""

from __future__ import annotations

import asyncio
from collections import Counter

from fastapi import APIRouter, Request
from starlette.responses import Response

from nixos_workspaces import __version__
from nixos_workspaces.auth.policy import Action, authorise
from nixos_workspaces.errors import Unavailable, WorkspacesError
from nixos_workspaces.metering.metrics.prometheus import MOST_WORKSPACES, Scraped, written
from nixos_workspaces.model.workspace import Workspace
from nixos_workspaces.services import Services
from nixos_workspaces.web.http.gate import PROMETHEUS_PATH
from nixos_workspaces.web.http.routing import StrictRoute

router = APIRouter(route_class=StrictRoute)

FRESH_SECONDS = 10.0
"""Age up to which figures are told again."""
_ROWS_AT_ONCE = 50


@router.get(PROMETHEUS_PATH, include_in_schema=False)
async def scrape(request: Request) -> Response:
    """Answer with the figures of every workspace that runs or is paused. For administrators and auditors."""
    services: Services = request.app.state.services
    principal = request.state.principal
    authorise(principal, Action.READ_METRICS)
    try:
        found = await services.figures.sampler.measure(within=FRESH_SECONDS)
    except (WorkspacesError, TimeoutError) as silent:
        raise Unavailable("The engine does not tell figures now; scrape again.", code="figures_unavailable") from silent
    async with services.database.reading(once=True) as tx:
        statuses = await tx.summaries.statuses()
    ids = sorted(found.usages.keys() & statuses.keys())
    if principal.workspaces is not None:
        ids = [one for one in ids if one in principal.workspaces]
        statuses = {one: status for one, status in statuses.items() if one in principal.workspaces}
    workspaces: list[Workspace] = []
    for begin in range(0, min(len(ids), MOST_WORKSPACES), _ROWS_AT_ONCE):
        async with services.database.reading(once=True) as tx:
            workspaces += await tx.workspaces.several(ids[begin : min(begin + _ROWS_AT_ONCE, MOST_WORKSPACES)])
    scraped = Scraped(
        workspaces,
        found.usages,
        Counter(map(str, statuses.values())),
        left_out=max(0, len(ids) - MOST_WORKSPACES),
        at=found.at,
        now=services.clock(),
        version=__version__,
    )
    content, content_type = await asyncio.to_thread(written, scraped, request.headers.get("accept", ""))
    return Response(content, headers={"Content-Type": content_type, "Cache-Control": "no-store"})
