"""The composition root: everything the control plane is made of, opened in order and closed in reverse."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nixos_workspaces.auth.access import Action, Principal, authorise
from nixos_workspaces.auth.keys import open_keys
from nixos_workspaces.auth.tokens import Tokens
from nixos_workspaces.database import AuditEntry, Database, open_database
from nixos_workspaces.doors import Environments
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.events import Events
from nixos_workspaces.files import Files, sweep_for_ever
from nixos_workspaces.gauges import Gauges
from nixos_workspaces.history import History
from nixos_workspaces.logs import BuildLogs
from nixos_workspaces.model.machine import BYTES_PER_GB, MachineState
from nixos_workspaces.model.service import HealthItem
from nixos_workspaces.model.workspace import Workspace
from nixos_workspaces.nix.environments import BuildLimits
from nixos_workspaces.nix.environments import Environments as NixEnvironments
from nixos_workspaces.nix.executable import Nix
from nixos_workspaces.nix.package_set import choose_package_set
from nixos_workspaces.nixos_sandbox_orchestrator import NixOSSandboxOrchestrator
from nixos_workspaces.reconciler import Reconciler, Timing, status_event
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.runtimes.local import LocalRuntime
from nixos_workspaces.settings import Settings
from nixos_workspaces.ssh_bridge import Credentials, SSHBridge
from nixos_workspaces.steps import Steps
from nixos_workspaces.workspaces import Workspaces

log = logging.getLogger(__name__)

DATABASE = "nixws.db"
_FLAKE = Path(__file__).parents[2] / "nix"
"""The static flake that every environment is built with."""
_GARBAGE_SECONDS = 24 * 3600.0
_GARBAGE_QUIET_SECONDS = 60.0
"""Wait after a deletion before collecting: deletions come in rows."""
_UP = frozenset({MachineState.BOOTING, MachineState.RUNNING, MachineState.PAUSED})


@dataclass(frozen=True, slots=True)
class Outside:
    """The doors to what the control plane does not own."""

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
    bridge: SSHBridge
    files: Files
    package_set: str
    """The package set in force, for people."""
    first_login_code: str | None
    """A login code to print when nobody has ever logged in; None otherwise."""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    async def health(self) -> tuple[HealthItem, ...]:
        """Return one item per part of the service, with stable codes and remedies; never raises."""
        return (
            await _asked("database", "The database stores.", self._ask_database, "Look at the free space of the disk."),
            await _asked(
                "engine", "The node answers.", self.runtime.capabilities, "Start the node: nixws node, as root."
            ),
            HealthItem("package_set", True, f"Workspaces are built from {self.package_set}."),
            self._strangers(),
        )

    async def collect_garbage(self, *, principal: Principal, request_id: str = "") -> int:
        """Remove what no workspace needs from the store; returns the bytes that were freed. For administrators."""
        authorise(principal, Action.COLLECT_GARBAGE)
        entry = AuditEntry(self.clock(), principal.id, Action.COLLECT_GARBAGE, "", "accepted", request_id)
        async with self.database.transaction() as tx:
            await tx.audit.append(entry)
        return await self.environments.collect_garbage()

    async def _ask_database(self) -> None:
        """Raise if the database cannot take a transaction now."""
        async with self.database.transaction() as tx:
            await tx.tokens.any_ever()

    def _strangers(self) -> HealthItem:
        """Return whether there are machines that no record knows of."""
        strangers = sorted(self.reconciler.strangers)
        if not strangers:
            return HealthItem("machines", True, "Every machine belongs to a workspace.")
        return HealthItem(
            "machines",
            False,
            f"Machines exist that no workspace's record knows of: {', '.join(strangers)}.",
            "Put back the database they belong to, or remove them with the node's own tools. They are left alone.",
        )


async def _asked(code: str, well: str, ask: Callable[[], object], remedy: str) -> HealthItem:
    """Return how a part answers."""
    try:
        async with asyncio.timeout(5):
            await ask()  # type: ignore[misc]
    except WorkspacesError as problem:
        return HealthItem(code, False, problem.message, remedy)
    except TimeoutError:
        return HealthItem(code, False, "It does not answer within 5 s.", remedy)
    return HealthItem(code, True, well)


@asynccontextmanager
async def open_tokens(settings: Settings) -> AsyncIterator[Tokens]:
    """Open the credentials alone, for whoever may read the data directory; works beside a running service."""
    database = await open_database(settings.data / DATABASE)
    try:
        yield Tokens(database)
    finally:
        await database.close()


@asynccontextmanager
async def open_outside(settings: Settings) -> AsyncIterator[Outside]:
    """Open Nix and the node as the settings say; the node itself may be absent yet."""
    nix = Nix.find(settings).homed(settings.data / "environments" / "home")
    package_set = await choose_package_set(settings.package_set, debian_set=settings.debian_set, nix=nix)
    limits = BuildLimits(settings.build_timeout, int(settings.build_memory_gb * BYTES_PER_GB), settings.builds)
    environments = NixEnvironments(settings.data / "environments", package_set, nix, _FLAKE, limits)
    try:
        runtime = LocalRuntime(settings.node_socket)
        try:
            yield Outside(environments, runtime, package_set.title)
        finally:
            await runtime.close()
    finally:
        await environments.close()


@asynccontextmanager
async def open_services(
    settings: Settings,
    *,
    outside: Callable[[Settings], AbstractAsyncContextManager[Outside]] = open_outside,
    timing: Timing = Timing(),  # noqa: B008  frozen
) -> AsyncIterator[Services]:
    """Open everything, migrate the database, adopt what runs; close it in reverse order.

    Workspaces keep running after the close unless ``settings.stop_workspaces``. Raises ``Unavailable`` where a part
    without which nothing works cannot be opened (database, master key, Nix); an absent node is waited for instead.
    """
    async with AsyncExitStack() as stack:
        keys = await asyncio.to_thread(open_keys, settings.data)
        database = await open_database(settings.data / DATABASE)
        stack.push_async_callback(database.close)
        doors = await stack.enter_async_context(outside(settings))
        events, logs, tokens = Events(), BuildLogs(settings.data / "logs"), Tokens(database)
        steps = Steps(doors.runtime, doors.environments, keys, logs, settings.builds)
        reconciler = Reconciler(database, doors.runtime, steps, events, package_set=doors.package_set, timing=timing)

        async def credentials(workspace_id: str) -> Credentials:
            held = await asyncio.to_thread(keys.read, workspace_id)
            return Credentials(held.client_private, held.host_public)

        bridge = SSHBridge(doors.runtime.connect, credentials, connect_holder=doors.runtime.connect_holder)
        stack.push_async_callback(bridge.close)
        # Connections of its own: a transfer must not hold up a keystroke on the same TCP stream.
        files_bridge = SSHBridge(doors.runtime.connect, credentials)
        stack.push_async_callback(files_bridge.close)
        files = Files(files_bridge.open_sftp)
        stack.push_async_callback(files.close)

        def changed(workspace: Workspace) -> None:
            events.publish(status_event(workspace))
            reconciler.wake(workspace.id)

        services = Services(
            settings=settings,
            database=database,
            events=events,
            tokens=tokens,
            environments=doors.environments,
            runtime=doors.runtime,
            orchestrator=NixOSSandboxOrchestrator(database, doors.environments, doors.runtime, changed=changed),
            workspaces=Workspaces(database, doors.environments, doors.runtime, keys, logs, events),
            reconciler=reconciler,
            history=History(database, Gauges(doors.runtime)),
            bridge=bridge,
            files=files,
            package_set=doors.package_set,
            first_login_code=await tokens.login_code() if await tokens.never_used() else None,
        )
        if settings.stop_workspaces:
            stack.push_async_callback(_stop_all, doors.runtime)
        await reconciler.start()
        stack.push_async_callback(reconciler.close)
        for work in _chores(services):
            stack.push_async_callback(_cancel, asyncio.create_task(work))
        yield services


def _chores(services: Services) -> tuple[Coroutine[Any, Any, None], ...]:
    """Return what goes on for as long as the services are open."""
    return (
        _collect_for_ever(services),
        sweep_for_ever(services.files, services.events, lambda: _running(services.runtime)),
        services.history.sample_for_ever(),
    )


async def _running(runtime: Runtime) -> list[str]:
    """Return the workspaces that run; none if the engine cannot be asked."""
    with suppress(WorkspacesError):
        return [one.workspace_id for one in await runtime.list() if one.state is MachineState.RUNNING]
    return []


async def _stop_all(runtime: Runtime) -> None:
    """Shut every machine down; what is wanted of the workspaces stays as it is, so that the next start boots them."""
    with suppress(WorkspacesError):
        up = [machine.workspace_id for machine in await runtime.list() if machine.state in _UP]
        for outcome in await asyncio.gather(*(runtime.stop(one) for one in up), return_exceptions=True):
            if isinstance(outcome, Exception):
                log.warning("A workspace could not be stopped: %s", outcome)


async def _collect_for_ever(services: Services) -> None:
    """Collect garbage once a day, and a while after workspaces have been deleted."""
    loop = asyncio.get_running_loop()
    with services.events.subscribe() as subscription:
        while True:
            due = loop.time() + _GARBAGE_SECONDS
            with suppress(TimeoutError):
                while True:
                    async with asyncio.timeout_at(due):
                        event = await anext(subscription)
                    if event.kind == "workspace.deleted":
                        due = min(due, loop.time() + _GARBAGE_QUIET_SECONDS)
            try:
                freed = await services.environments.collect_garbage()
            except WorkspacesError as problem:
                log.warning("Garbage cannot be collected now: %s", problem)
            else:
                log.info("Garbage collected: %d bytes freed.", freed)


async def _cancel(task: asyncio.Task[None]) -> None:
    """End a task and wait until it has ended."""
    task.cancel()
    await asyncio.wait({task})
