"""Authentication of every request to ``/api``, ``/ws``, ``/scim`` and ``/metrics``, before its body is read.

A credential is an API token (``Authorization: Bearer TOKEN``), a browser session (a cookie) or, for one WebSocket, a
ticket (a subprotocol). A browser sends its cookie along from every page, so requests that carry one must prove where
they come from: unsafe methods and every WebSocket need an ``Origin`` that is this service's own, and unsafe methods the
session's word besides (``access.forgery``). Authorisation is not decided here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from nixos_workspaces.audit.entries import asker
from nixos_workspaces.auth.policy import Principal
from nixos_workspaces.errors import InvalidInput, Unauthenticated, WorkspacesError
from nixos_workspaces.web.http.access.forgery import require_csrf_token
from nixos_workspaces.web.http.access.open_request import SAFE_METHODS, OpenRequest
from nixos_workspaces.web.http.access.origin import PublicOrigin
from nixos_workspaces.web.http.access.rates import Attempt, Refusals
from nixos_workspaces.web.http.access.watch import CredentialWatch
from nixos_workspaces.web.http.errors import SCIM_PREFIX, refusal_of
from nixos_workspaces.web.http.tickets import Tickets, ticket_of

OPEN_PATHS = frozenset(
    {
        "/api/nixos/login",
        "/api/nixos/device",
        "/api/nixos/device/token",
        "/api/nixos/join-as-guest",
        "/api/nixos/passkey-login",
        "/api/nixos/passkey-login/challenge",
    }
)
"""Paths below the guarded prefixes to which one may POST without a credential: it is obtained there."""
OPEN_PAGES = frozenset({"/api/nixos/sign-in-methods"})
"""Paths below them that anybody may read."""
PROMETHEUS_PATH = "/metrics"
"""Where the figures of all workspaces are scraped, with a credential as everything else."""
MAX_TOKEN_LENGTH = 512


class Gate:
    """ASGI middleware that puts ``principal`` and ``credential`` into the request's state, or refuses it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        verify: Callable[[str], Awaitable[Principal]],
        tickets: Tickets,
        watch: CredentialWatch,
        refusals: Refusals,
        origin: PublicOrigin,
        has_scim: bool,
    ) -> None:
        self._app = app
        self._verify = verify
        self._tickets = tickets
        self._watch = watch
        self._refusals = refusals
        self._origin = origin
        self._guarded = ("/api/", "/ws/", PROMETHEUS_PATH, *([SCIM_PREFIX] if has_scim else ()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let an authenticated request through; answer 401, 403, 429 or 503 to others."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            await self._admit(scope)
        except WorkspacesError as refused:
            answer = refusal_of(refused, scope)
            if scope["type"] == "websocket":
                await _deny(answer, receive, send)
            else:
                await answer(scope, receive, send)
            return
        if scope["type"] == "http" and "credential" in scope["state"]:
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through that ends with its credential; sockets watch theirs themselves."""
        request = OpenRequest(scope, receive, send)
        scope["state"]["request"] = request
        try:
            with self._watch.entered(scope["state"]["credential"], request.end):
                await self._app(scope, request.receive, request.send)
        finally:
            request.close()

    async def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        is_socket = scope["type"] == "websocket"
        is_open = not is_socket and scope["path"] in (OPEN_PATHS if scope["method"] == "POST" else OPEN_PAGES)
        guarded = scope["path"].startswith(self._guarded) and not is_open
        unsafe = is_socket or scope["method"] not in SAFE_METHODS
        origins = headers.getlist("origin")
        if is_socket and origins:
            self._origin.require(scope)
        if not guarded:
            if unsafe and origins:
                self._origin.require(scope)
            return
        if is_socket and (secret := ticket_of(scope["subprotocols"])) is not None:
            try:
                token = self._tickets.redeem(secret, scope["path"]).credential
            except Unauthenticated:
                await self._refusals.count(Attempt.TOKEN, scope)
                raise
            await self._enter(scope, token)
            return
        token, from_cookie = credential_of(headers, self._origin.cookie_name(scope))
        if from_cookie and scope["path"].startswith(SCIM_PREFIX):
            raise Unauthenticated("SCIM takes no browser session. Send the header Authorization: Bearer TOKEN.")
        if from_cookie and unsafe:
            self._origin.require(scope)
        await self._enter(scope, token)
        scope["state"]["by_cookie"] = from_cookie
        if from_cookie and unsafe and not is_socket:  # a browser's socket can set no header
            require_csrf_token(headers, token)

    async def _enter(self, scope: Scope, token: str) -> None:
        """Take a valid credential for the request's; count one that is not."""
        try:
            principal = scope["state"]["principal"] = await self._verify(token)
        except Unauthenticated:
            await self._refusals.count(Attempt.TOKEN, scope)
            raise
        scope["state"]["credential"] = token
        if (origin := asker.get()) is not None:
            asker.set(replace(origin, chain=principal.actor))


def credential_of(headers: Headers, cookie: str) -> tuple[str, bool]:
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
    token = session_cookie(headers, cookie)
    if not token:
        raise Unauthenticated(
            "No credential was given. Send the header Authorization: Bearer TOKEN; "
            "`nixws token create NAME` makes a token."
        )
    return token, True


def session_cookie(headers: Headers, cookie: str) -> str:
    """Return the browser session of a request, in the cookie of that name; empty without one.

    Two different ones are none: a host beside ours may have set one of them, to have its session taken for the
    visitor's.
    """
    given = "; ".join(headers.getlist("cookie"))
    pairs = (one.partition("=") for one in given.split(";"))
    if len({value.strip() for name, _, value in pairs if name.strip() == cookie}) > 1:
        return ""
    try:
        morsel = SimpleCookie(given).get(cookie)
    except CookieError:
        return ""
    value = morsel.value if morsel else ""
    return value if value.isascii() and len(value) <= MAX_TOKEN_LENGTH else ""


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
