"""The values of secrets: sealed for the database, opened for the workspace that may have them and for nothing else."""

from __future__ import annotations

import asyncio

from nixos_workspaces.database import Database
from nixos_workspaces.keys.store import KeyStore
from nixos_workspaces.model.contents.secrets import OpenSecret


class Vault:
    """Seals and opens values under the master key."""

    def __init__(self, database: Database, keys: KeyStore) -> None:
        """Read sealed values from ``database``."""
        self._database = database
        self._keys = keys

    async def seal(self, scope: str, name: str, value: bytes) -> bytes:
        """Return a value as it may be stored; it opens for this scope and name only."""
        return await asyncio.to_thread(self._keys.seal, _purpose(scope, name), value)

    async def open(self, scope: str) -> list[OpenSecret]:
        """Return the secrets of a scope with their values; raises ``RuntimeFailed`` where one does not open."""
        async with self._database.reading(once=True) as tx:
            found = await tx.secrets.of(scope)

        def unsealed() -> list[OpenSecret]:
            return [
                OpenSecret(one.secret, self._keys.unseal(_purpose(scope, one.secret.name), one.sealed)) for one in found
            ]

        return await asyncio.to_thread(unsealed) if found else []


def _purpose(scope: str, name: str) -> str:
    """Return the place that a sealed value is bound to: moved to another, it does not open."""
    return f"secret:{scope}:{name}"
