"""The address by which browsers reach the service: the setting ``public_url``, else the request's own.

It decides the ``Origin`` that pages may have, links, passkeys, and our cookies: over TLS that is ``__Host-``, which a
browser takes and sends over TLS only, for this host only, so that no neighbouring host can plant one.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from nixos_workspaces.errors import Forbidden
from nixos_workspaces.model.access.passkeys import Site

PLAIN_COOKIE = "nixws_session"
TLS_PREFIX = "__Host-"
STATE_COOKIE = "nixws_openid"


class PublicOrigin:
    """The service's own origin."""

    def __init__(self, public_url: str) -> None:
        """Take ``public_url`` for it; empty: scheme and Host header of each request decide."""
        self._fixed = public_url.lower()

    def of(self, scope: Scope) -> str:
        """Return scheme, host and port, as browsers write an origin."""
        if self._fixed:
            return self._fixed
        scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
        return f"{scheme}://{Headers(scope=scope).get('host', '')}".lower()

    def site(self, scope: Scope) -> Site:
        """Return the address that passkeys are for."""
        return Site(self.of(scope), is_fixed=bool(self._fixed))

    def require(self, scope: Scope) -> None:
        """Raise ``Forbidden`` unless the request has exactly one ``Origin``, which is the service's own."""
        origins = Headers(scope=scope).getlist("origin")
        if len(origins) != 1 or origins[0].lower() != self.of(scope):
            raise Forbidden(
                "The request comes from another site's page, or does not say from which: its Origin is not this "
                "service. Behind a proxy, set NIXWS_PUBLIC_URL to the address in the browser.",
                code="foreign_origin",
            )

    def cookie_name(self, scope: Scope, plain: str = PLAIN_COOKIE) -> str:
        """Return the name of a cookie, which is the session's unless ``plain`` says another."""
        return f"{TLS_PREFIX}{plain}" if self._is_tls(scope) else plain

    def set_cookie(
        self, scope: Scope, answer: Response, secret: str, seconds: int, *, plain: str = PLAIN_COOKIE
    ) -> None:
        """Give the browser a secret, its session as a rule: not for scripts, and not sent along by other sites."""
        answer.set_cookie(
            self.cookie_name(scope, plain),
            secret,
            max_age=seconds,
            httponly=True,
            samesite="strict",
            secure=self._is_tls(scope),
        )

    def delete_cookie(self, scope: Scope, answer: Response) -> None:
        """Let the browser forget its session."""
        answer.delete_cookie(self.cookie_name(scope), httponly=True, samesite="strict", secure=self._is_tls(scope))

    def state_cookie_name(self, scope: Scope) -> str:
        """Return the name of the cookie that binds a sign-in at an OpenID provider to its browser."""
        return self.cookie_name(scope, STATE_COOKIE)

    def set_state_cookie(self, scope: Scope, answer: Response, secret: str, seconds: int) -> None:
        """Bind a sign-in to the browser; the provider's page leads back with it, which is another site's: so it is lax.

        Without a ``secret`` the browser forgets it.
        """
        answer.set_cookie(
            self.state_cookie_name(scope),
            secret,
            max_age=seconds if secret else 0,
            httponly=True,
            samesite="lax",
            secure=self._is_tls(scope),
        )

    def _is_tls(self, scope: Scope) -> bool:
        return self.of(scope).startswith("https:")
