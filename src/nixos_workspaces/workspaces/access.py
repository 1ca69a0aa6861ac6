"""The way of a principal into one running workspace."""

from __future__ import annotations

import asyncio

from nixos_workspaces.auth.policy import Action, Principal
from nixos_workspaces.errors import Conflict, Unavailable
from nixos_workspaces.files import Files
from nixos_workspaces.model.workspace import Status, Workspace
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
        request_id: str = "",
    ) -> None:
        """Reach the workspace that ``reference`` names, an id or a name of the principal's own."""
        self.files = files
        self._workspaces = workspaces
        self._orchestrator = orchestrator
        self._principal = principal
        self._reference = reference
        self._request_id = request_id

    async def enter(self, *, start: bool = False) -> str:
        """Return the workspace's id if the principal may use its files and it runs.

        ``start``: start it if it is stopped or paused, and wait. Raises ``Conflict`` with code ``not_running``.
        """
        workspace = await self._workspace()
        if workspace.status is not Status.RUNNING and start:
            if workspace.status in {Status.STOPPED, Status.PAUSED, Status.STOPPING}:
                await self._orchestrator.start_workspace(
                    workspace.id, principal=self._principal, request_id=self._request_id
                )
            workspace = await self._until_running()
        if workspace.status is not Status.RUNNING:
            raise Conflict(
                f"Workspace {workspace.name} is {workspace.status.value}; start it to reach its files, or add start=1.",
                code="not_running",
            )
        self._workspaces.touch(workspace)
        return workspace.id

    async def _workspace(self) -> Workspace:
        return await self._workspaces.get(self._reference, principal=self._principal, action=Action.CONNECT)

    async def _until_running(self) -> Workspace:
        """Return the workspace when it runs or is in error."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        while True:
            workspace = await self._workspace()
            if workspace.status in {Status.RUNNING, Status.ERROR, Status.DELETING}:
                return workspace
            if loop.time() > deadline:
                raise Unavailable("The workspace does not start; look at its log.", code="start_timeout")
            await asyncio.sleep(0.1)
