"""Pages for browsers: the built UI where it exists, and a page without scripts until then; signing in and out."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse

from nixos_workspaces.auth.tokens import SESSION_LIFETIME, TokenKind
from nixos_workspaces.errors import InvalidInput, NotFound, Unauthenticated
from nixos_workspaces.installation import ui_directory
from nixos_workspaces.schemas.service import LoginRequest, SessionAnswer, SignedIn
from nixos_workspaces.web.http.gate import SESSION_COOKIE, readable_code, session_cookie
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
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
_EXPIRED = "This login link was used already or is too old. Ask for a new one with <code>nixws login-link</code>."

router = APIRouter(route_class=StrictRoute)


@router.get("/login", include_in_schema=False)
async def login_by_link(request: Request, services: Asked, code: str = "") -> Response:
    """Exchange the code of a one-time link for a session and go to the start page."""
    built = _built()
    if not code and built:
        return RedirectResponse("/sign-in", status_code=303)
    try:
        token, _ = await services.tokens.redeem(readable_code(code))
    except (InvalidInput, Unauthenticated):
        if built:
            return RedirectResponse("/sign-in?reason=expired", status_code=303)
        return HTMLResponse(_PAGE.format(message=_EXPIRED), status_code=403)
    answer = RedirectResponse("/", status_code=303, headers={"Cache-Control": "no-store"})
    _set_session(answer, token, request)
    return answer


@router.post("/api/nixos/login", responses=problems(), tags=["session"])
async def login(request: Request, response: Response, services: Asked, given: LoginRequest) -> SignedIn:
    """Exchange a one-time login code, or an API token, for a session; browsers get it as a cookie, too."""
    if "token" in given.model_fields_set:
        principal = await services.tokens.authenticate(given.token)
        token, _ = await services.tokens.create("browser", principal=principal, kind=TokenKind.SESSION)
    else:
        token, _ = await services.tokens.redeem(readable_code(given.code))
    _set_session(response, token, request)
    return SignedIn(token=token)


@router.get("/api/nixos/session", responses=problems(body=False), tags=["session"])
async def session(principal: By) -> SessionAnswer:
    """Return the principal of the caller."""
    return SessionAnswer(name=principal.name, role=principal.role.value)


@router.post("/api/nixos/logout", status_code=204, responses=problems(), tags=["session"])
async def logout(request: Request, services: Asked) -> Response:
    """End the session, or revoke the token, that this request is made with."""
    await services.tokens.sign_out(request.state.credential)
    answer = Response(status_code=204)
    answer.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
    return answer


@router.get("/", include_in_schema=False)
async def start(request: Request, services: Asked) -> Response:
    """Serve the UI, or say whether this browser is signed in."""
    if _built():
        return _ui()
    try:
        await services.tokens.authenticate(session_cookie(request.headers))
    except Unauthenticated:
        return HTMLResponse(_PAGE.format(message=_SIGNED_OUT))
    return HTMLResponse(_PAGE.format(message=_SIGNED_IN))


@router.get("/favicon.svg", include_in_schema=False)
async def icon() -> Response:
    """Serve the UI's icon."""
    return _file(UI_DIST / "favicon.svg", "public, max-age=86400")


@router.get("/assets/{path:path}", include_in_schema=False)
async def asset(path: str) -> Response:
    """Serve a file of the built UI; its name carries its hash, so that it may be kept for ever."""
    return _file(UI_DIST / "assets" / path, "public, max-age=31536000, immutable")


async def ui_route() -> Response:
    """Serve the UI at the addresses of its views; the query is read by the page alone."""
    if not _built():
        raise NotFound("The web UI is not built here.", code="no_such_route")
    return _ui()


for _path in ("/sign-in", "/workspaces", "/workspaces/{path:path}"):
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
    return FileResponse(UI_DIST / "index.html", headers={"Cache-Control": "no-cache"})


def _file(wanted: Path, caching: str) -> FileResponse:
    """Serve a file that lies in the built UI; 404 for anything else.

    ``wanted`` may be anything: joining an absolute path has left the directory already.
    """
    plain = "\x00" not in str(wanted) and ".." not in wanted.parts
    if not plain or not wanted.resolve().is_relative_to(UI_DIST.resolve()) or not wanted.is_file():
        raise NotFound("There is no such file.", code="no_such_route")
    return FileResponse(wanted, headers={"Cache-Control": caching})


def _set_session(answer: Response, token: str, request: Request) -> None:
    """Give the browser its session: not readable by scripts, never sent along from other sites."""
    answer.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
