"""The common part of verbs on networks: the workspace, the principal, the audit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from nixos_workspaces.auth.policy import Action, Principal, not_found
from nixos_workspaces.database import AuditEntry, Database, Transaction
from nixos_workspaces.errors import Conflict, Forbidden, Unavailable, WorkspacesError
from nixos_workspaces.events import Events
from nixos_workspaces.model.network import NetworkPolicy
from nixos_workspaces.model.network.entries import MOST_ENTRIES, shown
from nixos_workspaces.model.network.proposals import Learning, StoredNetwork
from nixos_workspaces.model.network.rules import beyond_floor, pruned
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Workspace
from nixos_workspaces.network.bounds import Bounds, BoundsFile
from nixos_workspaces.network.enforcing import Enforcer, network_event


class GetWorkspace(Protocol):
    """``workspaces.queries.Workspaces.get``, handed in."""

    def __call__(self, reference: str, *, principal: Principal, action: Action) -> Awaitable[Workspace]:
        """Return the workspace, if the principal may do ``action`` to it."""


@dataclass(frozen=True, slots=True)
class Asking:
    """The parts that verbs on networks use."""

    database: Database
    get: GetWorkspace
    bounds: BoundsFile
    enforcer: Enforcer
    events: Events
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    @asynccontextmanager
    async def of(
        self, reference: str, principal: Principal, action: Action, request_id: str
    ) -> AsyncIterator[Workspace]:
        """Yield the workspace; a refusal is audited, and goes on to the caller."""
        try:
            yield await self.get(reference, principal=principal, action=action)
        except Unavailable:
            raise
        except WorkspacesError as refused:
            about = reference[:63].encode("ascii", "replace").decode()
            entry = AuditEntry(self.clock(), principal.id, action, about, refused.code, request_id)
            with suppress(Unavailable):
                async with self.database.transaction() as tx:
                    await tx.audit.append(entry)
            raise

    async def store(
        self,
        tx: Transaction,
        workspace: Workspace,
        before: StoredNetwork,
        policy: NetworkPolicy,
        learning: Learning | None,
        entry: AuditEntry,
    ) -> None:
        """Store a network that follows ``before`` with its audit entry; ``Conflict`` (``network_changed``) else."""
        if await tx.workspaces.get(workspace.id) is None:
            raise not_found(workspace.id)
        if not await tx.networks.replace(workspace.id, before.version, policy, learning, entry.at):
            raise changed_meanwhile()
        await tx.audit.append(entry)

    async def take_effect(self, workspace: Workspace) -> None:
        """Put in force and tell what was stored."""
        await self.enforcer.enforce_soon(workspace.id)
        self.enforcer.wake()
        self.events.publish(network_event(workspace.id, workspace.owner_id))

    def check(self, before: NetworkPolicy, wanted: NetworkPolicy) -> NetworkPolicy:
        """Return a policy without what has ended; refuse one that is too long or, where it is new, beyond the floor."""
        now, bounds = self.clock(), self.bounds.current
        wanted = pruned(wanted, now)
        if len(wanted.allow) + len(wanted.deny) > MOST_ENTRIES:
            said = Sentence("refused.entries", {"most": str(MOST_ENTRIES)})
            raise Conflict(said, code="too_many_rules", field="/allow")
        for pointer in beyond_floor(wanted, bounds.floor, bounds.balanced, now):
            part = pointer.rpartition("/")[2]
            if wanted.mode == before.mode if part == "mode" else wanted.allow[int(part)] in before.allow:
                continue
            raise beyond(bounds, wanted, pointer)
        return wanted


def beyond(bounds: Bounds, wanted: NetworkPolicy, pointer: str) -> Forbidden:
    """Return the error of the part of a policy at ``pointer``, which the floor does not let out."""
    part = pointer.rpartition("/")[2]
    about = wanted.mode.value if part == "mode" else shown(wanted.allow[int(part)])
    why = f": {bounds.reason}" if bounds.reason else ""
    said = Sentence("refused.entry", {"entry": about, "floor": bounds.floor.mode.value, "why": why})
    return Forbidden(said, code="beyond_floor", field=pointer)


def changed_meanwhile() -> Conflict:
    """Return the error of a network that is no longer as it was read."""
    return Conflict(
        "The network was changed meanwhile; read it and change it again.", code="network_changed", field="version"
    )


def audited(policy: NetworkPolicy) -> Mapping[str, Any]:
    """Return a policy as audit entries have it."""
    return {
        "mode": policy.mode.value,
        "allow": [shown(one) for one in policy.allow],
        "deny": [shown(one) for one in policy.deny],
    }
