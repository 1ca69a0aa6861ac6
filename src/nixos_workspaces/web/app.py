"""The application: routes, and the two layers around them."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from nixos_workspaces import __version__
from nixos_workspaces.services import Services
from nixos_workspaces.web.http import errors
from nixos_workspaces.web.http.edge import Edge
from nixos_workspaces.web.http.gate import Gate
from nixos_workspaces.web.http.openapi import complete
from nixos_workspaces.web.http.sockets.open_sockets import OpenSockets
from nixos_workspaces.web.http.tickets import Tickets
from nixos_workspaces.web.routes import catalogue, events, pages, workspaces
from nixos_workspaces.web.routes.files import files, uploads
from nixos_workspaces.web.routes.terminals import terminals

_DESCRIPTION = """Isolated NixOS machines on demand.

Every route but `/healthz` and the login wants `Authorization: Bearer TOKEN`. Every error has the same shape.
`memory` and `storage` are GB (2^30 bytes), `cpu` cores, times RFC 3339 in UTC. A workspace may be
given by its id or its name.
Changes are told live by the WebSocket `/ws/nixos/events`; terminals are
`/ws/nixos/workspaces/{workspace_id}/terminal`."""


def create_app(services: Services) -> FastAPI:
    """Return the ASGI application over open services; it opens and closes nothing itself.

    ``app.state.stopping`` is the event that ends its streams; ``web.server`` sets it.
    """
    app = FastAPI(
        title="NixOS Workspaces",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.services = services
    app.state.stopping = asyncio.Event()
    app.state.event_sockets = set()
    app.state.terminal_sockets = OpenSockets(services.tokens.authenticate)
    app.state.tickets = Tickets()
    app.state.max_body_bytes = services.settings.max_body_bytes
    errors.install(app, pages.page_not_found)
    for router in (
        workspaces.router,
        terminals.router,
        terminals.sockets,
        files.router,
        uploads.router,
        catalogue.router,
        events.router,
        pages.router,
    ):
        app.include_router(router)
    described = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = complete(described())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    app.add_middleware(Gate, verify=services.tokens.authenticate, tickets=app.state.tickets)
    app.add_middleware(Edge)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name
