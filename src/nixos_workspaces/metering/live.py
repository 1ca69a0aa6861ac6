"""Figures, terminals and ports of the workspaces that are being watched, read in one pass for all who watch."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from nixos_workspaces.auth.policy import Principal
from nixos_workspaces.database import Database
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.events import LAGGED, Event, Events
from nixos_workspaces.metering.metrics.sampler import Pass, Sampler
from nixos_workspaces.metering.watchers import Topic, Watcher, Watchers
from nixos_workspaces.model.machine import Metrics
from nixos_workspaces.model.reach.ports import Listener, speaks_http
from nixos_workspaces.model.terminals import Terminal
from nixos_workspaces.model.workspace import AuthorisedId, Status, Workspace
from nixos_workspaces.schemas.metering.metrics import figures_of
from nixos_workspaces.schemas.terminals import TerminalInfo

USAGE_SECONDS = 1.0
"""Time between two passes over the figures."""
ROWS_SECONDS = 5.0
"""Age up to which a workspace is used as it was read: who may see its figures, and which ports it is known by."""
EVENTS_AT_ONCE = 20
"""Events that are made in one turn of the loop, which carries keystrokes."""
LIST_SECONDS = 1.0
"""Time between two looks at a list of terminals that is watched."""
COUNT_SECONDS = 60.0
"""The same where only the number is, and anything is open: programs begin and end without a word to the service."""
MOST_PORTS = 8
"""Ports that are told of a workspace of which only the number of terminals is watched."""
FAILED_SECONDS = 30.0
"""Time after which a workspace that did not answer is asked for the number again."""
CLOSING_SECONDS = 3.0
"""Time after a change through the service at which the number is asked once more: a terminal may take 2 s to end."""
PORTS_SECONDS = 2.0
"""Time that a workspace may take to tell its ports before the next pass over the figures has to do."""
GAP_SECONDS = 0.1
"""Least time between two passes, however often wishes change."""
PATIENCE_SECONDS = 120.0
_AT_ONCE = 8
_ROWS_AT_ONCE = 50

ListTerminals = Callable[[AuthorisedId], Awaitable[Sequence[Terminal]]]
ListPorts = Callable[[AuthorisedId], Awaitable[Sequence[Listener]]]


@dataclass(frozen=True, slots=True)
class _Listed:
    """The terminals of a workspace as they were last listed, and the ports on which it answered then."""

    workspace: Workspace
    terminals: tuple[Terminal, ...] | None
    """None where they cannot be told: it does not run, or has never answered."""
    at: float
    due: float
    """When the number is to be asked again; the list is asked more often while it is watched."""
    ports: tuple[int, ...] = ()
    """Those that speak HTTP as far as can be guessed, the lowest first."""

    def opened(self) -> Event:
        """Return the event of the number of its terminals, and of its ports."""
        found = self.terminals
        count = None if found is None else sum(one.exit_status is None for one in found)
        return Event("workspace.open", self.workspace.id, {"open": {"terminals": count, "ports": [*self.ports]}})

    def listed(self) -> Event:
        """Return the event of their list."""
        shown = [TerminalInfo.of(one).model_dump(mode="json") for one in self.terminals or ()]
        return Event("workspace.terminals", self.workspace.id, {"terminals": shown})


class Live:
    """Reads only what is watched, and tells those who watch. For the event loop's thread only."""

    def __init__(
        self,
        database: Database,
        sampler: Sampler,
        events: Events,
        list_terminals: ListTerminals,
        list_ports: ListPorts,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Read through these parts; nothing is read before the ``follow_`` methods run."""
        self._database = database
        self._sampler = sampler
        self._events = events
        self._list_terminals = list_terminals
        self._list_ports = list_ports
        self._clock = clock
        self.watchers = self._watchers = Watchers(self._wish)
        self.on_ports_wished: Callable[[frozenset[str]], None] = lambda _: None
        """Called with the workspaces whose ports are newly watched: they are followed elsewhere."""
        self._usage: dict[str, tuple[Workspace, Event]] = {}
        self._rows: dict[str, tuple[float, Workspace]] = {}
        """The workspaces that are watched, and when they were read."""
        self._listed: dict[str, _Listed] = {}
        self._asking: set[str] = set()
        self._changed: set[str] = set()
        """Workspaces whose terminals have changed since they were last asked."""
        self._untold: set[str] = set()
        """Workspaces that are newly watched, of which only what may be old is known."""
        self._absent: dict[str, float] = {}
        """Until when a workspace that there is none of is not looked for again."""
        self._fresh: set[str] = set()
        """Workspaces that have been wanted since the last pass over the figures."""
        self._usage_wake, self._terminals_wake = asyncio.Event(), asyncio.Event()
        self._counting, self._listing = asyncio.Semaphore(_AT_ONCE), asyncio.Semaphore(_AT_ONCE)

    def watching(self, principal: Principal) -> AbstractContextManager[Watcher]:
        """Yield a watcher that sees as much as ``principal``; it ends with the block."""
        return self._watchers.entered(principal)

    def terminals_changed(self, workspace_id: str) -> None:
        """Look at a workspace's terminals and ports soon: one was opened, named, ended, or a client came or went."""
        if workspace_id in self._listed or workspace_id in self._asking:
            self._changed.add(workspace_id)
            self._terminals_wake.set()

    # ---- figures

    async def follow_usage(self, succeeded: Callable[[], None]) -> None:
        """Read the figures of all that are watched, every few seconds, and of newly watched ones at once."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            now, watched = loop.time(), self._watchers.ids(Topic.USAGE)
            if now >= due:
                due, wanted = now + USAGE_SECONDS, watched
            else:
                wanted = watched & self._fresh
            self._fresh.clear()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._measure_all(wanted)
            for gone in self._usage.keys() - watched:
                del self._usage[gone]
            for gone in self._rows.keys() - watched:
                del self._rows[gone]
            succeeded()
            await self._wait(self._usage_wake, due if watched else None)

    async def _measure_all(self, ids: Collection[str]) -> None:
        if not ids:
            return
        read = await self._read_rows(ids)
        try:
            found = await self._sampler.measure()
        except (WorkspacesError, TimeoutError):
            found = Pass(self._clock())  # nothing is known of any, as of one that does not run
        moment = found.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        known = [self._rows[one][1] for one in ids if one in self._rows]
        for number, workspace in enumerate(known):
            event = _usage_event(workspace.id, found.metrics.get(workspace.id), moment)
            self._usage[workspace.id] = workspace, event
            self._watchers.offer(Topic.USAGE, workspace, event)
            if number % EVENTS_AT_ONCE == EVENTS_AT_ONCE - 1:
                await asyncio.sleep(0)
        turns = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._compare_ports(one, turns) for one in read))

    async def _read_rows(self, ids: Collection[str]) -> list[Workspace]:
        """Read the watched workspaces that were not read lately, and return these."""
        now = asyncio.get_running_loop().time()
        old = [one for one in ids if one not in self._rows or now - self._rows[one][0] >= ROWS_SECONDS]
        read: list[Workspace] = []
        for begin in range(0, len(old), _ROWS_AT_ONCE):
            read += await self._several(old[begin : begin + _ROWS_AT_ONCE])
        for one in old:
            self._rows.pop(one, None)
        self._rows |= {one.id: (now, one) for one in read}
        return read

    async def _compare_ports(self, workspace: Workspace, turns: asyncio.Semaphore) -> None:
        """Have a workspace looked at whose ports are others than were told: programs listen without a word to us."""
        known = self._listed.get(workspace.id)
        if known is None or workspace.status is not Status.RUNNING:
            return
        with suppress(TimeoutError):
            async with turns, asyncio.timeout(PORTS_SECONDS):
                found = await self._ports_of(workspace)
            if found is not None and found != known.ports:
                self.terminals_changed(workspace.id)

    # ---- terminals

    async def follow_terminals(self, succeeded: Callable[[], None]) -> None:
        """List the terminals that are watched, every second; count them where only their number is, when it changes."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow_changes())
                while True:
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        later = await self._ask_due(group)
                    succeeded()
                    await self._wait(self._terminals_wake, later)
        except ExceptionGroup as several:
            raise several.exceptions[0] from several

    async def _ask_due(self, group: asyncio.TaskGroup) -> float | None:
        """Ask the workspaces that are due, each in a task of ``group``; return when the next ones are."""
        now = asyncio.get_running_loop().time()
        due, later = self._due(now)
        found = await self._several(due)
        for workspace_id in set(due) - {one.id for one in found}:
            self._absent[workspace_id] = now + COUNT_SECONDS
        for workspace in found:
            self._asking.add(workspace.id)
            group.create_task(self._ask(workspace))
        return later

    async def _follow_changes(self) -> None:
        """Have the terminals of a workspace looked at whose status changes, and forget those of one that is gone."""
        with self._events.subscribe() as subscription:
            async for event in subscription:
                self._rows.pop(event.workspace_id, None)
                if event.kind == "workspace.shares":
                    self._usage.pop(event.workspace_id, None)
                    self._listed.pop(event.workspace_id, None)
                    self._usage_wake.set()
                    self._terminals_wake.set()
                elif event.kind == "workspace.deleted":
                    self._listed.pop(event.workspace_id, None)
                    self._changed.discard(event.workspace_id)
                    self._untold.discard(event.workspace_id)
                elif event.kind == "workspace.status":
                    self.terminals_changed(event.workspace_id)
                elif event == LAGGED:
                    self._rows.clear()
                    for workspace_id in list(self._listed):
                        self.terminals_changed(workspace_id)

    def _due(self, now: float) -> tuple[list[str], float | None]:
        """Return the workspaces to be asked now, at most as many as are read at once, and when the next are due."""
        listing = self._watchers.ids(Topic.TERMINALS)
        watched = listing | self._watchers.ids(Topic.USAGE)
        for gone in self._absent.keys() - watched:
            del self._absent[gone]
        times = {one: self._time_of(one, is_list=one in listing) for one in watched - self._asking}
        due = [one for one, at in times.items() if at <= now][:_ROWS_AT_ONCE]
        later = min((at for one, at in times.items() if one not in due), default=math.inf)
        return due, None if math.isinf(later) else later

    def _time_of(self, workspace_id: str, *, is_list: bool) -> float:
        """Return when a workspace's terminals are to be asked."""
        known = self._listed.get(workspace_id)
        if workspace_id in self._changed:
            return 0.0
        if known is None:
            return self._absent.get(workspace_id, 0.0)
        return min(known.due, known.at + LIST_SECONDS) if is_list else known.due

    async def _ask(self, workspace: Workspace) -> None:
        """List a workspace's terminals, and tell those who watch of a change."""
        is_list = workspace.id in self._watchers.ids(Topic.TERMINALS)
        was_changed = workspace.id in self._changed
        self._changed.discard(workspace.id)
        before = self._listed.get(workspace.id)
        try:
            async with self._listing if is_list else self._counting:
                found, is_answer = await self._terminals_of(workspace, before)
                ports = await self._ports_of(workspace)
                if ports is None:
                    ports = () if before is None else before.ports
        finally:
            self._asking.discard(workspace.id)
            self._terminals_wake.set()
        if workspace.id in self._changed:
            return  # changed meanwhile: what was found may be from before, and it is asked again at once
        now = asyncio.get_running_loop().time()
        waits = CLOSING_SECONDS if was_changed else COUNT_SECONDS if found or ports else math.inf
        after = _Listed(workspace, found, now, now + (waits if is_answer else FAILED_SECONDS), ports)
        self._listed[workspace.id] = after
        told = None if workspace.id in self._untold else before
        self._untold.discard(workspace.id)
        if told is None or told.opened() != after.opened():
            self._watchers.offer(Topic.USAGE, workspace, after.opened())
        if found is not None and (told is None or _telling(told.terminals) != _telling(found)):
            self._watchers.offer(Topic.TERMINALS, workspace, after.listed())

    async def _terminals_of(
        self, workspace: Workspace, before: _Listed | None
    ) -> tuple[tuple[Terminal, ...] | None, bool]:
        """Return the terminals, and whether the workspace answered; the former ones where it did not."""
        same_boot = before is not None and before.workspace.started_at == workspace.started_at
        former = before.terminals if before is not None and same_boot else None
        if workspace.status is Status.PAUSED:
            return former, True
        key = self._watchers.key(workspace) if workspace.status is Status.RUNNING else None
        if key is None:
            return None, True
        try:
            return tuple(await self._list_terminals(key)), True
        except WorkspacesError:
            return former, False

    async def _ports_of(self, workspace: Workspace) -> tuple[int, ...] | None:
        """Return the ports that are told of a workspace; None where it did not answer."""
        key = self._watchers.key(workspace) if workspace.status is Status.RUNNING else None
        if key is None:
            return ()
        try:
            found = await self._list_ports(key)
        except WorkspacesError:
            return None
        return tuple(sorted({one.port for one in found if speaks_http(one.port, one.program)})[:MOST_PORTS])

    # ---- both

    def _wish(self, watcher: Watcher, topic: Topic, fresh: frozenset[str]) -> None:
        """Tell a client at once what is known of the workspaces that it newly watches, and read the rest soon."""
        if topic is Topic.PORTS:
            self.on_ports_wished(fresh)
            return
        for workspace_id in fresh:
            self._forget_shared(workspace_id)
            if topic is Topic.USAGE and workspace_id in self._usage:
                watcher.offer(topic, *self._usage[workspace_id])
            known = self._listed.get(workspace_id)
            if known is not None and known.terminals is None:
                self._changed.add(workspace_id)
            if workspace_id in self._changed or workspace_id in self._asking:
                # It may have been started anew: a page would take the terminals from before for those of now.
                self._untold.add(workspace_id)
            elif known is not None and topic is Topic.USAGE:
                watcher.offer(topic, known.workspace, known.opened())
            elif known is not None and known.terminals is not None:
                watcher.offer(topic, known.workspace, known.listed())
        if topic is Topic.USAGE:
            self._fresh |= fresh - self._usage.keys()
            self._usage_wake.set()
        self._terminals_wake.set()

    def _forget_shared(self, workspace_id: str) -> None:
        """Forget what is known of a workspace that was shared when it was read: a share may have expired since."""
        if workspace_id in self._usage and self._usage[workspace_id][0].grants:
            del self._usage[workspace_id]
            self._rows.pop(workspace_id, None)
        if workspace_id in self._listed and self._listed[workspace_id].workspace.grants:
            del self._listed[workspace_id]

    async def _several(self, ids: Sequence[str]) -> tuple[Workspace, ...]:
        if not ids:
            return ()
        async with self._database.reading(once=True) as tx:
            return await tx.workspaces.several(list(ids))

    @staticmethod
    async def _wait(wake: asyncio.Event, until: float | None) -> None:
        """Wait for ``wake`` until a time of the loop, or for ever; a short while at least."""
        await asyncio.sleep(GAP_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await wake.wait()
        wake.clear()


def _usage_event(workspace_id: str, metrics: Metrics | None, moment: str) -> Event:
    """Return the event of a workspace's figures; null while it does not run."""
    told = None if metrics is None else figures_of(metrics)
    return Event("workspace.usage", workspace_id, {"at": moment, "metrics": told})


def _telling(terminals: tuple[Terminal, ...] | None) -> list[tuple[object, ...]] | None:
    """Return of each terminal that which is worth an event; its output and its times change all the time."""
    if terminals is None:
        return None
    return [
        (one.id, one.name, one.title, one.process, one.cwd, one.cols, one.rows, one.attached, one.exit_status)
        for one in terminals
    ]
