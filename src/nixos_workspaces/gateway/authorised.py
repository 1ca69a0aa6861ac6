"""The keys that a workspace's sshd lets in: its own and its owner's, in every running workspace at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress

from nixos_workspaces.database import Database
from nixos_workspaces.errors import Conflict, NotFound, WorkspacesError
from nixos_workspaces.events import LAGGED, Events
from nixos_workspaces.keys.authorities import Authorities
from nixos_workspaces.keys.store import KeyStore
from nixos_workspaces.model.workspace import Status, Workspace
from nixos_workspaces.runtimes.base import Runtime

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
PATIENCE_SECONDS = 10.0
"""How long a change waits for the running workspaces; those that take longer are served afterwards."""
_AT_ONCE = 8

Admitted = tuple[tuple[str, ...], str]
"""The lines of an authorized-keys file, and a host certificate, which is empty where there are no keys yet."""


class AuthorisedKeys:
    """Keeps the keys in running workspaces as they should be: after a change, a start, a crash of any side.

    All running workspaces are gone through when it begins; doing it again changes nothing.
    """

    def __init__(
        self, database: Database, runtime: Runtime, keys: KeyStore, authorities: Authorities, events: Events
    ) -> None:
        """Act through these parts; nothing is done before ``follow`` runs, but on ``changed``."""
        self._database = database
        self._runtime = runtime
        self._keys = keys
        self._authorities = authorities
        self._events = events
        self._locks: dict[str, asyncio.Lock] = {}
        self._due: set[str] = set()
        self._is_due = asyncio.Event()

    async def admitted(self, workspace: Workspace) -> Admitted:
        """Return the public side of SSH into a workspace; ``NotFound`` where it has no keys."""
        async with self._database.reading(once=True) as tx:
            registered = await tx.ssh_keys.of_principal(workspace.owner_id)
        own, certificate = await asyncio.to_thread(self._of_workspace, workspace.id, workspace.name)
        return (own, *(one.key.line for one in registered)), certificate

    async def changed(self, owner_id: str) -> None:
        """Bring a person's running workspaces up to date; returns when that is done, or after ``PATIENCE_SECONDS``."""
        async with self._database.reading(once=True) as tx:
            running = await tx.summaries.running(owner_id)
        self._due.update(running)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._put_right(running)
        self._is_due.set()

    async def follow(self, succeeded: Callable[[], None]) -> None:
        """Bring workspaces up to date when they have started, and those that failed again; never ends."""
        with self._events.subscribe() as changes:
            await self._all_are_due()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._work_off(succeeded))
                async for event in changes:
                    if event == LAGGED:
                        await self._all_are_due()
                    elif event.kind == "workspace.status" and event.data.get("status") == Status.RUNNING:
                        self._due.add(event.workspace_id)
                        self._is_due.set()

    async def _all_are_due(self) -> None:
        async with self._database.reading(once=True) as tx:
            self._due.update(await tx.summaries.running(None))
        self._is_due.set()

    async def _work_off(self, succeeded: Callable[[], None]) -> None:
        while True:
            await self._put_right([*self._due])
            succeeded()
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS if self._due else None):
                    await self._is_due.wait()
            self._is_due.clear()

    async def _put_right(self, workspace_ids: Iterable[str]) -> None:
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(workspace_id: str) -> None:
            async with places:
                await self._put_one_right(workspace_id)

        await asyncio.gather(*(one(each) for each in workspace_ids))

    async def _put_one_right(self, workspace_id: str) -> None:
        """Bring one up to date; what was read last is written last."""
        async with self._locks.setdefault(workspace_id, asyncio.Lock()):
            self._due.discard(workspace_id)
            try:
                async with self._database.reading(once=True) as tx:
                    workspace = await tx.workspaces.get(workspace_id)
                if workspace is None or workspace.status not in {Status.RUNNING, Status.PAUSED}:
                    return
                await self._runtime.authorise(workspace.id, *await self.admitted(workspace))
            except (Conflict, NotFound):
                return  # it has ended; its next start has the right keys
            except (OSError, WorkspacesError) as failed:
                log.warning("The SSH keys of workspace %s are not up to date yet: %s", workspace_id, failed)
                self._due.add(workspace_id)

    def _of_workspace(self, workspace_id: str, name: str) -> tuple[str, str]:
        """Return the line of the workspace's own key, and its host certificate."""
        return self._keys.read(workspace_id).client_public, self._authorities.workspace_certificate(workspace_id, name)
