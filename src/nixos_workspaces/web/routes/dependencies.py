"""Dependencies of routes: the open services, the caller, and strictly read parameters."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header, Path, Query
from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError
from starlette.requests import HTTPConnection

from nixos_workspaces.auth.policy import Principal
from nixos_workspaces.errors import NotFound
from nixos_workspaces.model.names import LONGEST_IDEMPOTENCY_KEY, REFERENCE_PATTERN, VISIBLE_PATTERN, is_reference
from nixos_workspaces.model.workspace import MAX_PAGE
from nixos_workspaces.services import Services

_DIGITS = re.compile(r"-?[0-9]{1,9}")


async def _services(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services


async def _principal(connection: HTTPConnection) -> Principal:
    principal: Principal = connection.state.principal
    return principal


async def _request_id(connection: HTTPConnection) -> str:
    return str(connection.state.request_id)


def readable_reference(text: str) -> str:
    """Answer 404, not 422, for text that cannot be an id or a name: there is no such workspace."""
    if not is_reference(text):
        raise NotFound("There is no such workspace.", code="workspace_not_found", field="workspace_id")
    return text


def _whole_number(text: object) -> object:
    """Read digits only: pydantic alone would take ``1_0``, `` 1`` and ``1.0``."""
    if isinstance(text, str) and not _DIGITS.fullmatch(text):
        raise PydanticCustomError("whole_number", "this is not a whole number")
    return text


Asked = Annotated[Services, Depends(_services)]
By = Annotated[Principal, Depends(_principal)]
RequestId = Annotated[str, Depends(_request_id)]
Reference = Annotated[
    str,
    Path(description="The workspace's id or name.", json_schema_extra={"pattern": REFERENCE_PATTERN}),
    AfterValidator(readable_reference),
]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE), BeforeValidator(_whole_number)]
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
