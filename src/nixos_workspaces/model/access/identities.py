"""Accounts at the OpenID provider by which users sign in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """An account at a provider, bound to one user: known by issuer and subject, never by an address."""

    id: str
    user_id: str
    issuer: str
    subject: str
    created_at: datetime
    used_at: datetime | None = None
    """Of the last sign-in; None: not yet."""


@dataclass(frozen=True, slots=True)
class ProviderSession:
    """The provider's side of a browser session."""

    token_id: str
    """Of the browser session."""
    issuer: str
    subject: str
    sid: str = ""
    """The provider's own name of its session; empty where it tells none."""
