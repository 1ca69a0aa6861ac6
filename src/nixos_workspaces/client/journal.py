"""The client's calls for the journal of one running workspace."""

from __future__ import annotations

from collections.abc import Iterator

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.schemas.workspaces import JournalAnswer, JournalEntryAnswer


class JournalCalls:
    """The calls for the journal of one workspace, given by its id. Raises our own errors."""

    def __init__(self, client: Connection, workspace_id: str) -> None:
        self._client = client
        self._path = f"/api/nixos/workspaces/{workspace_id}/journal"

    def last(self, lines: int = 500) -> list[JournalEntryAnswer]:
        """Return the last entries, oldest first."""
        return read_answer(JournalAnswer, self._client.call("GET", self._path, query={"lines": lines})).entries

    def follow(self, lines: int = 500) -> Iterator[JournalEntryAnswer]:
        """Yield the last entries and go on with what comes."""
        for line in self._client.lines(self._path, {"follow": 1, "lines": lines}):
            yield read_answer(JournalEntryAnswer, line)
