"""The routes of browser sessions and of the password."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from nixos_workspaces.schemas.people.tokens import (
    PasswordRequest,
    SessionsEnded,
    UserSessionAnswer,
    UserSessionList,
)
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By
from nixos_workspaces.web.routes.people.passkeys import asker_of, confirming, proof_of

router = APIRouter(prefix="/api/nixos", route_class=StrictRoute, tags=["session"])


@router.get("/sessions", responses=problems(body=False))
async def list_sessions(request: Request, services: Asked, principal: By) -> UserSessionList:
    """List the browsers that are signed in as the caller."""
    sessions = services.people.sessions
    current = await sessions.current(request.state.credential)
    answers = [
        UserSessionAnswer(
            id=one.id,
            device=one.device.agent,
            address=one.device.address,
            created_at=one.created_at,
            expires_at=one.expires_at,
            idle_until=one.idle_until,
            last_used_at=one.last_used_at,
            is_current=one.id == current,
        )
        for one in await sessions.list(principal=principal)
    ]
    return UserSessionList(sessions=answers)


@router.delete("/sessions", responses=problems())
async def end_other_sessions(request: Request, services: Asked, principal: By) -> SessionsEnded:
    """End all of the caller's sessions but this one."""
    ended = await services.people.sessions.end_others(request.state.credential, principal=principal)
    return SessionsEnded(ended=ended)


@router.delete("/sessions/{session_id}", status_code=204, responses=problems(404))
async def end_session(
    services: Asked, principal: By, session_id: Annotated[str, Path(max_length=64, description="The session's id.")]
) -> Response:
    """End one of the caller's sessions, and everything that is open under it."""
    await services.people.sessions.end(session_id, principal=principal)
    return Response(status_code=204)


@router.put("/me/password", status_code=204, responses=problems(404))
async def set_password(*, request: Request, services: Asked, principal: By, wanted: PasswordRequest) -> Response:
    """Set the caller's password; all other sessions end."""
    async with confirming(request, principal):
        await services.people.sessions.set_password(
            wanted.password, proof_of(wanted), asker_of(request), principal=principal
        )
    return Response(status_code=204)
