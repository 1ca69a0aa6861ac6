"""Routes of the contents of workspaces that come from outside: secrets and repositories."""

from nixos_workspaces.web.routes.contents import repositories, secrets

ROUTERS = (secrets.router, repositories.router)
