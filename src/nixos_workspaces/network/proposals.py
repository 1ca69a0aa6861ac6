"""Proposals for what a workspace may reach, and learning, which makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from nixos_workspaces.auth.policy import Action, Principal
from nixos_workspaces.database import AuditEntry, Transaction
from nixos_workspaces.errors import Conflict, Forbidden, InvalidInput, LimitExceeded, NotFound
from nixos_workspaces.model.network import NetworkEntry, NetworkMode
from nixos_workspaces.model.network.entries import shown
from nixos_workspaces.model.network.proposals import (
    LONGEST_LEARNING,
    Learning,
    Proposal,
    ProposalSource,
    ProposalState,
    with_allowed,
)
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Desire
from nixos_workspaces.network.asking import Asking
from nixos_workspaces.network.lessons import end_lesson, new_proposal_id
from nixos_workspaces.runtimes.base import Egress

MOST_PENDING = 50
"""Proposals for one workspace that wait for a decision."""


class Proposals:
    """Proposals of workspaces. Every method raises ``NotFound`` as ``Networks`` does."""

    def __init__(self, asking: Asking, egress: Egress) -> None:
        """Keep them through these parts."""
        self._asking = asking
        self._egress = egress

    async def list(self, reference: str, *, principal: Principal) -> Sequence[Proposal]:
        """Return the proposals for a workspace, newest first."""
        workspace = await self._asking.get(reference, principal=principal, action=Action.READ_NETWORK)
        async with self._asking.database.reading(once=True) as tx:
            return await tx.proposals.of(workspace.id)

    async def propose(
        self,
        reference: str,
        entries: Sequence[NetworkEntry],
        reason: str,
        *,
        principal: Principal,
        request_id: str = "",
    ) -> Proposal:
        """Ask for entries to be allowed; ``LimitExceeded`` where too many proposals wait already."""
        asking = self._asking
        async with asking.of(reference, principal, Action.PROPOSE_NETWORK, request_id) as workspace:
            now = asking.clock()
            proposal = Proposal(
                id=new_proposal_id(),
                workspace_id=workspace.id,
                entries=tuple(entries),
                reason=reason,
                source=ProposalSource.ASKED,
                created_at=now,
                created_by=principal.id,
            )
            async with asking.database.transaction() as tx:
                if await tx.proposals.pending(workspace.id) >= MOST_PENDING:
                    raise LimitExceeded(
                        f"{MOST_PENDING} proposals wait for a decision: approve or reject some first.",
                        code="too_many_proposals",
                    )
                await tx.proposals.add(proposal)
                await tx.audit.append(self._entry(proposal, principal, Action.PROPOSE_NETWORK, request_id))
            await asking.take_effect(workspace)
            return proposal

    async def approve(
        self,
        reference: str,
        proposal_id: str,
        *,
        principal: Principal,
        ttl: timedelta | None = None,
        mode: NetworkMode | None = None,
        request_id: str = "",
    ) -> Proposal:
        """Allow the entries of a proposal for ``ttl`` (None: for good), and go to ``mode`` with it (None: as it is).

        Raises ``NotFound`` (``proposal_not_found``), ``Conflict`` (``proposal_decided``), ``Forbidden``
        (``beyond_floor``). Goes on learning.
        """
        asking = self._asking
        async with asking.of(reference, principal, Action.APPROVE_NETWORK, request_id) as workspace:
            now = asking.clock()
            async with asking.database.transaction() as tx:
                proposal = await _pending(tx, workspace.id, proposal_id)
                before = await tx.networks.find(workspace.id)
                wanted = with_allowed(before.policy, proposal.entries, None if ttl is None else now + ttl)
                wanted = asking.check(before.policy, replace(wanted, mode=mode or wanted.mode))
                decided = _decided(proposal, ProposalState.APPROVED, principal, now)
                await tx.proposals.decide(decided)
                entry = self._entry(decided, principal, Action.APPROVE_NETWORK, request_id)
                detail = {**(entry.detail or {}), "mode": wanted.mode.value, "ttl": ttl and ttl.total_seconds()}
                await asking.store(tx, workspace, before, wanted, before.learning, replace(entry, detail=detail))
            await asking.take_effect(workspace)
            return decided

    async def reject(self, reference: str, proposal_id: str, *, principal: Principal, request_id: str = "") -> Proposal:
        """Decide that the entries of a proposal are not allowed; raises as ``approve`` does."""
        asking = self._asking
        async with asking.of(reference, principal, Action.REJECT_NETWORK, request_id) as workspace:
            async with asking.database.transaction() as tx:
                proposal = await _pending(tx, workspace.id, proposal_id)
                decided = _decided(proposal, ProposalState.REJECTED, principal, asking.clock())
                await tx.proposals.decide(decided)
                await tx.audit.append(self._entry(decided, principal, Action.REJECT_NETWORK, request_id))
            await asking.take_effect(workspace)
            return decided

    async def learn(self, reference: str, length: timedelta, *, principal: Principal, request_id: str = "") -> None:
        """Observe a workspace for a while: it reaches everything but what is denied; then its list is proposed.

        Begins anew where it learns already. Raises ``Forbidden`` (``beyond_floor``) where the floor does not let
        workspaces be open, ``Conflict`` (``wrong_state``) for one that is not to run.
        """
        asking = self._asking
        if length > LONGEST_LEARNING:
            hours = LONGEST_LEARNING.total_seconds() / 3600
            raise InvalidInput(f"Learning takes at most {hours:g} hours.", field="for")
        async with asking.of(reference, principal, Action.LEARN_NETWORK, request_id) as workspace:
            if workspace.desire is not Desire.RUNNING:
                raise Conflict(Sentence("refused.learning", {"name": workspace.name}), code="wrong_state")
            if not asking.bounds.current.floor.mode.reaches_all:
                raise Forbidden(Sentence("refused.learning_floor"), code="beyond_floor")
            now = asking.clock()
            async with asking.database.transaction() as tx:
                before = await tx.networks.find(workspace.id)
                entry = AuditEntry(
                    *(now, principal.id, Action.LEARN_NETWORK, workspace.id, "accepted", request_id),
                    {"seconds": length.total_seconds()},
                )
                lesson = Learning(now, now + length, principal.id)
                await asking.store(tx, workspace, before, before.policy, lesson, entry)
            await asking.take_effect(workspace)

    async def end_learning(
        self, reference: str, *, principal: Principal, propose: bool, request_id: str = ""
    ) -> Proposal | None:
        """End learning now, with a proposal of what was reached so far or without; return that, if there is one.

        Raises ``Conflict`` (``not_learning``) where it does not learn.
        """
        asking = self._asking
        async with asking.of(reference, principal, Action.LEARN_NETWORK, request_id) as workspace:
            async with asking.database.reading(once=True) as tx:
                before = await tx.networks.find(workspace.id)
            now = asking.clock()
            if before.learning is None or before.learning.until <= now:
                raise Conflict(f"Workspace {workspace.name} does not learn.", code="not_learning")
            proposal = None
            if propose:
                proposal = await end_lesson(asking.database, self._egress, workspace.id, now)
            else:
                async with asking.database.transaction() as tx:
                    entry = AuditEntry(
                        *(now, principal.id, Action.LEARN_NETWORK, workspace.id, "accepted", request_id),
                        {"cancelled": True},
                    )
                    await asking.store(tx, workspace, before, before.policy, None, entry)
            await asking.take_effect(workspace)
            return proposal

    def _entry(self, one: Proposal, principal: Principal, action: Action, request_id: str) -> AuditEntry:
        """Return the audit entry of something done to a proposal."""
        detail = {"proposal": one.id, "entries": [shown(entry) for entry in one.entries]}
        return AuditEntry(self._asking.clock(), principal.id, action, one.workspace_id, "accepted", request_id, detail)


async def _pending(tx: Transaction, workspace_id: str, proposal_id: str) -> Proposal:
    """Return a proposal that waits for a decision."""
    found = await tx.proposals.get(workspace_id, proposal_id)
    if found is None:
        raise NotFound("There is no such proposal.", code="proposal_not_found", field="proposal_id")
    if found.state is not ProposalState.PENDING:
        raise Conflict(f"This proposal was {found.state.value} already.", code="proposal_decided")
    return found


def _decided(one: Proposal, state: ProposalState, principal: Principal, now: datetime) -> Proposal:
    return replace(one, state=state, decided_at=now, decided_by=principal.id)
