"""The routes of secrets: of the caller, and of a workspace."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import AfterValidator

from nixos_workspaces.auth.counted import Kind
from nixos_workspaces.auth.policy import Action
from nixos_workspaces.model.contents.secrets import NAME_PATTERN, checked_name
from nixos_workspaces.schemas.contents.secrets import SecretAnswer, SecretList, SecretRequest
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference, RequestId

router = APIRouter(prefix="/api/nixos", route_class=StrictRoute, tags=["secrets"])


SecretName = Annotated[
    str,
    Path(description="The secret's name.", json_schema_extra={"pattern": NAME_PATTERN}),
    AfterValidator(checked_name),
]


@router.get("/secrets", responses=problems(body=False))
async def list_secrets(services: Asked, principal: By, request_id: RequestId) -> SecretList:
    """List the caller's secrets, which each of their workspaces is given."""
    services.counted_audit.note(Kind(Action.READ_SECRETS, actor=principal.id), request_id)
    return SecretList.of(await services.contents.secrets.list(principal, None))


@router.put("/secrets/{name}", responses=problems(409, 429))
async def put_secret(
    services: Asked, principal: By, request_id: RequestId, name: SecretName, wanted: SecretRequest
) -> SecretAnswer:
    """Set one of the caller's secrets; running workspaces have it within a second."""
    secret, value = wanted.to_model(name, services.clock())
    return SecretAnswer.of(await services.contents.secrets.put(principal, None, secret, value, request_id=request_id))


@router.delete("/secrets/{name}", responses=problems(404))
async def delete_secret(services: Asked, principal: By, request_id: RequestId, name: SecretName) -> SecretList:
    """Delete one of the caller's secrets, in running workspaces too; return those that are left."""
    await services.contents.secrets.delete(principal, None, name, request_id=request_id)
    return SecretList.of(await services.contents.secrets.list(principal, None))


@router.get("/workspaces/{workspace_id}/secrets", responses=problems(404, body=False))
async def list_workspace_secrets(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference
) -> SecretList:
    """List the secrets of a workspace; they win over its owner's of the same name."""
    workspace = await services.workspaces.get(workspace_id, principal=principal, action=Action.READ_WORKSPACE_SECRETS)
    kind = Kind(Action.READ_WORKSPACE_SECRETS, actor=principal.id, workspace_id=workspace.id)
    services.counted_audit.note(kind, request_id)
    delivered = services.contents.delivery.outcome(workspace.id)
    told = None if delivered is None else (delivered.at, delivered.problem)
    return SecretList.of(await services.contents.secrets.list(principal, workspace), told, workspace.personal_secrets)


@router.put("/workspaces/{workspace_id}/secrets/{name}", responses=problems(404, 409, 429))
async def put_workspace_secret(
    services: Asked,
    principal: By,
    request_id: RequestId,
    workspace_id: Reference,
    name: SecretName,
    wanted: SecretRequest,
) -> SecretAnswer:
    """Set a secret of a workspace; it has it within a second where it runs."""
    workspace = await services.workspaces.get(workspace_id, principal=principal, action=Action.CHANGE_WORKSPACE_SECRETS)
    secret, value = wanted.to_model(name, services.clock())
    return SecretAnswer.of(
        await services.contents.secrets.put(principal, workspace, secret, value, request_id=request_id)
    )


@router.delete("/workspaces/{workspace_id}/secrets/{name}", responses=problems(404))
async def delete_workspace_secret(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, name: SecretName
) -> SecretList:
    """Delete a secret of a workspace, also where it runs; return those that are left."""
    workspace = await services.workspaces.get(workspace_id, principal=principal, action=Action.CHANGE_WORKSPACE_SECRETS)
    await services.contents.secrets.delete(principal, workspace, name, request_id=request_id)
    left = await services.contents.secrets.list(principal, workspace)
    return SecretList.of(left, personal=workspace.personal_secrets)
