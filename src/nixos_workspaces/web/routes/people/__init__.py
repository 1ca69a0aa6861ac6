"""The routes of people: users, groups, quotas, tokens, sessions, passkeys, device logins."""

from nixos_workspaces.web.routes.people import devices, identities, passkeys, quotas, sessions, tokens, users

ROUTERS = (
    *(users.router, quotas.router, tokens.router, sessions.router, devices.router),
    *(passkeys.router, identities.router),
)
