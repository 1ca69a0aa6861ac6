"""The routes of what a workspace may reach."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from nixos_workspaces.model.network.rules import narrower
from nixos_workspaces.network.bounds import Bounds
from nixos_workspaces.network.policies import NetworkStatus
from nixos_workspaces.schemas.network.answers import (
    DeniedAnswer,
    DeniedList,
    EntryAnswer,
    FloorAnswer,
    LearningAnswer,
    NetworkAnswer,
    NetworkBounds,
    NetworkDetail,
    ProposalAnswer,
    ProposalList,
    ProposalMade,
)
from nixos_workspaces.schemas.network.requests import (
    ApprovalRequest,
    LearnRequest,
    PolicyRequest,
    ProposalRequest,
)
from nixos_workspaces.schemas.wire import Moment
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference, RequestId

router = APIRouter(prefix="/api/nixos/workspaces/{workspace_id}/network", route_class=StrictRoute, tags=["network"])

of_all = APIRouter(prefix="/api/nixos/network", route_class=StrictRoute, tags=["network"])

ProposalId = Annotated[str, Path(description="The proposal's id.", max_length=64)]


@of_all.get("", responses=problems(body=False))
async def get_network_bounds(services: Asked, _: By) -> NetworkBounds:
    """Return what bounds all networks: the mode of new workspaces, the floor and the list of mode balanced."""
    bounds = services.network.bounds.current
    return NetworkBounds(
        default=narrower(bounds.default, bounds.floor.mode),
        floor=_floor(bounds),
        balanced=EntryAnswer.list_of(bounds.balanced),
    )


@router.get("", responses=problems(404, body=False))
async def get_network(services: Asked, principal: By, workspace_id: Reference) -> NetworkAnswer:
    """Return what the workspace may reach, and in how far it is in force."""
    return _answer(await services.network.policies.read(workspace_id, principal=principal))


@router.put("", responses=problems(404, 409))
async def put_network(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, wanted: PolicyRequest
) -> NetworkAnswer:
    """Replace what the workspace may reach; acts on open connections too. Ends learning."""
    version = wanted.version if "version" in wanted.model_fields_set else None
    status = await services.network.policies.change(
        workspace_id, wanted.to_model(), principal=principal, version=version, request_id=request_id
    )
    return _answer(status)


@router.get("/denied", responses=problems(404, body=False))
async def list_denied(
    services: Asked,
    principal: By,
    workspace_id: Reference,
    since: Annotated[Moment | None, Query(description="Only what began later.")] = None,
) -> DeniedList:
    """List the connections that were refused, as far as the engine remembers."""
    found = await services.network.policies.denied(workspace_id, principal=principal, since=since)
    return DeniedList(denied=[DeniedAnswer.of(one) for one in found])


@router.get("/proposals", responses=problems(404, body=False))
async def list_network_proposals(services: Asked, principal: By, workspace_id: Reference) -> ProposalList:
    """List the proposals for the workspace, newest first."""
    found = await services.network.proposals.list(workspace_id, principal=principal)
    return ProposalList(proposals=[ProposalAnswer.of(one) for one in found])


@router.post("/proposals", status_code=201, responses=problems(404, 409))
async def propose_network(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, wanted: ProposalRequest
) -> ProposalMade:
    """Propose entries to be allowed; they have no effect until they are approved."""
    made = await services.network.proposals.propose(
        workspace_id, wanted.to_model(), wanted.reason, principal=principal, request_id=request_id
    )
    return ProposalMade(proposal=ProposalAnswer.of(made))


@router.post("/proposals/{proposal_id}/approve", responses=problems(404, 409))
async def approve_network_proposal(
    *,
    services: Asked,
    principal: By,
    request_id: RequestId,
    workspace_id: Reference,
    proposal_id: ProposalId,
    wanted: ApprovalRequest,
) -> NetworkAnswer:
    """Allow the entries of a proposal, for a while or for good; returns the network as it is then."""
    await services.network.proposals.approve(
        workspace_id, proposal_id, principal=principal, ttl=wanted.ttl, mode=wanted.mode, request_id=request_id
    )
    return _answer(await services.network.policies.read(workspace_id, principal=principal))


@router.post("/proposals/{proposal_id}/reject", responses=problems(404, 409))
async def reject_network_proposal(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, proposal_id: ProposalId
) -> ProposalMade:
    """Decide that the entries of a proposal are not allowed."""
    decided = await services.network.proposals.reject(
        workspace_id, proposal_id, principal=principal, request_id=request_id
    )
    return ProposalMade(proposal=ProposalAnswer.of(decided))


@router.post("/learn", responses=problems(404, 409))
async def learn_network(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference, wanted: LearnRequest
) -> NetworkAnswer:
    """Let everything out for a while and record it; what was reached is proposed then."""
    await services.network.proposals.learn(workspace_id, wanted.for_, principal=principal, request_id=request_id)
    return _answer(await services.network.policies.read(workspace_id, principal=principal))


@router.post("/learn/finish", responses=problems(404, 409))
async def finish_learning(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference
) -> NetworkAnswer:
    """End learning now, and propose what was reached so far."""
    await services.network.proposals.end_learning(
        workspace_id, principal=principal, propose=True, request_id=request_id
    )
    return _answer(await services.network.policies.read(workspace_id, principal=principal))


@router.delete("/learn", responses=problems(404, 409))
async def cancel_learning(
    services: Asked, principal: By, request_id: RequestId, workspace_id: Reference
) -> NetworkAnswer:
    """End learning now, and propose nothing."""
    await services.network.proposals.end_learning(
        workspace_id, principal=principal, propose=False, request_id=request_id
    )
    return _answer(await services.network.policies.read(workspace_id, principal=principal))


def _answer(status: NetworkStatus) -> NetworkAnswer:
    """Return a network as it goes over the wire."""
    stored, bounds = status.stored, status.bounds
    left = 0.0 if stored.learning is None else (stored.learning.until - status.now).total_seconds()
    return NetworkAnswer(
        network=NetworkDetail(
            version=stored.version,
            mode=stored.policy.mode,
            allow=EntryAnswer.list_of(stored.policy.allow),
            deny=EntryAnswer.list_of(stored.policy.deny),
            effective_mode=status.rules.mode,
            beyond_floor=list(status.beyond_floor),
            in_force=status.in_force,
            learning=LearningAnswer.of(stored.learning, left),
            pending_proposals=status.pending_proposals,
            floor=_floor(bounds),
        )
    )


def _floor(bounds: Bounds) -> FloorAnswer:
    """Return the floor as it goes over the wire."""
    return FloorAnswer(
        mode=bounds.floor.mode,
        allow=EntryAnswer.list_of(bounds.floor.allow),
        deny=EntryAnswer.list_of(bounds.floor.deny),
        reason=bounds.reason,
    )
