"""The open tunnels and gateway connections of all workspaces, which end with the workspace's run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nixos_workspaces.database import Database
from nixos_workspaces.errors import Conflict, Unauthenticated, WorkspacesError
from nixos_workspaces.events import LAGGED, Events
from nixos_workspaces.model.names import is_workspace_id
from nixos_workspaces.model.workspace import Status

log = logging.getLogger(__name__)

End = Callable[[WorkspacesError], None]
"""Ends one open connection, for the reason given; neither waits nor raises."""
_LIVING = frozenset({Status.RUNNING.value, Status.PAUSED.value})


class OpenConnections:
    """Knows what is open into which workspace. Call it from the event loop's thread only."""

    def __init__(self, database: Database, events: Events) -> None:
        """Learn from ``events`` when a workspace ends; ``database`` tells what was missed."""
        self._database = database
        self._events = events
        self._open: dict[str, list[End]] = {}

    @contextmanager
    def entered(self, reason: str, end: End) -> Iterator[None]:
        """Have ``end`` called, once or more, if ``reason`` goes away while the block runs.

        It is a workspace's id (stopped, deleted), that of a registered key (removed), or one of ``shells_of``.
        """
        ends = self._open.setdefault(reason, [])
        ends.append(end)
        try:
            yield
        finally:
            ends.remove(end)
            if not ends:
                self._open.pop(reason, None)

    def end_key(self, key_id: str) -> None:
        """End what a registered key has opened: connections that were entered under its id."""
        self._end(key_id, Unauthenticated("The SSH key that this was opened with was removed."))

    def end_shells(self, workspace_id: str, error: WorkspacesError) -> None:
        """End what was entered under ``shells_of`` a workspace."""
        self._end(shells_of(workspace_id), error)

    async def follow(self, succeeded: Callable[[], None]) -> None:
        """End connections as workspaces end; only cancellation ends it."""
        with self._events.subscribe() as changes:
            await self._end_all_dead()
            succeeded()
            async for event in changes:
                if event == LAGGED:
                    await self._end_all_dead()
                elif event.kind == "workspace.status" and event.data.get("status") not in _LIVING:
                    self._end(event.workspace_id, _stopping())

    async def _end_all_dead(self) -> None:
        if not self._open:
            return
        async with self._database.reading(once=True) as tx:
            statuses = await tx.summaries.statuses()
        for one in [one for one in self._open if is_workspace_id(one) and statuses.get(one) not in _LIVING]:
            self._end(one, _stopping())

    def _end(self, reason: str, error: WorkspacesError) -> None:
        for end in [*self._open.get(reason, [])]:
            try:
                end(error)
            except Exception:
                # The others must end all the same.
                log.exception("a connection that %s has opened cannot be ended", reason)


def _stopping() -> Conflict:
    return Conflict("The workspace is being stopped or deleted.", code="not_running")


def shells_of(workspace_id: str) -> str:
    """Return the reason for what may have shells in a workspace until a moderator must be present there."""
    return f"shells of {workspace_id}"
