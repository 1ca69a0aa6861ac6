"""The routes of users and groups."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from nixos_workspaces.auth.people.users import UserChange
from nixos_workspaces.auth.policy import Role
from nixos_workspaces.model.access.people import UserKind, UserState
from nixos_workspaces.schemas.people.users import (
    GroupAnswer,
    GroupDetail,
    GroupList,
    GroupRequest,
    LinkAnswer,
    UserAnswer,
    UserChangeRequest,
    UserDetail,
    UserList,
    UserRequest,
)
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, RequestId

router = APIRouter(prefix="/api/nixos", route_class=StrictRoute, tags=["people"])

UserReference = Annotated[str, Path(max_length=64, description="A user's id or handle.")]
GroupReference = Annotated[str, Path(max_length=64, description="A group's id or name.")]


@router.get("/me", responses=problems(404, body=False))
async def get_me(services: Asked, principal: By) -> UserDetail:
    """Return the caller's own user."""
    return UserDetail(user=UserAnswer.of(await services.people.users.get(principal.id, principal=principal)))


@router.get("/users", responses=problems(body=False))
async def list_users(services: Asked, principal: By) -> UserList:
    """List all users, for administrators and auditors."""
    return UserList(users=[UserAnswer.of(one) for one in await services.people.users.list(principal=principal)])


@router.post("/users", status_code=201, responses=problems(409))
async def create_user(
    *, services: Asked, principal: By, request_id: RequestId, wanted: UserRequest, response: Response
) -> UserDetail:
    """Make a user; a person then signs in by a link of theirs."""
    user = await services.people.users.create(
        wanted.handle,
        principal=principal,
        display_name=wanted.display_name,
        role=Role(wanted.role),
        kind=UserKind(wanted.kind),
        request_id=request_id,
    )
    response.headers["Location"] = f"/api/nixos/users/{user.id}"
    return UserDetail(user=UserAnswer.of(user))


@router.get("/users/{user}", responses=problems(404, body=False))
async def get_user(services: Asked, principal: By, user: UserReference) -> UserDetail:
    """Return a user."""
    return UserDetail(user=UserAnswer.of(await services.people.users.get(user, principal=principal)))


@router.patch("/users/{user}", responses=problems(404, 409))
async def change_user(
    *, services: Asked, principal: By, request_id: RequestId, user: UserReference, wanted: UserChangeRequest
) -> UserDetail:
    """Change a user; suspending ends everything that is open under their credentials within a second."""
    change = UserChange(
        wanted.display_name if "display_name" in wanted.model_fields_set else None,
        Role(wanted.role) if "role" in wanted.model_fields_set else None,
        UserState(wanted.state) if "state" in wanted.model_fields_set else None,
    )
    changed = await services.people.users.change(user, change, principal=principal, request_id=request_id)
    return UserDetail(user=UserAnswer.of(changed))


@router.post("/users/{user}/login-link", status_code=201, responses=problems(404, 409))
async def invite_user(
    *, request: Request, services: Asked, principal: By, request_id: RequestId, user: UserReference
) -> LinkAnswer:
    """Make a link that signs a person in, once, within an hour."""
    code = await services.people.users.invite(user, principal=principal, request_id=request_id)
    return LinkAnswer(url=f"{request.app.state.origin.of(request.scope)}/login?code={code}")


@router.get("/groups", responses=problems(body=False))
async def list_groups(services: Asked, principal: By) -> GroupList:
    """List all groups with their members, for administrators and auditors."""
    return GroupList(groups=[GroupAnswer.of(one) for one in await services.people.groups.list(principal=principal)])


@router.post("/groups", status_code=201, responses=problems(409))
async def create_group(*, services: Asked, principal: By, request_id: RequestId, wanted: GroupRequest) -> GroupDetail:
    """Make a group without members."""
    group = await services.people.groups.create(wanted.name, principal=principal, request_id=request_id)
    return GroupDetail(group=GroupAnswer.of(group))


@router.delete("/groups/{group}", status_code=204, responses=problems(404))
async def remove_group(*, services: Asked, principal: By, request_id: RequestId, group: GroupReference) -> Response:
    """Remove a group with its memberships and its quota."""
    await services.people.groups.remove(group, principal=principal, request_id=request_id)
    return Response(status_code=204)


@router.put("/groups/{group}/members/{user}", responses=problems(404))
async def join_group(
    *, services: Asked, principal: By, request_id: RequestId, group: GroupReference, user: UserReference
) -> GroupDetail:
    """Make a user a member of a group."""
    joined = await services.people.groups.join(group, user, principal=principal, request_id=request_id)
    return GroupDetail(group=GroupAnswer.of(joined))


@router.delete("/groups/{group}/members/{user}", status_code=204, responses=problems(404))
async def leave_group(
    *, services: Asked, principal: By, request_id: RequestId, group: GroupReference, user: UserReference
) -> Response:
    """End a membership."""
    await services.people.groups.leave(group, user, principal=principal, request_id=request_id)
    return Response(status_code=204)
