"""The wire types of shares, and of links to them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from nixos_workspaces.model.access.shares import PART_PATTERN, Access, Part, Recipient, Share, ShareState, read_part
from nixos_workspaces.model.workspace import Workspace
from nixos_workspaces.schemas.wire import Answer, Request, Time

LEAST_SECONDS, MOST_SECONDS = 60, 366 * 24 * 3600
LONGEST_SECRET = 128
LONGEST_GUEST_NAME = 40


def _part(text: str) -> str:
    try:
        read_part(text)
    except ValueError as wrong:
        raise PydanticCustomError("part", "a part is terminal:ID or port:NUMBER; leave it out for all") from wrong
    return text


def _recipient(text: str) -> str:
    kind, _, name = text.partition(":")
    if text != "link" and (kind not in {"user", "group"} or not name):
        raise PydanticCustomError("recipient", "share with user:NAME, group:NAME or link")
    return text


With = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        description="user:NAME, group:NAME, or link: anybody who has it.",
        json_schema_extra={"pattern": "^(link|(user|group):.+)$"},
    ),
    AfterValidator(_recipient),
]
PartText = Annotated[
    str,
    Field(
        max_length=80,
        description="terminal:ID or port:NUMBER; empty for the whole workspace.",
        json_schema_extra={"pattern": PART_PATTERN},
    ),
    AfterValidator(_part),
]
Secret = Annotated[str, Field(min_length=1, max_length=LONGEST_SECRET, description="What follows # in the link.")]


class ShareRequest(Request):
    """Something to share."""

    with_: With = Field(alias="with")
    access: Access = Field(default=Access.VIEWER, strict=False)
    part: PartText = ""
    files: bool = Field(default=False, description="Viewers may read files, too; editors may in any case.")
    knock: bool = Field(default=False, description="Of a link: you are asked about each one who comes.")
    expires_in: Annotated[
        int,
        Field(ge=0, le=MOST_SECONDS, description="Seconds, at least 60. 0: a link lasts seven days, others stay."),
    ] = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if 0 < self.expires_in < LEAST_SECONDS:
            raise PydanticCustomError("expires_in", "expires_in is 0, or at least 60 seconds")
        return self

    @property
    def recipient(self) -> tuple[Recipient, str]:
        """The kind of recipient, and the name."""
        kind, _, name = self.with_.partition(":")
        return Recipient(kind), name

    def whole_or_part(self) -> Part | None:
        """Return the part; None for the whole workspace."""
        return read_part(self.part)

    def lifetime(self) -> timedelta | None:
        """Return how long it lasts; None for the usual time."""
        return timedelta(seconds=self.expires_in) if self.expires_in else None


class ShareAnswer(Answer):
    """One share of a workspace."""

    id: str
    kind: Recipient
    name: str = Field(description="Of the user, group or guest; empty for a link.")
    access: Access
    part: str = Field(description="terminal:ID or port:NUMBER; empty for the whole workspace.")
    files: bool
    state: ShareState = Field(description="waiting: they have knocked, and wait for your answer.")
    knock: bool
    via: str = Field(description="Id of the link that they came by; empty otherwise.")
    created_at: Time
    expires_at: Time | None

    @classmethod
    def of(cls, share: Share) -> Self:
        """Convert."""
        return cls(
            id=share.id,
            kind=share.recipient,
            name=share.name,
            access=share.access,
            part="" if share.part is None else share.part.text,
            files=share.files,
            state=share.state,
            knock=share.knock,
            via=share.via,
            created_at=share.created_at,
            expires_at=share.expires_at,
        )


class ShareList(Answer):
    """The shares of a workspace, oldest first, with those of all who came by a link."""

    shares: list[ShareAnswer]


class ShareDetail(Answer):
    """One share."""

    share: ShareAnswer
    link: str | None = Field(default=None, description="The address of a new link. It is told this once.")


class JoinRequest(Request):
    """A link that the caller has."""

    secret: Secret


class GuestRequest(Request):
    """A link, and the name of somebody without an account."""

    secret: Secret
    name: Annotated[str, Field(min_length=1, max_length=LONGEST_GUEST_NAME)]


class JoinAnswer(Answer):
    """Something that was shared by a link."""

    workspace_id: str
    workspace_name: str
    access: Access
    part: str
    state: ShareState = Field(description="waiting: the owner is asked; ask again with the same link.")
    expires_at: Time | None

    @classmethod
    def of(cls, workspace: Workspace, share: Share) -> Self:
        """Convert; who still waits is not told the workspace's name."""
        is_in = share.state is ShareState.ACTIVE
        return cls(
            workspace_id=workspace.id if is_in else "",
            workspace_name=workspace.name if is_in else "",
            access=share.access,
            part="" if share.part is None else share.part.text,
            state=share.state,
            expires_at=share.expires_at,
        )
