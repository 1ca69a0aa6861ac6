"""Sessions that begin over HTTP: the browser's cookie, and the device that is noted."""

from __future__ import annotations

from fastapi import Request, Response

from nixos_workspaces.auth.tokens import SESSION_LIFETIME, Device, Token
from nixos_workspaces.web.http.access.origin import PublicOrigin
from nixos_workspaces.web.http.access.rates import address_of

_LONGEST_AGENT = 256


def device_of(request: Request) -> Device:
    """Return the program and the address that a session is begun by."""
    agent = request.headers.get("user-agent", "")[:_LONGEST_AGENT]
    return Device("".join(one for one in agent if one.isprintable()), address_of(request.scope))


def give_session(answer: Response, secret: str, session: Token, request: Request) -> None:
    """Give the browser its session, which it forgets when that ends."""
    origin: PublicOrigin = request.app.state.origin
    origin.set_cookie(request.scope, answer, secret, int((session.lifetime or SESSION_LIFETIME).total_seconds()))
