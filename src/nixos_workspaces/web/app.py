"""The application: routes, and the two layers around them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from nixos_workspaces import __version__
from nixos_workspaces.metering.response_times import ResponseTimes
from nixos_workspaces.previews.addresses import PreviewAddresses
from nixos_workspaces.services import Services
from nixos_workspaces.web.http import errors
from nixos_workspaces.web.http.access.origin import PublicOrigin
from nixos_workspaces.web.http.access.rates import Rates, Refusals
from nixos_workspaces.web.http.access.watch import CredentialWatch
from nixos_workspaces.web.http.edge import Edge
from nixos_workspaces.web.http.gate import Gate
from nixos_workspaces.web.http.openapi import complete
from nixos_workspaces.web.http.sockets.open_sockets import OpenSockets
from nixos_workspaces.web.http.tickets import Tickets
from nixos_workspaces.web.previews.app import PreviewHosts
from nixos_workspaces.web.routes import (
    automation,
    catalogue,
    contents,
    events,
    health,
    journal,
    metering,
    network,
    pages,
    people,
    plans,
    ports,
    workspaces,
)
from nixos_workspaces.web.routes.access import audit, shares, ssh_keys, transfers, tunnels
from nixos_workspaces.web.routes.files import files, searches, uploads
from nixos_workspaces.web.routes.people.scim import ScimPaths
from nixos_workspaces.web.routes.terminals import layouts, recordings, terminals

_DESCRIPTION = """Isolated NixOS machines on demand.

Every route but `/healthz`, `/readyz`, the ways to sign in and the begin of a device login wants
`Authorization: Bearer TOKEN`. Every error has the same shape.
`memory` and `storage` are GB (2^30 bytes), `cpu` cores, times RFC 3339 in UTC. A workspace may be
given by its id or its name.
Changes are told live by the WebSocket `/ws/nixos/events`; terminals are
`/ws/nixos/workspaces/{workspace_id}/terminal`."""

_ROUTERS = (
    workspaces.router,
    plans.router,
    network.of_all,
    network.router,
    journal.router,
    ports.router,
    terminals.router,
    terminals.sockets,
    layouts.router,
    shares.router,
    transfers.router,
    recordings.router,
    ssh_keys.router,
    tunnels.router,
    tunnels.sockets,
    files.router,
    searches.router,
    uploads.router,
    *automation.ROUTERS,
    *contents.ROUTERS,
    *people.ROUTERS,
    *health.ROUTERS,
    *metering.ROUTERS,
    audit.router,
    catalogue.router,
    events.router,
    pages.router,
)


def create_app(services: Services) -> FastAPI:
    """Return the ASGI application over open services; it opens and closes nothing itself.

    ``app.state.stopping`` is the event that ends its streams; ``web.server`` sets it. ``app.state.entry`` makes what
    a server calls: the application with the hosts of previews in front of it.
    """
    app = FastAPI(
        title="NixOS Workspaces",
        # One name for what is both asked and answered: generators of clients stumble over two.
        separate_input_output_schemas=False,
        version=__version__,
        description=_DESCRIPTION,
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/", "description": "The service that this document comes from."}],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Nothing is told to anybody outside; asking whether it should be costs every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.services = services
    app.state.stopping = asyncio.Event()
    watch = CredentialWatch(services.tokens)
    app.state.rates = Rates(services.settings.sign_in_attempts)
    app.state.origin = PublicOrigin(services.settings.public_url)
    app.state.preview_addresses = PreviewAddresses(
        services.settings.apps_domain, services.settings.public_url, by_path=services.settings.previews_by_path
    )
    app.state.refusals = Refusals(app.state.rates, services.counted_audit)
    app.state.event_sockets = OpenSockets(watch, "event sockets", events.MOST_SOCKETS_OF_ONE)
    app.state.terminal_sockets = OpenSockets(watch, "terminals", terminals.MOST_SOCKETS_OF_ONE)
    app.state.tunnel_sockets = OpenSockets(watch, "tunnels", tunnels.MOST_TUNNELS_OF_ONE)
    app.state.tickets, app.state.response_times = Tickets(), ResponseTimes()
    app.state.written_rows = workspaces.WrittenRows()
    app.state.max_body_bytes = services.settings.max_body_bytes
    errors.install(app, pages.page_not_found)
    for router in _ROUTERS:
        # Not included as FastAPI does it: its second copy of what it knows of routes takes 5 MB, and longer to search.
        app.router.routes.extend(router.routes)
    _serve_document(app)
    _add_layers(app, services, watch)
    return app


def _add_layers(app: FastAPI, services: Services, watch: CredentialWatch) -> None:
    """Put the layers around the routes, the innermost first."""
    app.add_middleware(ScimPaths, services=services)
    app.add_middleware(
        Gate,
        verify=services.tokens.authenticate,
        tickets=app.state.tickets,
        watch=watch,
        refusals=app.state.refusals,
        origin=app.state.origin,
        has_scim=services.settings.scim,
    )
    app.add_middleware(Edge, audit=services.counted_audit, took=app.state.response_times.note)
    # Around all of it, and not one of FastAPI's layers: a preview's host has nothing of the service, nor waits for it.
    app.state.entry = partial(
        PreviewHosts,
        app,
        addresses=app.state.preview_addresses,
        services=services,
        tickets=app.state.tickets,
        refusals=app.state.refusals,
    )


def _serve_document(app: FastAPI) -> None:
    """Answer with the API's document, made when it is first asked for, in a thread because that takes long."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = complete(described())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]

    async def document(_request: Request) -> JSONResponse:
        return JSONResponse(await asyncio.to_thread(app.openapi))

    app.add_route("/api/openapi.json", document, include_in_schema=False)
