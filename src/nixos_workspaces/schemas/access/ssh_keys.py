"""The wire types of people's SSH keys and of certificates for them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from nixos_workspaces.model.access.public_keys import LONGEST_KEY_NAME, LONGEST_PUBLIC_KEY, RegisteredKey
from nixos_workspaces.schemas.wire import Answer, Request, Time

PublicKeyText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_PUBLIC_KEY,
        description="One line, as in a file that ends in .pub: type, key in base64, comment. No options.",
    ),
]


class SshKeyRequest(Request):
    """A public key to register."""

    public_key: PublicKeyText
    name: Annotated[str, Field(max_length=LONGEST_KEY_NAME)] = Field(
        default="", description="Empty: the comment of the key, or its type."
    )


class PublicKeyAnswer(Answer):
    """A registered public key."""

    id: str
    name: str
    type: str = Field(description="As in an authorized-keys file: ssh-ed25519.")
    fingerprint: str = Field(description="As ssh-keygen -l prints it: SHA256:…")
    public_key: str = Field(description="One line without a comment.")
    created_at: Time
    last_used_at: Time | None = Field(description="Last use at the SSH gateway; null if there was none.")

    @classmethod
    def of(cls, key: RegisteredKey) -> Self:
        """Convert."""
        return cls(
            id=key.id,
            name=key.name,
            type=key.key.type,
            fingerprint=key.key.fingerprint,
            public_key=key.key.line,
            created_at=key.created_at,
            last_used_at=key.last_used_at,
        )


class PublicKeyDetail(Answer):
    """One registered key."""

    ssh_key: PublicKeyAnswer


class PublicKeyList(Answer):
    """The caller's registered keys, oldest first."""

    ssh_keys: list[PublicKeyAnswer]
    host_authority: str = Field(
        description="The public key that signs the host keys of workspaces and of the SSH gateway, for @cert-authority."
    )
    gateway_port: int | None = Field(
        description="TCP port of the SSH gateway on the service's host; null if it is off."
    )


class CertificateRequest(Request):
    """A public key to be certified."""

    public_key: PublicKeyText
    valid_for: Annotated[int, Field(ge=1, le=12)] = Field(default=12, description="Hours, from 1 to 12.")


class CertificateAnswer(Answer):
    """A certificate for the SSH gateway."""

    certificate: str = Field(description="One line, for a file that ends in -cert.pub.")
    expires_at: Time
