"""Additions to the OpenAPI document beside the routes' own types: errors, credentials."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic.json_schema import models_json_schema

from nixos_workspaces.schemas.service import ErrorAnswer

ALWAYS = (400, 422, 431, 500, 503)
"""Any route: unreadable requests, unknown query parameters, too large headers, our own faults, too much load."""
AUTHENTICATED = (401, 403, 429)
WITH_BODY = (408, 413, 415)
"""Any route that reads its body."""

_OPEN = {
    ("/healthz", "get"),
    ("/readyz", "get"),
    ("/api/nixos/login", "post"),
    ("/api/nixos/sign-in-methods", "get"),
    ("/api/nixos/device", "post"),
    ("/api/nixos/join-as-guest", "post"),
    ("/api/nixos/device/token", "post"),
    ("/api/nixos/passkey-login", "post"),
    ("/api/nixos/passkey-login/challenge", "post"),
}


_REFERENCE = "#/components/schemas/{model}"
# By reference, not by the type: FastAPI would make a validator of it for each of 1,500 answers of the routes, which
# took 6 MB and half of the time that the program takes to load.
_ERROR = {"application/json": {"schema": {"$ref": _REFERENCE.format(model=ErrorAnswer.__name__)}}}


def problems(*more: int, authenticated: bool = True, body: bool = True) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route: the statuses that every route of its kind has, and ``more``."""
    statuses = {*ALWAYS, *more}
    if authenticated:
        statuses.update(AUTHENTICATED)
    if body:
        statuses.update(WITH_BODY)
    return {status: {"description": HTTPStatus(status).phrase, "content": _ERROR} for status in sorted(statuses)}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add the type of errors and the credentials, which FastAPI does not know."""
    components = document.setdefault("components", {})
    _, errors = models_json_schema([(ErrorAnswer, "serialization")], ref_template=_REFERENCE)
    components["schemas"] = dict(sorted((components.get("schemas", {}) | errors["$defs"]).items()))
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "An API token or a session token."},
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["security"] = [] if (path, method) in _OPEN else [{"token": []}]
    return document
