"""Advice about the size of a workspace, and following it."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from nixos_workspaces.auth.policy import Action, Principal, may
from nixos_workspaces.errors import Conflict
from nixos_workspaces.metering.advice.advice import Advice, AdviceState, Bounds
from nixos_workspaces.metering.advice.advisor import Advisor
from nixos_workspaces.model.machine import Resources
from nixos_workspaces.model.workspace import Workspace, WorkspaceChange
from nixos_workspaces.runtimes.base import Machines
from nixos_workspaces.workspaces.nixos_sandbox_orchestrator import NixOSSandboxOrchestrator
from nixos_workspaces.workspaces.queries import Workspaces

Price = Callable[[Resources], int | None]
"""Tells what resources cost an hour, in millionths of the price book's currency; None where that is not known."""


@dataclass(frozen=True, slots=True)
class AdviceStatus:
    """The advice for a workspace."""

    advice: Advice
    version: str
    """Another one for other advice."""
    saving: int | None
    """Millionths of the price book's currency that following it saves an hour; negative where it costs more."""


class Advising:
    """Gives advice and follows it, as far as principals may."""

    def __init__(
        self,
        advisor: Advisor,
        workspaces: Workspaces,
        orchestrator: NixOSSandboxOrchestrator,
        machines: Machines,
        price: Callable[[], Awaitable[Price]] | None = None,
    ) -> None:
        """Ask these parts; ``price`` returns the prices in force, None where there are none."""
        self._advisor = advisor
        self._workspaces = workspaces
        self._orchestrator = orchestrator
        self._machines = machines
        self._price = price

    async def read(self, reference: str, *, principal: Principal) -> AdviceStatus:
        """Return the advice for a workspace; raises ``NotFound`` for one that is not the principal's to see."""
        workspace = await self._workspaces.get(reference, principal=principal, action=Action.READ_USAGE)
        return await self._status(workspace)

    async def apply(
        self, reference: str, version: str | None, *, principal: Principal, request_id: str = ""
    ) -> Workspace:
        """Change a workspace as is advised; returns it as it is wanted then.

        Raises ``Conflict`` with code ``precondition_failed`` where the advice is not that of ``version``, and with code
        ``no_advice`` where there is nothing to follow.
        """
        workspace = await self._workspaces.get(reference, principal=principal)
        if not may(principal, Action.RESIZE, workspace):
            # Refuses, and notes that for the audit log.
            return await self._orchestrator.resize_workspace(
                workspace.id, WorkspaceChange(), principal=principal, request_id=request_id
            )
        status = await self._status(workspace)
        if version is not None and version != status.version:
            raise Conflict("The advice is another by now: look at it again.", code="precondition_failed")
        advice = status.advice
        if advice.state is not AdviceState.CHANGE:
            raise Conflict("Nothing is advised: the size fits, or it is too early to say.", code="no_advice")
        change = WorkspaceChange(
            cpu=None if advice.cpu.advised == advice.cpu.now else advice.cpu.advised,
            memory_bytes=(
                None if advice.memory_bytes.advised == advice.memory_bytes.now else int(advice.memory_bytes.advised)
            ),
        )
        return await self._orchestrator.resize_workspace(
            workspace.id, change, principal=principal, request_id=request_id
        )

    async def _status(self, workspace: Workspace) -> AdviceStatus:
        machine = await self._machines.capabilities()
        advice = await self._advisor.advise(workspace, Bounds(machine.cpu_total, machine.memory_total_bytes))
        cpu, memory = advice.cpu, advice.memory_bytes
        told = f"{workspace.id} {cpu.now} {cpu.advised} {memory.now} {memory.advised}"
        version = hashlib.sha256(told.encode()).hexdigest()[:16]
        return AdviceStatus(advice, version, await self._saving(workspace, advice))

    async def _saving(self, workspace: Workspace, advice: Advice) -> int | None:
        if self._price is None or advice.state is not AdviceState.CHANGE:
            return None
        price = await self._price()
        wanted = replace(workspace.resources, cpu=advice.cpu.advised, memory_bytes=int(advice.memory_bytes.advised))
        now, then = price(workspace.resources), price(wanted)
        return None if now is None or then is None else now - then
