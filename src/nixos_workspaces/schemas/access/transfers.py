"""The wire types of giving workspaces to other owners."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field

from nixos_workspaces.model.access.people import HANDLE_PATTERN
from nixos_workspaces.model.access.transfers import Offer, Offers, TransferState
from nixos_workspaces.model.workspace import PersonalSecrets, Workspace
from nixos_workspaces.schemas.wire import Answer, Request, Time

Handle = Annotated[str, Field(min_length=1, max_length=40, json_schema_extra={"pattern": HANDLE_PATTERN})]


class TransferRequest(Request):
    """The new owner of a workspace."""

    to: Handle


class TransferAnswer(Answer):
    """How far a transfer has come."""

    state: TransferState = Field(description="offered: nothing changes before they accept; given: it is theirs.")
    to: str = Field(description="Handle of the new owner.")
    expires_at: Time | None = Field(description="Of an offer; null otherwise.")

    @classmethod
    def of(cls, to: str, state: TransferState, expires_at: datetime | None) -> Self:
        """Convert."""
        return cls(state=state, to=to, expires_at=expires_at)


class OfferAnswer(Answer):
    """An offer of a workspace; no more is told of it before it is accepted."""

    workspace_id: str
    name: str
    owner: str = Field(description="Handle of its owner, who offers it.")
    to: str = Field(description="Handle of the user whom it is offered to.")
    offered_at: Time
    expires_at: Time

    @classmethod
    def of(cls, offer: Offer) -> Self:
        """Convert."""
        return cls(
            workspace_id=offer.workspace_id,
            name=offer.name,
            owner=offer.owner_name,
            to=offer.to_name,
            offered_at=offer.offered_at,
            expires_at=offer.expires_at,
        )


class TransferList(Answer):
    """The offers that wait for an answer, oldest first."""

    received: list[OfferAnswer] = Field(description="To the caller, who may accept or refuse them.")
    made: list[OfferAnswer] = Field(description="By the caller, who may withdraw them.")

    @classmethod
    def of(cls, offers: Offers) -> Self:
        """Convert."""
        received, made = ([OfferAnswer.of(one) for one in several] for several in (offers.received, offers.made))
        return cls(received=received, made=made)


class AcceptRequest(Request):
    """The acceptance of a workspace."""

    deliver_secrets: bool = Field(
        default=False,
        description="Deliver your personal secrets to it at once; its former owner's programs can read them.",
    )


class PersonalSecretsRequest(Request):
    """Whether the caller's personal secrets are delivered to a workspace."""

    deliver: bool


class OwnedAnswer(Answer):
    """A workspace of the caller's."""

    workspace_id: str
    name: str = Field(description="Another than before where the caller had one of that name.")
    personal_secrets: PersonalSecrets

    @classmethod
    def of(cls, workspace: Workspace) -> Self:
        """Convert."""
        return cls(workspace_id=workspace.id, name=workspace.name, personal_secrets=workspace.personal_secrets)
