"""The effects of each step of the lifecycle."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import assert_never

from nixos_workspaces.errors import Unavailable, WorkspacesError
from nixos_workspaces.keys.store import KeyStore, WorkspaceKeys
from nixos_workspaces.model.environment import Generation
from nixos_workspaces.model.machine import MachineSpec
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Phase, Progress, Workspace
from nixos_workspaces.nix.base import Environments
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.workspaces.build_logs import BuildLogs
from nixos_workspaces.workspaces.lifecycle import Observation, StepKind

log = logging.getLogger(__name__)

Admitted = tuple[tuple[str, ...], str]
"""The public keys that a workspace lets in, one line each, and its host certificate, which may be empty."""


@dataclass(frozen=True, slots=True)
class AtStart:
    """The parts that have a say when a machine starts; None: they are not there, as in tests of other parts."""

    admitted: Callable[[Workspace], Awaitable[Admitted]] | None = None
    """Tells which public keys a workspace lets in, and its host certificate; else its own key and none."""
    enforce_network: Callable[[str], Awaitable[None]] | None = None
    """Puts in force what a machine may reach, before it starts; else the engine lets nothing out."""
    booted: Callable[[str], Awaitable[None]] | None = None
    """Is awaited with the id of a workspace that has booted, before it is shown as running."""


class Steps:
    """Performs steps and observes; decides nothing, stores nothing of the workspace's record."""

    def __init__(
        self,
        runtime: Runtime,
        environments: Environments,
        keys: KeyStore,
        logs: BuildLogs,
        full_disk: Callable[[], Sentence | None] = lambda: None,
        at_start: AtStart = AtStart(),
    ) -> None:
        """Act through these parts; ``full_disk`` tells why nothing may be built now, or is None."""
        self._runtime = runtime
        self._environments = environments
        self._keys = keys
        self._logs = logs
        self._full_disk = full_disk
        self._at_start = at_start
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
                await self._runtime.create(_spec(workspace, keys, ((keys.client_public,), "")))
            case StepKind.START:
                on_progress(Progress(Phase.BOOT))
                await self._start(workspace)
            case StepKind.STOP:
                await self._runtime.stop(workspace.id)
            case StepKind.PAUSE:
                await self._runtime.pause(workspace.id)
            case StepKind.RESUME:
                await self._runtime.resume(workspace.id)
            case StepKind.RESIZE:
                await self._runtime.resize(workspace.id, workspace.limits)
            case StepKind.OPEN_PORTS:
                await self._runtime.open_ports(workspace.id, workspace.environment.ports)
                await self._note_ports(workspace)
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

    async def _start(self, workspace: Workspace) -> None:
        """Start the machine, with all that has to be in force before and in place before it is shown as running."""
        asked = self._at_start
        keys = await asyncio.to_thread(self._keys.read, workspace.id)
        admitted = ((keys.client_public,), "") if asked.admitted is None else await asked.admitted(workspace)
        if asked.enforce_network is not None:
            await asked.enforce_network(workspace.id)
        await self._runtime.start(_spec(workspace, keys, admitted))
        await self._note_ports(workspace)
        if asked.booted is not None:
            await asked.booted(workspace.id)

    async def _note_ports(self, workspace: Workspace) -> None:
        """Keep the declaration true; ports that are open and not noted are no reason to do a step again."""
        try:
            await self._environments.note_ports(workspace.id, workspace.environment.ports)
        except (OSError, WorkspacesError) as failed:
            log.warning("The open ports of workspace %s could not be noted: %s", workspace.id, failed)

    def _look_at_keys(self, workspace_id: str) -> tuple[bool, str]:
        """Return whether there are keys, and the public host key."""
        return self._keys.has(workspace_id), self._keys.host_public(workspace_id)

    async def _build(self, workspace: Workspace, on_progress: Callable[[Progress], None]) -> Generation:
        """Build the environment with its log kept."""
        on_progress(Progress(Phase.EVALUATE))
        if full := await asyncio.to_thread(self._full_disk):
            raise Unavailable(Sentence("refused.build_disk_full", parts={"said": full}), code="disk_full")
        with self._logs.writing(workspace.id) as log:
            try:
                return await self._environments.build(workspace.id, workspace.environment, on_progress, log.write)
            except asyncio.CancelledError:
                log.write("The build was cancelled.")
                raise
            except Exception as failure:
                log.write(f"The build failed: {failure}")
                raise


def _spec(workspace: Workspace, keys: WorkspaceKeys, admitted: Admitted) -> MachineSpec:
    """Return the engine's specification to make and boot the workspace."""
    authorized_keys, host_certificate = admitted
    return MachineSpec(
        workspace_id=workspace.id,
        hostname=workspace.hostname,
        generation=workspace.generation or 0,
        toplevel=workspace.toplevel,
        resources=workspace.limits,
        volume_key=keys.volume_key,
        host_key=keys.host_private,
        authorized_keys=authorized_keys,
        host_certificate=host_certificate,
        ports=workspace.environment.ports,
    )
