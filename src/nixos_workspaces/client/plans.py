"""The client's calls for the plans of one workspace, which tell the outcome of a change before it is made."""

from __future__ import annotations

from typing import Any

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.schemas.plans import PlanAnswer, PlanDetail


class PlanCalls:
    """The calls for plans of one workspace, given by its id. Raises our own errors."""

    def __init__(self, client: Connection, workspace_id: str) -> None:
        self._client = client
        self._path = f"/api/nixos/workspaces/{workspace_id}/plan"

    def make(self, **wanted: Any) -> PlanDetail:
        """Return what a change would do: ``wanted`` is a ``PlanRequest``."""
        return read_answer(PlanAnswer, self._client.call("POST", self._path, body=wanted)).plan
