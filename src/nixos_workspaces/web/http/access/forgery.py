"""A word that proves that a request by cookie was made by a page that may read our answers.

It is derived from the session, told with it, and comes back in a header: a page of another site can have a browser send
the cookie along, but neither read the word nor set the header. Nothing of it is kept.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from starlette.datastructures import Headers

from nixos_workspaces.errors import Forbidden

HEADER = "x-csrf-token"
_PURPOSE = b"nixws csrf token 1"
_BYTES = 24


def csrf_token(session: str) -> str:
    """Return the word of a session, from which the session cannot be told."""
    digest = hmac.new(session.encode(), _PURPOSE, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:_BYTES]).decode()


def csrf_token_for(headers: Headers, session: str) -> str:
    """Return the word of a session for the answer to a request; empty for one that another origin's page has made."""
    return csrf_token(session) if headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"} else ""


def require_csrf_token(headers: Headers, session: str) -> None:
    """Raise ``Forbidden`` unless a request brings the word of its session along, once."""
    given = headers.getlist(HEADER)
    if len(given) != 1 or not hmac.compare_digest(given[0].encode(), csrf_token(session).encode()):
        raise Forbidden(
            "The request does not prove that this service's page has made it: the header X-CSRF-Token must have the "
            "csrf_token of GET /api/nixos/session. Load the page again.",
            code="csrf_token_wrong",
        )
