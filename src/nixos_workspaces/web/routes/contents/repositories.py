"""The routes of repositories in workspaces, and of the caller's profile."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body

from nixos_workspaces.auth.policy import Action
from nixos_workspaces.schemas.contents.repositories import GitRequest, ProfileAnswer, ProfileRequest, RepositoryList
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference, RequestId

router = APIRouter(prefix="/api/nixos", route_class=StrictRoute, tags=["repositories"])


@router.get("/workspaces/{workspace_id}/git", responses=problems(404, body=False))
async def list_repositories(services: Asked, principal: By, workspace_id: Reference) -> RepositoryList:
    """Return the repositories that are, or are being, cloned into a workspace."""
    workspace = await services.workspaces.get(workspace_id, principal=principal, action=Action.READ_REPOSITORIES)
    return RepositoryList.of(await services.contents.repositories.of(principal, workspace))


@router.post("/workspaces/{workspace_id}/git", status_code=202, responses=problems(404, 409))
async def clone_repository(
    services: Asked,
    principal: By,
    request_id: RequestId,
    workspace_id: Reference,
    wanted: Annotated[GitRequest | None, Body()] = None,
) -> RepositoryList:
    """Clone a repository into a workspace, or the one that was asked for before again; overwrites nothing."""
    workspace = await services.workspaces.get(workspace_id, principal=principal, action=Action.CLONE)
    source = None if wanted is None else wanted.to_model()
    await services.contents.repositories.clone(principal, workspace, source, request_id=request_id)
    return RepositoryList.of(await services.contents.repositories.of(principal, workspace))


@router.post("/workspaces/{workspace_id}/dotfiles", status_code=202, responses=problems(404, 409))
async def apply_dotfiles(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference
) -> RepositoryList:
    """Update the owner's dotfiles in a workspace and run their install script again."""
    workspace = await services.workspaces.get(workspace_id, principal=principal, action=Action.CLONE)
    await services.contents.repositories.apply_dotfiles(principal, workspace, request_id=request_id)
    return RepositoryList.of(await services.contents.repositories.of(principal, workspace))


@router.get("/profile", responses=problems(body=False))
async def get_profile(services: Asked, principal: By) -> ProfileAnswer:
    """Return the caller's settings."""
    return ProfileAnswer.of(await services.contents.profiles.dotfiles(principal))


@router.put("/profile", responses=problems())
async def put_profile(services: Asked, principal: By, request_id: RequestId, wanted: ProfileRequest) -> ProfileAnswer:
    """Set the caller's settings; dotfiles are put into the workspaces that are made from now on."""
    dotfiles = None if wanted.dotfiles is None else wanted.dotfiles.to_model()
    await services.contents.profiles.put_dotfiles(principal, dotfiles, request_id=request_id)
    return ProfileAnswer.of(dotfiles)
