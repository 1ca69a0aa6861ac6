"""The routes of costs and prices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from nixos_workspaces.auth.policy import Principal
from nixos_workspaces.metering.money.costs import efficiency
from nixos_workspaces.metering.money.exports import (
    FOCUS_COLUMNS,
    RECORD_COLUMNS,
    ExportForm,
    csv_text,
    focus_rows,
    record_rows,
)
from nixos_workspaces.metering.money.reports import Estimate, Window
from nixos_workspaces.model.metering.costs import money, month_window, to_moment
from nixos_workspaces.schemas.metering.costs import (
    CostItem,
    CostParameters,
    CostsAnswer,
    EstimateAnswer,
    EstimateDetail,
    EstimateRequest,
    ExportParameters,
    ForecastAnswer,
    PriceBookAnswer,
    PriceBookRequest,
)
from nixos_workspaces.services import Services
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.http.streams import until_stopped
from nixos_workspaces.web.routes.dependencies import Asked, By, RequestId

_LINES_AT_ONCE = 200

router = APIRouter(prefix="/api/nixos/costs", route_class=StrictRoute, tags=["costs"])
prices = APIRouter(prefix="/api/nixos/prices", route_class=StrictRoute, tags=["costs"])


@router.get("", responses=problems(body=False))
async def get_costs(services: Asked, principal: By, wanted: Annotated[CostParameters, Query()]) -> CostsAnswer:
    """Tell what was used and what it costs: the caller's own, everybody's for administrators and auditors."""
    costs = services.metering.costs
    report = await costs.report(
        Window(wanted.window),
        wanted.groupings,
        principal=principal,
        include_idle=wanted.include_idle == "true",
        share_idle=wanted.share_idle == "true",
    )
    names = await costs.names(principal=principal)
    return CostsAnswer(
        currency=report.book.currency,
        begin=to_moment(report.begin_us),
        end=to_moment(report.end_us),
        items=[CostItem.of(one, wanted.groupings, names, efficiency(one)) for one in report.sums],
        total=CostItem.of(report.total, (), names, efficiency(report.total)),
        idle_cost=None if report.idle is None else money(report.idle),
        now_per_hour=money(report.hourly),
        month_so_far=money(report.month),
        forecast=ForecastAnswer.of(report.forecast),
    )


@router.post("/estimate", responses=problems())
async def estimate_costs(services: Asked, principal: By, wanted: EstimateRequest) -> EstimateAnswer:
    """Tell what a workspace would cost, before it is made; changes nothing."""
    found = await services.metering.costs.estimate(wanted.to_model().resources, principal=principal)
    return EstimateAnswer(estimate=_estimate(found))


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        **problems(body=False),
        200: {"description": "CSV with a line of names.", "content": {"text/csv": {"schema": {"type": "string"}}}},
    },
)
async def export_costs(
    *, request: Request, services: Asked, principal: By, wanted: Annotated[ExportParameters, Query()]
) -> StreamingResponse:
    """Export a month: as meter records (csv), or as costs by day in the columns of FOCUS."""
    form = ExportForm(wanted.format)
    rows = await _exported(services, principal, form, wanted.month)
    name = f"{form.value}-{wanted.month}.csv"
    return StreamingResponse(
        until_stopped(rows, request.app.state.stopping),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@prices.get("", responses=problems(body=False))
async def get_prices(services: Asked, principal: By) -> PriceBookAnswer:
    """Return the price book."""
    return PriceBookAnswer.of(await services.metering.costs.prices(principal=principal))


@prices.put("", status_code=204, responses=problems())
async def put_prices(*, services: Asked, principal: By, request_id: RequestId, wanted: PriceBookRequest) -> Response:
    """Replace the price book, for administrators. It prices what was used before, too."""
    await services.metering.costs.replace_prices(wanted.to_model(), principal=principal, request_id=request_id)
    return Response(status_code=204)


async def _exported(services: Services, principal: Principal, form: ExportForm, month: str) -> AsyncIterator[str]:
    """Return the text of an export in pieces; refuses before the first."""
    costs = services.metering.costs
    if form is ExportForm.CSV:
        batches = await costs.records(month, principal=principal)

        async def of_records() -> AsyncIterator[str]:
            yield csv_text([RECORD_COLUMNS])
            async for batch in batches:
                yield csv_text(record_rows(batch))

        return of_records()
    book, lines, names = await costs.lines(month, principal=principal)

    async def of_lines() -> AsyncIterator[str]:
        yield csv_text([FOCUS_COLUMNS[form]])
        for at in range(0, len(lines), _LINES_AT_ONCE):
            part = lines[at : at + _LINES_AT_ONCE]
            yield csv_text(focus_rows(form, part, book, names, month_window(month)))

    return of_lines()


def _estimate(found: Estimate) -> EstimateDetail:
    return EstimateDetail(
        currency=found.currency,
        hour_idle=money(found.running_idle),
        hour_busy=money(found.running_busy),
        hour_stopped=money(found.stopped),
        month_idle=money(found.monthly(found.running_idle)),
        month_busy=money(found.monthly(found.running_busy)),
        month_stopped=money(found.monthly(found.stopped)),
    )
