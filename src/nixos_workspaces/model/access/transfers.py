"""Offers of workspaces to new owners."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TransferState(StrEnum):
    """How far a transfer has come."""

    OFFERED = "offered"
    """The new owner has not answered; nothing has changed."""
    GIVEN = "given"
    """The workspace has its new owner."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer of a workspace, which its owner has made and the receiver has not answered."""

    workspace_id: str
    name: str
    """The workspace's, when this was read."""
    owner_id: str
    owner_name: str
    """The owner's handle."""
    to_id: str
    to_name: str
    """The receiver's handle."""
    offered_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Offers:
    """The offers that concern a user, oldest first."""

    received: tuple[Offer, ...]
    made: tuple[Offer, ...]
