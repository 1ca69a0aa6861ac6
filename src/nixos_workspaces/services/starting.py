"""Everything that a control plane does by itself, begun."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from nixos_workspaces.audit.entries import SYSTEM
from nixos_workspaces.auth import policy
from nixos_workspaces.auth.counted import CountedAudit, Kind
from nixos_workspaces.auth.operations import SSH_ACTIONS
from nixos_workspaces.auth.policy import Action, Principal, may
from nixos_workspaces.database import Uses
from nixos_workspaces.database.uses import STORE_SECONDS
from nixos_workspaces.files import sweep_for_ever
from nixos_workspaces.gateway.entrants import Way
from nixos_workspaces.keys.store import KeyStore
from nixos_workspaces.metering.listening import LivePorts
from nixos_workspaces.metering.metrics.history import EXPIRE_SECONDS
from nixos_workspaces.metering.usage.recording import SEAL_SECONDS
from nixos_workspaces.model.usage import PERIOD as SAMPLE_PERIOD
from nixos_workspaces.model.workspace import AuthorisedId, Workspace
from nixos_workspaces.operations.audit.opening import keep_audit
from nixos_workspaces.operations.logins import TURN_SECONDS as LOGIN_SECONDS
from nixos_workspaces.operations.logins import Logins
from nixos_workspaces.operations.maintenance import GARBAGE_PATIENCE
from nixos_workspaces.services.parts import Services
from nixos_workspaces.terminals.ends import LOOK_SECONDS as ENDS_SECONDS
from nixos_workspaces.terminals.recording.recorder import LOOK_SECONDS
from nixos_workspaces.workspaces.reconciler import Timing

_BALLAST_SECONDS = 60.0
_EXPIRE_SECONDS = 600.0


async def start(
    stack: AsyncExitStack, services: Services, keys: KeyStore, uses: Uses, logins: Logins, timing: Timing
) -> Services:
    """Start everything that runs by itself, until ``stack`` closes; return the services, which are open then."""
    background, maintenance = services.background, services.maintenance
    if services.settings.stop_workspaces:
        stack.push_async_callback(maintenance.stop_workspaces)
    await services.reconciler.start()
    stack.push_async_callback(services.reconciler.close)
    stack.push_async_callback(background.close)
    stack.push_async_callback(services.connectivity.close)
    background.repeat("machines", services.reconciler.sweep, timing.observe)
    background.repeat("figures", services.figures.sampler.sample, SAMPLE_PERIOD.total_seconds())
    background.repeat("figures_expiry", services.figures.history.expire, EXPIRE_SECONDS)
    services.scaling.keep(background)
    services.bridge.on_change = services.live.terminals_changed
    services.bridge.ends.on_end = partial(_note_end, services.counted_audit)
    background.repeat("terminal_ends", services.bridge.ends.look, ENDS_SECONDS)
    background.keep("networks", services.network.enforcer.follow)
    background.keep("live_figures", services.live.follow_usage)
    background.keep("live_terminals", services.live.follow_terminals)
    live, listening = services.live, services.previews.ports.listening
    ports = LivePorts(services.database, live.watchers, listening, live.terminals_changed)
    services.live.on_ports_wished = ports.wished
    background.keep("live_ports", ports.follow)
    background.keep("secrets", services.contents.delivery.run)
    background.keep("repositories", services.contents.repositories.run)
    services.automation.keep(background)
    background.repeat("uses", uses.store, STORE_SECONDS)
    background.repeat("counted_audit", services.counted_audit.store, STORE_SECONDS)
    keep_audit(background, services.audit)
    background.keep("usage", services.metering.follow)
    background.repeat("usage_seals", services.metering.ledger.seal, SEAL_SECONDS)
    background.repeat("shares", services.sharing.shares.expire, STORE_SECONDS)
    background.repeat("garbage", maintenance.collect_when_due, 60.0, patience=GARBAGE_PATIENCE)
    background.repeat("logins", logins.take_turn, LOGIN_SECONDS)
    background.keep("ssh_keys", services.ssh.authorised.follow)
    background.keep("ssh_connections", services.ssh.connections.follow)
    background.repeat("recording", services.recording.recorder.look, LOOK_SECONDS)
    background.repeat("recordings", services.recording.recordings.expire, _EXPIRE_SECONDS)
    background.repeat("ballast", partial(asyncio.to_thread, services.ballast.restore), _BALLAST_SECONDS)
    background.keep("temporary_files", partial(sweep_for_ever, services.files, services.events, maintenance.running))
    await _open_gateway(stack, services, keys)
    return services


def _note_end(audit: CountedAudit, workspace_id: str, terminal_id: str) -> None:
    """Tell the audit log that a terminal's program has ended by itself."""
    audit.note(Kind("end-terminal", actor=SYSTEM, workspace_id=workspace_id, target=terminal_id), "")


async def _open_gateway(stack: AsyncExitStack, services: Services, keys: KeyStore) -> None:
    """Listen for SSH until ``stack`` closes, where the settings want it."""
    settings = services.settings
    if not settings.ssh_port:
        return

    async def enter(reference: str, principal: Principal) -> tuple[Workspace, AuthorisedId]:
        workspace = await services.workspaces.get(reference, principal=principal)
        action = next((one for one in SSH_ACTIONS if may(principal, one, workspace)), Action.OPEN_SSH)
        return workspace, policy.enter(principal, action, workspace)

    async def is_moderated(key: AuthorisedId) -> bool:
        return (await services.recording.recordings.choices(key)).moderated

    gateway = services.ssh.gateway(
        *(services.sharing.open_access, services.counted_audit, services.runtime, keys),
        Way(enter, services.automation.waking, is_moderated),
    )
    await stack.enter_async_context(gateway.listening(settings.host, settings.ssh_port))
    services.background.keep("ssh_gateway", gateway.watch)
