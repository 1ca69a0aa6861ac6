"""The application of previews' hosts: it decides on a request and passes it on, or says why not."""

from __future__ import annotations

import logging
import random
import time
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from nixos_workspaces.errors import Conflict, Forbidden, NotFound, Unauthenticated, WorkspacesError
from nixos_workspaces.logs.recent import ACCESS
from nixos_workspaces.model.reach.ports import SSH_PORT
from nixos_workspaces.model.workspace import Status, Workspace
from nixos_workspaces.previews.addresses import PreviewAddresses, PreviewHost
from nixos_workspaces.previews.open import OpenPreviews
from nixos_workspaces.previews.visits import Outcome, Verdict, Visit
from nixos_workspaces.services import Services
from nixos_workspaces.web.http.access.open_request import EXTENSION
from nixos_workspaces.web.http.access.rates import Refusals, address_of
from nixos_workspaces.web.http.errors import Refusal
from nixos_workspaces.web.http.tickets import Tickets
from nixos_workspaces.web.previews import headers as rules
from nixos_workspaces.web.previews import pages
from nixos_workspaces.web.previews.entrance import Entrance, require_own_origin, visit_of
from nixos_workspaces.web.previews.exchange import Exchange
from nixos_workspaces.web.previews.upstream import BadAnswerError, Pool

access_logger = logging.getLogger(ACCESS)
logger = logging.getLogger(__name__)


class PreviewHosts:
    """ASGI middleware: requests to a preview go to its program, all others to the service."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        addresses: PreviewAddresses,
        services: Services,
        tickets: Tickets,
        refusals: Refusals,
    ) -> None:
        self._app = app
        self._addresses = addresses
        self._services = services
        self._visits = services.previews.visits
        self._entrance = Entrance(services.previews.visits, tickets, refusals)
        self._open = OpenPreviews(services.previews.visits)
        self._pool = Pool(services.runtime.connect)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        host = self._host(scope) if scope["type"] == "http" else None
        if host is None:
            await self._app(scope, receive, send)
            return
        scope["state"]["request_id"] = request_id = f"{random.getrandbits(128):032x}"
        started, exchange = time.monotonic(), Exchange(scope, receive, send, self._pool, host)
        try:
            await self._serve(scope, receive, send, host, exchange)
        except BadAnswerError as wrong:
            exchange.abort()
            if not exchange.status:
                error = Refusal("bad_answer", f"Port {host.port} does not answer in HTTP. {wrong}".strip())
                await self._refuse(scope, receive, send, host, error)
        except WorkspacesError as error:
            if not exchange.status:
                await self._refuse(scope, receive, send, host, error)
        except Exception:
            logger.exception("request %s: unexpected failure", request_id)
            exchange.abort()
            if not exchange.status:
                fault = WorkspacesError("Something unexpected failed; the service's log tells more.")
                await self._refuse(scope, receive, send, host, fault)
        finally:
            _log(scope, host, exchange.status, time.monotonic() - started, request_id)

    def _host(self, scope: Scope) -> PreviewHost | None:
        value = next((value for name, value in scope["headers"] if name == b"host"), b"")
        return self._addresses.named(value.decode("latin-1"), scope["raw_path"].decode("latin-1"))

    async def _serve(self, scope: Scope, receive: Receive, send: Send, host: PreviewHost, exchange: Exchange) -> None:
        if not host.is_possible:
            raise NotFound("There is no such preview, or it is not yours to see.", code="preview_not_found")
        if host.port == SSH_PORT:
            raise Forbidden("Port 22 is sshd's and no web page: use `nixws ssh`.", code="port_refused")
        if (entered := await self._entrance.enter(scope, host)) is not None:
            exchange.status = entered.status_code
            await entered(scope, receive, send)
            return
        visit = visit_of(scope, host)
        verdict = await self._visits.verdict(visit)
        workspace = await self._woken(scope, verdict) or _allowed(verdict, visit)
        if (line := scope.get("extensions", {}).get(EXTENSION)) is not None:
            line.vouch()
        require_own_origin(scope, host, visit)
        own = rules.hop(workspace.id, host.port)
        if rules.is_loop(scope["headers"], own):
            raise Refusal("preview_loop", "The preview leads back to itself: its program passes requests on to it.")
        self._services.workspaces.touch(workspace)
        client, scheme = address_of(scope), scope["scheme"]
        passed = rules.to_app(scope["headers"], client=client, scheme=scheme, host=host.host, own=own, base=host.base)
        with self._open.entered(visit, workspace.id, exchange.end):
            await exchange.run((workspace.id, host.port), passed)

    async def _woken(self, scope: Scope, verdict: Verdict) -> Workspace | None:
        """Return the workspace that rested once it runs again; None where a request wakes none.

        One whose memory is kept answers at once. One that has to boot, and whose program has to be started in it, is
        waited for by a page.
        """
        workspace, principal = verdict.workspace, verdict.principal
        if verdict.outcome is not Outcome.STOPPED or workspace is None or not rules.is_intent(scope["headers"]):
            return None
        waking, request_id = self._services.automation.waking, scope["state"]["request_id"]
        if principal is None or not waking.may_wake(workspace, principal):
            return None
        if workspace.status is Status.PAUSED:
            found = await waking.woken(workspace, principal, request_id)
            self._visits.forget()
            return found if found.status is Status.RUNNING else None
        await waking.begin(workspace, principal, request_id)
        self._visits.forget()
        raise Conflict("The workspace is being started; try again in a moment.", code="workspace_starting")

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, host: PreviewHost, error: WorkspacesError
    ) -> None:
        asked = Headers(scope=scope)
        way = f"{self._addresses.service(scope['scheme'], host)}/previews?to={_page_of(scope, host)}"
        if error.code == "not_running":
            way = f"{self._addresses.service(scope['scheme'], host)}/workspaces/{host.reference}"
        place = pages.Place(host.port, host.reference, way)
        request_id = scope["state"]["request_id"]
        page = pages.answer(error, place, request_id, asked.get("accept", ""), asked.get("accept-language", ""))
        if asked.get("upgrade"):
            page.headers["Connection"] = "close"
        await page(scope, receive, send)


def _page_of(scope: Scope, host: PreviewHost) -> str:
    """Return the address that a browser wants, without its query: that may hold a secret of the program's."""
    return quote(f"{scope['scheme']}://{host.host}{scope['raw_path'].decode('ascii', 'replace')}"[:1000], safe="")


def _allowed(verdict: Verdict, visit: Visit) -> Workspace:
    """Return the workspace of a visit that may see it; raise the reason why not."""
    match verdict.outcome:
        case Outcome.ALLOWED if verdict.workspace is not None:
            return verdict.workspace
        case Outcome.STOPPED if verdict.workspace is not None and verdict.workspace.status is Status.STARTING:
            raise Conflict("The workspace is being started; try again in a moment.", code="workspace_starting")
        case Outcome.STOPPED:
            raise Conflict("The workspace does not run; start it, then its program.", code="not_running")
        case Outcome.EXPIRED:
            raise NotFound("The link has expired or was replaced; ask for a new one.", code="link_expired")
        case Outcome.OTHER_PROGRAM:
            message = "Another program listens there now than the one that is shown to others."
            raise Conflict(message, code="program_changed")
        case _ if visit.token:
            raise Unauthenticated("The token is not valid, or it opens no such preview.")
        case _:
            raise NotFound("There is no such preview, or it is not yours to see.", code="preview_not_found")


def _log(scope: Scope, host: PreviewHost, status: int, seconds: float, request_id: str) -> None:
    """Write one access line: never the query string, never a header."""
    access_logger.info(
        "%s %s //%s%s %d %.1f ms %s",
        address_of(scope),
        scope["method"],
        host.host,
        scope["path"].encode("unicode_escape").decode("ascii")[:300],
        status,
        seconds * 1000,
        request_id,
        extra={"fields": {"method": scope["method"], "status": status, "ms": round(seconds * 1000, 1)}},
    )
