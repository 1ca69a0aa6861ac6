"""The wire types of API tokens, sessions, passwords and device logins."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from nixos_workspaces.model.access.people import TOKEN_LIFETIME, TOKEN_NAME_PATTERN
from nixos_workspaces.schemas.people.passkeys import ProofRequest
from nixos_workspaces.schemas.wire import Answer, Duration, Request, Time

ScopeName = Literal[
    "workspaces:read",
    "workspaces:write",
    "terminals:attach",
    "files:read",
    "files:write",
    "network",
    "secrets",
    "audit:read",
    "metrics:read",
    "admin",
]
Password = Annotated[str, Field(min_length=1, max_length=256)]
TokenName = Annotated[str, Field(pattern=TOKEN_NAME_PATTERN, max_length=63)]
UserCode = Annotated[str, Field(min_length=1, max_length=32)]


class WantedBounds(Request):
    """Bounds that a token may have."""

    scopes: Annotated[list[ScopeName], Field(max_length=20)] | None = Field(
        default=None, description="null: all that the credential that it is made with may do."
    )
    workspaces: Annotated[list[Annotated[str, Field(max_length=32)]], Field(max_length=100)] | None = Field(
        default=None, description="Ids of the only workspaces that it reaches; null: all that its user reaches."
    )
    expires_in: Duration = Field(
        default=TOKEN_LIFETIME, validate_default=False, json_schema_extra={"default": f"{TOKEN_LIFETIME.days}d"}
    )
    never_expires: bool = Field(default=False, description="Only for administrators.")

    @property
    def lifetime(self) -> timedelta | None:
        """The length of its life; None: for ever."""
        return None if self.never_expires else self.expires_in


class TokenRequest(WantedBounds):
    """A new token."""

    name: TokenName
    user: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="Id or handle of a service account to make it for; null: the caller."
    )


class ChainLink(Answer):
    """A token or session that a token comes from; it may have ended."""

    id: str
    kind: Literal["api", "session"]
    name: str


class TokenAnswer(Answer):
    """An API token, without its secret."""

    id: str
    name: str
    prefix: str = Field(description="The first letters of its secret; empty for old ones.")
    scopes: list[str] | None
    workspaces: list[str] | None
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None = Field(description="To the minute.")
    parent_id: str | None = Field(description="The token that it was made with, and ends with.")
    chain: list[ChainLink] = Field(
        description="All that it comes from, the first one first. It ends with each of the tokens, and outlives a "
        "session in which it was made."
    )


class TokenMade(Answer):
    """A new token."""

    token: TokenAnswer
    secret: str = Field(description="Shown this once. Send it as Authorization: Bearer TOKEN.")


class TokenList(Answer):
    """Valid API tokens, newest first."""

    tokens: list[TokenAnswer]


class UserSessionAnswer(Answer):
    """A browser that is signed in."""

    id: str
    device: str = Field(description="The program, as it names itself.")
    address: str
    created_at: Time
    expires_at: Time | None
    idle_until: Time | None = Field(description="It ends then unless it is used.")
    last_used_at: Time | None
    is_current: bool = Field(description="It is the one that this request came with.")


class UserSessionList(Answer):
    """The caller's sessions, newest first."""

    sessions: list[UserSessionAnswer]


class SessionsEnded(Answer):
    """The sessions that were ended."""

    ended: int


class PasswordRequest(ProofRequest):
    """A new password; the current one or a passkey is needed where there is one."""

    password: Password


class DeviceRequest(WantedBounds):
    """A program that asks to be signed in (RFC 8628, section 3.1), and what its token is to be."""

    name: TokenName = Field(description="Becomes the name of its token: program and host.")


class DeviceAnswer(Answer):
    """The codes of a program that waits (RFC 8628, section 3.2)."""

    device_code: str = Field(description="The program's secret.")
    user_code: str = Field(description="Shown to the user, who confirms it in a browser.")
    verification_uri: str
    verification_uri_complete: str
    expires_in: int = Field(description="Seconds.")
    interval: int = Field(description="Seconds between two questions.")


class DeviceTokenRequest(Request):
    """The question of a program that waits."""

    device_code: Annotated[str, Field(min_length=1, max_length=128)]


class DeviceDetail(Answer):
    """A program that waits to be confirmed."""

    user_code: str
    name: str
    address: str
    scopes: list[str] | None
    workspaces: list[str] | None
    expires_in: int = Field(description="Seconds until the code is too old.")


class DeviceConfirmation(Request):
    """The answer to a program that waits."""

    approve: bool
