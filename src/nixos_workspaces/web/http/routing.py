"""A route that reads its request strictly before FastAPI looks at it.

FastAPI reads bodies of any size, at any speed, and takes unknown query parameters for nothing. ``StrictRoute`` bounds
size and time, wants JSON (``strict_json``), and refuses query parameters that the route does not declare.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from typing_extensions import override

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.web.http import strict_json
from nixos_workspaces.web.http.errors import Refusal

BODY_SECONDS = 15.0
"""Time that a client has to send a whole JSON body."""
DEFAULT_MAX_BODY_BYTES = 1 << 20


def encoded(answer: BaseModel) -> Response:
    """Return an answer as it goes over the wire, in one step.

    FastAPI validates what a route returns once more and walks through it; an answer that is a model needs neither.
    Give the route ``response_model`` for its document.
    """
    return Response(answer.__pydantic_serializer__.to_json(answer), media_type="application/json")


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


class StrictRoute(APIRoute):
    """An API route over ``StrictRequest``."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        declared = {field.alias for field in get_flat_params(self.dependant) if field.field_info.in_.value == "query"}  # type: ignore[attr-defined]
        takes_body = self.body_field is not None
        required = takes_body and bool(self.body_field and self.body_field.field_info.is_required())

        async def strict(request: Request) -> Response:
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


def _check_query(request: Request, declared: set[str]) -> None:
    """Refuse unknown and repeated query parameters, and ones that are not UTF-8."""
    seen: set[str] = set()
    for name, value in request.query_params.multi_items():
        shown = name if name.isprintable() and len(name) <= 64 else None  # noqa: PLR2004 - long enough for any of ours
        if name not in declared:
            known = f"it takes {', '.join(sorted(declared))}" if declared else "it takes none"
            raise InvalidInput(f"Unknown query parameter {name[:64]!r}; {known}.", field=shown)
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


async def read_body(request: Request) -> bytes:
    """Return the whole body; refuse it as soon as it is known to be too large or too slow."""
    limit: int = getattr(request.app.state, "max_body_bytes", DEFAULT_MAX_BODY_BYTES)
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
