"""The client's call for why a workspace does not do what is expected of it."""

from __future__ import annotations

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.model.why.explanation import Question
from nixos_workspaces.schemas.health.why import WhyAnswer


class WhyCalls:
    """The call for one workspace, given by its id. Raises our own errors."""

    def __init__(self, client: Connection, workspace_id: str) -> None:
        self._client = client
        self._path = f"/api/nixos/workspaces/{workspace_id}/why"

    def ask(self, question: Question | None = None) -> WhyAnswer:
        """Return why, for one complaint or the first that there is reason for; takes as long as a login."""
        query = {} if question is None else {"question": str(question)}
        return read_answer(WhyAnswer, self._client.call("GET", self._path, query=query))
