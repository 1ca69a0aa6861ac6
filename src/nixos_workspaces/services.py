"""The composition root: everything the control plane is made of, opened in order and closed in reverse."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from nixos_workspaces.auth.tokens import Tokens
from nixos_workspaces.database import Database, Uses, open_database
from nixos_workspaces.events import Events
from nixos_workspaces.files import Files, sweep_for_ever
from nixos_workspaces.installation import nix_directory
from nixos_workspaces.keys.store import KeyStore, open_keys
from nixos_workspaces.metering.gauges import Gauges
from nixos_workspaces.metering.history import History
from nixos_workspaces.model.machine import BYTES_PER_GB
from nixos_workspaces.model.workspace import Workspace
from nixos_workspaces.nix.base import Environments
from nixos_workspaces.nix.environments import BuildLimits
from nixos_workspaces.nix.environments import Environments as NixEnvironments
from nixos_workspaces.nix.executable import Nix
from nixos_workspaces.nix.package_set import choose_package_set
from nixos_workspaces.operations.health import Health
from nixos_workspaces.operations.maintenance import Maintenance, cancel
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.runtimes.local import LocalRuntime
from nixos_workspaces.settings import Settings
from nixos_workspaces.ssh.connections import Connections
from nixos_workspaces.ssh.sftp import open_sftp
from nixos_workspaces.terminals.ssh_bridge import Credentials, SSHBridge
from nixos_workspaces.workspaces.build_logs import BuildLogs
from nixos_workspaces.workspaces.changes import status_event
from nixos_workspaces.workspaces.nixos_sandbox_orchestrator import NixOSSandboxOrchestrator
from nixos_workspaces.workspaces.queries import Workspaces
from nixos_workspaces.workspaces.reconciler import Reconciler, Timing
from nixos_workspaces.workspaces.steps import Steps

log = logging.getLogger(__name__)

DATABASE = "nixws.db"


@dataclass(frozen=True, slots=True)
class Backends:
    """The parts that the control plane uses and does not own."""

    environments: Environments
    runtime: Runtime
    package_set: str
    """The package set in force, for people."""


@dataclass(frozen=True, slots=True)
class Services:
    """The open parts of one control plane."""

    settings: Settings
    database: Database
    events: Events
    tokens: Tokens
    environments: Environments
    runtime: Runtime
    orchestrator: NixOSSandboxOrchestrator
    workspaces: Workspaces
    reconciler: Reconciler
    history: History
    health: Health
    maintenance: Maintenance
    bridge: SSHBridge
    files: Files
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
    limits = BuildLimits(settings.build_timeout, memory, settings.builds, settings.evaluation_timeout)
    environments = NixEnvironments(settings.data / "environments", package_set, nix, nix_directory(), limits)
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
    """Open everything, migrate the database, adopt running machines; close it in reverse order.

    Workspaces keep running after the close unless ``settings.stop_workspaces``. Raises ``Unavailable`` where a part
    without which nothing works cannot be opened (database, master key, Nix); an absent node is waited for instead.
    """
    async with AsyncExitStack() as stack:
        keys = await asyncio.to_thread(open_keys, settings.data)
        database = await open_database(settings.data / DATABASE)
        stack.push_async_callback(database.close)
        backend = await stack.enter_async_context(backends(settings))
        uses = _open_uses(stack, database)
        events, logs, tokens = Events(), BuildLogs(settings.data / "logs"), Tokens(database, uses=uses)
        gauges = Gauges(backend.runtime)
        maintenance = Maintenance(database, backend.environments, backend.runtime, events)
        steps = Steps(backend.runtime, backend.environments, keys, logs, settings.builds)
        reconciler = Reconciler(database, backend.runtime, steps, events, backend.package_set, timing=timing)
        bridge, files = _open_access(stack, backend.runtime, keys)

        def changed(workspace: Workspace) -> None:
            events.publish(status_event(workspace))
            reconciler.wake(workspace.id)

        services = Services(
            settings=settings,
            database=database,
            events=events,
            tokens=tokens,
            environments=backend.environments,
            runtime=backend.runtime,
            orchestrator=NixOSSandboxOrchestrator(
                database, backend.environments, backend.runtime, figures=gauges.read, changed=changed
            ),
            workspaces=Workspaces(database, backend.environments, backend.runtime, keys, logs, events, uses=uses),
            reconciler=reconciler,
            history=History(database, gauges),
            health=Health(database, backend.runtime, backend.package_set, lambda: reconciler.unknown_machines),
            maintenance=maintenance,
            bridge=bridge,
            files=files,
            package_set=backend.package_set,
            first_login_code=await tokens.login_code() if await tokens.never_used() else None,
        )
        if settings.stop_workspaces:
            stack.push_async_callback(maintenance.stop_workspaces)
        await reconciler.start()
        stack.push_async_callback(reconciler.close)
        for work in (
            maintenance.collect_for_ever(),
            sweep_for_ever(files, events, maintenance.running),
            services.history.sample_for_ever(),
        ):
            stack.push_async_callback(cancel, asyncio.create_task(work))
        yield services


def _open_uses(stack: AsyncExitStack, database: Database) -> Uses:
    """Return what gathers uses; it stores them once a minute, and a last time when ``stack`` closes."""
    uses = Uses(database)
    stack.push_async_callback(uses.store)
    stack.push_async_callback(cancel, asyncio.create_task(uses.store_for_ever()))
    return uses


def _open_access(stack: AsyncExitStack, runtime: Runtime, keys: KeyStore) -> tuple[SSHBridge, Files]:
    """Return terminals and files of workspaces, closed by ``stack``; each has SSH connections of its own.

    A transfer must not hold up a keystroke on the same TCP stream.
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
    return bridge, files
