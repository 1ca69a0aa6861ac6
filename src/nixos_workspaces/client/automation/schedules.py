"""The client's calls on the schedule of one workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.schemas.automation.schedules import ScheduleAnswer, ScheduleDetail


class ScheduleCalls:
    """The calls on the schedule of one workspace, given by its id or name. Raises our own errors."""

    def __init__(self, client: Connection, workspace_id: str) -> None:
        self._client = client
        self._path = f"/api/nixos/workspaces/{workspace_id}/schedule"

    def get(self) -> ScheduleDetail:
        """Return when it is started and stopped by the clock."""
        return read_answer(ScheduleAnswer, self._client.call("GET", self._path)).schedule

    def put(self, runs: Sequence[Mapping[str, Any]]) -> ScheduleDetail:
        """Replace its schedule: each run is a ``RunRequest``."""
        body = {"runs": [dict(one) for one in runs]}
        return read_answer(ScheduleAnswer, self._client.call("PUT", self._path, body=body)).schedule
