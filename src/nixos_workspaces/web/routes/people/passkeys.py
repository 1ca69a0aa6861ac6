"""The routes of passkeys: one's own, and signing in by one."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from nixos_workspaces.auth.passkeys.using import Asker, Proof
from nixos_workspaces.auth.passkeys.verification import Assertion, Attestation
from nixos_workspaces.auth.policy import Principal
from nixos_workspaces.errors import Forbidden, Unauthenticated
from nixos_workspaces.schemas.people.passkeys import (
    AssertionRequest,
    PasskeyAnswer,
    PasskeyDetail,
    PasskeyList,
    PasskeyOptions,
    PasskeyRename,
    PasskeyRequest,
    PasskeySignInOptions,
    ProofRequest,
)
from nixos_workspaces.schemas.service import SignedIn
from nixos_workspaces.web.http.access.begun import device_of, give_session
from nixos_workspaces.web.http.access.origin import PublicOrigin
from nixos_workspaces.web.http.access.rates import WRONG, Attempt, address_of
from nixos_workspaces.web.http.gate import session_cookie
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, RequestId

router = APIRouter(prefix="/api/nixos", route_class=StrictRoute, tags=["session"])

COOKIE = "nixws_passkey"
"""Binds a challenge to the browser that asked for it, before there is a session."""
COOKIE_SECONDS = 24 * 3600
_SECRET_BYTES = 32
PasskeyId = Annotated[str, Path(max_length=64, description="The passkey's id.")]


@router.post("/passkey-login/challenge", responses=problems(body=False))
async def begin_passkey_login(request: Request, response: Response, services: Asked) -> PasskeySignInOptions:
    """Return what a browser asks its authenticators to sign in with, without a name."""
    request.app.state.rates.passkey(address_of(request.scope))
    browser = _browser(request) or secrets.token_urlsafe(_SECRET_BYTES)
    options = await services.people.passkey_use.begin_sign_in(asker_of(request, browser))
    if options is not None:
        origin: PublicOrigin = request.app.state.origin
        origin.set_cookie(request.scope, response, browser, COOKIE_SECONDS, plain=COOKIE)
        response.headers["Cache-Control"] = "no-store"
    return PasskeySignInOptions(options=options)


@router.post("/passkey-login", responses=problems())
async def passkey_login(request: Request, response: Response, services: Asked, given: AssertionRequest) -> SignedIn:
    """Begin a session by a passkey. Browsers get it as a cookie, too."""
    state, device = request.app.state, device_of(request)
    try:
        asker = asker_of(request, _browser(request))
        async with state.rates.password(device.address, f"passkey {given.credential_id}"):
            secret, session = await services.people.passkey_use.sign_in(_assertion(given), asker, device)
    except Unauthenticated:
        await state.refusals.count(Attempt.PASSKEY, request.scope)
        raise
    give_session(response, secret, session, request)
    return SignedIn(token=secret)


@router.get("/me/passkeys", responses=problems(404, body=False))
async def list_passkeys(request: Request, services: Asked, principal: By) -> PasskeyList:
    """List the caller's passkeys."""
    asker = asker_of(request)
    found = await services.people.passkeys.list(principal=principal)
    must_confirm = await services.people.passkey_use.must_confirm(asker, principal=principal)
    answers = [PasskeyAnswer.of(one, asker.site.rp_id) for one in found]
    return PasskeyList(passkeys=answers, must_confirm=must_confirm)


@router.post("/me/passkeys/options", responses=problems(404, 409))
async def begin_passkey(*, request: Request, services: Asked, principal: By, given: ProofRequest) -> PasskeyOptions:
    """Return what a browser makes a passkey with; the caller confirms it by the password or a passkey."""
    async with confirming(request, principal):
        options = await services.people.passkeys.begin(proof_of(given), asker_of(request), principal=principal)
    return PasskeyOptions(options=options)


@router.post("/me/passkeys/confirmation", responses=problems(404, body=False))
async def begin_confirmation(request: Request, services: Asked, principal: By) -> PasskeyOptions:
    """Return what a browser asks one of the caller's passkeys with, to confirm what needs more than a session."""
    options = await services.people.passkey_use.begin_confirmation(asker_of(request), principal=principal)
    return PasskeyOptions(options=options)


@router.post("/me/passkeys", status_code=201, responses=problems(409))
async def add_passkey(
    *, request: Request, services: Asked, principal: By, wanted: PasskeyRequest, response: Response
) -> PasskeyDetail:
    """Register a passkey that was made with the options of this browser."""
    made = Attestation(wanted.made.credential_id, wanted.made.client_data, wanted.made.attestation_object)
    asker = asker_of(request)
    passkey = await services.people.passkeys.add(wanted.name, made, asker, principal=principal)
    response.headers["Location"] = f"/api/nixos/me/passkeys/{passkey.id}"
    return PasskeyDetail(passkey=PasskeyAnswer.of(passkey, asker.site.rp_id))


@router.patch("/me/passkeys/{passkey_id}", responses=problems(404))
async def rename_passkey(
    *,
    request: Request,
    services: Asked,
    principal: By,
    request_id: RequestId,
    passkey_id: PasskeyId,
    wanted: PasskeyRename,
) -> PasskeyDetail:
    """Rename a passkey."""
    passkey = await services.people.passkeys.rename(passkey_id, wanted.name, principal=principal, request_id=request_id)
    return PasskeyDetail(passkey=PasskeyAnswer.of(passkey, asker_of(request).site.rp_id))


@router.delete("/me/passkeys/{passkey_id}", status_code=204, responses=problems(404, 409))
async def remove_passkey(request: Request, services: Asked, principal: By, passkey_id: PasskeyId) -> Response:
    """Remove a passkey: it signs nobody in any more. The only way to sign in stays."""
    await services.people.passkeys.remove(passkey_id, asker_of(request), principal=principal)
    return Response(status_code=204)


def asker_of(request: Request, browser: str | None = None) -> Asker:
    """Return the browser of a request; without ``browser`` it is known by its credential."""
    origin: PublicOrigin = request.app.state.origin
    secret = request.state.credential if browser is None else browser
    return Asker(origin.site(request.scope), secret, str(request.state.request_id))


def proof_of(given: ProofRequest) -> Proof:
    """Convert."""
    return Proof(given.current, None if given.passkey is None else _assertion(given.passkey))


@asynccontextmanager
async def confirming(request: Request, principal: Principal) -> AsyncIterator[None]:
    """Bound what is done with a password or a passkey besides a session, as signing in is bounded."""
    state, address = request.app.state, address_of(request.scope)
    try:
        async with state.rates.password(address, principal.name):
            yield
    except Forbidden as refused:
        if refused.code in WRONG:
            attempt = Attempt.PASSWORD if refused.code == "wrong_password" else Attempt.PASSKEY
            await state.refusals.count(attempt, request.scope)
        raise


def _browser(request: Request) -> str:
    """Return the secret of the browser's cookie for challenges; empty without one."""
    origin: PublicOrigin = request.app.state.origin
    return session_cookie(request.headers, origin.cookie_name(request.scope, COOKIE))


def _assertion(given: AssertionRequest) -> Assertion:
    return Assertion(
        given.credential_id, given.client_data, given.authenticator_data, given.signature, given.user_handle
    )
