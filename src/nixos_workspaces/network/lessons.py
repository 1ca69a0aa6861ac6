"""The end of learning: what a workspace reached becomes a proposal."""

from __future__ import annotations

import secrets
from datetime import datetime

from nixos_workspaces.audit.entries import current_request
from nixos_workspaces.auth.policy import Action
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.errors import NotFound
from nixos_workspaces.model.network.proposals import Learning, Proposal, ProposalSource, learned
from nixos_workspaces.runtimes.base import Egress


def new_proposal_id() -> str:
    """Return an id that no other proposal has."""
    return f"np-{secrets.token_hex(6)}"


async def end_lesson(database: Database, egress: Egress, workspace_id: str, now: datetime) -> Proposal | None:
    """Store that a workspace no longer learns, with a proposal of what it reached if that is anything.

    Does nothing where it does not learn. The proposal is there exactly if learning has ended by it.
    """
    async with database.reading(once=True) as tx:
        stored = await tx.networks.find(workspace_id)
    if (lesson := stored.learning) is None:
        return None
    proposal = await _proposal(egress, workspace_id, lesson, now)
    async with database.transaction() as tx:
        if not await tx.networks.replace(workspace_id, stored.version, stored.policy, None, now):
            return None
        if proposal is not None:
            await tx.proposals.add(proposal)
        detail = {"ended": True, "proposed": 0 if proposal is None else len(proposal.entries)}
        await tx.audit.append(
            AuditEntry(
                *(now, lesson.principal_id, Action.LEARN_NETWORK, workspace_id, "accepted", current_request(), detail)
            )
        )
    return proposal


async def _proposal(egress: Egress, workspace_id: str, lesson: Learning, now: datetime) -> Proposal | None:
    """Return what a workspace reached since it began to learn; None for nothing."""
    try:
        observed = await egress.observed(workspace_id, lesson.started_at)
    except NotFound:
        return None
    entries = learned(observed)
    if not entries:
        return None
    return Proposal(
        id=new_proposal_id(),
        workspace_id=workspace_id,
        entries=entries,
        reason="",
        source=ProposalSource.LEARNED,
        created_at=now,
        created_by=lesson.principal_id,
    )
