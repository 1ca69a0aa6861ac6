"""Changes the size of workspaces by itself, as their policies and boosts say, and keeps why it did.

A larger size is promised in a transaction, beside quotas and what the machine has left, before the engine gives it; a
smaller one is taken from the engine, which may refuse, before the record says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from nixos_workspaces.audit.entries import ACCEPTED
from nixos_workspaces.automation.scaling.advising import Price
from nixos_workspaces.automation.scaling.autoscale import (
    CPU_STEP,
    MEMORY_STEP,
    Limits,
    Window,
    Wish,
    decide,
    following,
)
from nixos_workspaces.database import AuditEntry, Database, Transaction
from nixos_workspaces.errors import Conflict, InsufficientResources, WorkspacesError
from nixos_workspaces.model.automation.scaling import (
    KEPT,
    USUAL_DOWN,
    Boost,
    ScalingDecision,
    ScalingKind,
    Size,
    StoredScaling,
)
from nixos_workspaces.model.machine import BYTES_PER_GB, Resources, Usage
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Desire, Status, Workspace
from nixos_workspaces.runtimes.base import Machines

log = logging.getLogger(__name__)

AUTOSCALE = "system:autoscale"
"""The actor of what is done here, in the audit log."""
LOOK_SECONDS = 2.0
_TELL_AGAIN_SECONDS = 600.0
"""After this a refusal is told again, if it still is one."""
WithinQuotas = Callable[[Transaction, str], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Around:
    """The parts around, which are handed in."""

    within_quotas: WithinQuotas
    changed: Callable[[Workspace], None]
    """Is called with each workspace whose size has changed."""
    may_spend: Callable[[str, str], Awaitable[bool]] | None = None
    """Tells whether the budgets of an owner and a workspace, by their ids, allow more; None: there are no budgets."""
    price: Callable[[], Awaitable[Price]] | None = None
    """Returns the prices in force."""


class Autoscale:
    """Looks at the workspaces that change by themselves. Call it from one event loop."""

    def __init__(
        self,
        database: Database,
        machines: Machines,
        around: Around,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Work through these parts."""
        self._database = database
        self._machines = machines
        self._around = around
        self._clock = clock
        self._monotonic = monotonic
        self._windows: dict[str, Window] = {}
        self._changed_at: dict[str, float] = {}
        self._raised_at: dict[str, float] = {}
        self._told: dict[tuple[str, str], float] = {}
        """When a refusal was told last, by workspace and reason."""

    async def watched(self) -> Mapping[str, StoredScaling]:
        """Return the workspaces that are to be looked at, with what was asked for."""
        async with self._database.reading(once=True) as tx:
            return await tx.scaling.watched()

    async def look(self, readings: Mapping[str, Usage], watched: Mapping[str, StoredScaling] | None = None) -> None:
        """Decide about each workspace that changes by itself, out of the ``readings`` of all that run.

        Call it every few seconds. One workspace's trouble keeps no other waiting.
        """
        found = await self.watched() if watched is None else watched
        for kept in (self._windows, self._changed_at, self._raised_at):
            for gone in kept.keys() - found.keys():
                del kept[gone]
        if not found:
            return
        async with self._database.reading(once=True) as tx:
            workspaces = await tx.workspaces.several(list(found))
        await asyncio.gather(*(self._safely(one, found[one.id], readings.get(one.id)) for one in workspaces))

    async def boost(self, tx: Transaction, workspace: Workspace, boost: Boost, machine: Size) -> Workspace:
        """Promise the size of a boost in a transaction that stores it; return the workspace as it is to be.

        Raises ``InsufficientResources`` beyond a quota, or what a ``machine`` of that size has left.
        """
        size = _larger(_size(workspace.limits), boost)
        _, memory_in_force = await tx.workspaces.limits_in_force()
        left = max(machine.memory_bytes - memory_in_force, 0)
        if size.cpu > machine.cpu or size.memory_bytes - workspace.limits.memory_bytes > left:
            raise InsufficientResources(
                f"The machine has {machine.cpu:.4g} cores, and {left / BYTES_PER_GB:.4g} GB of memory are left: "
                "ask for less, or stop a workspace.",
                code="beyond_machine",
            )
        async with self._around.within_quotas(tx, workspace.owner_id):
            scaled = _scaled(workspace, size)
            await tx.scaling.set_size(workspace.id, scaled.scaled_cpu, scaled.scaled_memory_bytes)
        return scaled

    def changed(self, workspace: Workspace) -> None:
        """Have the size of a workspace made so, which a transaction has promised."""
        self._around.changed(workspace)

    async def _safely(self, workspace: Workspace, stored: StoredScaling, usage: Usage | None) -> None:
        try:
            await self._look_at(workspace, stored, usage)
        except WorkspacesError as problem:
            log.warning("The size of workspace %s stays for now: %s", workspace.id, problem)

    async def _look_at(self, workspace: Workspace, stored: StoredScaling, usage: Usage | None) -> None:
        """Look at one workspace, and change it if it should be."""
        now = self._clock()
        boost = stored.boosted(now)
        if stored.boost is not None and boost is None:
            await self._end_boost(workspace)
        if workspace.desire not in (Desire.RUNNING, Desire.PAUSED):
            self._windows.pop(workspace.id, None)
            if boost is None and workspace.limits != workspace.resources:
                await self._forget_size(workspace)
            return
        if usage is None or workspace.status is not Status.RUNNING:
            self._windows.pop(workspace.id, None)
            return
        limits = replace(
            limits_of(workspace, stored, boost),
            changed_at=self._changed_at.get(workspace.id),
            raised_at=self._raised_at.get(workspace.id),
        )
        window = self._windows[workspace.id] = following(self._windows.get(workspace.id), usage, limits)
        wish = decide(window, limits)
        if wish is None:
            return
        if _exceeds(wish.size, limits.now):
            await self._grow(workspace, wish)
        else:
            await self._shrink(workspace, wish)

    async def _grow(self, workspace: Workspace, wish: Wish) -> None:
        """Promise a larger size, as much of it as may be, then have the engine give it."""
        if self._around.may_spend is not None and not await self._around.may_spend(workspace.owner_id, workspace.id):
            await self._refused(workspace, wish, Sentence("scaling.budget"))
            return
        capacity = await self._machines.capabilities()
        try:
            scaled = await self._promise(workspace, wish, Size(capacity.cpu_total, capacity.memory_total_bytes))
            if scaled is None:
                return
            await self._give(workspace, scaled)
        except InsufficientResources:
            await self._refused(workspace, wish, Sentence("scaling.no_room"))
            return
        self._raised_at[workspace.id] = self._windows[workspace.id].last.taken_at
        self._done(scaled)

    async def _promise(self, workspace: Workspace, wish: Wish, machine: Size) -> Workspace | None:
        """Promise as much of a larger size as may be; return the workspace with it, None if another one was chosen.

        Raises ``InsufficientResources`` where nothing is left.
        """
        before = _size(workspace.limits)
        async with self._database.transaction() as tx:
            now = await self._unchanged(tx, workspace)
            if now is None:
                return None
            size = await self._grantable(tx, now, wish.size, machine)
            if size == before:
                raise InsufficientResources("Quotas and the machine have nothing left.")
            scaled = _scaled(now, size)
            async with self._around.within_quotas(tx, now.owner_id):
                await tx.scaling.set_size(now.id, scaled.scaled_cpu, scaled.scaled_memory_bytes)
            await self._keep(tx, scaled, ScalingKind.UP, (before, size), wish)
        return scaled

    async def _give(self, before: Workspace, scaled: Workspace) -> None:
        """Have the engine give what was promised; take the promise back where it cannot."""
        try:
            await self._machines.resize(scaled.id, scaled.limits)
        except InsufficientResources:
            async with self._database.transaction() as tx:
                if await self._unchanged(tx, scaled) is not None:
                    await tx.scaling.set_size(before.id, before.scaled_cpu, before.scaled_memory_bytes)
            raise

    async def _shrink(self, workspace: Workspace, wish: Wish) -> None:
        """Have the engine take what is not needed, then say so."""
        before = _size(workspace.limits)
        wanted = _scaled(workspace, wish.size)
        try:
            await self._machines.resize(workspace.id, wanted.limits)
        except Conflict:
            self._changed_at[workspace.id] = self._windows[workspace.id].last.taken_at
            await self._refused(workspace, wish, Sentence("scaling.in_use"))
            return
        async with self._database.transaction() as tx:
            now = await self._unchanged(tx, workspace)
            if now is None:
                # Somebody has chosen another size meanwhile: the reconciler gives it.
                self._around.changed(workspace)
                return
            scaled = _scaled(now, wish.size)
            await tx.scaling.set_size(now.id, scaled.scaled_cpu, scaled.scaled_memory_bytes)
            await self._keep(tx, scaled, ScalingKind.DOWN, (before, wish.size), wish)
        self._done(scaled)

    async def _grantable(self, tx: Transaction, workspace: Workspace, wanted: Size, machine: Size) -> Size:
        """Return as much of a larger size as quotas and the machine allow."""
        now = _size(workspace.limits)
        _, memory_in_force = await tx.workspaces.limits_in_force()
        cpu = min(wanted.cpu, machine.cpu)
        memory = min(wanted.memory_bytes, now.memory_bytes + max(machine.memory_bytes - memory_in_force, 0))
        for quota in await tx.quotas.of_user(workspace.owner_id):
            if quota.allowed.cpu is not None:
                cpu = min(cpu, now.cpu + _whole(quota.allowed.cpu - (quota.used.cpu or 0), CPU_STEP))
            if quota.allowed.memory_bytes is not None:
                left = quota.allowed.memory_bytes - (quota.used.memory_bytes or 0)
                memory = min(memory, now.memory_bytes + int(_whole(left, MEMORY_STEP)))
        return Size(max(cpu, now.cpu), max(memory, now.memory_bytes))

    async def _unchanged(self, tx: Transaction, workspace: Workspace) -> Workspace | None:
        """Return the workspace as it is now; None if its size or what is wanted of it is another than it was."""
        now = await tx.workspaces.get(workspace.id, lock=True)
        if now is None or now.desire is not workspace.desire:
            return None
        return now if (now.resources, now.limits) == (workspace.resources, workspace.limits) else None

    async def _keep(
        self, tx: Transaction, workspace: Workspace, kind: ScalingKind, sizes: tuple[Size, Size], wish: Wish
    ) -> None:
        """Store a decision with its evidence, and its audit entry."""
        at, (before, after) = self._clock(), sizes
        await tx.scaling.add(workspace.id, ScalingDecision(at, kind, before, after, wish.reason, wish.evidence))
        await tx.scaling.forget(at - KEPT, workspace.id)
        entry = AuditEntry(at, AUTOSCALE, f"scale-{kind.value}", workspace.id, ACCEPTED)
        told = {"reason": wish.reason.code, **wish.evidence}
        await tx.audit.append(replace(entry, detail=told, before=told_size(before), after=told_size(after)))

    async def _refused(self, workspace: Workspace, wish: Wish, reason: Sentence) -> None:
        """Keep that a size was wanted and not given; the same once in a while only."""
        now, key = self._monotonic(), (workspace.id, reason.code)
        if now - self._told.get(key, -_TELL_AGAIN_SECONDS) < _TELL_AGAIN_SECONDS:
            return
        self._told = {one: at for one, at in self._told.items() if now - at < _TELL_AGAIN_SECONDS} | {key: now}
        before = _size(workspace.limits)
        decision = ScalingDecision(self._clock(), ScalingKind.REFUSED, before, wish.size, reason, wish.evidence)
        async with self._database.transaction() as tx:
            await tx.scaling.add(workspace.id, decision)
            entry = AuditEntry(decision.at, AUTOSCALE, "scale-refused", workspace.id, reason.code)
            await tx.audit.append(replace(entry, before=told_size(before), after=told_size(wish.size)))

    async def _end_boost(self, workspace: Workspace) -> None:
        """Forget a boost whose time is over."""
        async with self._database.transaction() as tx:
            stored = await tx.scaling.find(workspace.id)
            if stored.boosted(self._clock()) is None:
                await tx.scaling.replace(workspace.id, replace(stored, boost=None))
                await tx.audit.append(AuditEntry(self._clock(), AUTOSCALE, "end-boost", workspace.id, ACCEPTED))

    async def _forget_size(self, workspace: Workspace) -> None:
        """Let a workspace that does not run have the size that was chosen, when it starts again."""
        async with self._database.transaction() as tx:
            if await self._unchanged(tx, workspace) is not None:
                await tx.scaling.set_size(workspace.id, None, None)

    def _done(self, workspace: Workspace) -> None:
        """Note a change, and tell of it."""
        self._changed_at[workspace.id] = self._windows[workspace.id].last.taken_at
        self._around.changed(workspace)


def limits_of(workspace: Workspace, stored: StoredScaling, boost: Boost | None) -> Limits:
    """Return between which sizes a workspace may change now; without a policy it is to have the one that was chosen."""
    chosen = _size(workspace.resources)
    least, most, down_after = chosen, chosen, USUAL_DOWN
    if stored.policy is not None:
        least, most, down_after = stored.policy.least, stored.policy.most, stored.policy.down_after
    if boost is not None:
        least, most = _larger(least, boost), _larger(most, boost)
    return Limits(_size(workspace.limits), least, most, down_after.total_seconds())


def told_size(size: Size) -> dict[str, object]:
    """Return a size as the audit log has it."""
    return {"cpu": size.cpu, "memory_bytes": size.memory_bytes}


def _larger(size: Size, boost: Boost) -> Size:
    """Return a size with that of a boost, where it is larger."""
    return Size(max(size.cpu, boost.cpu or 0.0), max(size.memory_bytes, boost.memory_bytes or 0))


def _size(resources: Resources) -> Size:
    return Size(resources.cpu, resources.memory_bytes)


def _scaled(workspace: Workspace, size: Size) -> Workspace:
    """Return a workspace with another size than was chosen, or with that."""
    chosen = workspace.resources
    return replace(
        workspace,
        scaled_cpu=None if size.cpu == chosen.cpu else size.cpu,
        scaled_memory_bytes=None if size.memory_bytes == chosen.memory_bytes else size.memory_bytes,
    )


def _exceeds(size: Size, other: Size) -> bool:
    return size.cpu > other.cpu or size.memory_bytes > other.memory_bytes


def _whole(value: float, step: float) -> float:
    """Return the part of a value that is made of whole steps; zero for less than one."""
    return max(value // step, 0.0) * step
