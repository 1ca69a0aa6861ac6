"""How each person has arranged the terminals of a workspace."""

from __future__ import annotations

from pydantic import ValidationError

from nixos_workspaces.auth.policy import Principal
from nixos_workspaces.database import Database
from nixos_workspaces.errors import Conflict
from nixos_workspaces.events import Event, Events
from nixos_workspaces.model.workspace import AuthorisedId, Workspace
from nixos_workspaces.schemas.layouts import TerminalLayout


class Layouts:
    """The arrangements, each of one person and workspace; a version keeps windows from overwriting each other."""

    def __init__(self, database: Database, events: Events) -> None:
        """Store them in ``database``; each change is published as ``workspace.layout``."""
        self._database = database
        self._events = events

    async def read(self, workspace_id: AuthorisedId, principal: Principal) -> tuple[int, TerminalLayout]:
        """Return the version and the arrangement; version 0 and an empty one where there is none."""
        async with self._database.reading(once=True) as tx:
            found = await tx.layouts.find(workspace_id, principal.id)
        if found is None:
            return 0, TerminalLayout()
        version, stored = found
        try:
            return version, TerminalLayout.model_validate(stored)
        except ValidationError:  # of a version that had other bounds; arranging anew replaces it
            return version, TerminalLayout()

    async def replace(
        self, workspace: Workspace, key: AuthorisedId, principal: Principal, version: int, layout: TerminalLayout
    ) -> int:
        """Store the arrangement that follows ``version``; return its own. Raises ``Conflict`` (``layout_changed``)."""
        async with self._database.transaction() as tx:
            stored = await tx.layouts.replace(key, principal.id, version, layout.model_dump())
        if not stored:
            raise Conflict(
                "The terminals were arranged in another window meanwhile; read the layout and change it again.",
                code="layout_changed",
                field="version",
            )
        self._events.publish(Event("workspace.layout", key, {"owner_id": workspace.owner_id}))
        return version + 1
