"""Wire types of secrets: values are read, never written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self, assert_never

from pydantic import ConfigDict, Field

from nixos_workspaces.model.contents.secrets import (
    DEFAULT_MODE,
    GIT_HOST_PATTERN,
    HOME,
    LARGEST_SECRET,
    LONGEST_PLACE,
    MODES,
    PLACE_PATTERN,
    Secret,
    SecretKind,
    SecretLength,
    file_mode,
    file_place,
    git_host,
    git_username,
    length_of,
)
from nixos_workspaces.model.workspace import PersonalSecrets
from nixos_workspaces.schemas.wire import Answer, Request, Time, absent


class SecretRequest(Request):
    """A secret to be set, in place of the one of its name."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"kind": {"const": "git"}}},
            "then": {"required": ["host"], "properties": {"value": {"pattern": r"^[^\x00-\x1f\x7f]+$"}}},
        }
    )

    kind: SecretKind = Field(strict=False)
    value: Annotated[
        str,
        Field(min_length=1, max_length=LARGEST_SECRET, repr=False, json_schema_extra={"pattern": r"^[^\x00]+$"}),
    ] = Field(description="Text of at most 64 KiB; never told again.")
    path: Annotated[str, Field(max_length=LONGEST_PLACE, json_schema_extra={"pattern": PLACE_PATTERN})] = Field(
        default_factory=absent, description="Of a file; without one it is /run/secrets/ and the name."
    )
    mode: Annotated[str, Field(max_length=4, json_schema_extra={"enum": list(MODES)})] = Field(
        default_factory=absent, description="Of a file; 0400 where it is not given."
    )
    host: Annotated[str, Field(max_length=LONGEST_PLACE, json_schema_extra={"pattern": GIT_HOST_PATTERN})] = Field(
        default_factory=absent, description="Of a Git credential: the host that it is for, with a port if any."
    )
    username: Annotated[str, Field(max_length=LONGEST_PLACE, json_schema_extra={"pattern": r"^[^\x00-\x1f\x7f]*$"})] = (
        Field(default_factory=absent, description="Of a Git credential; without one it is one that takes tokens.")
    )

    def to_model(self, name: str, at: datetime) -> tuple[Secret, bytes]:
        """Return the secret and its value; raises ``InvalidInput`` for a place that no secret can have."""
        given = self.model_fields_set
        path = file_place(self.path if "path" in given else "", name)
        mode = file_mode(self.mode if "mode" in given else DEFAULT_MODE)
        host = git_host(self.host or "") if "host" in given or self.kind is SecretKind.GIT else ""
        username = git_username(self.username if "username" in given else "")
        value = self.value.encode()
        length = length_of(value)
        match self.kind:
            case SecretKind.FILE:
                return Secret(name, self.kind, path, mode, "", length, at), value
            case SecretKind.GIT:
                return Secret(name, self.kind, host, "", username, length, at), value
            case SecretKind.ENVIRONMENT:
                return Secret(name, self.kind, "", "", "", length, at), value
            case _ as never:
                assert_never(never)


class SecretAnswer(Answer):
    """A secret without its value."""

    name: str
    kind: SecretKind
    path: str | None = Field(description="Of a file; null otherwise.")
    mode: str | None = Field(description="Of a file; null otherwise.")
    host: str | None = Field(description="Of a Git credential; null otherwise.")
    username: str | None = Field(description="Of a Git credential; null otherwise.")
    length: SecretLength = Field(description="The class of the value's length: all that is told of it.")
    updated_at: Time

    @classmethod
    def of(cls, secret: Secret) -> Self:
        """Convert."""
        is_file, is_git = secret.kind is SecretKind.FILE, secret.kind is SecretKind.GIT
        return cls(
            name=secret.name,
            kind=secret.kind,
            path=secret.place.replace(f"{HOME}/", "~/", 1) if is_file else None,
            mode=secret.mode if is_file else None,
            host=secret.place if is_git else None,
            username=secret.username if is_git else None,
            length=secret.length,
            updated_at=secret.updated_at,
        )


class SecretDelivery(Answer):
    """The last delivery of secrets to a running workspace."""

    at: Time
    problem: str = Field(description="What could not be done; empty when everything is there.")


class SecretList(Answer):
    """The secrets of a person or a workspace."""

    secrets: list[SecretAnswer]
    delivery: SecretDelivery | None = Field(
        description="Of a workspace: how its last delivery went; null for a person, and where there was none."
    )

    personal: PersonalSecrets | None = Field(
        description="Of a workspace: whether its owner's own secrets are delivered to it too; null for a person."
    )

    @classmethod
    def of(
        cls,
        secrets: Sequence[Secret],
        delivered: tuple[datetime, str] | None = None,
        personal: PersonalSecrets | None = None,
    ) -> Self:
        """Convert."""
        told = None if delivered is None else SecretDelivery(at=delivered[0], problem=delivered[1])
        return cls(secrets=[SecretAnswer.of(one) for one in secrets], delivery=told, personal=personal)
