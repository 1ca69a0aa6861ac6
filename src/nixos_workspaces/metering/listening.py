"""The listening programs of the workspaces whose ports are being watched."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from nixos_workspaces.database import Database
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.events import Event
from nixos_workspaces.metering.watchers import Topic, Watchers
from nixos_workspaces.model.reach.ports import Listener
from nixos_workspaces.model.workspace import AuthorisedId, Status, Workspace

LOOK_SECONDS = 0.5
"""Time between two looks: a program that begins to listen is told within a second."""
GAP_SECONDS = 0.05
PATIENCE_SECONDS = 30.0
_AT_ONCE = 8

Listening = Callable[[AuthorisedId], Awaitable[Sequence[Listener]]]


class LivePorts:
    """Looks at watched workspaces only, and tells changes. For the event loop's thread only."""

    def __init__(
        self, database: Database, watchers: Watchers, listening: Listening, changed: Callable[[str], None]
    ) -> None:
        """Tell ``watchers`` of the topic ``PORTS``, and ``changed`` each workspace with a change.

        Nothing is read before ``follow`` runs.
        """
        self._changed = changed
        self._database = database
        self._watchers = watchers
        self._listening = listening
        self._told: dict[str, Event] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._wake = asyncio.Event()

    def wished(self, fresh: frozenset[str]) -> None:
        """Tell at once of workspaces that a client newly watches."""
        for workspace_id in fresh:
            self._told.pop(workspace_id, None)
        self._wake.set()

    async def follow(self, succeeded: Callable[[], None]) -> None:
        """Look twice a second at all that are watched; wait while none is."""
        while True:
            watched = self._watchers.ids(Topic.PORTS)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._look(watched)
            for gone in self._told.keys() - watched:
                del self._told[gone]
            succeeded()
            await asyncio.sleep(GAP_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS if watched else None):
                    await self._wake.wait()
            self._wake.clear()

    async def _look(self, ids: set[str]) -> None:
        if ids:
            async with self._database.reading(once=True) as tx:
                found = await tx.workspaces.several(sorted(ids))
            await asyncio.gather(*(self._ask(one) for one in found))

    async def _ask(self, workspace: Workspace) -> None:
        key = self._watchers.key(workspace) if workspace.status is Status.RUNNING else None
        listeners: Sequence[Listener] = ()
        if key is not None:
            async with self._turns:
                try:
                    listeners = await self._listening(key)
                except WorkspacesError:
                    return  # the next look may succeed
        told = [{"port": one.port, "program": one.program} for one in listeners]
        event = Event("workspace.listening", workspace.id, {"ports": told})
        if self._told.get(workspace.id) != event:
            if workspace.id in self._told:
                self._changed(workspace.id)
            self._told[workspace.id] = event
            self._watchers.offer(Topic.PORTS, workspace, event)
