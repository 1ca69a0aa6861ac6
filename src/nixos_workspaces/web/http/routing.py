"""A route that reads its request strictly before FastAPI looks at it.

FastAPI reads bodies of any size, at any speed, and takes unknown query parameters for nothing. ``StrictRoute`` bounds
size and time, wants JSON (``strict_json``), and refuses query parameters that the route does not declare.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import ParamTypes
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from typing_extensions import override

from nixos_workspaces.auth.operations import OPEN_OPERATIONS, OPERATIONS
from nixos_workspaces.auth.policy import Action, permit
from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.schemas.problems import no_such, plain_field
from nixos_workspaces.web.http import strict_json
from nixos_workspaces.web.http.errors import Refusal

BODY_SECONDS = 15.0
"""Time that a client has to send a whole JSON body."""
DEFAULT_MAX_BODY_BYTES = 1 << 20
_MOST_QUERIES = 256
_LONGEST_QUERY = 512


def operation_id(route: APIRoute) -> str:
    """Return the name of a route in the document: its function's."""
    return route.name


def action_of(route: APIRoute) -> Action | None:
    """Return the action of a route; None for those that need no credential. Each one of the API has one."""
    if not route.path.startswith("/api/") or route.name in OPEN_OPERATIONS:
        return None
    return OPERATIONS[route.name]


class PermittedRoute(APIRoute):
    """A route that asks, before anything else, whether the caller may do its action at all.

    Whether they may do it to a certain workspace is asked below, where that is read. The name of the route is its
    operation in the document.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options | {"generate_unique_id_function": operation_id})

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        action = action_of(self)

        async def permitted(request: Request) -> Response:
            if action is not None:
                permit(request.state.principal, action)
            return await handle(request)

        return permitted


class StrictRequest(Request):
    """A request whose body was read and parsed already."""

    def __init__(self, request: Request, raw: bytes, value: object) -> None:
        super().__init__(request.scope, request.receive)
        self._raw = raw
        self._value = value

    @override
    async def body(self) -> bytes:
        return self._raw

    @override
    async def json(self) -> Any:
        return self._value


class StrictRoute(PermittedRoute):
    """An API route over ``StrictRequest``."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = APIRoute.get_route_handler(self)
        action = action_of(self)
        # The fields of a type that is read from the query do not say where they stand.
        places = {field.alias: getattr(field.field_info, "in_", None) for field in get_flat_params(self.dependant)}
        declared = {name for name, place in places.items() if place in {None, ParamTypes.query}}
        takes_body = self.body_field is not None
        required = takes_body and bool(self.body_field and self.body_field.field_info.is_required())

        async def strict(request: Request) -> Response:
            if action is not None:
                permit(request.state.principal, action)
            _check_query(request, declared)
            raw = await read_body(request) if request.method not in {"GET", "HEAD", "OPTIONS"} else b""
            value: object = None
            if raw or required:
                if takes_body:
                    _check_content_type(request)
                value = strict_json.parse(raw)
            if not takes_body and value not in (None, {}):
                raise InvalidInput("This request takes no body; send none, or an empty object.")
            return await handle(StrictRequest(request, raw if takes_body else b"", value))

        return strict


class ReadRoute(StrictRoute):
    """A route that takes the request and one type of all its query, and remembers the queries that it has read.

    FastAPI reads each anew, which costs as much as the database's part of a short list.
    """

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        action = action_of(self)
        kind = cast("type[BaseModel]", self.dependant.query_params[0].field_info.annotation)
        endpoint: Callable[[Request, BaseModel], Coroutine[Any, Any, Response]] = self.endpoint
        known: dict[bytes, BaseModel] = {}

        async def remembering(request: Request) -> Response:
            query: bytes = request.scope["query_string"]
            if query in known:
                if action is not None:
                    permit(request.state.principal, action)
                return await endpoint(request, known[query])
            answer = await handle(request)
            if len(known) >= _MOST_QUERIES:
                known.clear()
            if len(query) <= _LONGEST_QUERY:
                known[query] = kind.model_validate(dict(request.query_params))
            return answer

        return remembering


def _check_query(request: Request, declared: set[str]) -> None:
    """Refuse unknown and repeated query parameters, and ones that are not UTF-8."""
    seen: set[str] = set()
    for name, value in request.query_params.multi_items():
        if name not in declared:
            raise InvalidInput(no_such("query parameter", name, declared), field=plain_field(name))
        if name in seen:
            raise InvalidInput(f"The query parameter {name!r} is given more than once.", field=name)
        if "\ufffd" in value or "\x00" in value:
            raise InvalidInput(f"The query parameter {name!r} is not readable text.", field=name)
        seen.add(name)


def _check_content_type(request: Request) -> None:
    """Require JSON, in UTF-8, not compressed."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if kind.strip().lower() != "application/json" or charset not in {"", "utf-8", "utf8"}:
        raise Refusal("unsupported_media_type", "Send the body as Content-Type: application/json, in UTF-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal("unsupported_media_type", "Send the body without a Content-Encoding.")


async def read_body(request: Request, most: int | None = None) -> bytes:
    """Return the whole body; refuse it as soon as it is known to be too large or too slow."""
    usual: int = getattr(request.app.state, "max_body_bytes", DEFAULT_MAX_BODY_BYTES)
    limit = usual if most is None else most
    too_large = Refusal("body_too_large", f"The body is larger than {limit} bytes.")
    if int(request.headers.get("content-length", "0")) > limit:
        raise too_large
    received = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                received += chunk
                if len(received) > limit:
                    raise too_large
    except TimeoutError as slow:
        raise Refusal("request_timeout", f"The body was not complete after {BODY_SECONDS:g} seconds.") from slow
    except ClientDisconnect as gone:
        raise Refusal("request_timeout", "The client closed the connection before the body was complete.") from gone
    return bytes(received)
