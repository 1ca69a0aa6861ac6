"""The answers of the API about networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import Field

from nixos_workspaces.model.network import DeniedConnection, NetworkEntry, NetworkMode
from nixos_workspaces.model.network.proposals import Learning, Proposal, ProposalSource, ProposalState
from nixos_workspaces.schemas.wire import Answer, Time


class EntryAnswer(Answer):
    """A name or a range of addresses; the other of the two is null."""

    name: str | None
    cidr: str | None
    ports: list[int | str] = Field(description="A port each, or a range such as 8000-8999; empty: all.")
    expires_at: Time | None = Field(description="When it ends; null: never.")

    @classmethod
    def of(cls, one: NetworkEntry) -> Self:
        """Convert."""
        ports: list[int | str] = [
            span.first if span.first == span.last else f"{span.first}-{span.last}" for span in one.ports
        ]
        return cls(name=one.name, cidr=one.cidr, ports=ports, expires_at=one.expires_at)

    @classmethod
    def list_of(cls, entries: Iterable[NetworkEntry]) -> list[Self]:
        """Convert each."""
        return [cls.of(one) for one in entries]


class FloorAnswer(Answer):
    """The most that any workspace may reach, as the administrator has set it."""

    mode: NetworkMode = Field(description="open: there is no bound but deny.")
    allow: list[EntryAnswer]
    deny: list[EntryAnswer] = Field(description="Denied to all workspaces.")
    reason: str = Field(description="In the administrator's words; may be empty.")


class NetworkBounds(Answer):
    """The bounds of all networks, as the administrator has set them."""

    default: NetworkMode = Field(description="The mode of new workspaces that are asked for without one.")
    floor: FloorAnswer
    balanced: list[EntryAnswer] = Field(description="What mode balanced lets out.")


class LearningAnswer(Answer):
    """A time in which the workspace is observed, to propose what it reached."""

    started_at: Time
    until: Time
    seconds_left: float

    @classmethod
    def of(cls, learning: Learning | None, seconds_left: float) -> Self | None:
        """Convert; None stays None."""
        if learning is None:
            return None
        return cls(started_at=learning.started_at, until=learning.until, seconds_left=round(max(seconds_left, 0.0), 1))


class NetworkDetail(Answer):
    """The reach of a workspace, as it is wanted and as it is in force."""

    version: int = Field(description="Counts its changes; 0: never set, nothing is reached.")
    mode: NetworkMode
    allow: list[EntryAnswer]
    deny: list[EntryAnswer]
    effective_mode: NetworkMode = Field(description="The mode in force now, by the floor and by learning.")
    beyond_floor: list[str] = Field(description="Pointers to the parts that the floor keeps from having an effect.")
    in_force: bool = Field(
        description="The engine has taken it, or the workspace does not run and will not before it has."
    )
    learning: LearningAnswer | None
    pending_proposals: int
    floor: FloorAnswer


class NetworkAnswer(Answer):
    """The network of one workspace."""

    network: NetworkDetail


class DeniedAnswer(Answer):
    """Connections that were refused, equal ones counted."""

    at: Time = Field(description="When the last of them began.")
    name: str | None = Field(description="The name that was asked for; null where the address came from elsewhere.")
    address: str = Field(description="Empty where the name alone was refused.")
    port: int = Field(description="0 where the protocol has none.")
    protocol: str
    program: str | None = Field(description="The program's name; null where it could not be told.")
    count: int

    @classmethod
    def of(cls, one: DeniedConnection) -> Self:
        """Convert."""
        return cls(
            at=one.at,
            name=one.name,
            address=one.address,
            port=one.port,
            protocol=one.protocol,
            program=one.program,
            count=one.count,
        )


class DeniedList(Answer):
    """Refused connections, oldest first: as far as the engine remembers."""

    denied: list[DeniedAnswer]


class ProposalAnswer(Answer):
    """Entries that somebody wants to be allowed."""

    id: str
    entries: list[EntryAnswer]
    reason: str
    source: ProposalSource
    state: ProposalState
    created_at: Time
    created_by: str
    decided_at: Time | None
    decided_by: str

    @classmethod
    def of(cls, one: Proposal) -> Self:
        """Convert."""
        return cls(
            id=one.id,
            entries=EntryAnswer.list_of(one.entries),
            reason=one.reason,
            source=one.source,
            state=one.state,
            created_at=one.created_at,
            created_by=one.created_by,
            decided_at=one.decided_at,
            decided_by=one.decided_by,
        )


class ProposalList(Answer):
    """Proposals, newest first; those that were decided long ago are left out."""

    proposals: list[ProposalAnswer]


class ProposalMade(Answer):
    """One proposal."""

    proposal: ProposalAnswer
