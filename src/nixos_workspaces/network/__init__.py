"""The networks of workspaces: policies, proposals, and making them so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from nixos_workspaces.database import Database
from nixos_workspaces.events import Events
from nixos_workspaces.model.network import NetworkEntry, NetworkMode, NetworkPolicy
from nixos_workspaces.network.asking import Asking, GetWorkspace
from nixos_workspaces.network.bounds import BoundsFile
from nixos_workspaces.network.enforcing import Enforcer
from nixos_workspaces.network.policies import Networks, first_policy
from nixos_workspaces.network.proposals import Proposals
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.settings import Settings


@dataclass(frozen=True, slots=True)
class Network:
    """The parts of one control plane that are about networks."""

    policies: Networks
    proposals: Proposals
    enforcer: Enforcer
    bounds: BoundsFile

    def first(self, mode: NetworkMode | None, allow: tuple[NetworkEntry, ...]) -> NetworkPolicy:
        """Return the policy of a new workspace, as ``first_policy``."""
        return first_policy(self.bounds.current, mode, allow, datetime.now(UTC))


def open_network(
    settings: Settings, database: Database, runtime: Runtime, events: Events, get: GetWorkspace
) -> Network:
    """Return the parts; reads the administrator's files, so call it in a thread. Raises ``InvalidInput`` for those."""
    bounds = BoundsFile(settings)
    enforcer = Enforcer(database, runtime, bounds, events)
    asking = Asking(database, get, bounds, enforcer, events)
    return Network(Networks(asking, runtime), Proposals(asking, runtime), enforcer, bounds)
