"""Users and groups as an identity provider knows them: the records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nixos_workspaces.model.access.people import Group, User


@dataclass(frozen=True, slots=True)
class Named:
    """A reference to a user or a group, with its name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ProvisionedUser:
    """A person beside what a provider said of them; those whom none named have their handle as the name."""

    user: User
    user_name: str
    changed_at: datetime
    external_id: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Names, addresses and roles in the provider's words, as JSON."""
    groups: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class ProvisionedGroup:
    """A group beside what a provider said of it."""

    group: Group
    display_name: str
    changed_at: datetime
    external_id: str | None = None
    members: tuple[Named, ...] = ()
    """The people among the members."""
