"""The client's calls on the rest of one workspace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.schemas.automation.idle import IdleAnswer, IdleDetail


class IdleCalls:
    """The calls on the rest of one workspace, given by its id or name. Raises our own errors."""

    def __init__(self, client: Connection, workspace_id: str) -> None:
        self._client = client
        self._path = f"/api/nixos/workspaces/{workspace_id}"

    def get(self) -> IdleDetail:
        """Return when it rests, and why it is awake."""
        return self._call("GET", "idle")

    def put(self, wanted: Mapping[str, Any]) -> IdleDetail:
        """Replace its policy: ``wanted`` is an ``IdleRequest``."""
        return self._call("PUT", "idle", dict(wanted))

    def reset(self) -> IdleDetail:
        """Let it have the policy of the service's settings."""
        return self._call("DELETE", "idle")

    def hold(self, length: str, reason: str = "") -> IdleDetail:
        """Leave it running for so long: ``2h``."""
        return self._call("POST", "hold", {"for": length, "reason": reason})

    def release(self) -> IdleDetail:
        """End a hold."""
        return self._call("DELETE", "hold")

    def _call(self, method: str, what: str, body: dict[str, Any] | None = None) -> IdleDetail:
        return read_answer(IdleAnswer, self._client.call(method, f"{self._path}/{what}", body=body)).idle
