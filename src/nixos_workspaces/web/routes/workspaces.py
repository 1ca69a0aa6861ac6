"""The routes of workspaces: list, create, change, verbs, logs, keys, generations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Body, Query, Request
from starlette.responses import Response, StreamingResponse

from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.model.service import LogLine
from nixos_workspaces.model.usage import Span
from nixos_workspaces.model.workspace import Sort, Status, WorkspaceQuery
from nixos_workspaces.schemas.environments import GenerationAnswer, GenerationList
from nixos_workspaces.schemas.workspaces import (
    CreateRequest,
    LogAnswer,
    LogLineAnswer,
    MetricsHistory,
    RebuildRequest,
    SshKeyAnswer,
    UpdateRequest,
    WorkspaceAnswer,
    WorkspaceDetail,
    WorkspaceList,
)
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute, encoded
from nixos_workspaces.web.http.streams import until_stopped
from nixos_workspaces.web.routes.dependencies import Asked, By, IdempotencyKey, Limit, Reference, RequestId

router = APIRouter(prefix="/api/nixos/workspaces", route_class=StrictRoute, tags=["workspaces"])


@router.get("", response_model=WorkspaceList, responses=problems(body=False))
async def list_workspaces(
    *,
    services: Asked,
    principal: By,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(min_length=1, max_length=512)] = None,
    status: Status | None = None,
    template: Annotated[str | None, Query(min_length=1, max_length=63)] = None,
    q: Annotated[str, Query(max_length=100, description="Part of the name, in any case.")] = "",
    sort: Sort = Sort.CREATED_DOWN,
) -> Response:
    """List the workspaces that the caller may see."""
    query = WorkspaceQuery(limit=limit, cursor=cursor, status=status, template=template, q=q, sort=sort)
    return encoded(WorkspaceList.of(await services.workspaces.page(query, principal=principal)))


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
    return WorkspaceAnswer(workspace=WorkspaceDetail.of(workspace))


@router.get("/{workspace_id}", responses=problems(404, body=False))
async def get_workspace(services: Asked, principal: By, workspace_id: Reference) -> WorkspaceAnswer:
    """Return one workspace with its present figures."""
    status = await services.orchestrator.get_workspace_status(workspace_id, principal=principal)
    return WorkspaceAnswer(workspace=WorkspaceDetail.of(status.workspace, status.metrics))


@router.patch("/{workspace_id}", responses=problems(404, 409))
async def change_workspace(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, wanted: UpdateRequest
) -> WorkspaceAnswer:
    """Change any of the resources and the environment."""
    workspace = await services.orchestrator.resize_workspace(
        workspace_id, wanted.to_model(), principal=principal, request_id=request_id
    )
    return WorkspaceAnswer(workspace=WorkspaceDetail.of(workspace))


@router.delete("/{workspace_id}", status_code=202, responses=problems(404, 409))
async def delete_workspace(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference
) -> WorkspaceAnswer:
    """Delete a workspace with its data, from any state; there is no way back."""
    workspace = await services.workspaces.get(workspace_id, principal=principal)
    await services.orchestrator.delete_workspace(workspace.id, principal=principal, request_id=request_id)
    detail = WorkspaceDetail.of(workspace)
    return WorkspaceAnswer(workspace=detail.model_copy(update={"status": Status.DELETING, "ssh_info": None}))


async def _after(services: Asked, principal: By, workspace_id: str) -> WorkspaceAnswer:
    """Return a workspace as it is after a verb."""
    return WorkspaceAnswer(
        workspace=WorkspaceDetail.of(await services.workspaces.get(workspace_id, principal=principal))
    )


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
    workspace = await services.workspaces.get(workspace_id, principal=principal)
    generations = await services.workspaces.generations(workspace.id, principal=principal)
    return GenerationList(generations=[GenerationAnswer.of(one, workspace.generation) for one in generations])


@router.get("/{workspace_id}/metrics/history", responses=problems(404, body=False))
async def get_metrics_history(
    services: Asked, principal: By, workspace_id: Reference, span: Span = Span.HOUR
) -> MetricsHistory:
    """Return the figures of a workspace until now; they do not outlive the service."""
    workspace = await services.workspaces.get(workspace_id, principal=principal)
    return MetricsHistory.of(span, services.clock(), services.history.read(workspace.id, span))


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
    request: Request, services: Asked, principal: By, workspace_id: Reference, *, follow: bool = False
) -> LogAnswer | StreamingResponse:
    """Return the log of the last build and boot; with ``follow=1`` go on with new lines."""
    await services.workspaces.get(workspace_id, principal=principal)
    lines = services.workspaces.logs(workspace_id, principal=principal, follow=follow)
    if follow:
        return StreamingResponse(_ndjson(lines, request.app.state.stopping), media_type="application/x-ndjson")
    return LogAnswer(lines=[LogLineAnswer.of(line) async for line in lines])


async def _ndjson(lines: AsyncIterator[LogLine], stopping: asyncio.Event) -> AsyncIterator[bytes]:
    """Yield log lines as JSON until there are no more or the service stops; an error is the last line."""
    try:
        async for line in until_stopped(lines, stopping):
            yield orjson.dumps({"source": line.source, "text": line.text}) + b"\n"
    except WorkspacesError as error:
        yield orjson.dumps({"error": {"code": error.code, "message": error.message}}) + b"\n"
