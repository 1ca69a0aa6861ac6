"""The composition root: everything the control plane is made of, opened in order and closed in reverse."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nixos_workspaces.audit.entries import SYSTEM
from nixos_workspaces.auth import policy
from nixos_workspaces.auth.accounts import People, open_people
from nixos_workspaces.auth.counted import CountedAudit, Kind
from nixos_workspaces.auth.openid.opening import open_sign_in
from nixos_workspaces.auth.operations import SSH_ACTIONS
from nixos_workspaces.auth.policy import Action, Principal, may
from nixos_workspaces.auth.recent import RecentTokens
from nixos_workspaces.auth.sharing import Sharing
from nixos_workspaces.auth.sharing.joining import Joining
from nixos_workspaces.auth.sharing.open_access import OpenAccess
from nixos_workspaces.auth.sharing.shares import GetWorkspace, Shares
from nixos_workspaces.auth.sharing.transfers import Changed, Transfers
from nixos_workspaces.auth.tokens import Lifetimes, Token, Tokens
from nixos_workspaces.database import Ballast, Database, Uses, open_database
from nixos_workspaces.database.uses import STORE_SECONDS
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.events import Events
from nixos_workspaces.files import Files, Searches, sweep_for_ever
from nixos_workspaces.gateway import SshAccess, open_ssh_access
from nixos_workspaces.installation import nix_directory
from nixos_workspaces.keys.store import KeyStore, open_keys
from nixos_workspaces.metering.connectivity import Reachability
from nixos_workspaces.metering.gauges import Gauges
from nixos_workspaces.metering.history import History
from nixos_workspaces.metering.listening import LivePorts
from nixos_workspaces.metering.live import Live
from nixos_workspaces.model.contents.secrets import person_scope
from nixos_workspaces.model.machine import BYTES_PER_GB
from nixos_workspaces.model.usage import PERIOD as SAMPLE_PERIOD
from nixos_workspaces.model.workspace import AuthorisedId, Workspace
from nixos_workspaces.network import Network, open_network
from nixos_workspaces.nix.base import Environments
from nixos_workspaces.nix.environments import BuildLimits
from nixos_workspaces.nix.environments import Environments as NixEnvironments
from nixos_workspaces.nix.executable import Nix
from nixos_workspaces.nix.flakes import Grants
from nixos_workspaces.nix.package_set import choose_package_set
from nixos_workspaces.operations.audit.opening import Audit, keep_audit, open_audit
from nixos_workspaces.operations.background import BackgroundTasks
from nixos_workspaces.operations.disks import Disks
from nixos_workspaces.operations.health import Health
from nixos_workspaces.operations.logins import TURN_SECONDS as LOGIN_SECONDS
from nixos_workspaces.operations.logins import Logins
from nixos_workspaces.operations.maintenance import GARBAGE_PATIENCE, Maintenance
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
from nixos_workspaces.settings import Settings
from nixos_workspaces.ssh.commands import open_script
from nixos_workspaces.ssh.connections import Connections, Credentials
from nixos_workspaces.ssh.journal import Journals
from nixos_workspaces.ssh.sftp import open_sftp
from nixos_workspaces.terminals.ends import LOOK_SECONDS as ENDS_SECONDS
from nixos_workspaces.terminals.recording.opening import open_recordings
from nixos_workspaces.terminals.recording.recorder import LOOK_SECONDS, Recorder
from nixos_workspaces.terminals.recording.recordings import Recordings
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

if TYPE_CHECKING:
    from nixos_workspaces.provisioning.service import Provisioning

log = logging.getLogger(__name__)

DATABASE = "nixws.db"
BALLAST = "ballast"
_BALLAST_SECONDS = 60.0
_EXPIRE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Backends:
    """The parts that the control plane uses and does not own."""

    environments: Environments
    runtime: Runtime
    package_set: str
    """The package set in force, for people."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The parts that put things into workspaces."""

    secrets: Secrets
    delivery: Delivery
    repositories: Repositories
    profiles: Profiles


@dataclass(frozen=True, slots=True)
class Recording:
    """The parts about recordings of terminals."""

    recordings: Recordings
    recorder: Recorder


@dataclass(frozen=True, slots=True)
class Services:
    """The open parts of one control plane."""

    settings: Settings
    database: Database
    events: Events
    tokens: Tokens
    sharing: Sharing
    people: People
    provisioning: Provisioning | None
    """None where the settings have no SCIM."""
    counted_audit: CountedAudit
    audit: Audit
    environments: Environments
    runtime: Runtime
    orchestrator: NixOSSandboxOrchestrator
    workspaces: Workspaces
    plans: Plans
    reconciler: Reconciler
    history: History
    live: Live
    health: Health
    maintenance: Maintenance
    background: BackgroundTasks
    ballast: Ballast
    bridge: SSHBridge
    layouts: Layouts
    network: Network
    files: Files
    searches: Searches
    journals: Journals
    previews: Previews
    ssh: SshAccess
    contents: Contents
    connectivity: Reachability
    recording: Recording
    package_set: str
    """The package set in force, for people."""
    first_login_code: str | None
    """A login code to print when no token was ever made; None otherwise."""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))


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
    backends: Callable[[Settings], AbstractAsyncContextManager[Backends]] = open_backends,
    timing: Timing = Timing(),  # noqa: B008  frozen
) -> AsyncIterator[Services]:
    """Open everything, migrate, adopt running machines. ``Unavailable`` without database, keys or Nix, not the node."""
    async with AsyncExitStack() as stack:
        keys = await asyncio.to_thread(open_keys, settings.data)
        database = await _open_database(stack, settings, ballast := Ballast(settings.data / BALLAST))
        backend = await stack.enter_async_context(backends(settings))
        background, uses, counted, recent, tokens = BackgroundTasks(), *_open_credentials(stack, database, settings)
        events, logs, disks = Events(), BuildLogs(settings.data / "logs"), _disks(settings, ballast)
        gauges, previews = Gauges(backend.runtime), make_previews(database, backend.runtime, events)
        workspaces = Workspaces(database, backend.environments, backend.runtime, keys, logs, events, uses=uses)
        network = await asyncio.to_thread(open_network, settings, database, backend.runtime, events, workspaces.get)
        ssh = await open_ssh_access(database, backend.runtime, keys, events)
        bridge, files, searches, journals, logins, inside = _open_access(stack, backend.runtime, keys)
        openid = open_sign_in(stack, settings, database, tokens, recent)
        contents = _open_contents(database, keys, inside, events, logs, counted)
        starts = AtStart(ssh.authorised.admitted, network.enforcer.enforce, contents.delivery.at_boot)
        reconciler = _reconciler(database, backend, events, (keys, logs, disks.full, starts), timing)
        services = Services(
            settings=settings,
            database=database,
            events=events,
            tokens=tokens,
            people=open_people(database, tokens, recent, ssh.user_changed, openid),
            provisioning=await asyncio.to_thread(open_provisioning, settings, database, recent, ssh.user_changed),
            counted_audit=counted,
            sharing=_sharing(database, tokens, events, workspaces.get, (ssh, contents, previews)),
            audit=await asyncio.to_thread(open_audit, settings, settings.data / DATABASE, database, keys, counted),
            environments=backend.environments,
            runtime=backend.runtime,
            orchestrator=_orchestrator(database, backend, gauges, disks, network, partial(_tell, events, reconciler)),
            workspaces=workspaces,
            plans=Plans(database, backend.environments, backend.runtime, bridge.list_terminals),
            reconciler=reconciler,
            history=History(database, gauges),
            previews=previews,
            live=Live(database, gauges, events, bridge.list_terminals, previews.ports.listening),
            health=_health(database, backend, reconciler, background, disks, logins),
            maintenance=Maintenance(database, backend.environments, backend.runtime, short_of_room=disks.is_short),
            background=background,
            ballast=ballast,
            bridge=bridge,
            layouts=Layouts(database, events),
            network=network,
            files=files,
            searches=searches,
            journals=journals,
            ssh=ssh,
            contents=contents,
            connectivity=Reachability(inside),
            recording=await _open_recordings(stack, settings, database, keys, bridge),
            package_set=backend.package_set,
            first_login_code=await tokens.login_code(by=SYSTEM) if await tokens.never_used() else None,
        )
        yield await _start(stack, services, keys, uses, logins, timing)


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
    of_steps: tuple[KeyStore, BuildLogs, Callable[[], str], AtStart],
    timing: Timing,
) -> Reconciler:
    """Return the part that makes desires so."""
    steps = Steps(backend.runtime, backend.environments, *of_steps)
    return Reconciler(database, backend.runtime, steps, events, backend.package_set, timing=timing)


def _orchestrator(
    database: Database,
    backend: Backends,
    gauges: Gauges,
    disks: Disks,
    network: Network,
    changed: Callable[[Workspace], None],
) -> NixOSSandboxOrchestrator:
    """Return the verbs of workspaces."""
    return NixOSSandboxOrchestrator(
        *(database, backend.environments, backend.runtime),
        figures=gauges.read,
        changed=changed,
        full_disk=disks.full,
        first_network=network.first,
    )


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
    events.publish(status_event(workspace))
    reconciler.wake(workspace.id)


async def _start(
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
    background.repeat("figures", services.history.sample, SAMPLE_PERIOD.total_seconds())
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
    background.repeat("uses", uses.store, STORE_SECONDS)
    background.repeat("counted_audit", services.counted_audit.store, STORE_SECONDS)
    keep_audit(background, services.audit)
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

    gateway = services.ssh.gateway(
        *(services.sharing.open_access, services.counted_audit, services.runtime, keys, enter)
    )
    await stack.enter_async_context(gateway.listening(settings.host, settings.ssh_port))
    services.background.keep("ssh_gateway", gateway.watch)


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
    stack: AsyncExitStack, settings: Settings, database: Database, keys: KeyStore, bridge: SSHBridge
) -> Recording:
    """Return the recordings of terminals, and what makes them until ``stack`` closes."""
    recordings, recorder = await open_recordings(settings, database, keys, bridge)
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
