"""The reading side of workspaces, under the same authorisation as the verbs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

from nixos_workspaces.auth.policy import RULES, Action, Principal, authorise, enter, knows
from nixos_workspaces.database import AuditEntry, Database, Seen, Uses
from nixos_workspaces.errors import Conflict, NotFound
from nixos_workspaces.events import LAGGED, Event, Events
from nixos_workspaces.keys.store import KeyStore
from nixos_workspaces.model.access.shares import Part
from nixos_workspaces.model.environment import Generation
from nixos_workspaces.model.machine import Capacity
from nixos_workspaces.model.service import LogLine, SshKey
from nixos_workspaces.model.workspace import AuthorisedId, Page, Workspace, WorkspaceQuery
from nixos_workspaces.nix.base import Environments
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.workspaces.build_logs import BuildLogs, Position
from nixos_workspaces.workspaces.lookup import find

_FOLLOW_SECONDS = 0.3
_OF_LOST = frozenset({"workspace.deleted", "workspace.shares"})
"""Events of workspaces that a principal may know no more, who is told that it is so."""


class Workspaces:
    """Read access to workspaces. A ``reference`` is an id, or the name of one of the principal's own workspaces.

    Every method raises ``NotFound`` for a workspace that does not exist or is not the principal's to see.
    """

    def __init__(
        self,
        database: Database,
        environments: Environments,
        runtime: Runtime,
        keys: KeyStore,
        logs: BuildLogs,
        events: Events,
        *,
        uses: Uses | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Read through these parts."""
        self._database = database
        self._environments = environments
        self._runtime = runtime
        self._keys = keys
        self._logs = logs
        self._events = events
        self._uses = Uses(database) if uses is None else uses
        self._clock = clock

    async def get(self, reference: str, *, principal: Principal, action: Action = Action.READ) -> Workspace:
        """Return the workspace, if the principal may do ``action`` to it."""
        async with self._database.reading() as tx:
            workspace = await find(tx, reference, principal)
        authorise(principal, action, workspace)
        return workspace

    async def enter(
        self, reference: str, *, principal: Principal, action: Action, part: Part | None = None
    ) -> tuple[Workspace, AuthorisedId]:
        """Return the workspace with the key to its inside, if the principal may do ``action``, to ``part``, there."""
        async with self._database.reading() as tx:
            workspace = await find(tx, reference, principal)
        return workspace, enter(principal, action, workspace, part)

    async def page(self, query: WorkspaceQuery, *, principal: Principal) -> Page:
        """Return the workspaces the principal may see; ``InvalidInput`` for a bad limit or cursor."""
        authorise(principal, Action.LIST)
        async with self._database.reading(once=True) as tx:
            return await tx.workspaces.page(query, _seen(principal))

    async def generations(self, reference: str, *, principal: Principal) -> tuple[Generation, ...]:
        """Return the built versions of its environment, newest first."""
        workspace = await self.get(reference, principal=principal, action=Action.READ_USAGE)
        found = await self._environments.generations(workspace.id)
        return tuple(sorted(found, key=lambda generation: -generation.number))

    async def logs(self, reference: str, *, principal: Principal, follow: bool = False) -> AsyncIterator[LogLine]:
        """Yield the log of the last build, then of the last boot; with ``follow`` go on with new lines.

        A followed log ends when the workspace is deleted, or when the consumer closes the iterator; it raises
        ``NotFound`` or ``Forbidden`` when the principal may not read it any more.
        """
        workspace = await self.get(reference, principal=principal, action=Action.READ_LOGS)
        position, boot = Position(), _Boot(self._runtime, workspace.id)
        while True:
            while True:
                lines, after = await asyncio.to_thread(self._logs.read, workspace.id, position)
                for line in lines:
                    yield LogLine("build", line.text, line.at)
                if after == position:
                    break
                position = after
            for text in await boot.more(workspace.started_at, last=not follow):
                yield LogLine("boot", text)
            if not follow:
                return
            await asyncio.sleep(_FOLLOW_SECONDS)
            try:
                workspace = await self.get(workspace.id, principal=principal, action=Action.READ_LOGS)
            except NotFound:
                async with self._database.reading(once=True) as tx:
                    if await tx.workspaces.get(workspace.id) is None:
                        return
                raise

    async def ssh_key(self, reference: str, *, principal: Principal, request_id: str = "") -> SshKey:
        """Return the keys to log in with as user ``nixos``; audited, for its owner only.

        Raises ``Conflict`` with code ``not_ready`` before the workspace's volume is made.
        """
        workspace = await self.get(reference, principal=principal, action=Action.READ_SSH_KEY)
        if not workspace.volume_bytes:
            raise Conflict(f"Workspace {workspace.name} has no SSH key yet: wait until it runs.", code="not_ready")
        keys = await asyncio.to_thread(self._keys.read, workspace.id)
        entry = AuditEntry(self._clock(), principal.id, Action.READ_SSH_KEY, workspace.id, "accepted", request_id)
        async with self._database.transaction() as tx:
            await tx.audit.append(entry)
        return SshKey(keys.client_private, keys.host_public)

    def touch(self, workspace: Workspace) -> None:
        """Note that ``workspace``, as ``get`` returned it, is used now; ``last_accessed`` tells it within a minute."""
        self._uses.workspace(workspace.id, self._clock())

    async def capacity(self) -> Capacity:
        """Return the engine's resources, in all and free for new workspaces."""
        async with self._database.reading() as tx:
            promised = await tx.workspaces.promised_bytes()
            cpu, memory_bytes = await tx.workspaces.limits_in_force()
        machine = await self._runtime.capabilities()
        return Capacity(
            machine.cpu_total,
            max(machine.cpu_total - cpu, 0.0),
            machine.memory_total_bytes,
            max(machine.memory_total_bytes - memory_bytes, 0),
            machine.storage_total_bytes,
            max(machine.storage_free_bytes - promised, 0),
            cpu,
            memory_bytes,
        )

    async def events(self, *, principal: Principal) -> AsyncIterator[Event]:
        """Yield the events of the workspaces that the principal may see, from now on; close it when done."""
        authorise(principal, Action.LIST)
        seen = _seen(principal)
        with self._events.subscribe() as subscription:
            shared = await self._shared_ids(seen)
            async for event in subscription:
                data = dict(event.data)
                owner = data.pop("owner_id", "")
                before = shared
                if event == LAGGED or event.kind == "workspace.shares":
                    shared = await self._shared_ids(seen)
                if event != LAGGED and owner != principal.id:
                    is_listed = event.workspace_id in before | shared
                    if seen.owner_id is not None and not is_listed:
                        continue
                    if is_listed and event.kind not in _OF_LOST and not await self._is_known(event, principal):
                        continue
                if event == LAGGED or seen.ids is None or event.workspace_id in seen.ids:
                    yield Event(event.kind, event.workspace_id, data)

    async def _shared_ids(self, seen: Seen) -> frozenset[str]:
        """Return the workspaces of others that are shared with a principal; empty for one who sees all."""
        if seen.owner_id is None:
            return frozenset()
        async with self._database.reading(once=True) as tx:
            return await tx.shares.shared_with(seen.subjects, self._clock())

    async def _is_known(self, event: Event, principal: Principal) -> bool:
        """Tell whether a principal may know of an event's workspace: a share may have ended since it was listed."""
        async with self._database.reading(once=True) as tx:
            workspace = await tx.workspaces.get(event.workspace_id)
        return workspace is not None and knows(principal, workspace)


def _seen(principal: Principal) -> Seen:
    """Return the workspaces that a principal may know of, for queries; ``knows`` tells the same of one."""
    ids = principal.workspaces
    if principal.role in RULES[Action.READ].roles:
        return Seen(ids=ids)
    return Seen(principal.id, principal.groups | {principal.id}, ids)


class _Boot:
    """The console of a machine, read line by line over its boots."""

    def __init__(self, runtime: Runtime, workspace_id: str) -> None:
        """Begin at the beginning of the last boot."""
        self._runtime = runtime
        self._workspace_id = workspace_id
        self._offset = 0
        self._rest = b""
        self._started_at: datetime | None = None

    async def more(self, started_at: datetime | None, *, last: bool) -> list[str]:
        """Return the lines that have come; an unfinished one only if this is the ``last`` time."""
        if started_at is not None and started_at != self._started_at:
            if self._started_at is not None:
                self._offset, self._rest = 0, b""
            self._started_at = started_at
        try:
            while chunk := await self._runtime.boot_log(self._workspace_id, self._offset):
                self._offset += len(chunk)
                self._rest += chunk
        except NotFound:
            return []
        *lines, self._rest = self._rest.split(b"\n")
        if last and self._rest:
            lines.append(self._rest)
        return [line.decode(errors="replace").rstrip("\r") for line in lines]
