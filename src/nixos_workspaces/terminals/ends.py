"""The ends of terminals that nobody closed: a program that ended is told once, whether somebody watched or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from nixos_workspaces.errors import Conflict, NotFound, WorkspacesError
from nixos_workspaces.model.terminals import Terminal
from nixos_workspaces.terminals import protocol, trial
from nixos_workspaces.terminals.link import Route, ask

LOOK_SECONDS = 60.0
"""How often it is looked at terminals that were left; ended ones stay listed for five minutes."""
_MOST_KEPT = 10_000


class Ends:
    """Knows which ends were told. Call it from the event loop's thread only."""

    def __init__(self, route: Route) -> None:
        """Reach terminals that nobody is at by ``route``."""
        self.on_end: Callable[[str, str], None] = lambda _workspace_id, _terminal_id: None
        """Called once with workspace and terminal when its program has ended by itself."""
        self._route = route
        self._told: dict[tuple[str, str], None] = {}
        self._left: set[str] = set()
        """Workspaces with terminals that nobody may be at."""

    def note_closed(self, workspace_id: str, terminal_id: str) -> None:
        """Tell no end of a terminal that somebody closes."""
        self._is_new(workspace_id, terminal_id)

    def note_ended(self, workspace_id: str, terminal_id: str) -> None:
        """Tell that a program has ended, unless that was told or the terminal was closed."""
        if self._is_new(workspace_id, terminal_id):
            self.on_end(workspace_id, terminal_id)

    def note_left(self, workspace_id: str) -> None:
        """Look at a workspace's terminals from time to time: somebody has left one that goes on."""
        self._left.add(workspace_id)

    def note_listed(self, workspace_id: str, terminals: Iterable[Terminal]) -> None:
        """Tell the ends among a workspace's terminals."""
        running = 0
        for one in terminals:
            if one.exit_status is None:
                running += 1
            elif one.command != trial.COMMAND:
                self.note_ended(workspace_id, one.id)
        if not running:
            self._left.discard(workspace_id)

    async def look(self) -> None:
        """Tell the ends of terminals that were left."""
        for workspace_id in [*self._left]:
            with suppress(WorkspacesError):  # the next look may succeed
                try:
                    found = await ask(self._route, workspace_id, protocol.list_terminals())
                except (Conflict, NotFound):
                    self._left.discard(workspace_id)  # it does not run: its terminals are gone
                else:
                    self.note_listed(workspace_id, found)

    def _is_new(self, workspace_id: str, terminal_id: str) -> bool:
        key = (workspace_id, terminal_id)
        if key in self._told:
            return False
        self._told[key] = None
        if len(self._told) > _MOST_KEPT:
            del self._told[next(iter(self._told))]
        return True
