"""Whether running workspaces are reached, and how fast: looked at when it is asked for, never by itself.

One question on a pooled SSH connection, which leaves no trace in the workspace's journal once the connection is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import asyncssh

from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.model.usage import Connectivity
from nixos_workspaces.model.workspace import Status, Workspace
from nixos_workspaces.ssh.connections import Connections
from nixos_workspaces.ssh.transport import FastClientConnection

FRESH_SECONDS = 10.0
"""Age up to which an answer is told again."""
PATIENCE_SECONDS = 0.5
"""Time that who asks waits for a first answer; later ones are looked at meanwhile."""
ANSWER_SECONDS = 5.0
MOST = 1000
"""Workspaces whose last answers are kept."""


class Reachability:
    """The last answer of each workspace that was asked for. Call it from one event loop."""

    def __init__(
        self,
        connections: Connections,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask over ``connections``."""
        self._connections = connections
        self._clock = clock
        self._monotonic = monotonic
        self._seen: dict[str, tuple[float, datetime | None, Connectivity]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def of(self, workspace: Workspace) -> Connectivity | None:
        """Return the last answer, at most a little older than ``FRESH_SECONDS``; None where there is none to tell."""
        if workspace.status is not Status.RUNNING:
            self._seen.pop(workspace.id, None)
            return None
        known = self._seen.get(workspace.id)
        if known is not None and known[1] != workspace.started_at:
            known = None
        if known is None or self._monotonic() - known[0] >= FRESH_SECONDS:
            asking = self._asking.get(workspace.id) or self._begin(workspace)
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS if known is None else 0):
                    await asyncio.shield(asking)
            known = self._seen.get(workspace.id)
        return None if known is None or known[1] != workspace.started_at else known[2]

    async def close(self) -> None:
        """End what is being asked."""
        for task in list(self._asking.values()):
            task.cancel()

    def _begin(self, workspace: Workspace) -> asyncio.Task[None]:
        task = asyncio.create_task(self._ask(workspace), name=f"connectivity of {workspace.id}")
        self._asking[workspace.id] = task
        task.add_done_callback(lambda _: self._asking.pop(workspace.id, None))
        return task

    async def _latency(self, ssh: FastClientConnection) -> float:
        begun = self._monotonic()
        await ssh.answers()
        if ssh.is_closed():
            raise asyncssh.ConnectionLost("It had ended before it was asked.")
        return (self._monotonic() - begun) * 1000

    async def _ask(self, workspace: Workspace) -> None:
        """Ask one workspace and keep the answer."""
        latency: float | None = None
        with suppress(WorkspacesError, TimeoutError, OSError, asyncssh.Error):
            async with asyncio.timeout(ANSWER_SECONDS):
                pooled, latency = await self._connections.start(workspace.id, self._latency)
                self._connections.give_back(pooled)
        while len(self._seen) >= MOST:
            self._seen.pop(next(iter(self._seen)))
        seen = Connectivity(latency is not None, latency, self._clock())
        self._seen[workspace.id] = (self._monotonic(), workspace.started_at, seen)
