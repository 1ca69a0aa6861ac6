"""Reading and changing what a workspace may reach."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from nixos_workspaces.auth.policy import Action, Principal
from nixos_workspaces.database import AuditEntry
from nixos_workspaces.errors import Forbidden, NotFound
from nixos_workspaces.model.network import DeniedConnection, EgressRules, NetworkEntry, NetworkMode, NetworkPolicy
from nixos_workspaces.model.network.proposals import StoredNetwork
from nixos_workspaces.model.network.rules import beyond_floor, narrower, pruned
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Status
from nixos_workspaces.network.asking import Asking, audited, beyond, changed_meanwhile
from nixos_workspaces.network.bounds import Bounds
from nixos_workspaces.runtimes.base import Egress

_UP = (Status.RUNNING, Status.PAUSED)


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """The network of a workspace with all that bounds it."""

    stored: StoredNetwork
    """Without parts that have ended."""
    rules: EgressRules
    """The rules that are enforced."""
    beyond_floor: tuple[str, ...]
    in_force: bool
    pending_proposals: int
    bounds: Bounds
    now: datetime


class Networks:
    """The policies of workspaces.

    Every method raises ``NotFound`` for a workspace that does not exist or is not the principal's to see.
    """

    def __init__(self, asking: Asking, egress: Egress) -> None:
        """Read and change through these parts."""
        self._asking = asking
        self._egress = egress

    async def read(self, reference: str, *, principal: Principal) -> NetworkStatus:
        """Return the network of a workspace as it is wanted, and in how far it is in force."""
        asking = self._asking
        workspace = await asking.get(reference, principal=principal, action=Action.READ_NETWORK)
        async with asking.database.reading() as tx:
            stored, pending = await tx.networks.find(workspace.id), await tx.proposals.pending(workspace.id)
        now, bounds = asking.clock(), asking.bounds.current
        policy = pruned(stored.policy, now)
        learning = stored.learning if stored.learning is not None and stored.learning.until > now else None
        return NetworkStatus(
            stored=StoredNetwork(stored.version, policy, learning),
            rules=await asyncio.to_thread(asking.enforcer.rules, stored),
            beyond_floor=await asyncio.to_thread(beyond_floor, policy, bounds.floor, bounds.balanced, now),
            in_force=workspace.status not in _UP or asking.enforcer.is_in_force(workspace.id, stored.version),
            pending_proposals=pending,
            bounds=bounds,
            now=now,
        )

    async def mode(self, workspace_id: str) -> NetworkMode:
        """Return the mode that is in force for a workspace that the caller has been let into."""
        asking = self._asking
        async with asking.database.reading(once=True) as tx:
            stored = await tx.networks.find(workspace_id)
        return narrower(stored.policy_at(asking.clock()).mode, asking.bounds.current.floor.mode)

    async def change(
        self,
        reference: str,
        policy: NetworkPolicy,
        *,
        principal: Principal,
        version: int | None = None,
        request_id: str = "",
    ) -> NetworkStatus:
        """Replace the policy of a workspace; it is in force when this returns, unless the engine does not answer.

        Raises ``Conflict`` (``network_changed``) where ``version`` is not the present one, ``Forbidden``
        (``beyond_floor``, the field points at the part) for more than the administrator grants. Ends learning.
        """
        asking = self._asking
        async with asking.of(reference, principal, Action.CHANGE_NETWORK, request_id) as workspace:
            async with asking.database.transaction() as tx:
                before = await tx.networks.find(workspace.id)
                if version is not None and version != before.version:
                    raise changed_meanwhile()
                wanted = asking.check(before.policy, policy)
                if wanted != before.policy or before.learning is not None or not before.version:
                    detail = {"before": audited(before.policy), "after": audited(wanted)}
                    entry = AuditEntry(
                        *(asking.clock(), principal.id, Action.CHANGE_NETWORK, workspace.id, "accepted"),
                        *(request_id, detail),
                    )
                    await asking.store(tx, workspace, before, wanted, None, entry)
            await asking.take_effect(workspace)
        return await self.read(workspace.id, principal=principal)

    async def denied(
        self, reference: str, *, principal: Principal, since: datetime | None = None
    ) -> Sequence[DeniedConnection]:
        """Return what was refused after ``since``, oldest first; nothing where there is no machine."""
        workspace = await self._asking.get(reference, principal=principal, action=Action.READ_NETWORK)
        try:
            return await self._egress.denied(workspace.id, since)
        except NotFound:
            return ()


def first_policy(
    current: Bounds, mode: NetworkMode | None, allow: tuple[NetworkEntry, ...], now: datetime
) -> NetworkPolicy:
    """Return the policy of a new workspace, without what has ended by ``now``.

    Raises ``Forbidden`` (``beyond_floor``) for a mode wider than the floor and for entries beyond it.
    """
    if mode is None:
        mode = narrower(current.default, current.floor.mode)
    if narrower(mode, current.floor.mode) is not mode:
        said = Sentence("refused.mode", {"mode": mode.value, "floor": current.floor.mode.value})
        raise Forbidden(said, code="beyond_floor", field="network")
    wanted = NetworkPolicy(mode, allow)
    for pointer in beyond_floor(wanted, current.floor, current.balanced, now):
        raise beyond(current, wanted, pointer)
    return pruned(wanted, now)
