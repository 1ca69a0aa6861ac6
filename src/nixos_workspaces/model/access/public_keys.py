"""A person's public SSH keys: the record, and the rule of which keys are taken."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime

from nixos_workspaces.errors import InvalidInput

LONGEST_PUBLIC_KEY = 4096
"""Characters of a line; an RSA key of 16,384 bits has 2,780."""
LONGEST_KEY_NAME = 64
MOST_KEYS = 100
"""Keys of one person."""
LEAST_RSA_BITS, MOST_RSA_BITS = 2048, 16_384
_ED25519_BYTES = 32
_POINT_BYTES = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
_LENGTH_BYTES = 4
_FIELD = "public_key"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that was found to be sound."""

    type: str
    """As in an authorized-keys file: ``ssh-ed25519``."""
    blob: str
    """Base64 of the key itself."""
    comment: str = ""

    @property
    def line(self) -> str:
        """The key as one line without a comment."""
        return f"{self.type} {self.blob}"

    @property
    def fingerprint(self) -> str:
        """``SHA256:`` and the digest, as ``ssh-keygen -l`` prints it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


@dataclass(frozen=True, slots=True)
class RegisteredKey:
    """A public key that opens the workspaces of the person who registered it."""

    id: str
    principal_id: str
    principal_name: str
    role: str
    name: str
    key: PublicKey
    created_at: datetime
    last_used_at: datetime | None = None
    """When the SSH gateway last let it in, to the minute; None if never."""


def read_public_key(text: str) -> PublicKey:
    """Return the key in a line of an authorized-keys file that has no options.

    Raises ``InvalidInput`` for several lines, options, private keys, certificates, other types and wrong sizes.
    """
    line = text.strip()
    if "PRIVATE KEY" in line:
        raise _refused("This is a private key. Keep it secret, and send the file that ends in .pub.")
    if len(line) > LONGEST_PUBLIC_KEY or not line.isprintable():
        raise _refused("A public key is one line of at most 4,096 characters, as in a file that ends in .pub.")
    kind, _, rest = line.partition(" ")
    blob, _, comment = rest.strip().partition(" ")
    try:
        content = base64.b64decode(blob, validate=True)
        named, *parts = _strings(content)
    except (binascii.Error, ValueError) as wrong:
        raise _refused(
            "This is no public key: it begins with its type, such as ssh-ed25519, followed by the key in base64. "
            "Options before it are not taken."
        ) from wrong
    if named != kind.encode():
        raise _refused("The key is of another type than its first word says.")
    _check(kind, parts)
    return PublicKey(kind, base64.b64encode(content).decode(), comment.strip()[:LONGEST_KEY_NAME])


def _check(kind: str, parts: list[bytes]) -> None:
    """Raise ``InvalidInput`` unless these are the parts of a sound key of that type."""
    match kind, parts:
        case "ssh-ed25519", [point]:
            sound = len(point) == _ED25519_BYTES
        case "sk-ssh-ed25519@openssh.com", [point, application]:
            sound = len(point) == _ED25519_BYTES and bool(application)
        case (("ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521"), [curve, point]):
            sound = kind.endswith(curve.decode(errors="replace")) and _is_point(curve, point)
        case "sk-ecdsa-sha2-nistp256@openssh.com", [b"nistp256" as curve, point, application]:
            sound = _is_point(curve, point) and bool(application)
        case "ssh-rsa", [exponent, modulus]:
            sound = _is_rsa(exponent, modulus)
        case _:
            raise _refused(
                "Keys of this type are not taken. Make one with `ssh-keygen -t ed25519`; ECDSA, RSA of 2,048 bits and "
                "more, and keys on hardware (sk-) are taken, too."
            )
    if not sound:
        raise _refused("The key is broken, or too small: RSA keys have 2,048 to 16,384 bits.")


def _is_point(curve: bytes, point: bytes) -> bool:
    return len(point) == _POINT_BYTES.get(curve.decode(errors="replace")) and point[0] == _POINT_BYTES_FORM


_POINT_BYTES_FORM = 4
"""The first byte of an uncompressed point (SEC 1, section 2.3.3)."""


def _is_rsa(exponent: bytes, modulus: bytes) -> bool:
    power, product = int.from_bytes(exponent, "big", signed=True), int.from_bytes(modulus, "big", signed=True)
    return power > 2 and power % 2 == 1 and LEAST_RSA_BITS <= product.bit_length() <= MOST_RSA_BITS and product % 2 == 1  # noqa: PLR2004


def _strings(content: bytes) -> list[bytes]:
    """Return the strings of an SSH message (RFC 4251, section 5); ``ValueError`` where it is cut off."""
    found = []
    while content:
        size = int.from_bytes(content[:_LENGTH_BYTES], "big")
        if len(content) < _LENGTH_BYTES + size:
            raise ValueError("the key is cut off")
        found.append(content[_LENGTH_BYTES : _LENGTH_BYTES + size])
        content = content[_LENGTH_BYTES + size :]
    if not found:
        raise ValueError("there is no key")
    return found


def _refused(message: str) -> InvalidInput:
    return InvalidInput(message, code="invalid_public_key", field=_FIELD)
