"""The client's calls on the network of one workspace."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.errors import NotFound
from nixos_workspaces.schemas.network.answers import (
    DeniedAnswer,
    DeniedList,
    NetworkAnswer,
    NetworkBounds,
    NetworkDetail,
    ProposalAnswer,
    ProposalList,
    ProposalMade,
)

POLL_SECONDS = 1.0


class NetworkCalls:
    """The calls on the network of one workspace, given by its id. Raises our own errors."""

    def __init__(self, client: Connection, workspace_id: str) -> None:
        self._client = client
        self._path = f"/api/nixos/workspaces/{workspace_id}/network"

    def get(self) -> NetworkDetail:
        """Return what the workspace may reach."""
        return self._network("GET", "")

    def put(self, wanted: Mapping[str, Any]) -> NetworkDetail:
        """Replace what it may reach: ``wanted`` is a ``PolicyRequest``."""
        return self._network("PUT", "", dict(wanted))

    def denied(self, since: datetime | None = None) -> list[DeniedAnswer]:
        """Return what was refused after ``since``, oldest first."""
        query = {} if since is None else {"since": since.isoformat()}
        return read_answer(DeniedList, self._client.call("GET", f"{self._path}/denied", query=query)).denied

    def follow_denied(self) -> Iterator[DeniedAnswer]:
        """Yield what was refused and goes on to be, until the caller stops; asks each second."""
        since: datetime | None = None
        told: list[DeniedAnswer] = []
        while True:
            # Times are rounded on the wire: the last ones may come again.
            found = self.denied(since)
            yield from (one for one in found if one not in told)
            since, told = (found[-1].at, found) if found else (since, told)
            time.sleep(POLL_SECONDS)

    def proposals(self) -> list[ProposalAnswer]:
        """Return the proposals, newest first."""
        return read_answer(ProposalList, self._client.call("GET", f"{self._path}/proposals")).proposals

    def propose(self, wanted: Mapping[str, Any]) -> ProposalAnswer:
        """Propose entries: ``wanted`` is a ``ProposalRequest``."""
        answer = self._client.call("POST", f"{self._path}/proposals", body=dict(wanted))
        return read_answer(ProposalMade, answer).proposal

    def approve(self, proposal_id: str, wanted: Mapping[str, Any]) -> NetworkDetail:
        """Approve a proposal: ``wanted`` is an ``ApprovalRequest``."""
        return self._network("POST", f"/proposals/{_plain(proposal_id)}/approve", dict(wanted))

    def reject(self, proposal_id: str) -> ProposalAnswer:
        """Reject a proposal."""
        answer = self._client.call("POST", f"{self._path}/proposals/{_plain(proposal_id)}/reject")
        return read_answer(ProposalMade, answer).proposal

    def learn(self, length: str = "10m") -> NetworkDetail:
        """Observe the workspace for a while, such as ``10m``; then its list is proposed."""
        return self._network("POST", "/learn", {"for": length})

    def end_learning(self, *, propose: bool) -> NetworkDetail:
        """End learning now, with a proposal or without."""
        return self._network("POST", "/learn/finish") if propose else self._network("DELETE", "/learn")

    def _network(self, method: str, more: str, body: dict[str, Any] | None = None) -> NetworkDetail:
        return read_answer(NetworkAnswer, self._client.call(method, f"{self._path}{more}", body=body)).network


def network_bounds(client: Connection) -> NetworkBounds:
    """Return what bounds all networks. Raises our own errors."""
    return read_answer(NetworkBounds, client.call("GET", "/api/nixos/network"))


def _plain(proposal_id: str) -> str:
    """Return a proposal's id; refuse one that could reach another route."""
    if not proposal_id.isascii() or not proposal_id.replace("-", "").isalnum():
        raise NotFound("There is no such proposal.", code="proposal_not_found", field="proposal_id")
    return proposal_id
