"""The routes of workspaces: list, create, change, verbs, logs, keys, generations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Query, Request
from starlette.responses import Response, StreamingResponse

from nixos_workspaces.auth.counted import Kind
from nixos_workspaces.auth.policy import Action, Principal, Relation, relation
from nixos_workspaces.model.machine import Metrics
from nixos_workspaces.model.service import LogLine
from nixos_workspaces.model.usage import Span
from nixos_workspaces.model.workspace import Page, Status, Workspace
from nixos_workspaces.schemas.environments import GenerationAnswer, GenerationList
from nixos_workspaces.schemas.workspaces import (
    ConnectivityAnswer,
    CreateRequest,
    ListParameters,
    LogAnswer,
    LogLineAnswer,
    MetricsHistory,
    RebuildRequest,
    SshKeyAnswer,
    UpdateRequest,
    WorkspaceAnswer,
    WorkspaceDetail,
    WorkspaceList,
    WorkspaceSummary,
)
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import ReadRoute, StrictRoute
from nixos_workspaces.web.http.streams import ndjson
from nixos_workspaces.web.routes.dependencies import Asked, By, IdempotencyKey, Reference, RequestId, ends_with

router = APIRouter(prefix="/api/nixos/workspaces", route_class=StrictRoute, tags=["workspaces"])


async def list_workspaces(request: Request, wanted: Annotated[ListParameters, Query()]) -> Response:
    """List the workspaces that the caller may see."""
    # Asked for every few seconds by every window: without the dependencies of other routes it costs a twentieth less.
    state = request.app.state
    principal: Principal = request.state.principal
    page = await state.services.workspaces.page(wanted.to_model(), principal=principal)
    rows: WrittenRows = state.written_rows
    return Response(rows.of(page, principal, state.services.figures.sampler.last), media_type="application/json")


router.add_api_route(
    "", list_workspaces, response_model=WorkspaceList, responses=problems(body=False), route_class_override=ReadRoute
)


class WrittenRows:
    """The JSON of workspaces in lists, remembered as long as neither a workspace nor its figures change.

    A row tells the relation of who asks, and is remembered for each: no other thing in it is the asker's.
    """

    def __init__(self, most: int = 1024) -> None:
        """Remember so many."""
        self._most = most
        self._rows: dict[tuple[str, Relation], tuple[Workspace, Metrics | None, bytes]] = {}

    def of(self, page: Page, principal: Principal, usage: Callable[[str], Metrics | None]) -> bytes:
        """Return what ``WorkspaceList.of`` makes of the same for ``principal``, as JSON."""
        rows = b",".join([self._row(one, relation(principal, one), usage(one.id)) for one in page.items])
        return b'{"workspaces":[%b],"next_cursor":%b}' % (rows, orjson.dumps(page.next_cursor))

    def _row(self, workspace: Workspace, related: Relation, usage: Metrics | None) -> bytes:
        kept = self._rows.get((workspace.id, related))
        # What is the same value is the same object, as both are remembered where they come from.
        if kept is not None and kept[0] is workspace and kept[1] is usage:
            return kept[2]
        row = WorkspaceSummary.of(workspace, related, usage)
        written: bytes = row.__pydantic_serializer__.to_json(row)
        if len(self._rows) >= self._most:
            self._rows.clear()
        self._rows[workspace.id, related] = workspace, usage, written
        return written


@router.post("/create", status_code=202, responses=problems(409, 429))
async def create_workspace(
    *,
    services: Asked,
    principal: By,
    request_id: RequestId,
    wanted: CreateRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> WorkspaceAnswer:
    """Make a workspace and start it; the answer comes at once, the status tells how it goes on."""
    workspace = await services.orchestrator.create_workspace(
        wanted.to_model(), principal=principal, idempotency_key=idempotency_key, request_id=request_id
    )
    response.headers["Location"] = f"{router.prefix}/{workspace.id}"
    return WorkspaceAnswer(workspace=WorkspaceDetail.of(workspace, relation(principal, workspace)))


@router.get("/{workspace_id}", responses=problems(404, body=False))
async def get_workspace(services: Asked, principal: By, workspace_id: Reference) -> WorkspaceAnswer:
    """Return one workspace with its present figures."""
    status = await services.orchestrator.get_workspace_status(workspace_id, principal=principal)
    detail = WorkspaceDetail.of(status.workspace, relation(principal, status.workspace), status.metrics)
    notices = [detail.notice, *await services.contents.repositories.notices(status.workspace.id)]
    told: dict[str, object] = {"notice": " ".join(filter(None, notices)) or None}
    if (seen := await services.connectivity.of(status.workspace)) is not None:
        mode = await services.network.policies.mode(status.workspace.id)
        told["connectivity"] = ConnectivityAnswer.of(seen, mode)
    return WorkspaceAnswer(workspace=detail.model_copy(update=told))


@router.patch("/{workspace_id}", responses=problems(404, 409))
async def change_workspace(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, wanted: UpdateRequest
) -> WorkspaceAnswer:
    """Change the name, the resources and the environment; ``POST …/plan`` tells beforehand what restarts."""
    workspace = await services.orchestrator.resize_workspace(
        workspace_id, wanted.to_model(), principal=principal, request_id=request_id
    )
    return WorkspaceAnswer(workspace=WorkspaceDetail.of(workspace, relation(principal, workspace)))


@router.delete("/{workspace_id}", status_code=202, responses=problems(404, 409))
async def delete_workspace(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference
) -> WorkspaceAnswer:
    """Delete a workspace with its data, from any state; there is no way back."""
    workspace = await services.workspaces.get(workspace_id, principal=principal)
    await services.orchestrator.delete_workspace(workspace.id, principal=principal, request_id=request_id)
    detail = WorkspaceDetail.of(workspace, relation(principal, workspace))
    return WorkspaceAnswer(workspace=detail.model_copy(update={"status": Status.DELETING, "ssh_info": None}))


async def _after(services: Asked, principal: By, workspace_id: str) -> WorkspaceAnswer:
    """Return a workspace as it is after a verb."""
    workspace = await services.workspaces.get(workspace_id, principal=principal)
    return WorkspaceAnswer(workspace=WorkspaceDetail.of(workspace, relation(principal, workspace)))


@router.post("/{workspace_id}/start", status_code=202, responses=problems(404, 409))
async def start_workspace(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference
) -> WorkspaceAnswer:
    """Start a workspace: boot it, resume it, or try again after an error."""
    await services.orchestrator.start_workspace(workspace_id, principal=principal, request_id=request_id)
    return await _after(services, principal, workspace_id)


@router.post("/{workspace_id}/stop", status_code=202, responses=problems(404, 409))
async def stop_workspace(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference
) -> WorkspaceAnswer:
    """Shut a workspace down; its volume stays."""
    await services.orchestrator.stop_workspace(workspace_id, principal=principal, request_id=request_id)
    return await _after(services, principal, workspace_id)


@router.post("/{workspace_id}/restart", status_code=202, responses=problems(404, 409))
async def restart_workspace(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference
) -> WorkspaceAnswer:
    """Shut a workspace down and boot it again."""
    await services.orchestrator.restart_workspace(workspace_id, principal=principal, request_id=request_id)
    return await _after(services, principal, workspace_id)


@router.post("/{workspace_id}/pause", status_code=202, responses=problems(404, 409))
async def pause_workspace(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference
) -> WorkspaceAnswer:
    """Freeze a workspace with its memory."""
    await services.orchestrator.pause_workspace(workspace_id, principal=principal, request_id=request_id)
    return await _after(services, principal, workspace_id)


@router.post("/{workspace_id}/resume", status_code=202, responses=problems(404, 409))
async def resume_workspace(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference
) -> WorkspaceAnswer:
    """Resume a paused workspace."""
    await services.orchestrator.resume_workspace(workspace_id, principal=principal, request_id=request_id)
    return await _after(services, principal, workspace_id)


@router.post("/{workspace_id}/rebuild", status_code=202, responses=problems(404, 409))
async def rebuild_workspace(
    services: Asked,
    principal: By,
    request_id: RequestId,
    workspace_id: Reference,
    wanted: Annotated[RebuildRequest | None, Body()] = None,
) -> WorkspaceAnswer:
    """Build the environment again, or go back to an older generation of it."""
    generation = wanted.generation if wanted is not None else None
    await services.orchestrator.rebuild_workspace(
        workspace_id, principal=principal, generation=generation, request_id=request_id
    )
    return await _after(services, principal, workspace_id)


@router.get("/{workspace_id}/generations", responses=problems(404, body=False))
async def list_generations(services: Asked, principal: By, workspace_id: Reference) -> GenerationList:
    """List the built versions of the environment, newest first."""
    workspace = await services.workspaces.get(workspace_id, principal=principal, action=Action.READ_USAGE)
    generations = await services.workspaces.generations(workspace.id, principal=principal)
    return GenerationList(generations=[GenerationAnswer.of(one, workspace.generation) for one in generations])


@router.get("/{workspace_id}/metrics/history", responses=problems(404, body=False))
async def get_metrics_history(
    services: Asked, principal: By, workspace_id: Reference, span: Span = Span.HOUR
) -> MetricsHistory:
    """Return the figures of a workspace until now, in percent of its limits; ``…/metrics`` has all of them."""
    workspace = await services.workspaces.get(workspace_id, principal=principal, action=Action.READ_USAGE)
    return MetricsHistory.of(span, services.clock(), await services.figures.history.read(workspace.id, span))


@router.get("/{workspace_id}/ssh-key", responses=problems(404, 409, body=False))
async def get_ssh_key(services: Asked, principal: By, request_id: RequestId, workspace_id: Reference) -> SshKeyAnswer:
    """Return the private key that logs in; for the owner only, and audited."""
    key = await services.workspaces.ssh_key(workspace_id, principal=principal, request_id=request_id)
    return SshKeyAnswer(private_key=key.private_key, host_key=key.host_key, username=key.username)


@router.get(
    "/{workspace_id}/logs",
    response_model=LogAnswer,
    responses={
        **problems(404, body=False),
        200: {
            "description": "The log; with follow=1 as a stream of objects like those in lines, one per line.",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        },
    },
)
async def get_logs(
    *,
    request: Request,
    services: Asked,
    principal: By,
    request_id: RequestId,
    workspace_id: Reference,
    follow: bool = False,
) -> LogAnswer | StreamingResponse:
    """Return the log of the last build and boot; with ``follow=1`` go on with new lines."""
    workspace = await services.workspaces.get(workspace_id, principal=principal, action=Action.READ_LOGS)
    services.counted_audit.note(Kind("read-logs", actor=principal.id, workspace_id=workspace.id), request_id)
    lines = services.workspaces.logs(workspace_id, principal=principal, follow=follow)
    if follow:
        ends_with(request, services, principal, Action.READ_LOGS, workspace)
        stream = ndjson(request, lines, _plain)
        return StreamingResponse(stream, media_type="application/x-ndjson")
    return LogAnswer(lines=[LogLineAnswer.of(line) async for line in lines])


def _plain(line: LogLine) -> Iterable[dict[str, Any]]:
    """Return the wire form of a line of a log; plain, for there are tens of thousands."""
    return ({"source": line.source, "text": line.text, "at": line.at},)
