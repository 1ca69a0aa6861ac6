"""The client's calls for the figures of one workspace."""

from __future__ import annotations

from datetime import datetime

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.schemas.metering.metrics import MetricsSeries, ProgramAnswer, ProgramList


class MetricCalls:
    """The calls for the figures of one workspace, given by its id or name. Raises our own errors."""

    def __init__(self, client: Connection, reference: str) -> None:
        self._client = client
        self._path = f"/api/nixos/workspaces/{reference}"

    def since(self, begin: datetime, step: int | None = None) -> MetricsSeries:
        """Return all figures from ``begin`` until now, in steps of so many seconds; None: as the service chooses."""
        query = {"from": begin.isoformat()} | ({} if step is None else {"step": str(step)})
        return read_answer(MetricsSeries, self._client.call("GET", f"{self._path}/metrics", query=query))

    def programs(self) -> list[ProgramAnswer]:
        """Return the units that use the most CPU and memory, the busiest first."""
        return read_answer(ProgramList, self._client.call("GET", f"{self._path}/programs")).programs
