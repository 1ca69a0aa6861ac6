"""Reading and changing how a workspace changes size by itself, and boosts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.automation.policies import Act, audited
from nixos_workspaces.automation.scaling.autoscale import most_seconds_down
from nixos_workspaces.automation.scaling.watching import Autoscale
from nixos_workspaces.database import Database, Transaction
from nixos_workspaces.database.automation.scaling import boost_form, policy_form
from nixos_workspaces.errors import Conflict, InvalidInput
from nixos_workspaces.model.automation.scaling import (
    LONGEST_BOOST,
    SHORTEST_BOOST,
    AutoscalePolicy,
    Boost,
    ScalingDecision,
    Size,
)
from nixos_workspaces.model.machine import BYTES_PER_GB
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Desire, Workspace
from nixos_workspaces.runtimes.base import Machines
from nixos_workspaces.workspaces.desired import too_large
from nixos_workspaces.workspaces.lookup import find

SHOWN = 50
"""Decisions that are shown."""


@dataclass(frozen=True, slots=True)
class ScalingStatus:
    """The size of a workspace: what was asked for, what it has, and what was decided."""

    workspace: Workspace
    policy: AutoscalePolicy | None
    boost: Boost | None
    """The boost that is in force."""
    decisions: tuple[ScalingDecision, ...]
    down_within: timedelta | None
    """How long it takes at most from its largest size to its smallest; None without a policy."""


class ScalingPolicies:
    """The sizes of workspaces that change by themselves.

    Every method raises ``NotFound`` for a workspace that does not exist or is not the principal's to see.
    """

    def __init__(
        self,
        database: Database,
        machines: Machines,
        autoscale: Autoscale,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Store in ``database``; ``autoscale`` does what is asked for."""
        self._database = database
        self._machines = machines
        self._autoscale = autoscale
        self._clock = clock

    async def read(self, reference: str, *, principal: Principal) -> ScalingStatus:
        """Return how a workspace changes size by itself, with the last decisions."""
        async with self._database.reading() as tx:
            workspace = await find(tx, reference, principal)
            authorise(principal, Action.READ_USAGE, workspace)
            return await self._status(tx, workspace)

    async def change(
        self, reference: str, policy: AutoscalePolicy | None, *, principal: Principal, request_id: str = ""
    ) -> ScalingStatus:
        """Replace the policy of a workspace; None: its size stays as it was chosen, from the next look on.

        Raises ``InvalidInput`` (cpu, memory, down_after), with code ``exceeds_machine`` for more than the machine has.
        """
        if policy is not None:
            policy.check()
        machine = None if policy is None else await self._machine()
        async with self._audited(reference, principal, Action.CHANGE_AUTOSCALE, request_id) as act:
            if policy is not None and machine is not None:
                _check_most(policy.most, machine)
            stored = await act.tx.scaling.find(act.workspace.id)
            await act.tx.scaling.replace(act.workspace.id, replace(stored, policy=policy))
            await act.note(before=policy_form(stored.policy), after=policy_form(policy))
            return await self._status(act.tx, act.workspace)

    async def boost(
        self,
        reference: str,
        size: tuple[float | None, int | None],
        length: timedelta,
        *,
        principal: Principal,
        request_id: str = "",
    ) -> ScalingStatus:
        """Give a workspace so many cores and bytes of memory at once, for so long; None leaves a part as it is.

        Takes the place of an earlier boost. Raises ``InvalidInput`` for a size that is not larger than the one chosen
        (``boost_not_larger``), ``Conflict`` (``wrong_state``) where it is not to run, and ``InsufficientResources``
        beyond a quota, or what the machine has left.
        """
        if not SHORTEST_BOOST <= length <= LONGEST_BOOST:
            raise InvalidInput("A boost lasts from 10s to 7d.", field="for")
        boost = Boost(*size, self._clock() + length, principal.id)
        machine = await self._machine()
        async with self._audited(reference, principal, Action.BOOST, request_id) as act:
            _check_boost(act.workspace, boost)
            stored = await act.tx.scaling.find(act.workspace.id)
            scaled = await self._autoscale.boost(act.tx, act.workspace, boost, machine)
            await act.tx.scaling.replace(act.workspace.id, replace(stored, boost=boost))
            await act.note(after=boost_form(boost))
            status = await self._status(act.tx, scaled)
        self._autoscale.changed(scaled)
        return status

    async def end_boost(self, reference: str, *, principal: Principal, request_id: str = "") -> ScalingStatus:
        """End a boost; does nothing when there is none. The size comes back as far as memory is free."""
        async with self._audited(reference, principal, Action.BOOST, request_id) as act:
            stored = await act.tx.scaling.find(act.workspace.id)
            await act.tx.scaling.replace(act.workspace.id, replace(stored, boost=None))
            await act.note(before=boost_form(stored.boost))
            return await self._status(act.tx, act.workspace)

    async def _status(self, tx: Transaction, workspace: Workspace) -> ScalingStatus:
        stored = await tx.scaling.find(workspace.id)
        policy, within = stored.policy, None
        if policy is not None:
            seconds = most_seconds_down(policy.most, policy.least, policy.down_after.total_seconds())
            within = timedelta(seconds=round(seconds))
        decisions = await tx.scaling.decisions(workspace.id, SHOWN)
        return ScalingStatus(workspace, policy, stored.boosted(self._clock()), decisions, within)

    async def _machine(self) -> Size:
        machine = await self._machines.capabilities()
        return Size(machine.cpu_total, machine.memory_total_bytes)

    def _audited(
        self, reference: str, principal: Principal, action: Action, request_id: str
    ) -> AbstractAsyncContextManager[Act]:
        return audited(self._database, self._clock, reference, principal, action, request_id)


def _check_most(most: Size, machine: Size) -> None:
    """Refuse a size that the machine does not have."""
    if most.cpu > machine.cpu:
        raise _exceeds_machine("cpu", machine)
    if most.memory_bytes > machine.memory_bytes:
        raise _exceeds_machine("memory", machine)


def _check_boost(workspace: Workspace, boost: Boost) -> None:
    """Refuse a boost that makes nothing larger, and one of a workspace that is not to run."""
    if workspace.desire is not Desire.RUNNING:
        said = Sentence("refused.boost", {"name": workspace.name, "status": workspace.status})
        raise Conflict(said, code="wrong_state")
    chosen = workspace.resources
    smaller = (boost.cpu is not None and boost.cpu < chosen.cpu) or (
        boost.memory_bytes is not None and boost.memory_bytes < chosen.memory_bytes
    )
    if smaller or (boost.cpu or 0, boost.memory_bytes or 0) == (0, 0):
        raise InvalidInput(
            "A boost makes a workspace larger than was chosen: give more cores or memory than it has.",
            code="boost_not_larger",
            field="memory" if boost.cpu is None or boost.cpu >= chosen.cpu else "cpu",
        )


def _exceeds_machine(field: str, machine: Size) -> InvalidInput:
    most = machine.cpu if field == "cpu" else machine.memory_bytes / BYTES_PER_GB
    return InvalidInput(too_large(field, most), code="exceeds_machine", field=field)
