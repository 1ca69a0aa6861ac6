"""Verification of what authenticators say, by the library ``webauthn``.

The library takes 8 MB and a quarter of a second: it is loaded, in a thread, when the first passkey is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import orjson

from nixos_workspaces.auth.passkeys.challenges import bytes_of, text_of
from nixos_workspaces.errors import Forbidden, WorkspacesError
from nixos_workspaces.model.access.passkeys import LONGEST_CREDENTIAL_ID, Passkey, Site

ALGORITHMS = (-8, -7, -257)
"""Of keys, as COSE numbers them: EdDSA, ES256, RS256."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Assertion:
    """The answer of an authenticator that signs in or confirms; all in base64url."""

    credential_id: str
    client_data: str
    authenticator_data: str
    signature: str
    user_handle: str


@dataclass(frozen=True, slots=True)
class Attestation:
    """The answer of an authenticator that has made a passkey; all in base64url."""

    credential_id: str
    client_data: str
    attestation_object: str


@dataclass(frozen=True, slots=True)
class Made:
    """A passkey that an authenticator has made."""

    credential_id: str
    public_key: bytes
    sign_count: int


def refused(why: str = "") -> Forbidden:
    """Return the error of a passkey's answer that does not hold."""
    return Forbidden(f"The answer of the passkey does not hold{why and f': {why}'}.", code="passkey_refused")


def challenge_of(client_data: str) -> str:
    """Return the challenge that an answer is for; it is not verified yet.

    Raises ``Forbidden`` with code ``passkey_refused`` for what is no answer to a page of one's own.
    """
    try:
        told = orjson.loads(bytes_of(client_data))
    except ValueError as wrong:
        raise refused("it cannot be read") from wrong
    if not isinstance(told, dict) or not isinstance(told.get("challenge"), str):
        raise refused("it cannot be read")
    if told.get("crossOrigin") not in {None, False}:
        raise refused("it was asked for inside another site's page")
    return str(told["challenge"])


async def verify_assertion(assertion: Assertion, passkey: Passkey, site: Site, challenge: bytes) -> int:
    """Return the authenticator's count of uses; ``Forbidden`` with code ``passkey_refused`` if anything is wrong.

    The count is not compared here: that takes the row, in the transaction of the sign-in.
    """
    if text_of(passkey.user_id.encode()) != assertion.user_handle:
        raise refused("it is of another person")
    return await _apart(lambda: _verified_count(assertion, passkey, site, challenge))


async def verify_attestation(attestation: Attestation, site: Site, challenge: bytes) -> Made:
    """Return the passkey that was made; ``Forbidden`` with code ``passkey_refused`` if anything is wrong."""
    return await _apart(lambda: _verified_passkey(attestation, site, challenge))


async def _apart(verify: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(verify)
    except WorkspacesError:
        raise
    except Exception as wrong:  # the library and those below it raise all kinds of them over garbage
        raise refused() from wrong


def _verified_count(assertion: Assertion, passkey: Passkey, site: Site, challenge: bytes) -> int:
    from webauthn import verify_authentication_response
    from webauthn.helpers.structs import AuthenticationCredential, AuthenticatorAssertionResponse

    answer = AuthenticatorAssertionResponse(
        client_data_json=bytes_of(assertion.client_data),
        authenticator_data=bytes_of(assertion.authenticator_data),
        signature=bytes_of(assertion.signature),
    )
    verified = verify_authentication_response(
        credential=AuthenticationCredential(
            id=assertion.credential_id, raw_id=bytes_of(assertion.credential_id), response=answer
        ),
        expected_challenge=challenge,
        expected_rp_id=site.rp_id,
        expected_origin=site.origin,
        credential_public_key=passkey.public_key,
        credential_current_sign_count=0,
        require_user_verification=True,
    )
    return verified.new_sign_count


def _verified_passkey(attestation: Attestation, site: Site, challenge: bytes) -> Made:
    from webauthn import verify_registration_response
    from webauthn.helpers.cose import COSEAlgorithmIdentifier
    from webauthn.helpers.structs import AuthenticatorAttestationResponse, RegistrationCredential

    answer = AuthenticatorAttestationResponse(
        client_data_json=bytes_of(attestation.client_data),
        attestation_object=bytes_of(attestation.attestation_object),
    )
    verified = verify_registration_response(
        credential=RegistrationCredential(
            id=attestation.credential_id, raw_id=bytes_of(attestation.credential_id), response=answer
        ),
        expected_challenge=challenge,
        expected_rp_id=site.rp_id,
        expected_origin=site.origin,
        require_user_verification=True,
        supported_pub_key_algs=[COSEAlgorithmIdentifier(one) for one in ALGORITHMS],
    )
    # The page says one id, what the authenticator has signed says one, too.
    if text_of(verified.credential_id) != attestation.credential_id:
        raise refused("it names two passkeys")
    if len(verified.credential_id) > LONGEST_CREDENTIAL_ID:
        raise refused("its id is too long")
    return Made(attestation.credential_id, verified.credential_public_key, verified.sign_count)
