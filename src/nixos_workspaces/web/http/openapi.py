"""Additions to the OpenAPI document beside the routes' own types: errors, credentials."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from nixos_workspaces.schemas.service import ErrorAnswer

ALWAYS = (400, 422, 431, 500, 503)
"""Any route: unreadable requests, unknown query parameters, too large headers, our own faults, too much load."""
AUTHENTICATED = (401, 403)
WITH_BODY = (408, 413, 415)
"""Any route that reads its body."""

_OPEN = {("/healthz", "get"), ("/api/nixos/login", "post")}


def problems(*more: int, authenticated: bool = True, body: bool = True) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route: the statuses that every route of its kind has, and ``more``."""
    statuses = {*ALWAYS, *more}
    if authenticated:
        statuses.update(AUTHENTICATED)
    if body:
        statuses.update(WITH_BODY)
    return {status: {"model": ErrorAnswer, "description": HTTPStatus(status).phrase} for status in sorted(statuses)}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add the credentials, which FastAPI does not know."""
    document.setdefault("components", {})["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "An API token or a session token."},
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["security"] = [] if (path, method) in _OPEN else [{"token": []}]
    return document
