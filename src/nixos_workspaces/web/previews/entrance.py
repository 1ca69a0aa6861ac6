"""The way into a preview: a ticket or a link is exchanged for a cookie of that host, and leaves the address."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from nixos_workspaces.auth.tokens import digest_of
from nixos_workspaces.errors import Forbidden, NotFound, Unauthenticated
from nixos_workspaces.previews.addresses import PreviewHost
from nixos_workspaces.previews.visits import SESSION_LIFETIME, Outcome, Visit, Visits
from nixos_workspaces.schemas.reach.ports import MOST_SECONDS, MOST_URL
from nixos_workspaces.web.http.access.open_request import SAFE_METHODS
from nixos_workspaces.web.http.access.rates import Attempt, Refusals
from nixos_workspaces.web.http.tickets import Tickets
from nixos_workspaces.web.previews import headers as rules

OPEN_PATH = "/.nixws/open"
LINK_PATH = "/.nixws/link"
_SESSION, _LINK = "nixws_preview", "nixws_preview_link"


def purpose(workspace_id: str, port: int) -> str:
    """Return the place that a ticket is bound to."""
    return f"preview:{workspace_id}:{port}"


def visit_of(scope: Scope, host: PreviewHost) -> Visit:
    """Return the visit that a request makes by its cookies or its token."""
    secure = scope["scheme"] in {"https", "wss"}
    if token := rules.bearer(scope["headers"]):
        return Visit(host.reference, host.port, token=digest_of(token), by_path=bool(host.base))
    given = rules.cookies(scope["headers"])
    session = given.get(rules.cookie_name(_SESSION, secure=secure, base=host.base), "")
    if host.base:
        return Visit(host.reference, host.port, digest_of(session) if session else "", by_path=True)
    link = given.get(rules.cookie_name(_LINK, secure=secure), "")
    return Visit(host.reference, host.port, digest_of(session) if session else "", digest_of(link) if link else "")


class Entrance:
    """Answers the two paths of ours on a preview's host."""

    def __init__(self, visits: Visits, tickets: Tickets, refusals: Refusals) -> None:
        """Let in whoever has a ticket of ``tickets`` or a link."""
        self._visits = visits
        self._tickets = tickets
        self._refusals = refusals

    async def enter(self, scope: Scope, host: PreviewHost) -> Response | None:
        """Return the answer to a request to a path of ours; None for one to the program.

        Raises ``NotFound`` with the codes of the pages for what lets nobody in.
        """
        path = scope["path"].removeprefix(host.base)
        if not path:  # only where a path names the preview: everything below it is relative to that with a slash
            query = scope["query_string"].decode("latin-1")
            return _redirect(host.base, f"/?{query}" if query else "/")
        if not path.startswith("/.nixws/"):
            return None
        possible = {OPEN_PATH} if host.base else {OPEN_PATH, LINK_PATH}
        if scope["method"] not in {"GET", "HEAD"} or path not in possible:
            raise NotFound("There is nothing at this path.", code="preview_not_found")
        query = parse_qs(scope["query_string"].decode("latin-1")[: 2 * MOST_URL], max_num_fields=4)
        secure = scope["scheme"] in {"https", "wss"}
        if path == LINK_PATH:
            return await self._by_link(query.get("key", [""])[0], host, scope, secure=secure)
        return await self._by_ticket(query, host, scope, secure=secure)

    async def _by_link(self, key: str, host: PreviewHost, scope: Scope, *, secure: bool) -> Response:
        verdict = await self._visits.verdict(Visit(host.reference, host.port, link=digest_of(key)))
        if verdict.outcome in {Outcome.UNKNOWN, Outcome.EXPIRED}:
            await self._refusals.count(Attempt.TOKEN, scope)
            raise NotFound("The link has expired or was replaced; ask for a new one.", code="link_expired")
        return _redirect("", "/", rules.session_cookie(_LINK, key, seconds=MOST_SECONDS, secure=secure))

    async def _by_ticket(
        self, query: dict[str, list[str]], host: PreviewHost, scope: Scope, *, secure: bool
    ) -> Response:
        secret = secrets.token_urlsafe(32)
        ticket = query.get("ticket", [""])[0]
        try:
            bound = self._tickets.look(ticket)
            workspace = await self._visits.find(host, bound.principal)
            used = self._tickets.redeem(ticket, purpose(workspace.id, host.port))
            await self._visits.open_session(used.credential, workspace.id, host.port, secret)
        except (Unauthenticated, NotFound) as refused:
            await self._refusals.count(Attempt.TOKEN, scope)
            message = "The ticket is not valid for this preview, was used, or is too old; open the port again."
            raise NotFound(message, code="ticket_invalid") from refused
        seconds = int(SESSION_LIFETIME.total_seconds())
        to = query.get("to", ["/"])[0]
        cookie = rules.session_cookie(_SESSION, secret, seconds=seconds, secure=secure, base=host.base)
        return _redirect(host.base, to, cookie)


def _redirect(base: str, to: str, cookie: bytes | None = None) -> Response:
    """Lead to a path of the same preview, without the secret."""
    is_path = to.startswith("/") and not to.startswith(("//", "/\\", "/.nixws/")) and to.isascii() and to.isprintable()
    answer = Response(status_code=303)
    answer.headers["Location"] = base + (to if is_path else "/").replace(" ", "%20")
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Referrer-Policy"] = "no-referrer"
    if cookie is not None:
        answer.raw_headers.append((b"set-cookie", cookie))
    return answer


def require_own_origin(scope: Scope, host: PreviewHost, visit: Visit) -> None:
    """Raise ``Forbidden`` for what a page of another site has a browser send, with the cookie that it has for this one.

    That is a WebSocket or an unsafe request whose ``Origin`` is neither this host nor another port of the same
    workspace (of a preview that a path names: not the service's own), a WebSocket without any, and a part of another
    site's page (``Sec-Fetch-Site``). Programs send a token and no cookie, and may come from anywhere.
    """
    if visit.token:
        return
    headers = Headers(scope=scope)
    origins = headers.getlist("origin")
    is_upgrade = headers.get("upgrade", "").lower() == "websocket"
    if len(origins) == 1 and _is_own(origins[0], scope["scheme"], host):
        return
    is_foreign = headers.get("sec-fetch-site", "none") in {"same-site", "cross-site"}
    is_page = headers.get("sec-fetch-mode", "navigate") == "navigate"
    if not is_upgrade and scope["method"] in SAFE_METHODS and (is_page or not is_foreign):
        return
    if not is_upgrade and not origins and not is_foreign:
        return
    raise Forbidden(
        "The request comes from another site's page, or does not say from which: its Origin is not this preview.",
        code="foreign_origin",
    )


def _is_own(origin: str, scheme: str, host: PreviewHost) -> bool:
    name, separator, rest = origin.lower().partition("://")
    if host.base:
        return bool(separator) and name == scheme and rest == host.host
    own = host.host.partition("--")[2]
    port, dashes, other = rest.partition("--")
    return bool(separator and dashes) and name == scheme and other == own and port.isdigit()
