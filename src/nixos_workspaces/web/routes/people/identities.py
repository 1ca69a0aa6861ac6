"""The routes of signing in by an OpenID provider, and of the accounts there.

Those below ``/oidc`` are of the protocol, for browsers and for the provider; what goes wrong there is told by a page,
which gets the error's code behind the #: no log has that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse, Response

from nixos_workspaces.auth.openid.pending import ACCOUNT, CALLBACK, LIFETIME_SECONDS
from nixos_workspaces.errors import Forbidden, InvalidInput, NotFound, Unauthenticated, WorkspacesError
from nixos_workspaces.schemas.people.identities import (
    ConnectAnswer,
    IdentityAnswer,
    IdentityList,
    ProviderAnswer,
    SignInMethods,
)
from nixos_workspaces.services import Services
from nixos_workspaces.web.http.access.begun import device_of, give_session
from nixos_workspaces.web.http.access.origin import PublicOrigin
from nixos_workspaces.web.http.access.rates import Attempt, address_of
from nixos_workspaces.web.http.gate import session_cookie
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute, read_body
from nixos_workspaces.web.routes.dependencies import Asked, By, RequestId

if TYPE_CHECKING:
    from nixos_workspaces.auth.openid.sign_in import Finished, OpenIdSignIn

router = APIRouter(route_class=StrictRoute, tags=["session"])

BEGIN = "/oidc/sign-in"
LOGOUT = "/oidc/backchannel-logout"
_PAGE = "/sign-in"
_MOST_FIELDS = 32


@router.get("/api/nixos/sign-in-methods", responses=problems(authenticated=False, body=False))
async def list_sign_in_methods(services: Asked) -> SignInMethods:
    """Return the ways to sign in besides codes, tokens and passwords."""
    openid = services.people.openid
    return SignInMethods(openid=None if openid is None else ProviderAnswer(name=openid.name, url=BEGIN))


@router.get("/api/nixos/me/identities", responses=problems(body=False))
async def list_identities(services: Asked, principal: By) -> IdentityList:
    """List the accounts at an OpenID provider that sign the caller in."""
    found = await services.people.identities.list(principal=principal)
    return IdentityList(
        identities=[
            IdentityAnswer(
                id=one.id, issuer=one.issuer, subject=one.subject, created_at=one.created_at, used_at=one.used_at
            )
            for one in found
        ]
    )


@router.post("/api/nixos/me/identities", responses=problems(404))
async def connect_identity(request: Request, services: Asked, principal: By, response: Response) -> ConnectAnswer:
    """Begin to connect an account at the OpenID provider, by which the caller then signs in; for browsers."""
    openid = services.people.openid
    if openid is None:
        raise NotFound("No OpenID provider is set here.", code="no_openid_provider")
    origin: PublicOrigin = request.app.state.origin
    request.app.state.rates.provider(address_of(request.scope))
    url, secret = await openid.begin_connecting(
        origin.of(request.scope), principal=principal, credential=request.state.credential
    )
    origin.set_state_cookie(request.scope, response, secret, int(LIFETIME_SECONDS))
    return ConnectAnswer(url=url)


@router.delete("/api/nixos/me/identities/{identity_id}", status_code=204, responses=problems(404, 409))
async def disconnect_identity(
    *,
    services: Asked,
    principal: By,
    request_id: RequestId,
    identity_id: Annotated[str, Path(max_length=64, description="The account's id.")],
) -> Response:
    """Have an account at the OpenID provider sign nobody in any more; sessions go on."""
    await services.people.identities.disconnect(identity_id, principal=principal, request_id=request_id)
    return Response(status_code=204)


async def begin(request: Request) -> Response:
    """Lead a browser to the OpenID provider."""
    openid, origin = _openid(request), _origin(request)
    try:
        request.app.state.rates.provider(address_of(request.scope))
        url, secret = await openid.begin(origin.of(request.scope), request.query_params.get("to", ""))
    except WorkspacesError as failed:
        return _told(_PAGE, failed)
    answer = RedirectResponse(url, status_code=303, headers={"Cache-Control": "no-store"})
    origin.set_state_cookie(request.scope, answer, secret, int(LIFETIME_SECONDS))
    return answer


async def come_back(request: Request) -> Response:
    """Take a browser back from the OpenID provider: into the page that it wanted, or to the one that tells why not."""
    openid, origin = _openid(request), _origin(request)
    page, finished = _PAGE, None
    try:
        given = _fields(request.scope["query_string"])
        pending = openid.page_of(given, session_cookie(request.headers, origin.state_cookie_name(request.scope)))
        page = ACCOUNT if pending.session_id else _PAGE
        finished = await openid.finish(pending, given, device_of(request), request.state.request_id)
    except WorkspacesError as failed:
        answer = _told(page, await _counted(request, failed))
    else:
        answer = _entered(request, finished)
    origin.set_state_cookie(request.scope, answer, "", 0)
    return answer


async def logout_by_provider(request: Request) -> Response:
    """End the sessions that a logout token of the OpenID provider names (OpenID Connect Back-Channel Logout 1.0)."""
    openid = _openid(request)
    try:
        given = _fields(await read_body(request))
        await openid.end_sessions(given.get("logout_token", ""), request.state.request_id)
    except (InvalidInput, Unauthenticated) as refused:
        raise await _counted(request, refused) from refused
    return Response(status_code=200, headers={"Cache-Control": "no-store"})


def _entered(request: Request, finished: Finished) -> Response:
    answer = RedirectResponse(finished.then, status_code=303, headers={"Cache-Control": "no-store"})
    if finished.session is not None:
        give_session(answer, finished.secret, finished.session, request)
    return answer


def _fields(form: bytes) -> Mapping[str, str]:
    """Return the fields of a form or query. ``InvalidInput`` where one stands twice: two readers could differ."""
    try:
        pairs = parse_qsl(form.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as wrong:
        raise InvalidInput("This is no answer of an OpenID provider.") from wrong
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise InvalidInput("This is no answer of an OpenID provider: a field stands twice.")
    return fields


async def _counted(request: Request, failed: WorkspacesError) -> WorkspacesError:
    """Count a failure of whoever sent the request; return the error to tell."""
    if isinstance(failed, InvalidInput | Unauthenticated | Forbidden):
        try:
            await request.app.state.refusals.count(Attempt.PROVIDER, request.scope)
        except WorkspacesError as too_many:
            return too_many
    return failed


def _told(page: str, failed: WorkspacesError) -> Response:
    return RedirectResponse(f"{page}#{failed.code}", status_code=303, headers={"Cache-Control": "no-store"})


def _origin(request: Request) -> PublicOrigin:
    origin: PublicOrigin = request.app.state.origin
    return origin


def _openid(request: Request) -> OpenIdSignIn:
    """Return the sign-in; as if there were no such address where no provider is set."""
    services: Services = request.app.state.services
    if services.people.openid is None:
        raise HTTPException(404)
    return services.people.openid


for _path, _method, _answer in (
    (BEGIN, "GET", begin),
    (CALLBACK, "GET", come_back),
    (LOGOUT, "POST", logout_by_provider),
):
    router.add_api_route(_path, _answer, methods=[_method], include_in_schema=False, route_class_override=APIRoute)
