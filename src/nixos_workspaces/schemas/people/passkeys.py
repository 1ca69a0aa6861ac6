"""The wire types of passkeys. What browsers and authenticators say is in base64url, as their own JSON has it."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field

from nixos_workspaces.model.access.passkeys import LONGEST_PASSKEY_NAME, Passkey
from nixos_workspaces.schemas.wire import Answer, Request, Time

_LETTERS = "^[A-Za-z0-9_-]+$"
CredentialId = Annotated[str, Field(pattern=_LETTERS, max_length=1364)]
Encoded = Annotated[str, Field(pattern=_LETTERS, max_length=16_384)]
PasskeyName = Annotated[str, Field(min_length=1, max_length=LONGEST_PASSKEY_NAME)]


class AssertionRequest(Request):
    """The answer of ``navigator.credentials.get``."""

    credential_id: CredentialId
    client_data: Encoded = Field(description="clientDataJSON")
    authenticator_data: Encoded
    signature: Encoded
    user_handle: CredentialId


class AttestationRequest(Request):
    """The answer of ``navigator.credentials.create``."""

    credential_id: CredentialId
    client_data: Encoded = Field(description="clientDataJSON")
    attestation_object: Encoded


class ProofRequest(Request):
    """A confirmation: the current password, or a passkey; empty where there is neither."""

    current: Annotated[str, Field(max_length=256, description="The current password.")] = ""
    passkey: AssertionRequest | None = Field(
        default=None, description="Its options come from POST /api/nixos/me/passkeys/confirmation."
    )


class PasskeyRequest(Request):
    """A passkey that an authenticator has made."""

    name: PasskeyName
    made: AttestationRequest


class PasskeyRename(Request):
    """A new name of a passkey."""

    name: PasskeyName


class PasskeyOptions(Answer):
    """The options of a ceremony, for five minutes and one answer."""

    options: dict[str, Any] = Field(
        description="For PublicKeyCredential.parseCreationOptionsFromJSON or parseRequestOptionsFromJSON."
    )


class PasskeySignInOptions(Answer):
    """The options of signing in, for five minutes and one answer of this browser."""

    options: dict[str, Any] | None = Field(
        description="For PublicKeyCredential.parseRequestOptionsFromJSON; null where nobody has a passkey here."
    )


class PasskeyAnswer(Answer):
    """A passkey."""

    id: str
    name: str
    host: str = Field(description="The host name that it is for.")
    is_for_this: bool = Field(description="That is the name of this service as it was asked.")
    created_at: Time
    last_used_at: Time | None

    @classmethod
    def of(cls, passkey: Passkey, host: str) -> Self:
        """Convert."""
        return cls(
            id=passkey.id,
            name=passkey.name,
            host=passkey.rp_id,
            is_for_this=passkey.rp_id == host,
            created_at=passkey.created_at,
            last_used_at=passkey.last_used_at,
        )


class PasskeyDetail(Answer):
    """One passkey."""

    passkey: PasskeyAnswer


class PasskeyList(Answer):
    """The caller's passkeys, oldest first."""

    passkeys: list[PasskeyAnswer]
    must_confirm: bool = Field(
        description="A new passkey or password takes the current password or a passkey; not for an hour after a link."
    )
