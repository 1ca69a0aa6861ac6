"""Signed checkpoints of the audit log, as text (C2SP: tlog-checkpoint over signed-note, Ed25519).

nixos-workspaces/audit/0123456789abcdef     origin, also the name of the key
1234                                        entries
base64 of the root
(empty line)
— ORIGIN base64 of (key id, signature)
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from nixos_workspaces.errors import InvalidInput, RuntimeFailed

_ED25519 = b"\1"
_ID_BYTES = 4
_ROOT_BYTES = 32
_LINES_BEFORE_SIGNATURE = 4
_ORIGIN = "nixos-workspaces/audit/"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: its first ``size`` entries have the hash ``root``."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class Signer:
    """Signs checkpoints with the installation's audit key."""

    def __init__(self, private: str) -> None:
        """Sign with an Ed25519 key in OpenSSH's private form; ``RuntimeFailed`` for any other."""
        key = load_ssh_private_key(private.encode(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise RuntimeFailed("The key of the audit log is of another type.", code="keys_unreadable")
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._key = key
        self.origin = _ORIGIN + sha256(public).hexdigest()[:16]
        self.verifier_key = f"{self.origin}+{_key_id(self.origin, public).hex()}+{_b64(_ED25519 + public)}"
        """The public key in the form of signed notes (``NAME+ID+KEY``)."""

    def sign(self, size: int, root: bytes) -> str:
        """Return the signed note of a checkpoint."""
        text = Checkpoint(self.origin, size, root).text()
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        signature = _key_id(self.origin, public) + self._key.sign(text.encode())
        return f"{text}\n— {self.origin} {_b64(signature)}\n"


def open_note(note: str, verifier_key: str) -> Checkpoint:
    """Return the checkpoint of a note that this key has signed; ``InvalidInput`` for any other text."""
    name, public = _read_key(verifier_key)
    text, _, signatures = note.partition("\n\n")
    lines = text.split("\n")
    for line in signatures.split("\n"):
        mark, _, rest = line.partition(" ")
        signer, _, encoded = rest.partition(" ")
        if mark == "—" and signer == name and _has_signed(name, public, encoded, f"{text}\n"):
            return _read(lines)
    raise InvalidInput("The checkpoint has no valid signature of this log's key.", code="checkpoint_invalid")


def split_notes(text: str) -> list[str]:
    """Return the notes of a file in which one was put after the other, without one that is torn."""
    found, lines = list[list[str]](), list[str]()
    for line in text.split("\n"):
        if not line.startswith("— "):
            lines.append(line)
        elif lines:
            found.append([*lines[-_LINES_BEFORE_SIGNATURE:], line])
            lines = []
        elif found:
            found[-1].append(line)
    return ["\n".join([*one, ""]) for one in found]


def _read(lines: list[str]) -> Checkpoint:
    try:
        origin, size, root = lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True)
    except (IndexError, ValueError) as wrong:
        raise _not_one() from wrong
    if len(root) != _ROOT_BYTES or lines[1] != str(size) or size < 0:
        raise _not_one()
    return Checkpoint(origin, size, root)


def _not_one() -> InvalidInput:
    return InvalidInput("The text is not a checkpoint.", code="checkpoint_invalid")


def _has_signed(name: str, public: bytes, encoded: str, text: str) -> bool:
    try:
        signature = base64.b64decode(encoded, validate=True)
        if signature[:_ID_BYTES] != _key_id(name, public):
            return False
        Ed25519PublicKey.from_public_bytes(public).verify(signature[_ID_BYTES:], text.encode())
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


def _read_key(verifier_key: str) -> tuple[str, bytes]:
    """Return name and public key; ``InvalidInput`` for what is no such key."""
    wrong = InvalidInput("The audit key has not the form NAME+ID+KEY.", field="key")
    try:
        name, stated, encoded = verifier_key.strip().split("+", 2)
        kind_and_key = base64.b64decode(encoded, validate=True)
    except ValueError as unreadable:
        raise wrong from unreadable
    public = kind_and_key[1:]
    if kind_and_key[:1] != _ED25519 or len(public) != _ROOT_BYTES or _key_id(name, public).hex() != stated:
        raise wrong
    return name, public


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_ID_BYTES]


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
