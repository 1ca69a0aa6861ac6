"""The client's calls on workspaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nixos_workspaces import errors
from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.schemas.environments import (
    GenerationAnswer,
    GenerationList,
)
from nixos_workspaces.schemas.workspaces import (
    LogLineAnswer,
    SshKeyAnswer,
    WorkspaceAnswer,
    WorkspaceDetail,
    WorkspaceList,
)


class WorkspaceCalls:
    """The calls on workspaces; ``reference`` is an id or a name."""

    def __init__(self, client: Connection) -> None:
        self._client = client

    def page(self, **query: str | int) -> WorkspaceList:
        """Return one page; ``query`` takes limit, cursor, status, template, q and sort."""
        return read_answer(WorkspaceList, self._client.call("GET", _ROOT, query=query))

    def create(self, wanted: Mapping[str, Any], *, idempotency_key: str | None = None) -> WorkspaceDetail:
        """Ask for a new workspace: ``wanted`` is a ``CreateRequest``."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
        return _workspace(self._client.call("POST", f"{_ROOT}/create", body=dict(wanted), headers=headers))

    def get(self, reference: str) -> WorkspaceDetail:
        """Return one workspace with its present figures."""
        return _workspace(self._client.call("GET", _path(reference)))

    def change(self, reference: str, wanted: Mapping[str, Any]) -> WorkspaceDetail:
        """Change resources or environment: ``wanted`` is an ``UpdateRequest``."""
        return _workspace(self._client.call("PATCH", _path(reference), body=dict(wanted)))

    def delete(self, reference: str) -> WorkspaceDetail:
        """Delete a workspace with its data."""
        return _workspace(self._client.call("DELETE", _path(reference)))

    def act(self, reference: str, verb: str) -> WorkspaceDetail:
        """Do one of start, stop, restart, pause, resume."""
        return _workspace(self._client.call("POST", _path(reference, verb)))

    def rebuild(self, reference: str, generation: int | None = None) -> WorkspaceDetail:
        """Build the environment again, or go back to a generation."""
        body = {} if generation is None else {"generation": generation}
        return _workspace(self._client.call("POST", _path(reference, "rebuild"), body=body))

    def generations(self, reference: str) -> list[GenerationAnswer]:
        """Return the built versions of the environment, newest first."""
        return read_answer(GenerationList, self._client.call("GET", _path(reference, "generations"))).generations

    def logs(self, reference: str, *, follow: bool = False) -> Iterator[LogLineAnswer]:
        """Yield the log's lines; with ``follow`` go on with what comes."""
        if follow:
            for line in self._client.lines(_path(reference, "logs"), {"follow": 1}):
                yield read_answer(LogLineAnswer, line)
        else:
            for line in self._client.call("GET", _path(reference, "logs"))["lines"]:
                yield read_answer(LogLineAnswer, line)

    def ssh_key(self, reference: str) -> SshKeyAnswer:
        """Return what it takes to log in; keep it secret."""
        return read_answer(SshKeyAnswer, self._client.call("GET", _path(reference, "ssh-key")))


_ROOT = "/api/nixos/workspaces"


def _path(reference: str, *more: str) -> str:
    """Return a workspace's path; refuse what could reach another route."""
    if not reference or any(not (letter.isalnum() or letter == "-") for letter in reference):
        raise errors.NotFound(f"There is no workspace {reference!r}.", code="workspace_not_found", field="workspace_id")
    return "/".join((_ROOT, reference, *more))


def _workspace(answer: Any) -> WorkspaceDetail:
    return read_answer(WorkspaceAnswer, answer).workspace
