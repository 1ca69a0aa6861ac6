"""The certificate authorities of an installation: one for host keys, one for people.

Host certificates let a client know every workspace by one line (``@cert-authority``); user certificates open the SSH
gateway for some hours. The authorities' own keys are wrapped in the key store.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    SSHCertificateBuilder,
    SSHCertificateType,
    load_ssh_private_key,
    load_ssh_public_identity,
    load_ssh_public_key,
)

from nixos_workspaces.errors import InvalidInput, RuntimeFailed
from nixos_workspaces.keys.store import KeyStore

SUFFIX = "nixws"
"""The last label of the names under which workspaces are known to SSH clients: ``NAME.nixws``."""
ANY_WORKSPACE = "_workspace"
"""The name under which clients that give services labels of their own know every workspace (decision 36)."""
GATEWAY = "_gateway"
"""The name under which clients know the SSH gateway whatever its host's name is."""
_EXTENSIONS = (b"permit-agent-forwarding", b"permit-port-forwarding", b"permit-pty")
_EARLIER = timedelta(minutes=5)
"""A certificate is valid this long before it is made: clocks differ."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A user certificate."""

    certificate: str
    """One line, as in a file that ends in ``-cert.pub``."""
    expires_at: datetime
    serial: int = field(default=0)


class Authorities:
    """Signs host keys and public keys of people. Nothing waits for long; keys are read once."""

    def __init__(self, keys: KeyStore, clock: Callable[[], float] = time.time) -> None:
        """Sign with the authorities of ``keys``; ``clock`` tells seconds since the epoch."""
        self._keys = keys
        self._clock = clock
        self._host = _loaded(keys.authority("host"))
        self._user = _loaded(keys.authority("user"))

    @property
    def host_public(self) -> str:
        """The public line of the authority that signs host keys."""
        return _line(self._host)

    @property
    def user_public(self) -> str:
        """The public line of the authority that signs keys of people."""
        return _line(self._user)

    def workspace_certificate(self, workspace_id: str, name: str) -> str:
        """Return the certificate of a workspace's host key for its id and its name; empty where it has no keys.

        The same one again while name and key are the same: a volume that is full can still be started.
        """
        public = self._keys.host_public(workspace_id)
        if not public:
            return ""
        names = [f"{label}.{SUFFIX}" for label in (name, workspace_id, ANY_WORKSPACE)]
        kept = self._keys.kept_certificate(workspace_id)
        if not self._is_for(kept, public, names):
            kept = self.host_certificate(public, names)
            self._keys.keep_certificate(workspace_id, kept)
        return kept

    def gateway_key(self, names: Sequence[str]) -> tuple[str, str]:
        """Return the private host key of the SSH gateway, and a certificate of it for its host names."""
        private = self._keys.authority("gateway")
        public = _line(_loaded(private))
        return private, self.host_certificate(public, [f"{GATEWAY}.{SUFFIX}", *names])

    def host_certificate(self, public_key: str, names: Sequence[str]) -> str:
        """Return a certificate of a host key for host names; it does not expire."""
        builder = (
            SSHCertificateBuilder()
            .public_key(_public(public_key))
            .serial(secrets.randbits(63))
            .type(SSHCertificateType.HOST)
            .key_id(names[0].encode())
            .valid_principals([name.encode() for name in names])
            .valid_after(0)
            .valid_before((1 << 64) - 1)
        )
        return builder.sign(self._host).public_bytes().decode().strip()

    def user_certificate(self, public_key: str, key_id: str, principal: str, lifetime: timedelta) -> Signed:
        """Return a certificate of a person's key for ``principal``, which ends after ``lifetime``."""
        now = datetime.fromtimestamp(int(self._clock()), UTC)
        serial, expires_at = secrets.randbits(63), now + lifetime
        builder = (
            SSHCertificateBuilder()
            .public_key(_public(public_key))
            .serial(serial)
            .type(SSHCertificateType.USER)
            .key_id(key_id.encode())
            .valid_principals([principal.encode()])
            .valid_after(int((now - _EARLIER).timestamp()))
            .valid_before(int(expires_at.timestamp()))
        )
        for extension in _EXTENSIONS:
            builder = builder.add_extension(extension, b"")
        return Signed(builder.sign(self._user).public_bytes().decode().strip(), expires_at, serial)

    def _is_for(self, certificate: str, public_key: str, names: Sequence[str]) -> bool:
        """Tell whether a certificate is ours, of this key, for these names."""
        try:
            read = load_ssh_public_identity(certificate.encode())
            if not isinstance(read, SSHCertificate):
                return False
            read.verify_cert_signature()
        except (ValueError, InvalidSignature):
            return False
        made_by = read.signature_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        of = read.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        return (made_by, of, read.valid_principals) == (
            self.host_public,
            " ".join(public_key.split()[:2]),
            [name.encode() for name in names],
        )


def _loaded(private: str) -> Ed25519PrivateKey:
    key = load_ssh_private_key(private.encode(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise RuntimeFailed("The key of a certificate authority is of another type.", code="keys_unreadable")
    return key


def _public(line: str) -> EllipticCurvePublicKey | RSAPublicKey | Ed25519PublicKey:
    """Return a public key that can be certified; ``InvalidInput`` for one that cannot."""
    key = load_ssh_public_key(line.encode())
    if isinstance(key, DSAPublicKey):
        raise InvalidInput("DSA keys are not certified.", field="public_key")
    return key


def _line(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
