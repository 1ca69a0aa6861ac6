"""The way of a principal into one running workspace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nixos_workspaces.auth.policy import Action, Principal
from nixos_workspaces.errors import Conflict, Unavailable
from nixos_workspaces.files import Files
from nixos_workspaces.model.workspace import AuthorisedId, Status, Workspace
from nixos_workspaces.workspaces.nixos_sandbox_orchestrator import NixOSSandboxOrchestrator
from nixos_workspaces.workspaces.queries import Workspaces

START_SECONDS = 90.0
"""Longest wait for a workspace to start."""


class WorkspaceAccess:
    """The files of one workspace, for one principal and one request."""

    def __init__(
        self,
        workspaces: Workspaces,
        orchestrator: NixOSSandboxOrchestrator,
        files: Files,
        principal: Principal,
        reference: str,
        *,
        action: Action,
        request_id: str = "",
        note: Callable[[Workspace], None],
    ) -> None:
        """Reach the workspace that ``reference`` names, an id or a name of the principal's own, for ``action``.

        ``note`` is told the workspace whose files are used.
        """
        self.files = files
        self._workspaces = workspaces
        self._orchestrator = orchestrator
        self._principal = principal
        self._reference = reference
        self._action = action
        self._request_id = request_id
        self._note = note

    async def enter(self, *, start: bool = False) -> AuthorisedId:
        """Return the key to the workspace's files if the principal may use them and it runs.

        ``start``: start it if it is stopped or paused, and wait. Raises ``Conflict`` with code ``not_running``.
        """
        workspace, key = await self._entered()
        if workspace.status is not Status.RUNNING and start:
            if workspace.status in {Status.STOPPED, Status.PAUSED, Status.STOPPING}:
                await self._orchestrator.start_workspace(
                    workspace.id, principal=self._principal, request_id=self._request_id
                )
            workspace, key = await self._until_running()
        if workspace.status is not Status.RUNNING:
            raise Conflict(
                f"Workspace {workspace.name} is {workspace.status.value}; start it to reach its files, or add start=1.",
                code="not_running",
            )
        self._workspaces.touch(workspace)
        self._note(workspace)
        return key

    async def _entered(self) -> tuple[Workspace, AuthorisedId]:
        return await self._workspaces.enter(self._reference, principal=self._principal, action=self._action)

    async def _until_running(self) -> tuple[Workspace, AuthorisedId]:
        """Return the workspace when it runs or is in error."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        while True:
            workspace, key = await self._entered()
            if workspace.status in {Status.RUNNING, Status.ERROR, Status.DELETING}:
                return workspace, key
            if loop.time() > deadline:
                raise Unavailable("The workspace does not start; look at its log.", code="start_timeout")
            await asyncio.sleep(0.1)
