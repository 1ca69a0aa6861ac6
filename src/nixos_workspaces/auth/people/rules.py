"""The rules of accounts and of tokens that are made: pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from nixos_workspaces.auth.policy import Principal, Role, Scope
from nixos_workspaces.auth.tokens import Bounds
from nixos_workspaces.errors import Forbidden
from nixos_workspaces.model.access.people import TOKEN_LIFETIME

LONGEST_LIFETIME = timedelta(days=366)
"""Of tokens that are not an administrator's."""


@dataclass(frozen=True, slots=True)
class WantedToken:
    """A token that somebody asks for."""

    name: str
    scopes: frozenset[Scope] | None = None
    """None: as much as the credential that it is made with."""
    workspaces: frozenset[str] | None = None
    lifetime: timedelta | None = TOKEN_LIFETIME
    """None: for ever."""


def bounds_of(principal: Principal, wanted: WantedToken) -> Bounds:
    """Return the bounds of a token that ``principal`` asks for: never wider than the principal's own.

    Raises ``Forbidden`` with code ``beyond_credential`` for scopes or workspaces beyond them, ``lifetime_too_long``
    for a life that only administrators' tokens have.
    """
    may_live_longer = principal.role is Role.ADMIN
    if not may_live_longer and (wanted.lifetime is None or wanted.lifetime > LONGEST_LIFETIME):
        raise Forbidden(
            f"A token lives {LONGEST_LIFETIME.days} days at most; only administrators' may live longer.",
            code="lifetime_too_long",
            field="expires_in",
        )
    scopes = _within("scopes", principal.scopes, wanted.scopes)
    workspaces = _within("workspaces", principal.workspaces, wanted.workspaces)
    return Bounds(None if scopes is None else frozenset(Scope(one) for one in scopes), workspaces)


def _within(field: str, own: Iterable[str] | None, wanted: frozenset[str] | None) -> frozenset[str] | None:
    """Return the bound that is wanted, or one's own where none is; refuse a wider one."""
    bound = None if own is None else frozenset(own)
    if wanted is None or bound is None:
        return bound if wanted is None else wanted
    if not wanted <= bound:
        raise Forbidden(
            f"The credential that you use does not reach so far itself: {', '.join(sorted(wanted - bound))}.",
            code="beyond_credential",
            field=field,
        )
    return wanted
