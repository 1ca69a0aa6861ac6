"""The routes of a workspace's recordings and of the choices about its terminals, whether it runs or not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from nixos_workspaces.auth.counted import Kind
from nixos_workspaces.auth.policy import Action, Principal
from nixos_workspaces.model.terminals import Recording
from nixos_workspaces.model.workspace import AuthorisedId, Workspace
from nixos_workspaces.schemas.terminals import (
    FoundRecording,
    RecordedLineInfo,
    RecordingAnswer,
    RecordingInfo,
    RecordingList,
    TerminalChoicesAnswer,
    TerminalChoicesRequest,
    TypedRangeInfo,
    TypedRangeList,
)
from nixos_workspaces.services import Services
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference, RequestId, ends_with

router = APIRouter(prefix="/api/nixos/workspaces/{workspace_id}", route_class=StrictRoute, tags=["terminals"])

CAST_TYPE = "application/x-asciicast"
RecordingId = Annotated[str, Path(max_length=32, description="The recording's id.")]
Sought = Annotated[str, Query(max_length=200, description="Only recordings in which a line holds this text.")]
OfTerminal = Annotated[str, Query(max_length=16, description="Only those of this terminal.")]
_FILE = {CAST_TYPE: {"schema": {"type": "string", "format": "binary"}}}


@router.get("/terminal-choices", responses=problems(404, body=False))
async def get_terminal_choices(services: Asked, principal: By, workspace_id: Reference) -> TerminalChoicesAnswer:
    """Return whether the workspace's terminals are recorded and moderated."""
    _, key = await services.workspaces.enter(workspace_id, principal=principal, action=Action.LIST_TERMINALS)
    return await _choices(services, key)


@router.put("/terminal-choices", responses=problems(404, 409))
async def put_terminal_choices(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, wanted: TerminalChoicesRequest
) -> TerminalChoicesAnswer:
    """Choose whether the workspace's terminals are recorded and moderated; in force at once."""
    _, key = await services.workspaces.enter(workspace_id, principal=principal, action=Action.CHOOSE_TERMINALS)
    await services.recording.recordings.choose(key, wanted.to_model(), actor=principal.id, request_id=request_id)
    return await _choices(services, key)


@router.get("/recordings", responses=problems(404, 502, body=False))
async def list_recordings(
    services: Asked,
    principal: By,
    request_id: RequestId,
    workspace_id: Reference,
    q: Sought = "",
    terminal: OfTerminal = "",
) -> RecordingList:
    """List the workspace's recordings, the latest first; with `q` those that hold a text, with its lines."""
    _, key = await _entered(services, principal, workspace_id, request_id, "read-recordings")
    if not q:
        found: list[tuple[Recording, list[RecordedLineInfo]]]
        found = [(one, []) for one in await services.recording.recordings.of_workspace(key, terminal)]
    else:
        hits = await services.recording.recordings.search(key, q, terminal)
        found = [(one, [RecordedLineInfo.of(line) for line in lines]) for one, lines in hits]
    return RecordingList(
        recordings=[FoundRecording(recording=RecordingInfo.of(one), lines=lines) for one, lines in found]
    )


@router.get("/recordings/{recording_id}", responses=problems(404, body=False))
async def get_recording(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, recording_id: RecordingId
) -> RecordingAnswer:
    """Return one recording, without its content."""
    _, key = await _entered(services, principal, workspace_id, request_id, "read-recordings")
    return RecordingAnswer(recording=RecordingInfo.of(await services.recording.recordings.get(key, recording_id)))


@router.get(
    "/recordings/{recording_id}/cast",
    response_class=StreamingResponse,
    responses=problems(404, 502, body=False) | {200: {"content": _FILE}},
)
async def get_recording_cast(
    *,
    request: Request,
    services: Asked,
    principal: By,
    request_id: RequestId,
    workspace_id: Reference,
    recording_id: RecordingId,
) -> Response:
    """Download a recording as an asciicast file, version 3."""
    workspace, key = await _entered(services, principal, workspace_id, request_id, "read-recording")
    ends_with(request, services, principal, Action.READ_RECORDINGS, workspace)
    recording = await services.recording.recordings.get(key, recording_id)
    parts = services.recording.recordings.cast(recording)
    first = await anext(parts, b"")  # so that a damaged or absent file is told as an error
    headers = {"Content-Disposition": f'attachment; filename="{recording.id}.cast"', "Cache-Control": "no-store"}
    return StreamingResponse(_joined(first, parts), media_type=CAST_TYPE, headers=headers)


@router.get("/recordings/{recording_id}/typed", responses=problems(404, 502, body=False))
async def get_recording_typed(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, recording_id: RecordingId
) -> TypedRangeList:
    """Return who typed which bytes of the terminal's input when; the bytes themselves are not kept."""
    _, key = await _entered(services, principal, workspace_id, request_id, "read-recording")
    typed = await services.recording.recordings.typed(await services.recording.recordings.get(key, recording_id))
    return TypedRangeList(typed=[TypedRangeInfo.of(one) for one in typed])


@router.delete("/recordings/{recording_id}", status_code=204, responses=problems(404, 409, body=False))
async def delete_recording(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, recording_id: RecordingId
) -> Response:
    """Remove a recording for good, where the service's policy does not keep it."""
    _, key = await services.workspaces.enter(workspace_id, principal=principal, action=Action.DELETE_RECORDING)
    await services.recording.recordings.remove(key, recording_id, actor=principal.id, request_id=request_id)
    return Response(status_code=204)


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part


async def _choices(services: Services, key: AuthorisedId) -> TerminalChoicesAnswer:
    chosen = await services.recording.recordings.choices(key)
    policy = services.recording.recordings.policy.value
    return TerminalChoicesAnswer(record=chosen.record, moderated=chosen.moderated, policy=policy)


async def _entered(
    services: Services, principal: Principal, reference: str, request_id: str, action: str
) -> tuple[Workspace, AuthorisedId]:
    """Return a workspace with the key to its recordings, and note in the audit log that they are read."""
    workspace, key = await services.workspaces.enter(reference, principal=principal, action=Action.READ_RECORDINGS)
    services.counted_audit.note(Kind(action, actor=principal.id, workspace_id=workspace.id), request_id)
    return workspace, key
