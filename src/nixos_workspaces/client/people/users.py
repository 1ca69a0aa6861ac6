"""The client's calls on users and groups."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.schemas.people.users import (
    GroupAnswer,
    GroupDetail,
    GroupList,
    LinkAnswer,
    UserAnswer,
    UserDetail,
    UserList,
)

_USERS, _GROUPS = "/api/nixos/users", "/api/nixos/groups"


class UserCalls:
    """The calls on users. Raises our own errors."""

    def __init__(self, client: Connection) -> None:
        self._client = client

    def me(self) -> UserAnswer:
        """Return the caller's own user."""
        return read_answer(UserDetail, self._client.call("GET", "/api/nixos/me")).user

    def list(self) -> list[UserAnswer]:
        """Return all users, by their handles."""
        return read_answer(UserList, self._client.call("GET", _USERS)).users

    def create(self, wanted: Mapping[str, str]) -> UserAnswer:
        """Make a user: ``wanted`` is a ``UserRequest``."""
        return read_answer(UserDetail, self._client.call("POST", _USERS, body=dict(wanted))).user

    def change(self, user: str, wanted: Mapping[str, str]) -> UserAnswer:
        """Change a user: ``wanted`` is a ``UserChangeRequest``."""
        return read_answer(UserDetail, self._client.call("PATCH", _of(_USERS, user), body=dict(wanted))).user

    def login_link(self, user: str) -> str:
        """Return a link that signs a person in, once, within an hour."""
        return read_answer(LinkAnswer, self._client.call("POST", f"{_of(_USERS, user)}/login-link")).url


class GroupCalls:
    """The calls on groups. Raises our own errors."""

    def __init__(self, client: Connection) -> None:
        self._client = client

    def list(self) -> list[GroupAnswer]:
        """Return all groups with their members, by their names."""
        return read_answer(GroupList, self._client.call("GET", _GROUPS)).groups

    def create(self, name: str) -> GroupAnswer:
        """Make a group."""
        return read_answer(GroupDetail, self._client.call("POST", _GROUPS, body={"name": name})).group

    def remove(self, group: str) -> None:
        """Remove a group."""
        self._client.call("DELETE", _of(_GROUPS, group))

    def join(self, group: str, user: str) -> GroupAnswer:
        """Make a user a member."""
        answer = self._client.call("PUT", _of(f"{_of(_GROUPS, group)}/members", user))
        return read_answer(GroupDetail, answer).group

    def leave(self, group: str, user: str) -> None:
        """End a membership."""
        self._client.call("DELETE", _of(f"{_of(_GROUPS, group)}/members", user))


def _of(root: str, reference: str) -> str:
    return f"{root}/{quote(reference, safe='')}"
