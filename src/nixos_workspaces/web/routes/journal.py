"""The route of the journal of a running workspace."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from nixos_workspaces.auth.counted import Kind
from nixos_workspaces.auth.policy import Action
from nixos_workspaces.errors import Conflict
from nixos_workspaces.model.service import JournalLevel
from nixos_workspaces.model.workspace import Status
from nixos_workspaces.schemas.workspaces import JournalAnswer, JournalEntryAnswer
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.http.streams import ndjson
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference, RequestId, ends_with

MOST_LINES = 5000

router = APIRouter(prefix="/api/nixos/workspaces", route_class=StrictRoute, tags=["workspaces"])


@router.get(
    "/{workspace_id}/journal",
    response_model=JournalAnswer,
    responses={
        **problems(404, 409, body=False),
        200: {
            "description": "The journal; with follow=1 as a stream of objects like those in entries, one per line.",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        },
    },
)
async def get_journal(
    *,
    request: Request,
    services: Asked,
    principal: By,
    request_id: RequestId,
    workspace_id: Reference,
    lines: Annotated[int, Query(ge=0, le=MOST_LINES, description="How many of the last entries.")] = 500,
    level: Annotated[JournalLevel, Query(description="The least urgent level that is told.")] = JournalLevel.INFO,
    follow: bool = False,
) -> JournalAnswer | StreamingResponse:
    """Return the end of a running workspace's journal; with ``follow=1`` go on with new entries."""
    workspace, key = await services.workspaces.enter(workspace_id, principal=principal, action=Action.READ_JOURNAL)
    services.counted_audit.note(Kind("read-journal", actor=principal.id, workspace_id=workspace.id), request_id)
    if workspace.status is not Status.RUNNING:
        told = f"Workspace {workspace.name} is {workspace.status.value}; start it to read its journal."
        raise Conflict(told, code="not_running")
    ends_with(request, services, principal, Action.READ_JOURNAL, workspace)
    entries = services.journals.entries(key, lines=lines, level=level, follow=follow)
    if not follow:
        async with aclosing(entries) as found:
            return JournalAnswer(entries=[JournalEntryAnswer.of(entry) async for entry in found])
    stream = ndjson(request, entries, lambda entry: [JournalEntryAnswer.of(entry).model_dump()])
    return StreamingResponse(stream, media_type="application/x-ndjson")
