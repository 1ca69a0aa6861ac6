"""Role, groups, handle and display name of a person at the provider: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nixos_workspaces.auth.policy import Role
from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.access.people import LONGEST_DISPLAY_NAME, handle_from, is_handle

_MOST_GROUPS = 1000
_LONGEST_HANDLE = 32
"""Of one that is made: a number may follow."""
_ORDER = (Role.ADMIN, Role.AUDITOR, Role.MEMBER)


@dataclass(frozen=True, slots=True)
class GroupRules:
    """The rules by which the provider's groups decide."""

    roles: Mapping[str, Role]
    """Roles by groups of the provider; empty: roles are given here."""
    groups: Mapping[str, str]
    """Names of groups here by groups of the provider."""
    new_users: Role | None
    """The role of people who are no users yet; None: they stay out."""

    def role_of(self, theirs: Iterable[str], current: Role | None) -> Role:
        """Return the role of somebody in groups of the provider; ``current``: the one here, None for a new user."""
        default = self.new_users or Role.MEMBER
        if not self.roles:
            return current or default
        held = {self.roles[one] for one in theirs if one in self.roles}
        return next((one for one in _ORDER if one in held), default)

    def groups_of(self, theirs: Iterable[str]) -> dict[str, bool]:
        """Return the groups here that the provider decides about, and whether somebody is in each."""
        held = {self.groups[one] for one in theirs if one in self.groups}
        return {name: name in held for name in sorted(set(self.groups.values()))}


@dataclass(frozen=True, slots=True)
class Person:
    """A person as the provider tells of them."""

    issuer: str
    subject: str
    sid: str
    groups: tuple[str, ...]
    handle: str
    """A proposal."""
    display_name: str


def rules_of(roles: Mapping[str, str], groups: Mapping[str, str], new_users: str) -> GroupRules:
    """Return the rules of the settings; ``InvalidInput`` for what can be no group here."""
    for name in groups.values():
        if not is_handle(name):
            raise InvalidInput(f"Setting oidc_groups: {name!r} cannot be the name of a group.", field="oidc_groups")
    return GroupRules(
        {theirs: Role(role) for theirs, role in roles.items()},
        groups,
        None if new_users == "none" else Role(new_users),
    )


def person_of(claims: Mapping[str, Any], groups_claim: str) -> Person:
    """Return the person of checked claims. What is no text of a kind that is wanted counts as absent."""
    groups = claims.get(groups_claim)
    listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    email = _text(claims, "email").partition("@")[0]
    name = _text(claims, "name") or _text(claims, "preferred_username") or email
    return Person(
        claims["iss"],
        claims["sub"],
        _text(claims, "sid"),
        tuple(one for one in listed[:_MOST_GROUPS] if isinstance(one, str)),
        handle_from(_text(claims, "preferred_username") or email, _LONGEST_HANDLE),
        "".join(one for one in name if one.isprintable())[:LONGEST_DISPLAY_NAME],
    )


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""
