"""The composition root: everything the control plane is made of, opened in order and closed in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from nixos_workspaces.audit.entries import SYSTEM
from nixos_workspaces.auth.accounts import open_people
from nixos_workspaces.auth.counted import CountedAudit, Kind
from nixos_workspaces.auth.openid.opening import open_sign_in
from nixos_workspaces.auth.people.passwords import Passwords
from nixos_workspaces.auth.policy import BY_ITSELF
from nixos_workspaces.auth.recent import RecentTokens
from nixos_workspaces.auth.sharing import Sharing
from nixos_workspaces.auth.sharing.joining import Joining
from nixos_workspaces.auth.sharing.open_access import OpenAccess
from nixos_workspaces.auth.sharing.shares import GetWorkspace, Shares
from nixos_workspaces.auth.sharing.transfers import Changed, Transfers
from nixos_workspaces.auth.tokens import Lifetimes, Token, Tokens
from nixos_workspaces.automation.opening import open_automation
from nixos_workspaces.automation.scaling.opening import open_scaling
from nixos_workspaces.automation.scaling.watching import Around
from nixos_workspaces.database import Ballast, Database, Uses, open_database
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.events import Events
from nixos_workspaces.files import Files, Searches
from nixos_workspaces.gateway import SshAccess, open_ssh_access
from nixos_workspaces.installation import nix_directory
from nixos_workspaces.keys.store import KeyStore, open_keys
from nixos_workspaces.logs.context import note_workspace
from nixos_workspaces.logs.tracing import span
from nixos_workspaces.metering.connectivity import Reachability
from nixos_workspaces.metering.live import Live
from nixos_workspaces.metering.metrics.opening import Figures, open_figures
from nixos_workspaces.metering.opening import Metering
from nixos_workspaces.model.automation.reasons import StoppedBy, StopReason
from nixos_workspaces.model.contents.secrets import person_scope
from nixos_workspaces.model.machine import BYTES_PER_GB
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Workspace
from nixos_workspaces.network import Network, open_network
from nixos_workspaces.nix.environments import BuildLimits
from nixos_workspaces.nix.environments import Environments as NixEnvironments
from nixos_workspaces.nix.executable import Nix
from nixos_workspaces.nix.flakes import Grants
from nixos_workspaces.nix.package_set import choose_package_set
from nixos_workspaces.operations.audit.opening import open_audit
from nixos_workspaces.operations.background import BackgroundTasks
from nixos_workspaces.operations.disks import Disks
from nixos_workspaces.operations.health import Health
from nixos_workspaces.operations.logins import Logins
from nixos_workspaces.operations.maintenance import Maintenance
from nixos_workspaces.operations.opening import observed
from nixos_workspaces.operations.why.asking import Looks, Why
from nixos_workspaces.previews.service import Previews, make_previews
from nixos_workspaces.provisioning.opening import open_provisioning
from nixos_workspaces.repositories.cloning import Inside, Repositories
from nixos_workspaces.repositories.profiles import Profiles
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.runtimes.local import LocalRuntime
from nixos_workspaces.secrets.delivery import Delivery
from nixos_workspaces.secrets.masking import mask_of
from nixos_workspaces.secrets.store import Secrets
from nixos_workspaces.secrets.vault import Vault
from nixos_workspaces.services.parts import Backends, Contents, OpenBackends, Recording, Services
from nixos_workspaces.services.starting import start
from nixos_workspaces.settings import Settings
from nixos_workspaces.ssh.commands import open_script
from nixos_workspaces.ssh.connections import Connections, Credentials
from nixos_workspaces.ssh.journal import Journals
from nixos_workspaces.ssh.sftp import open_sftp
from nixos_workspaces.terminals.recording.opening import open_recordings
from nixos_workspaces.terminals.ssh_bridge import SSHBridge
from nixos_workspaces.workbench.layouts import Layouts
from nixos_workspaces.workspaces.admission import within_quotas
from nixos_workspaces.workspaces.build_logs import BuildLogs
from nixos_workspaces.workspaces.changes import status_event
from nixos_workspaces.workspaces.nixos_sandbox_orchestrator import NixOSSandboxOrchestrator
from nixos_workspaces.workspaces.plans import Plans
from nixos_workspaces.workspaces.queries import Workspaces
from nixos_workspaces.workspaces.reconciler import Reconciler, Timing
from nixos_workspaces.workspaces.reconciling.steps import AtStart, Steps
from nixos_workspaces.workspaces.resting.causes import Cause

_TIMING = Timing()
DATABASE, BALLAST = "nixws.db", "ballast"


@asynccontextmanager
async def open_tokens(settings: Settings) -> AsyncIterator[Tokens]:
    """Open the credentials alone, with access to the data directory; works beside a running service."""
    database = await open_database(settings.data / DATABASE)
    try:
        yield Tokens(database)
    finally:
        await database.close()


@asynccontextmanager
async def open_backends(settings: Settings) -> AsyncIterator[Backends]:
    """Open Nix and the node as the settings say; the node itself may be absent yet."""
    nix = Nix.find(settings).homed(settings.data / "environments" / "home")
    package_set = await choose_package_set(settings.package_set, debian_set=settings.debian_set, nix=nix)
    memory = int(settings.build_memory_gb * BYTES_PER_GB)
    limits = BuildLimits(
        settings.build_timeout, memory, settings.builds, settings.evaluations, settings.evaluation_timeout
    )
    grants = Grants(settings.own_keys, settings.foreign_scripts)
    environments = NixEnvironments(settings.data / "environments", package_set, nix, nix_directory(), limits, grants)
    try:
        runtime = LocalRuntime(settings.node_socket)
        try:
            yield Backends(environments, runtime, package_set.title)
        finally:
            await runtime.close()
    finally:
        await environments.close()


@asynccontextmanager
async def open_services(
    settings: Settings,
    *,
    backends: OpenBackends = open_backends,
    timing: Timing = _TIMING,
    passwords: Passwords | None = None,
) -> AsyncIterator[Services]:
    """Open everything, migrate, adopt running machines. ``Unavailable`` without database, keys or Nix, not the node."""
    async with observed(settings), AsyncExitStack() as stack:
        ground = await _open_ground(stack, settings, backends)
        services, logins = await _open_parts(stack, ground, timing, passwords)
        yield await start(stack, services, ground.keys, ground.uses, logins, timing)


@dataclass(frozen=True, slots=True)
class _Ground:
    """The parts that the others stand on."""

    settings: Settings
    keys: KeyStore
    database: Database
    ballast: Ballast
    backend: Backends
    background: BackgroundTasks
    uses: Uses
    counted: CountedAudit
    recent: RecentTokens[Token]
    tokens: Tokens
    events: Events
    logs: BuildLogs
    disks: Disks


async def _open_ground(stack: AsyncExitStack, settings: Settings, backends: OpenBackends) -> _Ground:
    """Open the parts that the others stand on until ``stack`` closes."""
    keys = await asyncio.to_thread(open_keys, settings.data)
    database = await _open_database(stack, settings, ballast := Ballast(settings.data / BALLAST))
    backend = await stack.enter_async_context(backends(settings))
    credentials, logs = _open_credentials(stack, database, settings), BuildLogs(settings.data / "logs")
    disks = _disks(settings, ballast)
    return _Ground(settings, keys, database, ballast, backend, BackgroundTasks(), *credentials, Events(), logs, disks)


async def _open_parts(
    stack: AsyncExitStack, ground: _Ground, timing: Timing, passwords: Passwords | None
) -> tuple[Services, Logins]:
    """Open all other parts until ``stack`` closes; nothing runs by itself yet."""
    settings, keys, database, backend = ground.settings, ground.keys, ground.database, ground.backend
    events, counted, tokens, recent = ground.events, ground.counted, ground.tokens, ground.recent
    disks, logs = ground.disks, ground.logs
    figures = open_figures(stack, database, backend.runtime)
    previews = make_previews(database, backend.runtime, events)
    metering = Metering(database, backend.runtime, events)
    workspaces = Workspaces(database, backend.environments, backend.runtime, keys, logs, events, uses=ground.uses)
    network = await asyncio.to_thread(open_network, settings, database, backend.runtime, events, workspaces.get)
    ssh = await open_ssh_access(database, backend.runtime, keys, events)
    bridge, files, searches, journals, logins, inside = _open_access(stack, backend.runtime, keys)
    openid = open_sign_in(stack, settings, database, tokens, recent)
    connectivity, contents = Reachability(inside), _open_contents(database, keys, inside, events, logs, counted)
    reconciler = _reconciler(database, backend, events, (keys, logs, disks.full), (ssh, network, contents), timing)
    tell = partial(_tell, events, reconciler)
    orchestrator = _orchestrator(database, backend, (figures, metering), disks, network, tell)
    services = Services(
        settings=settings,
        database=database,
        events=events,
        tokens=tokens,
        people=open_people(database, tokens, recent, ssh.user_changed, openid, passwords),
        provisioning=await asyncio.to_thread(open_provisioning, settings, database, recent, ssh.user_changed),
        counted_audit=counted,
        sharing=_sharing(database, tokens, events, workspaces.get, (ssh, contents, previews)),
        audit=await asyncio.to_thread(open_audit, settings, settings.data / DATABASE, database, keys, counted),
        environments=backend.environments,
        runtime=backend.runtime,
        orchestrator=orchestrator,
        automation=open_automation(settings, database, backend.runtime, orchestrator, events, inside),
        workspaces=workspaces,
        scaling=open_scaling(database, backend.runtime, workspaces, orchestrator, _around(metering, tell)),
        plans=Plans(database, backend.environments, backend.runtime, bridge.list_terminals),
        reconciler=reconciler,
        figures=figures,
        previews=previews,
        metering=metering,
        live=Live(database, figures.sampler, events, bridge.list_terminals, previews.ports.listening),
        health=_health(database, backend, reconciler, ground.background, disks, logins),
        why=Why(backend.runtime, logins, disks, Looks(connectivity.of, network.policies.mode)),
        maintenance=Maintenance(database, backend.environments, backend.runtime, short_of_room=disks.is_short),
        background=ground.background,
        ballast=ground.ballast,
        bridge=bridge,
        layouts=Layouts(database, events),
        network=network,
        files=files,
        searches=searches,
        journals=journals,
        ssh=ssh,
        contents=contents,
        connectivity=connectivity,
        recording=await _open_recordings(stack, settings, database, keys, bridge, ssh.moderated),
        package_set=backend.package_set,
        first_login_code=await tokens.login_code(by=SYSTEM) if await tokens.never_used() else None,
    )
    return services, logins


def _health(
    database: Database,
    backend: Backends,
    reconciler: Reconciler,
    background: BackgroundTasks,
    disks: Disks,
    logins: Logins,
) -> Health:
    """Return the findings about all parts."""
    return Health(
        *(database, backend.runtime, backend.package_set, lambda: reconciler.unknown_machines),
        *(background.reports, disks),
        logins=logins.item,
    )


def _open_credentials(
    stack: AsyncExitStack, database: Database, settings: Settings
) -> tuple[Uses, CountedAudit, RecentTokens[Token], Tokens]:
    """Return the credentials and what gathers before it stores, which stores what it has when ``stack`` closes."""
    uses, counted, recent = Uses(database), CountedAudit(database), RecentTokens[Token]()
    stack.push_async_callback(_store_once_more, uses.store, counted.store)
    lifetimes = Lifetimes(timedelta(hours=settings.session_hours), timedelta(hours=settings.session_idle_hours))
    return uses, counted, recent, Tokens(database, uses=uses, recent=recent, lifetimes=lifetimes)


def _reconciler(
    database: Database,
    backend: Backends,
    events: Events,
    of_steps: tuple[KeyStore, BuildLogs, Callable[[], Sentence | None]],
    inside: tuple[SshAccess, Network, Contents],
    timing: Timing,
) -> Reconciler:
    """Return the part that makes desires so."""
    ssh, network, contents = inside
    starts = AtStart(ssh.authorised.admitted, network.enforcer.enforce, contents.delivery.at_boot)
    steps = Steps(backend.runtime, backend.environments, *of_steps, starts)
    return Reconciler(database, backend.runtime, steps, events, backend.package_set, timing=timing)


def _orchestrator(
    database: Database,
    backend: Backends,
    measuring: tuple[Figures, Metering],
    disks: Disks,
    network: Network,
    changed: Callable[[Workspace], None],
) -> NixOSSandboxOrchestrator:
    """Return the verbs of workspaces; budgets stop by them what may not run on."""
    figures, metering = measuring
    orchestrator = NixOSSandboxOrchestrator(
        *(database, backend.environments, backend.runtime),
        figures=figures.gauges.read,
        changed=changed,
        full_disk=disks.full,
        first_network=network.first,
        within_budget=metering.budgets.hold,
    )

    async def stop(workspace_id: str, why: Sentence) -> None:
        reason = StopReason(StoppedBy.BUDGET, why, datetime.now(UTC))
        await orchestrator.stop_workspace(workspace_id, principal=BY_ITSELF, cause=Cause(reason))

    metering.stop_with(stop)
    return orchestrator


def _around(metering: Metering, changed: Callable[[Workspace], None]) -> Around:
    """Return what sizes are bounded and priced by."""
    return Around(within_quotas, changed, metering.budgets.allow, metering.costs.price)


def _sharing(
    database: Database, tokens: Tokens, events: Events, get: GetWorkspace, inside: tuple[SshAccess, Contents, Previews]
) -> Sharing:
    """Return the parts of sharing; another owner's secrets and SSH keys take the place of the old one's."""
    ssh, contents, previews = inside

    async def owner_changed(workspace: Workspace) -> None:
        contents.delivery.wake()
        await ssh.authorised.changed(workspace.owner_id)

    def changed() -> None:
        open_access.changed()
        previews.visits.forget()

    open_access = OpenAccess(database)
    shares = Shares(database, events, get, changed=changed)
    transfers = Transfers(
        *(database, events, get, shares),
        within_quotas=within_quotas,
        changed=Changed(owner_changed, contents.delivery.wake),
    )
    return Sharing(open_access, shares, Joining(database, tokens, shares), transfers)


def _tell(events: Events, reconciler: Reconciler, workspace: Workspace) -> None:
    """Tell of a workspace that a verb has changed."""
    note_workspace(workspace.id)
    with span("intent", {"nixws.desire": workspace.desire, "nixws.intent": workspace.intent}):
        events.publish(status_event(workspace))
        reconciler.wake(workspace.id)


async def _open_database(stack: AsyncExitStack, settings: Settings, ballast: Ballast) -> Database:
    """Open the database until ``stack`` closes."""
    database = await open_database(settings.data / DATABASE, ballast)
    stack.push_async_callback(database.close)
    return database


def _disks(settings: Settings, ballast: Ballast) -> Disks:
    """Return the disks that the control plane writes to; it goes on without logs."""
    logs = settings.data / "logs"
    return Disks(
        {"data": settings.data, "logs": logs, "store": Path("/nix/store")}, optional=("logs",), owed=ballast.missing
    )


async def _store_once_more(*stores: Callable[[], Awaitable[None]]) -> None:
    """Store what was counted in the last minute; it is lost where the database cannot take it."""
    for store in stores:
        with suppress(WorkspacesError):
            await store()


async def _open_recordings(
    stack: AsyncExitStack,
    settings: Settings,
    database: Database,
    keys: KeyStore,
    bridge: SSHBridge,
    moderated: Callable[[str], None],
) -> Recording:
    """Return the recordings of terminals, and what makes them until ``stack`` closes.

    ``moderated`` is told of workspaces at whose terminals a moderator must be present from now on.
    """
    recordings, recorder = await open_recordings(settings, database, keys, bridge, moderated)
    stack.push_async_callback(recorder.close)
    return Recording(recordings, recorder)


def _open_contents(
    database: Database, keys: KeyStore, inside: Connections, events: Events, logs: BuildLogs, counted: CountedAudit
) -> Contents:
    """Return the parts that put things into workspaces over the connections ``inside``."""
    vault, run_script = Vault(database, keys), partial(open_script, inside)

    def delivered(workspace_id: str) -> None:
        counted.note(Kind("deliver-secrets", actor=SYSTEM, workspace_id=workspace_id), "")

    delivery = Delivery(database, vault, partial(open_sftp, inside), run_script, delivered=delivered)

    async def mask(workspace_id: str, owner_id: str) -> Callable[[str], str]:
        return mask_of([*await vault.open(workspace_id), *await vault.open(person_scope(owner_id))])

    return Contents(
        Secrets(database, vault, changed=delivery.wake),
        delivery,
        Repositories(database, events, Inside(run_script, mask, logs.append)),
        Profiles(database),
    )


def _open_access(
    stack: AsyncExitStack, runtime: Runtime, keys: KeyStore
) -> tuple[SSHBridge, Files, Searches, Journals, Logins, Connections]:
    """Return terminals, files, searches, journals, trial logins and connections of workspaces, closed by ``stack``.

    Terminals have SSH connections of their own: a transfer must not hold up a keystroke on the same TCP stream.
    """

    async def credentials(workspace_id: str) -> Credentials:
        held = await asyncio.to_thread(keys.read, workspace_id)
        return Credentials(held.client_private, held.host_public)

    bridge = SSHBridge(runtime.connect, credentials, connect_holder=runtime.connect_holder)
    stack.push_async_callback(bridge.close)
    file_connections = Connections(runtime.connect, credentials)
    stack.push_async_callback(file_connections.close)
    files = Files(partial(open_sftp, file_connections))
    stack.push_async_callback(files.close)
    searches = Searches(files, partial(open_script, file_connections))
    return bridge, files, searches, Journals(file_connections), Logins(runtime, credentials), file_connections
