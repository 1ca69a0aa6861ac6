"""Pages for browsers: the built UI where it exists, and a page without scripts until then; signing in and out."""

from __future__ import annotations

import html
from mimetypes import guess_type
from pathlib import Path
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse

from nixos_workspaces.errors import InvalidInput, NotFound, Unauthenticated, Unavailable
from nixos_workspaces.installation import ui_directory
from nixos_workspaces.schemas.service import LoginRequest, SessionAnswer, SignedIn, SignedOut
from nixos_workspaces.services import Services
from nixos_workspaces.web.http.access.begun import device_of, give_session
from nixos_workspaces.web.http.access.forgery import csrf_token_for
from nixos_workspaces.web.http.access.origin import PublicOrigin
from nixos_workspaces.web.http.access.rates import Attempt
from nixos_workspaces.web.http.gate import readable_code, session_cookie
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute, read_body
from nixos_workspaces.web.routes.dependencies import Asked, By

UI_DIST = ui_directory()

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>NixOS Workspaces</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem; }}
</style>
<main>
<h1>NixOS Workspaces</h1>
<p>{message}</p>
</main>
</html>
"""
_SIGNED_IN = (
    'You are signed in. The API is described at <a href="/api/openapi.json">/api/openapi.json</a>; '
    "on the command line, <code>nixws list</code> shows your workspaces."
)
_SIGNED_OUT = (
    "You are signed out. Open the login link that the service printed when it started, "
    "or ask for a new one with <code>nixws login-link</code>."
)
_FORM = (
    '<form method="post" action="/login"><input type="hidden" name="code" value="{code}">'
    '<button autofocus>Sign in</button></form><script src="/login.js" defer></script>'
)
_EXPIRED = "This login link was used already or is too old. Ask for a new one with <code>nixws login-link</code>."

router = APIRouter(route_class=StrictRoute)


@router.get("/login", include_in_schema=False)
async def login_page(code: str = "") -> Response:
    """Serve the page that a login link leads to; it spends no code: programs that look at links would.

    It sends the code by a form, at once where scripts run. Its referrer policy lets the browser say the form's origin.
    """
    if not code and _built():
        return RedirectResponse("/sign-in", status_code=303)
    form = _FORM.format(code=html.escape(code))
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}
    return HTMLResponse(_PAGE.format(message=form), headers=headers)


@router.get("/login.js", include_in_schema=False)
async def login_script() -> Response:
    """Serve the script that sends the form of the login page."""
    return Response("document.forms[0].requestSubmit();\n", media_type="text/javascript")


async def login_by_form(request: Request) -> Response:
    """Exchange the code of a one-time link for a session and go to the start page."""
    services: Services = request.app.state.services
    body = (await read_body(request)).decode("ascii", "replace")
    try:
        code = _code_of(body)
        secret, session_ = await services.tokens.redeem(readable_code(code), device_of(request))
    except (InvalidInput, Unauthenticated):
        await request.app.state.refusals.count(Attempt.CODE, request.scope)
        if _built():
            return RedirectResponse("/sign-in?reason=expired", status_code=303)
        return HTMLResponse(_PAGE.format(message=_EXPIRED), status_code=403)
    answer = RedirectResponse("/", status_code=303, headers={"Cache-Control": "no-store"})
    give_session(answer, secret, session_, request)
    return answer


def _code_of(form: str) -> str:
    """Return the field ``code`` of a form; ``InvalidInput`` for what is no form of the login page."""
    try:
        return parse_qs(form, max_num_fields=4).get("code", [""])[0]
    except ValueError as wrong:
        raise InvalidInput("This is not the form of the login page.") from wrong


router.add_api_route("/login", login_by_form, methods=["POST"], include_in_schema=False, route_class_override=APIRoute)


@router.post("/api/nixos/login", responses=problems(), tags=["session"])
async def login(request: Request, response: Response, services: Asked, given: LoginRequest) -> SignedIn:
    """Exchange a one-time login code, an API token, or handle and password for a session.

    Browsers get it as a cookie, too.
    """
    state, device = request.app.state, device_of(request)
    given_by = given.model_fields_set
    attempt = Attempt.TOKEN if "token" in given_by else Attempt.CODE
    try:
        if "password" in given_by:
            attempt = Attempt.PASSWORD
            async with state.rates.password(device.address, given.handle):
                secret, session_ = await services.people.sessions.sign_in(given.handle, given.password, device)
        elif "token" in given_by:
            principal = await services.tokens.authenticate(given.token)
            state.rates.session(principal.id)
            secret, session_ = await services.tokens.open_session(given.token, device)
        else:
            secret, session_ = await services.tokens.redeem(readable_code(given.code), device)
    except Unauthenticated:
        await state.refusals.count(attempt, request.scope)
        raise
    give_session(response, secret, session_, request)
    return SignedIn(token=secret)


@router.get("/api/nixos/session", responses=problems(body=False), tags=["session"])
async def session(request: Request, principal: By) -> SessionAnswer:
    """Return the principal of the caller."""
    state = request.state
    word = csrf_token_for(request.headers, state.credential) if state.by_cookie else ""
    return SessionAnswer(name=principal.name, role=principal.role.value, csrf_token=word)


@router.post(
    "/api/nixos/logout",
    status_code=204,
    responses={**problems(), 200: {"model": SignedOut, "description": "Go on to the OpenID provider."}},
    tags=["session"],
)
async def logout(request: Request, services: Asked) -> Response:
    """End the session, or revoke the token, that this request is made with.

    Of a session that began at an OpenID provider the answer says where to sign out there.
    """
    origin: PublicOrigin = request.app.state.origin
    where = await _goodbye(services, request.state.credential, origin.of(request.scope))
    await services.tokens.sign_out(request.state.credential)
    answer = JSONResponse({"url": where}) if where else Response(status_code=204)
    origin.delete_cookie(request.scope, answer)
    return answer


async def _goodbye(services: Services, credential: str, origin: str) -> str:
    """Return where to sign out at the OpenID provider; empty without one, or where that does not answer."""
    if services.people.openid is None:
        return ""
    try:
        return await services.people.openid.goodbye(credential, origin)
    except Unavailable:
        return ""


@router.get("/", include_in_schema=False)
async def start(request: Request, services: Asked) -> Response:
    """Serve the UI, or say whether this browser is signed in."""
    if _built():
        return _ui()
    try:
        cookie = request.app.state.origin.cookie_name(request.scope)
        await services.tokens.authenticate(session_cookie(request.headers, cookie))
    except Unauthenticated:
        return HTMLResponse(_PAGE.format(message=_SIGNED_OUT))
    return HTMLResponse(_PAGE.format(message=_SIGNED_IN))


def _public(name: str, media_type: str | None = None, *, caching: str = "public, max-age=86400") -> None:
    """Add a route for a file of the UI that has a fixed address."""

    async def public() -> Response:
        return _file(UI_DIST / name, caching, media_type)

    router.add_api_route(f"/{name}", public, methods=["GET"], name=name, include_in_schema=False)


_public("favicon.svg")
_public("manifest.webmanifest", "application/manifest+json")
for _icon in ("icon-192.png", "icon-512.png", "maskable-512.png", "apple-touch-180.png"):
    _public(f"icons/{_icon}")
# What the page shows while the service is away: the worker looks for newer ones, and they have to be that.
for _name in ("sw.js", "offline.html", "offline.css"):
    _public(_name, caching="no-cache")


@router.get("/assets/{path:path}", include_in_schema=False)
async def asset(path: str, request: Request) -> Response:
    """Serve a file of the built UI, packed where that is taken; its name carries its hash: it may be kept for ever."""
    takes_packed = "gzip" in request.headers.get("accept-encoding", "")
    return _file(UI_DIST / "assets" / path, "public, max-age=31536000, immutable", takes_packed=takes_packed)


_FIRST_DATA = ", ".join(
    f"<{path}>; rel=preload; as=fetch; crossorigin" for path in ("/api/nixos/session", "/api/nixos/workspaces?limit=50")
)
"""The first requests of every view: a browser that has a session fetches it beside the program and not after it."""


async def ui_route(request: Request) -> Response:
    """Serve the UI at the addresses of its views; the query is read by the page alone."""
    if not _built():
        raise NotFound("The web UI is not built here.", code="no_such_route")
    page = _ui()
    cookie = request.app.state.origin.cookie_name(request.scope)
    if request.url.path not in {"/sign-in", "/join"} and session_cookie(request.headers, cookie):
        page.headers["Link"] = _FIRST_DATA
    return page


for _path in (
    *("/sign-in", "/join", "/previews", "/workspaces", "/workspaces/{path:path}"),
    *("/me", "/me/{path:path}", "/device", "/admin", "/admin/{path:path}"),
    *("/templates", "/usage", "/profile", "/ssh-keys"),
):
    router.add_api_route(_path, ui_route, methods=["GET"], include_in_schema=False, route_class_override=APIRoute)


def page_not_found(request: Request) -> Response | None:
    """Serve the UI, which says so and leads on, to a browser that asks for a missing page."""
    wants_page = request.method in {"GET", "HEAD"} and "text/html" in request.headers.get("accept", "")
    if not wants_page or request.url.path.startswith(("/api/", "/ws/", "/assets/")) or not _built():
        return None
    return FileResponse(UI_DIST / "index.html", status_code=404, headers={"Cache-Control": "no-cache"})


def _built() -> bool:
    return (UI_DIST / "index.html").is_file()


def _ui() -> FileResponse:
    return _BuiltFile(UI_DIST / "index.html", headers={"Cache-Control": "no-cache"})


class _BuiltFile(FileResponse):
    """A file of the built UI: read at once, as each piece costs a way to another thread and back."""

    chunk_size = 1 << 20


def _file(wanted: Path, caching: str, media_type: str | None = None, *, takes_packed: bool = False) -> FileResponse:
    """Serve a file that lies in the built UI, or its packed copy; 404 for anything else.

    ``wanted`` may be anything: joining an absolute path has left the directory already.
    """
    plain = "\x00" not in str(wanted) and ".." not in wanted.parts
    if not plain or not wanted.resolve().is_relative_to(UI_DIST.resolve()) or not wanted.is_file():
        raise NotFound("There is no such file.", code="no_such_route")
    headers = {"Cache-Control": caching, "Vary": "Accept-Encoding"}
    packed = wanted.with_name(f"{wanted.name}.gz")
    if takes_packed and packed.is_file():
        kind = media_type or guess_type(wanted.name)[0]
        return _BuiltFile(packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=kind)
    return _BuiltFile(wanted, headers=headers, media_type=media_type)
