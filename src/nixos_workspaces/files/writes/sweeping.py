"""Automatic sweeping: the leftovers of a crash of service or workspace are removed a while after both are back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.events import Events
from nixos_workspaces.files.service import Files
from nixos_workspaces.files.writes.staging import STALE_SECONDS

log = logging.getLogger(__name__)

AFTER_SECONDS = STALE_SECONDS + 3.0
"""Delay after which leftovers are old enough to be told from files that are being written."""


async def sweep_for_ever(
    files: Files,
    events: Events,
    running: Callable[[], Awaitable[Iterable[str]]],
    succeeded: Callable[[], None] = lambda: None,
    *,
    after_seconds: float = AFTER_SECONDS,
) -> None:
    """Sweep each workspace some time after it has begun to run, and those that ``running`` tells at the start.

    Uploads that were given up are found on the same occasions. Runs until it is cancelled; ``succeeded`` is called
    once it listens, and after each sweep.
    """
    plan = _Plan(files, after_seconds, succeeded)
    try:
        with events.subscribe() as subscription:
            for workspace_id in await running():
                plan.add(workspace_id)
            succeeded()
            async for event in subscription:
                if event.kind == "workspace.status" and event.data.get("status") == "running":
                    plan.add(event.workspace_id)
    finally:
        await plan.close()


class _Plan:
    """The workspaces that will be swept."""

    def __init__(self, files: Files, after_seconds: float, succeeded: Callable[[], None]) -> None:
        self._files = files
        self._after_seconds = after_seconds
        self._succeeded = succeeded
        self._waiting: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, workspace_id: str) -> None:
        """Sweep a workspace later, if that is not planned already."""
        if workspace_id not in self._waiting:
            self._waiting.add(workspace_id)
            task = asyncio.create_task(self._sweep(workspace_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel the planned sweeps."""
        ending = list(self._tasks)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _sweep(self, workspace_id: str) -> None:
        await asyncio.sleep(self._after_seconds)
        self._waiting.discard(workspace_id)
        try:
            removed = await self._files.sweep(workspace_id)
        except WorkspacesError as problem:
            log.info("The temporary files of %s cannot be swept now: %s", workspace_id, problem)
        else:
            self._succeeded()
            if removed:
                log.info("%d temporary files of %s were removed.", removed, workspace_id)
