"""Opens all that is about the size of workspaces, and keeps it going."""

from __future__ import annotations

from dataclasses import dataclass

from nixos_workspaces.automation.scaling.advising import Advising
from nixos_workspaces.automation.scaling.policies import ScalingPolicies
from nixos_workspaces.automation.scaling.watching import LOOK_SECONDS, Around, Autoscale
from nixos_workspaces.database import Database
from nixos_workspaces.metering.advice.advisor import Advisor
from nixos_workspaces.operations.background import BackgroundTasks
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.workspaces.nixos_sandbox_orchestrator import NixOSSandboxOrchestrator
from nixos_workspaces.workspaces.queries import Workspaces


@dataclass(frozen=True, slots=True)
class Scaling:
    """The parts about the size of workspaces."""

    runtime: Runtime
    advisor: Advisor
    advising: Advising
    autoscale: Autoscale
    policies: ScalingPolicies

    async def look(self) -> None:
        """Read the figures of all machines, where anything is due to be done with them, and do it."""
        watched = await self.autoscale.watched()
        if not watched and not self.advisor.is_due():
            return
        readings = await self.runtime.usage_all()
        await self.autoscale.look(readings, watched)
        await self.advisor.take(readings)

    def keep(self, background: BackgroundTasks) -> None:
        """Look every few seconds from now on."""
        background.repeat("scaling", self.look, LOOK_SECONDS)


def open_scaling(
    database: Database,
    runtime: Runtime,
    workspaces: Workspaces,
    orchestrator: NixOSSandboxOrchestrator,
    around: Around,
) -> Scaling:
    """Return the parts about the size of workspaces."""
    advisor, autoscale = Advisor(database), Autoscale(database, runtime, around)
    return Scaling(
        runtime,
        advisor,
        Advising(advisor, workspaces, orchestrator, runtime, around.price),
        autoscale,
        ScalingPolicies(database, runtime, autoscale),
    )
