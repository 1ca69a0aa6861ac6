"""The client's calls on secrets, of the caller or of one workspace."""

from __future__ import annotations

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.model.contents.secrets import checked_name
from nixos_workspaces.schemas.contents.secrets import SecretAnswer, SecretList


class SecretCalls:
    """The calls on the caller's secrets, or on those of a workspace given by its name or id. Raises our own errors."""

    def __init__(self, client: Connection, reference: str | None = None) -> None:
        self._client = client
        self._path = "/api/nixos/secrets" if reference is None else f"/api/nixos/workspaces/{reference}/secrets"

    def list(self) -> SecretList:
        """Return the secrets, without their values."""
        return read_answer(SecretList, self._client.call("GET", self._path))

    def put(self, name: str, **wanted: str) -> SecretAnswer:
        """Set a secret: ``wanted`` is a ``SecretRequest``."""
        return read_answer(SecretAnswer, self._client.call("PUT", f"{self._path}/{checked_name(name)}", body=wanted))

    def delete(self, name: str) -> SecretList:
        """Delete a secret; return those that are left."""
        return read_answer(SecretList, self._client.call("DELETE", f"{self._path}/{checked_name(name)}"))
