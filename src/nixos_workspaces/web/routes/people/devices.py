"""The routes of the device flow: a program without a browser gets a token (RFC 8628, in our JSON and error shape)."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from nixos_workspaces.auth.devices import INTERVAL_SECONDS, LIFETIME_SECONDS, Answer
from nixos_workspaces.errors import NotFound
from nixos_workspaces.schemas.people.tokens import (
    DeviceAnswer,
    DeviceConfirmation,
    DeviceDetail,
    DeviceRequest,
    DeviceTokenRequest,
    TokenMade,
)
from nixos_workspaces.web.http.access.rates import Attempt, address_of
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By
from nixos_workspaces.web.routes.people.tokens import token_made, wanted_token

router = APIRouter(prefix="/api/nixos/device", route_class=StrictRoute, tags=["session"])

PAGE = "/device"
UserCode = Annotated[str, Path(max_length=32, description="The code that the program shows.")]


@router.post("", responses=problems())
async def begin_device_login(*, request: Request, services: Asked, wanted: DeviceRequest) -> DeviceAnswer:
    """Begin to sign a program in: show its user the code, which a browser that is signed in confirms."""
    address = address_of(request.scope)
    request.app.state.rates.device(address)
    code, login = services.people.devices.begin(wanted_token(wanted.name, wanted), address)
    page = f"{request.app.state.origin.of(request.scope)}{PAGE}"
    shown = f"{login.user_code[:4]}-{login.user_code[4:]}"
    return DeviceAnswer(
        device_code=code,
        user_code=shown,
        verification_uri=page,
        verification_uri_complete=f"{page}?code={shown}",
        expires_in=int(LIFETIME_SECONDS),
        interval=int(INTERVAL_SECONDS),
    )


@router.post("/token", responses=problems(404, 409))
async def claim_device_token(*, services: Asked, wanted: DeviceTokenRequest) -> TokenMade:
    """Ask for the token; 400 with code ``authorization_pending`` until the code is confirmed."""
    secret, token = await services.people.devices.claim(wanted.device_code)
    return await token_made(services, token, secret)


@router.get("/{user_code}", responses=problems(404, body=False))
async def get_device_login(request: Request, services: Asked, principal: By, user_code: UserCode) -> DeviceDetail:
    """Return the program that shows a code, for its user to confirm."""
    try:
        login = services.people.devices.look(user_code, principal=principal)
    except NotFound:
        await request.app.state.refusals.count(Attempt.CODE, request.scope)
        raise
    wanted = login.wanted
    return DeviceDetail(
        user_code=login.user_code,
        name=wanted.name,
        address=login.address,
        scopes=None if wanted.scopes is None else sorted(wanted.scopes),
        workspaces=None if wanted.workspaces is None else sorted(wanted.workspaces),
        expires_in=max(0, int(login.expires - time.monotonic())),
    )


@router.post("/{user_code}", status_code=204, responses=problems(404))
async def answer_device_login(
    *, request: Request, services: Asked, principal: By, user_code: UserCode, wanted: DeviceConfirmation
) -> Response:
    """Confirm or refuse a program: its token acts as the caller."""
    answer = Answer.YES if wanted.approve else Answer.NO
    try:
        services.people.devices.answer(user_code, answer, principal=principal, credential=request.state.credential)
    except NotFound:
        await request.app.state.refusals.count(Attempt.CODE, request.scope)
        raise
    return Response(status_code=204)
