"""The client's calls for the size of one workspace: advice, changes by itself, boosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.schemas.automation.scaling import AdviceAnswer, AutoscaleAnswer
from nixos_workspaces.schemas.workspaces import WorkspaceAnswer, WorkspaceDetail


class ScalingCalls:
    """The calls for the size of one workspace, given by its id or name. Raises our own errors."""

    def __init__(self, client: Connection, reference: str) -> None:
        self._client = client
        self._path = f"/api/nixos/workspaces/{reference}"

    def advice(self) -> AdviceAnswer:
        """Return advice about its size."""
        return read_answer(AdviceAnswer, self._client.call("GET", f"{self._path}/advice"))

    def apply(self, version: str) -> WorkspaceDetail:
        """Change its size as was advised; ``version`` is that of the advice."""
        headers = {"If-Match": f'"{version}"'}
        answer = self._client.call("POST", f"{self._path}/advice/apply", headers=headers)
        return read_answer(WorkspaceAnswer, answer).workspace

    def read(self) -> AutoscaleAnswer:
        """Return how it changes size by itself."""
        return read_answer(AutoscaleAnswer, self._client.call("GET", f"{self._path}/autoscale"))

    def change(self, wanted: Mapping[str, Any]) -> AutoscaleAnswer:
        """Have it change size by itself: ``wanted`` is an ``AutoscaleRequest``."""
        return read_answer(AutoscaleAnswer, self._client.call("PUT", f"{self._path}/autoscale", body=dict(wanted)))

    def turn_off(self) -> AutoscaleAnswer:
        """Leave it the size that was chosen."""
        return read_answer(AutoscaleAnswer, self._client.call("DELETE", f"{self._path}/autoscale"))

    def boost(self, wanted: Mapping[str, Any]) -> AutoscaleAnswer:
        """Make it larger for a while: ``wanted`` is a ``BoostRequest``."""
        return read_answer(AutoscaleAnswer, self._client.call("POST", f"{self._path}/boost", body=dict(wanted)))

    def end_boost(self) -> AutoscaleAnswer:
        """End a boost."""
        return read_answer(AutoscaleAnswer, self._client.call("DELETE", f"{self._path}/boost"))
