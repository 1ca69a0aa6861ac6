"""Dependencies of routes: the open services, the caller, and strictly read parameters."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Path, Query
from pydantic import AfterValidator
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from nixos_workspaces.auth.policy import Action, Principal
from nixos_workspaces.errors import NotFound
from nixos_workspaces.model.names import LONGEST_IDEMPOTENCY_KEY, REFERENCE_PATTERN, VISIBLE_PATTERN, is_reference
from nixos_workspaces.model.workspace import Workspace
from nixos_workspaces.schemas.wire import PageSize
from nixos_workspaces.services import Services
from nixos_workspaces.web.http.access.open_request import OpenRequest


async def _services(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services


async def _principal(connection: HTTPConnection) -> Principal:
    principal: Principal = connection.state.principal
    return principal


async def _request_id(connection: HTTPConnection) -> str:
    return str(connection.state.request_id)


def readable_reference(text: str) -> str:
    """Answer 404, not 422, for text that cannot be an id or a name: there is no such workspace.

    And 405 for the word that is a path of its own, which no workspace has as its name.
    """
    if text == "create":
        raise HTTPException(405)
    if not is_reference(text):
        raise NotFound("There is no such workspace.", code="workspace_not_found", field="workspace_id")
    return text


def ends_with(
    request: HTTPConnection, services: Services, principal: Principal, action: Action, workspace: Workspace
) -> None:
    """Have a request that may take long end as soon as the principal may no longer do ``action`` to the workspace."""
    opened: OpenRequest = request.state.request
    opened.hold(services.sharing.open_access.entered(principal, action, workspace, opened.end))


Asked = Annotated[Services, Depends(_services)]
By = Annotated[Principal, Depends(_principal)]
RequestId = Annotated[str, Depends(_request_id)]
Reference = Annotated[
    str,
    Path(description="The workspace's id or name.", json_schema_extra={"pattern": REFERENCE_PATTERN}),
    AfterValidator(readable_reference),
]
Limit = Annotated[PageSize, Query()]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=LONGEST_IDEMPOTENCY_KEY,
        pattern=VISIBLE_PATTERN,
        description="The same key with the same body returns the same workspace for 24 hours.",
    ),
]
