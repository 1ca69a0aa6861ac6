"""The client's calls for the plans of one workspace, which tell the outcome of a change before it is made."""

from __future__ import annotations

from typing import Any

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.schemas.environments import DifferenceAnswer
from nixos_workspaces.schemas.plans import PlanAnswer, PlanDetail


class PlanCalls:
    """The calls for plans of one workspace, given by its id. Raises our own errors."""

    def __init__(self, client: Connection, workspace_id: str) -> None:
        self._client = client
        self._path = f"/api/nixos/workspaces/{workspace_id}"

    def make(self, **wanted: Any) -> PlanDetail:
        """Return what a change would do: ``wanted`` is a ``PlanRequest``."""
        return read_answer(PlanAnswer, self._client.call("POST", f"{self._path}/plan", body=wanted)).plan

    def between(self, first: int, second: int | None = None) -> DifferenceAnswer:
        """Return how a generation differs from another one; without ``second`` the present one does from the first."""
        path, query = f"{self._path}/generations/{first}/diff", {} if second is None else {"to": second}
        return read_answer(DifferenceAnswer, self._client.call("GET", path, query=query))
