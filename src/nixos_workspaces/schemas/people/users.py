"""The wire types of users and groups."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from nixos_workspaces.model.access.people import HANDLE_PATTERN, LONGEST_DISPLAY_NAME, Group, User
from nixos_workspaces.schemas.wire import Answer, Request, Time, absent

RoleName = Literal["admin", "member", "auditor"]
Handle = Annotated[str, Field(pattern=HANDLE_PATTERN, max_length=40, description="Unique and for ever.")]
DisplayName = Annotated[str, Field(max_length=LONGEST_DISPLAY_NAME)]


class UserRequest(Request):
    """A new user."""

    handle: Handle
    display_name: DisplayName = Field(default="", description="Empty: the handle.")
    role: RoleName = "member"
    kind: Literal["person", "service_account"] = Field(
        default="person", description="A service account has tokens that administrators make, and never signs in."
    )


class UserChangeRequest(Request):
    """A partial update of a user; suspending ends everything that is open under their credentials."""

    display_name: DisplayName = Field(default_factory=absent)
    role: RoleName = Field(default_factory=absent)
    state: Literal["active", "suspended"] = Field(default_factory=absent)


class UserAnswer(Answer):
    """A user."""

    id: str
    handle: str
    display_name: str
    role: str
    kind: str
    state: str
    has_password: bool
    created_at: Time

    @classmethod
    def of(cls, user: User) -> Self:
        """Convert."""
        return cls(
            id=user.id,
            handle=user.handle,
            display_name=user.display_name,
            role=user.role,
            kind=user.kind.value,
            state=user.state.value,
            has_password=user.has_password,
            created_at=user.created_at,
        )


class UserDetail(Answer):
    """One user."""

    user: UserAnswer


class UserList(Answer):
    """All users, by their handles."""

    users: list[UserAnswer]


class LinkAnswer(Answer):
    """A link that signs a person in, once, within an hour."""

    url: str = Field(description="Holds a secret: give it to that person only.")


class GroupRequest(Request):
    """A new group."""

    name: Handle


class GroupAnswer(Answer):
    """A group."""

    id: str
    name: str
    members: list[str] = Field(description="Ids of users.")
    created_at: Time

    @classmethod
    def of(cls, group: Group) -> Self:
        """Convert."""
        return cls(id=group.id, name=group.name, members=list(group.members), created_at=group.created_at)


class GroupDetail(Answer):
    """One group."""

    group: GroupAnswer


class GroupList(Answer):
    """All groups, by their names."""

    groups: list[GroupAnswer]
