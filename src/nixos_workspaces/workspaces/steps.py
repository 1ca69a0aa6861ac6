"""The effects of each step of the lifecycle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import assert_never

from nixos_workspaces.keys.store import KeyStore, WorkspaceKeys
from nixos_workspaces.model.environment import Generation
from nixos_workspaces.model.machine import MachineSpec
from nixos_workspaces.model.workspace import Phase, Progress, Workspace
from nixos_workspaces.nix.base import Environments
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.workspaces.build_logs import BuildLogs
from nixos_workspaces.workspaces.lifecycle import Observation, StepKind


class Steps:
    """Performs steps and observes; decides nothing, stores nothing of the workspace's record."""

    def __init__(
        self, runtime: Runtime, environments: Environments, keys: KeyStore, logs: BuildLogs, builds: int = 2
    ) -> None:
        """Act through these parts, with at most ``builds`` builds at a time."""
        self._runtime = runtime
        self._environments = environments
        self._keys = keys
        self._logs = logs
        self._building = asyncio.Semaphore(builds)
        self._live_growth: bool | None = None

    async def observe(self, workspace_id: str) -> Observation:
        """Return the machine and keys of a workspace as they are now."""
        if self._live_growth is None:
            self._live_growth = (await self._runtime.capabilities()).live_storage_growth
        machine = await self._runtime.observe(workspace_id)
        has_keys, host_key = await asyncio.to_thread(self._look_at_keys, workspace_id)
        return Observation(machine, has_keys, host_key, self._live_growth)

    async def perform(  # noqa: C901, PLR0912  one line or two for each kind of step
        self, workspace: Workspace, kind: StepKind, on_progress: Callable[[Progress], None]
    ) -> Generation | None:
        """Do one step; return the generation that was built or chosen, if any. Raises the errors of its parts."""
        match kind:
            case StepKind.BUILD:
                return await self._build(workspace, on_progress)
            case StepKind.SELECT:
                return await self._environments.select(workspace.id, workspace.pinned or 0)
            case StepKind.CREATE:
                on_progress(Progress(Phase.VOLUME))
                keys = await asyncio.to_thread(self._keys.ensure, workspace.id)
                await self._runtime.create(_spec(workspace, keys))
            case StepKind.START:
                on_progress(Progress(Phase.BOOT))
                keys = await asyncio.to_thread(self._keys.read, workspace.id)
                await self._runtime.start(_spec(workspace, keys))
            case StepKind.STOP:
                await self._runtime.stop(workspace.id)
            case StepKind.PAUSE:
                await self._runtime.pause(workspace.id)
            case StepKind.RESUME:
                await self._runtime.resume(workspace.id)
            case StepKind.RESIZE:
                await self._runtime.resize(workspace.id, workspace.resources)
            case StepKind.DESTROY_KEYS:
                await asyncio.to_thread(self._keys.destroy, workspace.id)
            case StepKind.DELETE_MACHINE:
                await self._runtime.delete(workspace.id)
            case StepKind.FORGET:
                await self._environments.forget(workspace.id)
                await asyncio.to_thread(self._logs.remove, workspace.id)
            case StepKind.DELETE_RECORD:
                pass
            case _ as never:
                assert_never(never)
        return None

    def _look_at_keys(self, workspace_id: str) -> tuple[bool, str]:
        """Return whether there are keys, and the public host key."""
        return self._keys.has(workspace_id), self._keys.host_public(workspace_id)

    async def _build(self, workspace: Workspace, on_progress: Callable[[Progress], None]) -> Generation:
        """Build the environment with its log kept."""
        on_progress(Progress(Phase.EVALUATE))
        async with self._building:
            with self._logs.writing(workspace.id) as log:
                try:
                    return await self._environments.build(workspace.id, workspace.environment, on_progress, log.write)
                except asyncio.CancelledError:
                    log.write("The build was cancelled.")
                    raise
                except Exception as failure:
                    log.write(f"The build failed: {failure}")
                    raise


def _spec(workspace: Workspace, keys: WorkspaceKeys) -> MachineSpec:
    """Return the engine's specification to make and boot the workspace."""
    return MachineSpec(
        workspace_id=workspace.id,
        hostname=workspace.hostname,
        generation=workspace.generation or 0,
        toplevel=workspace.toplevel,
        resources=workspace.resources,
        volume_key=keys.volume_key,
        host_key=keys.host_private,
        authorized_keys=(keys.client_public,),
    )
