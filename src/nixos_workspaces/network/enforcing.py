"""Makes engines enforce what is stored: before a start, at each change, and when something ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from weakref import WeakValueDictionary

from nixos_workspaces.database import Database
from nixos_workspaces.errors import NotFound, WorkspacesError
from nixos_workspaces.events import Event, Events
from nixos_workspaces.model.machine import MachineState
from nixos_workspaces.model.network import EgressRules, rules_of
from nixos_workspaces.model.network.proposals import StoredNetwork
from nixos_workspaces.network.bounds import BoundsFile
from nixos_workspaces.network.lessons import end_lesson
from nixos_workspaces.runtimes.base import Runtime

log = logging.getLogger(__name__)

TURN_SECONDS = 5.0
"""How often files of the administrator are looked at, and what another control plane has stored."""
_AT_ONCE = 8
_LIVE = (MachineState.BOOTING, MachineState.RUNNING, MachineState.PAUSED)


class Enforcer:
    """Puts stored policies in force. What could not be done is done again until it is.

    A policy is a desired state: the engine is told before a machine starts (``enforce``), at once after a change
    (``enforce``), and by ``follow`` all that run when the service starts, and each when a part of it ends.
    """

    def __init__(
        self,
        database: Database,
        runtime: Runtime,
        bounds: BoundsFile,
        events: Events,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Enforce on the machines of ``runtime``; ends of learning are published as ``workspace.network``."""
        self._database = database
        self._runtime = runtime
        self._bounds = bounds
        self._events = events
        self._clock = clock
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._taken: dict[str, int] = {}
        """The version that the engine took last."""
        self._owed: set[str] = set()
        self._woken = asyncio.Event()

    async def enforce(self, workspace_id: str) -> None:
        """Have the engine enforce what is stored now; without effect where there is no machine.

        Raises the engine's errors, and then does it again later by itself.
        """
        lock = self._locks.setdefault(workspace_id, asyncio.Lock())
        async with lock:  # what is read last is told last
            async with self._database.reading(once=True) as tx:
                stored = await tx.networks.find(workspace_id)
            rules = await asyncio.to_thread(self.rules, stored)
            try:
                await self._runtime.set_egress(workspace_id, rules)
            except NotFound:
                self._taken.pop(workspace_id, None)
            except BaseException:
                self._owe(workspace_id)
                raise
            else:
                self._taken[workspace_id] = stored.version

    async def enforce_soon(self, workspace_id: str) -> None:
        """Do as ``enforce``; where the engine does not take it now, ``follow`` goes on until it does."""
        try:
            await self.enforce(workspace_id)
        except WorkspacesError as failed:
            log.warning("The network of workspace %s is not in force yet: %s", workspace_id, failed.message)

    def rules(self, stored: StoredNetwork) -> EgressRules:
        """Return what is to be enforced now."""
        bounds, now = self._bounds.current, self._clock()
        lasting = rules_of(stored.policy, bounds.floor, bounds.balanced, now)
        if (policy := stored.policy_at(now)) is stored.policy or stored.learning is None:
            return lasting
        learning = rules_of(policy, bounds.floor, bounds.balanced, now)
        return replace(learning, until=stored.learning.until, after=lasting)

    def is_in_force(self, workspace_id: str, version: int) -> bool:
        """Tell whether the engine has taken this version since the service started."""
        return workspace_id not in self._owed and self._taken.get(workspace_id) == version

    def wake(self) -> None:
        """Look again now: something ends sooner than it was known."""
        self._woken.set()

    async def follow(self, succeeded: Callable[[], None]) -> None:
        """Enforce on all machines that run, and from then on each when something ends or is owed; runs for ever."""
        self._owed.update(await self._live())
        while True:
            self._woken.clear()
            await self._turn()
            succeeded()
            await self._rest()

    def _owe(self, workspace_id: str) -> None:
        self._owed.add(workspace_id)
        self._woken.set()

    async def _live(self) -> list[str]:
        """Return the machines that run."""
        return [machine.workspace_id for machine in await self._runtime.list() if machine.state in _LIVE]

    async def _turn(self) -> None:
        """Do all that is due; raises the last failure once everything else is done."""
        failures: list[WorkspacesError] = []
        try:
            if await asyncio.to_thread(self._bounds.reread):
                self._owed.update(await self._live())
        except WorkspacesError as wrong:
            failures.append(wrong)
        async with self._database.reading(once=True) as tx:
            ended = set(await tx.networks.due(self._clock()))
        failures += await self._each(self._owed | ended, ended)
        if failures:
            raise failures[-1]

    async def _each(self, due: Iterable[str], ended: set[str]) -> list[WorkspacesError]:
        """Enforce several; return what failed."""
        room = asyncio.Semaphore(_AT_ONCE)
        failures: list[WorkspacesError] = []

        async def one(workspace_id: str) -> None:
            async with room:
                try:
                    self._owed.discard(workspace_id)
                    await self.enforce(workspace_id)
                    if workspace_id in ended:
                        await self._end_parts(workspace_id)
                except WorkspacesError as failed:
                    self._owed.add(workspace_id)
                    failures.append(failed)

        await asyncio.gather(*(one(workspace_id) for workspace_id in due))
        return failures

    async def _end_parts(self, workspace_id: str) -> None:
        """Store that parts of a network have ended, once the engine does no longer let them out."""
        now = self._clock()
        async with self._database.reading() as tx:
            stored, workspace = await tx.networks.find(workspace_id), await tx.workspaces.get(workspace_id)
        if stored.learning is not None and stored.learning.until <= now:
            await end_lesson(self._database, self._runtime, workspace_id, now)
        else:
            async with self._database.transaction() as tx:
                await tx.networks.refresh(workspace_id, stored, now)
        if workspace is not None:
            self._events.publish(network_event(workspace_id, workspace.owner_id))

    async def _rest(self) -> None:
        """Wait until something is due, owed, or a while has passed."""
        async with self._database.reading(once=True) as tx:
            end = await tx.networks.next_end()
        seconds = TURN_SECONDS if end is None else (end - self._clock()).total_seconds()
        try:
            async with asyncio.timeout(min(max(seconds, 0.05), TURN_SECONDS)):
                await self._woken.wait()
        except TimeoutError:
            return
        await asyncio.sleep(0.2)  # what has just failed is not tried again at once


def network_event(workspace_id: str, owner_id: str) -> Event:
    """Return the event of a changed network; ``owner_id`` is for choosing its recipients, not for clients."""
    return Event("workspace.network", workspace_id, {"owner_id": owner_id})
