"""Sign-ins that are under way at the provider: in memory only, as who has no credential writes nothing."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from nixos_workspaces.auth.tokens import digest_of
from nixos_workspaces.errors import Unauthenticated

LIFETIME_SECONDS = 600.0
MOST_PENDING = 10_000
"""Beyond it the oldest is forgotten."""
START = "/workspaces"
ACCOUNT = "/me"
CALLBACK = "/oidc/callback"
"""Where the provider leads back to."""
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}")
_NO_PAGE = ("/api/", "/ws/", "/oidc/", "/login", "/sign-in")


@dataclass(frozen=True, slots=True)
class Pending:
    """One sign-in at the provider."""

    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    browser: str
    """Digest of the secret of the browser that began it."""
    redirect: str
    """The address here that the provider leads back to."""
    then: str
    """The page to go to."""
    expires: float
    session_id: str = ""
    """Of the user who connects an account to theirs; empty: somebody signs in."""


class PendingSignIns:
    """Sign-ins by the digests of their states. Call it from the event loop's thread only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Have none."""
        self._clock = clock
        self._pending: dict[str, Pending] = {}

    def begin(self, redirect: str, then: str, session_id: str = "") -> tuple[str, str, Pending]:
        """Return a new sign-in with its state and the secret that its browser keeps."""
        now = self._clock()
        self._pending = {state: one for state, one in self._pending.items() if one.expires > now}
        while len(self._pending) >= MOST_PENDING:
            del self._pending[next(iter(self._pending))]
        state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        one = Pending(
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(48),
            digest_of(browser),
            redirect,
            then,
            now + LIFETIME_SECONDS,
            session_id,
        )
        self._pending[digest_of(state)] = one
        return state, browser, one

    def take(self, state: str, browser: str) -> Pending:
        """Return the sign-in of a state, once, to the browser that began it.

        Raises ``Unauthenticated`` with code ``oidc_state``. Another browser does not use it up.
        """
        digest = digest_of(state)
        one = self._pending.get(digest)
        if one is None or one.expires <= self._clock() or not secrets.compare_digest(one.browser, digest_of(browser)):
            raise Unauthenticated(
                "This sign-in was begun in another browser, was used already, or took too long. Begin again.",
                code="oidc_state",
            )
        del self._pending[digest]
        return one


def local_page(wanted: str) -> str:
    """Return an address of a page here: the wanted one, or the start where that leads anywhere else."""
    return wanted if _LOCAL.fullmatch(wanted) and not wanted.startswith(_NO_PAGE) else START
