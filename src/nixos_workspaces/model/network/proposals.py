"""Proposals for a policy, learning, and the network of a workspace as it is stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from nixos_workspaces.model.network.entries import (
    MOST_PORT_RANGES,
    DeniedConnection,
    NetworkEntry,
    NetworkMode,
    NetworkPolicy,
    PortRange,
    is_never_allowed,
)

MOST_PROPOSED = 64
"""Entries of one proposal."""
LONGEST_LEARNING = timedelta(hours=8)
USUAL_LEARNING = timedelta(minutes=10)


class ProposalSource(StrEnum):
    """Where a proposal comes from."""

    ASKED = "asked"
    """A person or a program asks for the entries."""
    LEARNED = "learned"
    """They are what the workspace reached while it was observed."""


class ProposalState(StrEnum):
    """The fate of a proposal."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Entries that somebody wants to be allowed, with the reason."""

    id: str
    """``np-`` and 12 lower-case letters and digits."""
    workspace_id: str
    entries: tuple[NetworkEntry, ...]
    reason: str
    source: ProposalSource
    created_at: datetime
    created_by: str
    """Id of the principal; of a learned one that who began to learn."""
    state: ProposalState = ProposalState.PENDING
    decided_at: datetime | None = None
    decided_by: str = ""


@dataclass(frozen=True, slots=True)
class Learning:
    """A time in which a workspace is observed, to propose what it reached."""

    started_at: datetime
    until: datetime
    principal_id: str


_UNSET = NetworkPolicy(NetworkMode.NONE)


@dataclass(frozen=True, slots=True)
class StoredNetwork:
    """The network of a workspace as it is wanted; ``version`` counts its changes from 1."""

    version: int = 0
    policy: NetworkPolicy = _UNSET
    """Without a row a workspace reaches nothing: it was made before there was a way out."""
    learning: Learning | None = None

    def policy_at(self, now: datetime) -> NetworkPolicy:
        """Return the policy in force: an observed workspace reaches everything but what is denied."""
        if self.learning is None or self.learning.until <= now:
            return self.policy
        return replace(self.policy, mode=NetworkMode.OBSERVE)


def learned(observed: Iterable[DeniedConnection]) -> tuple[NetworkEntry, ...]:
    """Return the entries that let out what was observed: a name with its ports or, without a name, one address.

    Entries are sorted, names before addresses. What no policy opens, and lookups of names, are left out.
    """
    ports: dict[tuple[bool, str], set[int]] = {}
    for one in observed:
        if one.protocol not in ("tcp", "udp") or not one.port or is_never_allowed(one.address):
            continue
        ports.setdefault((one.name is None, one.name or one.address), set()).add(one.port)
    found = [_entry(target, by_address, used) for (by_address, target), used in sorted(ports.items())]
    return tuple(found[:MOST_PROPOSED])


def _entry(target: str, by_address: bool, ports: set[int]) -> NetworkEntry:  # noqa: FBT001  of a sorted key
    """Return the entry of one target; one with very many ports has all."""
    used = sorted(ports)
    spans = tuple(PortRange(port, port) for port in used) if len(used) <= MOST_PORT_RANGES else ()
    if by_address:
        return NetworkEntry(cidr=f"{target}/{128 if ':' in target else 32}", ports=spans)
    return NetworkEntry(name=target, ports=spans)


def with_allowed(policy: NetworkPolicy, entries: Sequence[NetworkEntry], expires_at: datetime | None) -> NetworkPolicy:
    """Return a policy that allows more, until ``expires_at``; an equal entry that ends sooner is replaced."""
    added = [replace(one, expires_at=expires_at) for one in entries]
    allow = list(policy.allow)
    for one in added:
        same = [other for other in allow if replace(other, expires_at=None) == replace(one, expires_at=None)]
        if any(not _ends_before(other, one) for other in same):
            continue
        allow = [other for other in allow if other not in same] + [one]
    return replace(policy, allow=tuple(allow))


def _ends_before(one: NetworkEntry, other: NetworkEntry) -> bool:
    """Tell whether ``one`` ends before ``other`` does."""
    if one.expires_at is None:
        return False
    return other.expires_at is None or one.expires_at < other.expires_at
