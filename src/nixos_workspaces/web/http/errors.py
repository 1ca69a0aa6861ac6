"""The one table from our errors to HTTP, and the one shape of every error answer.

Nothing else in the program knows a status code of an error. What the edge itself refuses before any part of the
program is asked (an unreadable body, an unknown route) is a ``Refusal`` and stands in the same table.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nixos_workspaces import errors
from nixos_workspaces.schemas.problems import described
from nixos_workspaces.schemas.wire import SentenceAnswer

logger = logging.getLogger(__name__)

STATUS: Mapping[type[errors.WorkspacesError], int] = {
    errors.InvalidInput: 422,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.LimitExceeded: 429,
    errors.InsufficientResources: 409,
    errors.Unavailable: 503,
    errors.BuildFailed: 422,
    errors.RuntimeFailed: 502,
}
"""The status of each class; a subclass takes that of its nearest listed parent."""

CODES: Mapping[str, int] = {
    "no_space": 507,
    "precondition_failed": 412,
    "authorization_pending": 400,
    "slow_down": 400,
    "access_denied": 400,
    "expired_token": 400,
    "logout_token_invalid": 400,
}
"""The codes with another status than that of their class: HTTP has one of its own for them."""

REFUSALS: Mapping[str, int] = {
    "malformed_request": 400,
    "malformed_json": 400,
    "no_such_route": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "tus_version": 412,
    "body_too_large": 413,
    "url_too_long": 414,
    "unsupported_media_type": 415,
    "range_outside": 416,
    "too_many_requests": 429,
    "too_many_attempts": 429,
    "too_many_of_address": 429,
    "headers_too_large": 431,
    "bad_answer": 502,
    "too_many_connections": 503,
    "preview_loop": 508,
}
"""The status of each code that the edge itself refuses with."""

SCIM_PREFIX = "/scim/"
_SCIM_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
_SCIM_TYPES = {"malformed_json": "invalidSyntax", "invalid_input": "invalidValue"}
_KEPT_HEADERS = ("cache-control", "retry-after", "www-authenticate")

RETRY_AFTER_SECONDS: Mapping[int, int] = {429: 5, 503: 5}
"""When a client may try again; sent as ``Retry-After``."""


class Refusal(errors.WorkspacesError):
    """The edge refuses a request before any other part sees it; ``code`` is a key of ``REFUSALS``."""

    def __init__(self, code: str, message: str, *, field: str | None = None) -> None:
        """Refuse with the status that ``REFUSALS`` gives ``code``."""
        super().__init__(message, code=code, field=field)


class TooManyAttempts(Refusal):
    """A rate is exceeded; ``retry_after`` says in how many seconds the next attempt is looked at."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        """Refuse with 429 and ``Retry-After``."""
        super().__init__("too_many_attempts", message)
        self.retry_after = retry_after


def status_of(error: errors.WorkspacesError) -> int:
    """Return the HTTP status of one of our errors; 500 for a class that the table does not know."""
    if isinstance(error, Refusal):
        return REFUSALS[error.code]
    if error.code in CODES:
        return CODES[error.code]
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def error_body(error: errors.WorkspacesError, request_id: str) -> dict[str, dict[str, Any]]:
    """Return the one error shape."""
    stated = {"code": error.code, "message": error.message, "field": error.field, "request_id": request_id}
    said = None if error.said is None else SentenceAnswer.of(error.said).model_dump(mode="json")
    return {"error": {**stated, "said": said}}


def error_headers(status: int) -> dict[str, str]:
    """Return the headers that an error of this status carries besides the common ones."""
    headers = {"Cache-Control": "no-store"}
    if status in RETRY_AFTER_SECONDS:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS[status])
    if status == STATUS[errors.Unauthenticated]:
        headers["WWW-Authenticate"] = 'Bearer realm="nixos-workspaces"'
    return headers


def error_response(
    error: errors.WorkspacesError, request_id: str, *, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return the answer for one error."""
    status = status_of(error)
    every = error_headers(status)
    if isinstance(error, TooManyAttempts):
        every["Retry-After"] = str(error.retry_after)
    return JSONResponse(error_body(error, request_id), status_code=status, headers={**every, **(headers or {})})


def refusal_of(error: errors.WorkspacesError, scope: Mapping[str, Any]) -> JSONResponse:
    """Return the answer for an error in the shape of the request's protocol: ours, or SCIM's (RFC 7644, 3.12)."""
    ours = error_response(error, str(scope["state"]["request_id"]))
    if not scope["path"].startswith(SCIM_PREFIX):
        return ours
    # Input that RFC 7644 has no keyword for is 400 there: 422 is not among its statuses.
    status = 400 if ours.status_code == STATUS[errors.InvalidInput] else ours.status_code
    content = {"schemas": [_SCIM_ERROR], "status": str(status), "detail": error.message}
    keyword = _SCIM_TYPES.get(error.code)
    more = {} if keyword is None else {"scimType": keyword}
    headers = {name: ours.headers[name] for name in _KEPT_HEADERS if name in ours.headers}
    return JSONResponse({**content, **more}, status, headers, media_type="application/scim+json")


def validation_error(problems: Sequence[Mapping[str, Any]]) -> errors.InvalidInput:
    """Return pydantic's findings as one of our errors, in our sentences."""
    said, field = described(problems)
    return errors.InvalidInput(said, field=field)


def request_id_of(request: Request) -> str:
    """Return the id that the edge gave this request."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def install(app: FastAPI, page_not_found: Callable[[Request], Response | None]) -> None:
    """Make every error that leaves a route an answer in the one shape.

    ``page_not_found`` may answer in another way where there is no route.
    """

    async def ours(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, errors.WorkspacesError)
        if status_of(error) >= 500:  # noqa: PLR2004 - the class of statuses that are our own fault
            logger.warning("request %s: %s: %s", request_id_of(request), error.code, error.message)
        return error_response(error, request_id_of(request))

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return error_response(validation_error(error.errors()), request_id_of(request))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        match error.status_code:
            case 404:
                if (page := page_not_found(request)) is not None:
                    return page
                refusal = Refusal(
                    "no_such_route", "There is nothing at this path; see /api/openapi.json for what there is."
                )
            case 405:
                # In a thread: making the document of all routes, the first time, takes long.
                methods = await asyncio.to_thread(allowed_methods, app, request.url.path)
                allowed = ", ".join(methods) or (error.headers or {}).get("Allow", "")
                if request.method == "OPTIONS":
                    return Response(status_code=204, headers={"Allow": allowed})
                message = f"This path does not answer {request.method[:20]}; it answers {allowed}."
                refusal = Refusal("method_not_allowed", message)
                return error_response(refusal, request_id_of(request), headers={"Allow": allowed})
            case _:
                refusal = Refusal("malformed_request", "The request could not be read.")
        return error_response(refusal, request_id_of(request))

    app.add_exception_handler(errors.WorkspacesError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def allowed_methods(app: FastAPI, path: str) -> list[str]:
    """Return every method that some documented route answers at this path; a route of exactly this path wins."""
    methods, documented = {"OPTIONS"}, app.openapi()["paths"]
    for template, operations in ({path: documented[path]} if path in documented else documented).items():
        below = re.sub(r"\\{file_path\\}", "(?s:.*)", re.escape(template))
        if re.fullmatch(re.sub(r"\\{[a-z_]+\\}", "[^/]+", below), path):
            methods.update(method.upper() for method in operations)
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods) if len(methods) > 1 else []
