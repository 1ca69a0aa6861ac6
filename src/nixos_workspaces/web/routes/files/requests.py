"""Common parts of requests about files: the path behind ``/files/``, the query, the body, the workspace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, TypeVar
from urllib.parse import unquote_to_bytes

from fastapi import Depends, Path, Request
from pydantic import BaseModel, ValidationError
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import ClientDisconnect
from typing_extensions import override

from nixos_workspaces.auth.counted import Kind
from nixos_workspaces.auth.policy import Action
from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.files import Condition
from nixos_workspaces.model.workspace import Workspace
from nixos_workspaces.schemas.problems import no_such, plain_field
from nixos_workspaces.web.http import strict_json
from nixos_workspaces.web.http.access.open_request import SAFE_METHODS
from nixos_workspaces.web.http.errors import Refusal, validation_error
from nixos_workspaces.web.http.routing import read_body
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference, RequestId, ends_with
from nixos_workspaces.web.routes.files.answers import tags
from nixos_workspaces.workspaces.access import WorkspaceAccess


class _AnyBytes(Convertor[str]):
    """The path behind ``/files/``: unlike Starlette's ``path`` it may hold line ends."""

    regex = "(?s:.*)"

    @override
    def convert(self, value: str) -> str:
        return value

    @override
    def to_string(self, value: str) -> str:
        return value


register_url_convertor("anybytes", _AnyBytes())

BODY_IDLE_SECONDS = 30.0
"""Time that a client may send nothing of a body."""
_PATH_DEPTH = 6
"""Slashes before the path of a file: ``/api/nixos/workspaces/ID/files/``."""

M = TypeVar("M", bound=BaseModel)


async def _path_of(
    request: Request,
    file_path: Annotated[str, Path(description="Absolute path in the workspace without its first slash.")],  # noqa: ARG001 - told to the OpenAPI document; what FastAPI decodes has lost the bytes that are not UTF-8
) -> bytes:
    """Return the file's path behind ``/files/``, byte for byte as the client wrote it."""
    raw: bytes = request.scope["raw_path"]
    parts = raw.partition(b"?")[0].split(b"/", _PATH_DEPTH)
    return b"/" + unquote_to_bytes(parts[_PATH_DEPTH])


def query_of(request: Request, *allowed: str) -> dict[str, bytes]:
    """Return the query as bytes; refuse parameters that are not ``allowed`` or come twice."""
    found: dict[str, bytes] = {}
    for pair in request.scope["query_string"].split(b"&"):
        if not pair:
            continue
        key, _, value = pair.partition(b"=")
        name = unquote_to_bytes(key.replace(b"+", b" ")).decode("utf-8", "replace")
        if name not in allowed:
            raise InvalidInput(no_such("query parameter", name, allowed), field=plain_field(name))
        if name in found:
            raise InvalidInput(f"The query parameter {name!r} is given more than once.", field=name)
        found[name] = unquote_to_bytes(value.replace(b"+", b" "))
    return found


def text_of(query: dict[str, bytes], name: str, default: str = "") -> str:
    """Return a parameter that has to be UTF-8."""
    try:
        return query[name].decode("utf-8") if name in query else default
    except UnicodeDecodeError as wrong:
        raise InvalidInput(f"The query parameter {name!r} is not readable text.", field=name) from wrong


def flag_of(query: dict[str, bytes], name: str) -> bool:
    """Return a yes-or-no parameter."""
    words = {b"1": True, b"true": True, b"0": False, b"false": False}
    value = query.get(name, b"0").lower()
    if value not in words:
        raise InvalidInput(f"{name} is 1 or 0.", field=name)
    return words[value]


def mode_of(query: dict[str, bytes]) -> int | None:
    """Return ``mode`` in octal."""
    given = query.get("mode")
    if given is None:
        return None
    if not 3 <= len(given) <= 4 or not set(given) <= set(b"01234567") or int(given, 8) > 0o777:  # noqa: PLR2004 - 755 or 0755
        raise InvalidInput("mode is three octal digits, such as 755.", field="mode")
    return int(given, 8)


def condition_of(request: Request) -> Condition:
    """Return the condition of a write in If-Match and If-None-Match."""
    headers = request.headers
    matches: tuple[str, ...] | None = None
    if "if-match" in headers:
        matches = tags(headers["if-match"])
        if matches is None:
            raise InvalidInput("If-Match has to hold entity tags in quotes, or *.", field="If-Match")
    absent = "if-none-match" in headers
    if absent and headers["if-none-match"].strip() != "*":
        raise InvalidInput("Of If-None-Match a write takes * only.", field="If-None-Match")
    return Condition(matches, absent)


async def json_of(request: Request, kind: type[M]) -> M:
    """Return a JSON body, read as strictly as every other."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal("unsupported_media_type", "Send the body as Content-Type: application/json, in UTF-8.")
    value = strict_json.parse(await read_body(request))
    try:
        return kind.model_validate(value)
    except ValidationError as wrong:
        problems = [{**problem, "loc": ("body", *problem["loc"])} for problem in wrong.errors()]
        raise validation_error(problems) from wrong


def announced(request: Request, limit: int) -> int | None:
    """Return the announced length of the body; refuse one over the limit before anything of it is read."""
    given = request.headers.get("content-length")
    if given is not None and int(given) > limit:
        raise Refusal("body_too_large", f"One upload has at most {limit} bytes.")
    return int(given) if given is not None else None


async def body_of(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Yield the body as it comes; refuse it when it gets too long, or when nothing comes for a while."""
    received = 0
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(BODY_IDLE_SECONDS):
                chunk = await anext(stream, None)
        except TimeoutError as silent:
            raise Refusal("request_timeout", f"Nothing came for {BODY_IDLE_SECONDS:g} seconds.") from silent
        except ClientDisconnect as gone:
            raise Refusal("malformed_request", "The body broke off.") from gone
        if chunk is None:
            return
        received += len(chunk)
        if received > limit:
            raise Refusal("body_too_large", f"One upload has at most {limit} bytes.")
        if chunk:
            yield chunk


async def _access(
    request: Request, services: Asked, principal: By, workspace_id: Reference, request_id: RequestId
) -> WorkspaceAccess:
    action = Action.READ_FILES if request.method in SAFE_METHODS else Action.WRITE_FILES

    def note(entered: Workspace) -> None:
        services.counted_audit.note(Kind(action, actor=principal.id, workspace_id=entered.id), request_id)
        ends_with(request, services, principal, action, entered)

    return WorkspaceAccess(
        services.workspaces,
        services.automation.waking,
        services.files,
        principal,
        workspace_id,
        action=action,
        request_id=request_id,
        note=note,
    )


Access = Annotated[WorkspaceAccess, Depends(_access)]
FilePath = Annotated[bytes, Depends(_path_of)]
