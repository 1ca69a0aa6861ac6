"""The client's calls on a person's SSH keys."""

from __future__ import annotations

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.schemas.access.ssh_keys import (
    CertificateAnswer,
    PublicKeyAnswer,
    PublicKeyDetail,
    PublicKeyList,
)

_ROOT = "/api/nixos/ssh-keys"


class SshKeyCalls:
    """The calls on the caller's SSH keys. Raises our own errors."""

    def __init__(self, client: Connection) -> None:
        self._client = client

    def list(self) -> PublicKeyList:
        """Return the keys, oldest first, and the authority of host keys."""
        return read_answer(PublicKeyList, self._client.call("GET", _ROOT))

    def add(self, public_key: str, name: str = "") -> PublicKeyAnswer:
        """Register a key; the same one again changes nothing."""
        body = {"public_key": public_key, "name": name}
        return read_answer(PublicKeyDetail, self._client.call("POST", _ROOT, body=body)).ssh_key

    def remove(self, key_id: str) -> None:
        """Remove a key."""
        self._client.call("DELETE", f"{_ROOT}/{key_id}")

    def sign(self, public_key: str, hours: int) -> CertificateAnswer:
        """Return a certificate of a key for the SSH gateway."""
        body = {"public_key": public_key, "valid_for": hours}
        return read_answer(CertificateAnswer, self._client.call("POST", "/api/nixos/ssh-certificates", body=body))
