"""The routes of what is wrong: with workspaces, and with the service."""

from __future__ import annotations

from nixos_workspaces.web.routes.health import support, why

ROUTERS = (why.router, support.router)
