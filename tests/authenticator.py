"""An authenticator in software: makes passkeys and signs with them, and says wrong things where a test wants it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass
class Authenticator:
    """One passkey, for one person at one host name."""

    origin: str
    """Of the page that the browser has open."""
    flags: int = PRESENT | VERIFIED
    counts: bool = True
    count: int = 0
    rp_id: str = ""
    """Empty: as the options say."""
    client: dict[str, Any] = field(default_factory=dict)
    """Members of the client data that the browser says otherwise."""
    user_handle: str = ""
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def make(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the answer of ``navigator.credentials.create``, as the API takes it."""
        assert options["attestation"] == "none"
        assert options["authenticatorSelection"]["userVerification"] == "required"
        self.user_handle = options["user"]["id"]
        data = self._data(options["rp"]["id"], ATTESTED) + bytes(16)
        data += struct.pack(">H", len(self.credential_id)) + self.credential_id + self._public_key()
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return {
            "credential_id": encoded(self.credential_id),
            "client_data": self._client_data("webauthn.create", options),
            "attestation_object": encoded(attestation),
        }

    def sign(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the answer of ``navigator.credentials.get``, as the API takes it."""
        assert options["userVerification"] == "required"
        self.count += self.counts
        data = self._data(options["rpId"])
        client_data = self._client_data("webauthn.get", options)
        hashed = hashlib.sha256(base64.urlsafe_b64decode(client_data + "==")).digest()
        return {
            "credential_id": encoded(self.credential_id),
            "client_data": client_data,
            "authenticator_data": encoded(data),
            "signature": encoded(self.key.sign(data + hashed, ec.ECDSA(SHA256()))),
            "user_handle": self.user_handle,
        }

    def _client_data(self, kind: str, options: dict[str, Any]) -> str:
        told = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return encoded(json.dumps(told | self.client).encode())

    def _data(self, rp_id: str, more: int = 0) -> bytes:
        hashed = hashlib.sha256((self.rp_id or rp_id).encode()).digest()
        return hashed + struct.pack(">BI", self.flags | more, self.count)

    def _public_key(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})
