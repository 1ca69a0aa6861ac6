"""Authentication of every request to ``/api`` and ``/ws``, before its body is read.

A credential is an API token (``Authorization: Bearer TOKEN``), a browser session (a cookie) or, for one WebSocket, a
ticket (a subprotocol). A browser sends its cookie along from every page, so requests that carry one must prove where
they come from: unsafe methods and every WebSocket need an ``Origin`` that is this service's own. Authorisation is not
decided here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from nixos_workspaces.auth.policy import Principal
from nixos_workspaces.errors import Forbidden, InvalidInput, Unauthenticated, WorkspacesError
from nixos_workspaces.web.http.errors import error_response
from nixos_workspaces.web.http.tickets import Tickets, ticket_of

SESSION_COOKIE = "nixws_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_PATHS = frozenset({"/api/nixos/login"})
"""Paths below the guarded prefixes that need no credential: it is obtained there."""
MAX_TOKEN_LENGTH = 512


class Gate:
    """ASGI middleware that puts ``principal`` and ``credential`` into the request's state, or refuses it."""

    def __init__(self, app: ASGIApp, verify: Callable[[str], Awaitable[Principal]], tickets: Tickets) -> None:
        self._app = app
        self._verify = verify
        self._tickets = tickets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let an authenticated request through; answer 401, 403 or 503 to others."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            await self._admit(scope)
        except WorkspacesError as refused:
            answer = error_response(refused, scope["state"]["request_id"])
            if scope["type"] == "websocket":
                await _deny(answer, receive, send)
            else:
                await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        guarded = scope["path"].startswith(("/api/", "/ws/")) and scope["path"] not in OPEN_PATHS
        is_socket = scope["type"] == "websocket"
        unsafe = is_socket or scope["method"] not in SAFE_METHODS
        origins = headers.getlist("origin")
        if is_socket and origins:
            _check_origin(scope, headers)
        if not guarded:
            if unsafe and origins:
                _check_origin(scope, headers)
            return
        if is_socket and (secret := ticket_of(scope["subprotocols"])) is not None:
            ticket = self._tickets.redeem(secret, scope["path"])
            scope["state"].update(principal=ticket.principal, credential=ticket.credential)
            return
        token, from_cookie = credential_of(headers)
        if from_cookie and unsafe:
            _check_origin(scope, headers)
        scope["state"]["principal"] = await self._verify(token)
        scope["state"]["credential"] = token


def credential_of(headers: Headers) -> tuple[str, bool]:
    """Return the credential of a request and whether it came by cookie; raise ``Unauthenticated`` without one.

    An ``Authorization`` header wins over a cookie: a program that sends one never acts as the browser's user.
    """
    given = headers.getlist("authorization")
    if given:
        scheme, _, token = given[0].partition(" ")
        token = token.strip()
        if (
            len(given) > 1
            or scheme.lower() != "bearer"
            or not token.isascii()
            or not 0 < len(token) <= MAX_TOKEN_LENGTH
        ):
            raise Unauthenticated("The Authorization header must be: Bearer TOKEN.")
        return token, False
    token = session_cookie(headers)
    if not token:
        raise Unauthenticated(
            "No credential was given. Send the header Authorization: Bearer TOKEN; "
            "`nixws token create NAME` makes a token."
        )
    return token, True


def session_cookie(headers: Headers) -> str:
    """Return the browser session of a request; empty without one."""
    try:
        morsel = SimpleCookie("; ".join(headers.getlist("cookie"))).get(SESSION_COOKIE)
    except CookieError:
        return ""
    value = morsel.value if morsel else ""
    return value if value.isascii() and len(value) <= MAX_TOKEN_LENGTH else ""


def _check_origin(scope: Scope, headers: Headers) -> None:
    """Require exactly one ``Origin``, equal to scheme, host and port that the request itself went to."""
    scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
    own = f"{scheme}://{headers.get('host', '')}".lower()
    origins = headers.getlist("origin")
    if len(origins) != 1 or origins[0].lower() != own:
        raise Forbidden(
            "The request comes from another site's page, or does not say from which: its Origin is not this service.",
            code="foreign_origin",
        )


async def _deny(answer: Response, receive: Receive, send: Send) -> None:
    """Refuse a WebSocket handshake with an HTTP answer."""
    await receive()
    await send({"type": "websocket.http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": "websocket.http.response.body", "body": bytes(answer.body)})


def readable_code(code: str) -> str:
    """Return a login code that may be looked up; raise ``InvalidInput`` for one that cannot be one."""
    if not code.isascii() or not code.isprintable() or len(code) > MAX_TOKEN_LENGTH:
        raise InvalidInput("This is not a login code.", field="code")
    return code
