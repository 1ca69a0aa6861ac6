"""Open SCIM, as the settings say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from nixos_workspaces.auth.recent import RecentTokens
from nixos_workspaces.auth.tokens import Token
from nixos_workspaces.database import Database
from nixos_workspaces.settings import Settings

if TYPE_CHECKING:
    from nixos_workspaces.provisioning.service import Provisioning


def open_provisioning(
    settings: Settings,
    database: Database,
    recent: RecentTokens[Token],
    state_changed: Callable[[str], Awaitable[None]],
) -> Provisioning | None:
    """Return SCIM, or None where it is off; call it in a thread: its libraries are loaded only where it is on."""
    if not settings.scim:
        return None
    from nixos_workspaces.provisioning.service import Provisioning

    return Provisioning(database, recent.forget, state_changed)
