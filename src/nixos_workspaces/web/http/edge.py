"""The outermost layer of every request: its id, its log line, its common headers, and an answer in every case."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Callable
from contextlib import nullcontext

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nixos_workspaces.audit.entries import Asker, asker
from nixos_workspaces.auth.counted import CountedAudit, Kind
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.logs.context import note_request
from nixos_workspaces.logs.recent import ACCESS
from nixos_workspaces.logs.tracing import span
from nixos_workspaces.web.http.access.rates import address_of, client_of
from nixos_workspaces.web.http.errors import SCIM_PREFIX, refusal_of

access_logger = logging.getLogger(ACCESS)
logger = logging.getLogger(__name__)

AUDITED = frozenset({400, 401, 403, 404, 422})
"""The statuses of requests that the audit log counts; 404 of who is signed in, and may look for what others have."""
NOT_FOUND = 404
SEND_SECONDS = 30.0
"""Time that a client may leave a piece of an answer unread before its connection is dropped."""

_WORKSPACES = "/api/nixos/workspaces"
_CLIENT_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")

COMMON_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; worker-src 'self'; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
}


class Edge:
    """ASGI middleware; see the module's docstring. WebSockets get an id and a log line only.

    ``took`` is told the method, the route's template and the seconds until its answer began.
    """

    def __init__(self, app: ASGIApp, audit: CountedAudit, took: Callable[[str, str, float], None]) -> None:
        self._app = app
        self._audit = audit
        self._took = took

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or WebSocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.monotonic()
        answer = _Answer(scope, send, request_id)
        # A HEAD is answered as its GET, without the body.
        inner = {**scope, "method": "GET"} if answer.head else scope
        asker.set(Asker(client_of(address_of(scope)), request_id))
        note_request(request_id)
        try:
            with span(f"{scope['method']} workspace") if _is_change(scope) else nullcontext():
                await self._app(inner, receive, answer.send)
        except Exception:
            logger.exception("request %s: unexpected failure", request_id)
            if scope["type"] != "http" or answer.status:
                raise
            unexpected = WorkspacesError(
                "Something unexpected failed; the service's log tells more under this request's id."
            )
            await refusal_of(unexpected, scope)(scope, receive, answer.send)
        finally:
            _log(scope, answer.status, time.monotonic() - started, request_id)
            route = getattr(inner.get("route"), "path", "")
            if route and answer.begun is not None:
                self._took(scope["method"], route, answer.begun - started)
            if answer.status in AUDITED:
                self._note(inner, answer.status, request_id)

    def _note(self, scope: Scope, status: int, request_id: str) -> None:
        """Count a refused request by its operation; one for its credential was counted as that."""
        state = scope["state"]
        if not scope["path"].startswith(("/api/", "/ws/", SCIM_PREFIX)) or state.get("is_counted"):
            return
        actor = state["principal"].id if "principal" in state else ""
        if actor or status != NOT_FOUND:
            operation = getattr(scope.get("route"), "name", "")
            kind = Kind("request", str(status), actor, address=client_of(address_of(scope)), target=operation)
            self._audit.note(kind, request_id)


class _Answer:
    """Passes an answer on, with the common headers and a bound on how long the client may leave it unread."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self.status = 0
        """0 until the answer has begun."""
        self.begun: float | None = None
        """When the answer to a request began."""
        self.head = scope.get("method") == "HEAD"
        self._is_api = scope["path"].startswith("/api/")
        self._is_socket = scope["type"] == "websocket"
        self._request_id = request_id
        self._send = send
        self._ended = False

    async def send(self, message: Message) -> None:
        """Stand in for the application's ``send``."""
        if message["type"] in {"http.response.start", "websocket.http.response.start"}:
            self._begin(message)
        elif message["type"] == "websocket.accept":
            self.status = 101
        elif self.head and message["type"] == "http.response.body":
            if self._ended:
                return
            self._ended = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        if self._is_socket:
            await self._send(message)
        else:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send(message)

    def _begin(self, message: Message) -> None:
        self.status = message["status"]
        self.begun = None if self._is_socket else time.monotonic()
        headers = MutableHeaders(raw=message.setdefault("headers", []))
        headers["X-Request-Id"] = self._request_id
        for name, value in COMMON_HEADERS.items():
            headers.setdefault(name, value)
        if self._is_api:
            headers.setdefault("Cache-Control", "no-store")


def _is_change(scope: Scope) -> bool:
    """Tell whether a request may change a workspace: of these alone there are traces."""
    return scope["type"] == "http" and scope["method"] != "GET" and str(scope["path"]).startswith(_WORKSPACES)


def _request_id(scope: Scope) -> str:
    """Take over a sane id from the client (so that its log and ours agree), or make one."""
    given = [value for name, value in scope["headers"] if name == b"x-request-id"]
    if len(given) == 1 and _CLIENT_REQUEST_ID.fullmatch(given[0]):
        return str(given[0].decode("ascii"))
    # Unique, not secret: the system's own random numbers cost a tenth of what a small request does.
    return f"{random.getrandbits(128):032x}"


def _log(scope: Scope, status: int, seconds: float, request_id: str) -> None:
    """Write one access line: never the query string, never a header."""
    access_logger.info(
        "%s %s %s %d %.1f ms %s",
        (scope.get("client") or ("-",))[0],
        scope.get("method", "WS"),
        scope["path"].encode("unicode_escape").decode("ascii")[:300],
        status,
        seconds * 1000,
        request_id,
        extra={"fields": {"method": scope.get("method", "WS"), "status": status, "ms": round(seconds * 1000, 1)}},
    )
