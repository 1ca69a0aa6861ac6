"""Routes of rest, of schedules and of sizes."""

from nixos_workspaces.web.routes.automation import idle, scaling, schedules

ROUTERS = (idle.router, scaling.router, schedules.router)
