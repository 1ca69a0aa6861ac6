"""The routes of API tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from nixos_workspaces.auth.own_tokens import Link
from nixos_workspaces.auth.people.rules import WantedToken
from nixos_workspaces.auth.policy import Scope
from nixos_workspaces.auth.tokens import Token
from nixos_workspaces.schemas.people.tokens import (
    ChainLink,
    TokenAnswer,
    TokenList,
    TokenMade,
    TokenRequest,
    WantedBounds,
)
from nixos_workspaces.services import Services
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By
from nixos_workspaces.web.routes.people.users import UserReference

router = APIRouter(prefix="/api/nixos", route_class=StrictRoute, tags=["people"])


@router.get("/tokens", responses=problems(body=False))
async def list_tokens(services: Asked, principal: By) -> TokenList:
    """List the caller's API tokens; never their secrets."""
    return await _listed(services, await services.people.tokens.list(principal=principal))


@router.post("/tokens", status_code=201, responses=problems(404, 409))
async def create_token(*, request: Request, services: Asked, principal: By, wanted: TokenRequest) -> TokenMade:
    """Make a token, within the bounds of the credential of this request; its secret is shown this once."""
    secret, token = await services.people.tokens.make(
        wanted_token(wanted.name, wanted),
        principal=principal,
        credential=request.state.credential,
        user=wanted.user,
    )
    return await token_made(services, token, secret)


@router.delete("/tokens/{token_id}", status_code=204, responses=problems(404))
async def revoke_token(
    services: Asked, principal: By, token_id: Annotated[str, Path(max_length=64, description="The token's id.")]
) -> Response:
    """Revoke a token with all that were made with it, and end everything that is open under them."""
    await services.people.tokens.revoke(token_id, principal=principal)
    return Response(status_code=204)


@router.get("/users/{user}/tokens", responses=problems(404, body=False))
async def list_tokens_of_user(services: Asked, principal: By, user: UserReference) -> TokenList:
    """List a user's API tokens, for administrators."""
    return await _listed(services, await services.people.tokens.of_user(user, principal=principal))


def wanted_token(name: str, wanted: WantedBounds) -> WantedToken:
    """Return the token that a request asks for."""
    scopes = None if wanted.scopes is None else frozenset(Scope(one) for one in wanted.scopes)
    workspaces = None if wanted.workspaces is None else frozenset(wanted.workspaces)
    return WantedToken(name, scopes, workspaces, wanted.lifetime)


async def token_made(services: Services, token: Token, secret: str) -> TokenMade:
    """Return a new token with its secret as the wire has it."""
    return TokenMade(token=_token(token, await services.people.tokens.links((token,))), secret=secret)


async def _listed(services: Services, found: tuple[Token, ...]) -> TokenList:
    links = await services.people.tokens.links(found)
    return TokenList(tokens=[_token(one, links) for one in found])


def _token(token: Token, links: Mapping[str, Link]) -> TokenAnswer:
    """Return a token as the wire has it."""
    bounds = token.principal
    return TokenAnswer(
        id=token.id,
        name=token.name,
        prefix=token.prefix,
        scopes=None if bounds.scopes is None else sorted(bounds.scopes),
        workspaces=None if bounds.workspaces is None else sorted(bounds.workspaces),
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
        parent_id=token.parent_id,
        chain=[
            ChainLink(id=link.id, kind=link.kind.value, name=link.name)
            for link in map(links.get, token.chain)
            if link is not None
        ],
    )
