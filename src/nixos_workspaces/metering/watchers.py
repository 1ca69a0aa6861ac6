"""The clients that watch workspaces live: their wishes, and the events that wait for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from nixos_workspaces.auth.policy import Action, Principal, enter, may
from nixos_workspaces.events import Event
from nixos_workspaces.model.workspace import AuthorisedId, Workspace


class Topic(StrEnum):
    """A part of a workspace that changes all the time, and is read only while it is watched."""

    USAGE = "usage"
    """Its figures, and the number of its terminals."""
    TERMINALS = "terminals"
    """The list of its terminals."""
    PORTS = "ports"
    """The ports on which its programs listen."""


ACTIONS = {
    Topic.USAGE: Action.READ_USAGE,
    Topic.TERMINALS: Action.LIST_TERMINALS,
    Topic.PORTS: Action.LIST_PORTS,
}
"""The action that watching each of them is."""
_INSIDE = {**ACTIONS, Topic.USAGE: Action.LIST_PORTS}
"""The action that looking inside for each of them is."""
_FROM_INSIDE = frozenset({"workspace.open"})
"""Events of figures that were found inside: who may read the figures alone is not told."""


class Watcher:
    """One client. Of each kind of event it gets only the last of a workspace: one that reads slowly misses some."""

    def __init__(self, principal: Principal, changed: Callable[[Watcher, Topic, frozenset[str]], None]) -> None:
        """Call ``changed`` with the ids that are newly wanted."""
        self.principal = principal
        self._changed = changed
        self._wanted: dict[Topic, frozenset[str]] = dict.fromkeys(Topic, frozenset())
        self._pending: dict[tuple[str, str], Event] = {}
        self._filled = asyncio.Event()

    def want(self, topic: Topic, ids: frozenset[str]) -> None:
        """Watch these workspaces, and none of those before; ids of none that may be seen are without effect."""
        fresh = ids - self._wanted[topic]
        self._wanted[topic] = ids
        self._changed(self, topic, fresh)

    def wants(self, topic: Topic) -> frozenset[str]:
        """Return the ids that are watched."""
        return self._wanted[topic]

    def offer(self, topic: Topic, workspace: Workspace, event: Event) -> None:
        """Take an event of a workspace, if it is watched and may be seen."""
        action = (_INSIDE if event.kind in _FROM_INSIDE else ACTIONS)[topic]
        if workspace.id not in self._wanted[topic] or not may(self.principal, action, workspace):
            return
        self._pending[event.kind, workspace.id] = event
        self._filled.set()

    async def take(self) -> tuple[Event, ...]:
        """Wait until there is an event, and return all that wait."""
        await self._filled.wait()
        self._filled.clear()
        taken = tuple(self._pending.values())
        self._pending.clear()
        return taken


class Watchers:
    """Every client that watches. For the event loop's thread only."""

    def __init__(self, changed: Callable[[Watcher, Topic, frozenset[str]], None]) -> None:
        """Begin without; ``changed`` is called with each wish."""
        self._all: set[Watcher] = set()
        self._changed = changed

    @contextmanager
    def entered(self, principal: Principal) -> Iterator[Watcher]:
        """Yield a watcher that ends with the block."""
        watcher = Watcher(principal, self._changed)
        self._all.add(watcher)
        try:
            yield watcher
        finally:
            self._all.discard(watcher)

    def ids(self, topic: Topic) -> set[str]:
        """Return the workspaces that are watched by any client."""
        return set[str]().union(*(one.wants(topic) for one in self._all))

    def offer(self, topic: Topic, workspace: Workspace, event: Event) -> None:
        """Give an event to all that watch its workspace."""
        for one in self._all:
            one.offer(topic, workspace, event)

    def key(self, workspace: Workspace) -> AuthorisedId | None:
        """Return the key to the terminals of a workspace that a client watches who may connect to it."""
        for one in self._all:
            for topic in Topic:
                if workspace.id in one.wants(topic) and may(one.principal, _INSIDE[topic], workspace):
                    return enter(one.principal, _INSIDE[topic], workspace)
        return None
