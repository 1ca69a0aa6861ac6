"""Opens the parts of metering that count and that reckon in money."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from nixos_workspaces.database import Database
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.events import Events, Subscription
from nixos_workspaces.metering.money.budgets import Budgets, Stop
from nixos_workspaces.metering.money.reports import Costs
from nixos_workspaces.metering.money.spending import Spending
from nixos_workspaces.metering.usage.recording import TAKE_SECONDS, Ledger
from nixos_workspaces.model.machine import Usage
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.runtimes.base import Runtime

_APART_SECONDS = 1.0
"""Least time between two turns, however many workspaces change."""


class Metering:
    """The ledger, costs and budgets, and the work that keeps them."""

    def __init__(self, database: Database, runtime: Runtime, events: Events) -> None:
        """Keep it in ``database``, of the machines of ``runtime``; ``events`` tell when one changes its state."""
        spending = Spending(database)
        self.ledger = Ledger(database, runtime.capabilities)
        self.costs = Costs(database, spending)
        self.budgets = Budgets(database, spending, events, stop=self._stop_one)
        self._read: Callable[[], Awaitable[Mapping[str, Usage]]] = runtime.usage_all
        self._events = events
        self._stop: Stop | None = None

    def stop_with(self, stop: Stop) -> None:
        """Have budgets stop workspaces by ``stop``, which is made later than they are."""
        self._stop = stop

    async def follow(self, succeeded: Callable[[], None]) -> None:
        """Count for ever: every ten seconds, and as soon as a workspace has changed its state."""
        with self._events.subscribe(64) as changes:
            while True:
                await self.turn()
                succeeded()
                await asyncio.sleep(_APART_SECONDS)
                await _changed(changes, TAKE_SECONDS - _APART_SECONDS)

    async def turn(self) -> None:
        """Count up to now, and hold everything to its budgets; without the engine, by what was known before."""
        try:
            readings = await self._read()
        except WorkspacesError:
            readings = {}
        await self.ledger.take(readings)
        await self.budgets.check()

    async def _stop_one(self, workspace_id: str, reason: Sentence) -> None:
        assert self._stop is not None, "stop_with is called while everything is opened"
        await self._stop(workspace_id, reason)


async def _changed(changes: Subscription, seconds: float) -> None:
    """Wait until a workspace has changed its state, at most for ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            async for event in changes:
                if event.kind in {"workspace.status", "lagged"}:
                    return
    except TimeoutError:
        return
