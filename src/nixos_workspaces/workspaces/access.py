"""The way of a principal into one running workspace."""

from __future__ import annotations

from collections.abc import Callable

from nixos_workspaces.auth.policy import Action, Principal
from nixos_workspaces.errors import Conflict
from nixos_workspaces.files import Files
from nixos_workspaces.model.workspace import AuthorisedId, Status, Workspace
from nixos_workspaces.workspaces.queries import Workspaces
from nixos_workspaces.workspaces.resting.waking import Waking


class WorkspaceAccess:
    """The files of one workspace, for one principal and one request."""

    def __init__(
        self,
        workspaces: Workspaces,
        waking: Waking,
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
        self._waking = waking
        self._principal = principal
        self._reference = reference
        self._action = action
        self._request_id = request_id
        self._note = note

    async def enter(self, *, start: bool = False) -> AuthorisedId:
        """Return the key to the workspace's files if the principal may use them and it runs.

        ``start``: start it if it is stopped or paused, and wait; one that the service has paused is woken without.
        Raises ``Conflict`` with code ``not_running``.
        """
        workspace, key = await self._entered()
        if workspace.status is not Status.RUNNING and start:
            await self._waking.started(workspace, self._principal, self._request_id)
            workspace, key = await self._entered()
        elif workspace.status is Status.PAUSED:
            await self._waking.woken(workspace, self._principal, self._request_id)
            workspace, key = await self._entered()
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
