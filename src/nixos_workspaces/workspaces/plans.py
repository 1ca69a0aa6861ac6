"""Changes told before they are made: whether they restart a workspace, what ends with that, what becomes different."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

from nixos_workspaces.auth.policy import Action, Principal, authorise, enter
from nixos_workspaces.database import Database
from nixos_workspaces.errors import NotFound, WorkspacesError
from nixos_workspaces.model.closures.differences import Difference, difference
from nixos_workspaces.model.environment import Generation
from nixos_workspaces.model.machine import MachineState
from nixos_workspaces.model.plans import Losses, Plan, RestartReason
from nixos_workspaces.model.terminals import Terminal
from nixos_workspaces.model.workspace import AuthorisedId, Workspace, WorkspaceChange
from nixos_workspaces.nix.base import Environments
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.workspaces import desired, lifecycle
from nixos_workspaces.workspaces.lifecycle import Observation, Verb
from nixos_workspaces.workspaces.lookup import find


class Plans:
    """The plans of changes; nothing is changed or recorded here."""

    def __init__(
        self,
        database: Database,
        environments: Environments,
        runtime: Runtime,
        list_terminals: Callable[[AuthorisedId], Awaitable[Sequence[Terminal]]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Read through these parts; ``list_terminals`` returns the terminals of a workspace."""
        self._database = database
        self._environments = environments
        self._runtime = runtime
        self._list_terminals = list_terminals
        self._clock = clock

    async def change(
        self, reference: str, change: WorkspaceChange, *, rebuild: bool = False, principal: Principal
    ) -> Plan:
        """Return the plan of ``resize_workspace`` with ``change``; raises as that does, but for what is taken or full.

        ``rebuild`` besides, or alone, is the plan of ``rebuild_workspace``, to whichever generation. Says that it
        restarts where it may: a build can lead to the system that runs already.
        """
        async with self._database.reading() as tx:
            now = await find(tx, reference, principal)
        authorise(principal, Action.RESIZE if change != WorkspaceChange(name=change.name) else Action.RENAME, now)
        wanted = desired.changed(lifecycle.asked(now, Verb.RESIZE), change)
        if desired.renamed(now, wanted) is not None and not rebuild:
            return Plan((), None)
        if wanted.environment != now.environment:
            await self._environments.check(wanted.environment)
        if rebuild:
            wanted = desired.rebuilt(wanted, None)
        live_growth = (await self._runtime.capabilities()).live_storage_growth
        machine = await self._runtime.observe(now.id)
        seen = Observation(machine, has_keys=True, live_growth=live_growth)
        if not lifecycle.restarts(lifecycle.seen_now(wanted, seen, self._clock()), seen):
            return Plan((), None)
        reasons = _reasons(now, wanted, rebuild=rebuild, live_growth=live_growth)
        return Plan(reasons, await self._losses(enter(principal, Action.RESIZE, now), machine.state))

    async def between(
        self, reference: str, first: int, second: int | None, *, principal: Principal
    ) -> tuple[Generation, Generation, Difference]:
        """Return two generations and how the second differs from the first; without one, from the first to the present.

        Raises ``NotFound`` for a generation that there is not (any more).
        """
        async with self._database.reading() as tx:
            now = await find(tx, reference, principal)
        authorise(principal, Action.READ_USAGE, now)
        found = {one.number: one for one in await self._environments.generations(now.id)}
        before, after = _chosen(found, first), _chosen(found, now.generation if second is None else second)
        closures = self._environments.closures
        found_paths = await closures.of(before.toplevel), await closures.of(after.toplevel)
        return before, after, difference(*found_paths)

    async def _losses(self, key: AuthorisedId, state: MachineState) -> Losses:
        """Return the programs that run; those that cannot be told are no reason to tell nothing."""
        terminals: tuple[Terminal, ...] | None = None
        processes: int | None = None
        try:
            processes = (await self._runtime.usage(key)).processes
            # A paused one answers nobody.
            if state is MachineState.RUNNING:
                terminals = tuple(one for one in await self._list_terminals(key) if one.exit_status is None)
        except WorkspacesError:
            pass
        return Losses(terminals, processes)


def _chosen(found: Mapping[int, Generation], number: int | None) -> Generation:
    """Return the generation of a number; None is the present one before the first build."""
    if number is None:
        raise NotFound("This workspace has no built environment. Rebuild it.", field="generation")
    if number not in found:
        existing = ", ".join(map(str, sorted(found))) or "none"
        raise NotFound(f"There is no generation {number}; there are: {existing}.", field="generation")
    return found[number]


def _reasons(now: Workspace, wanted: Workspace, *, rebuild: bool, live_growth: bool) -> tuple[RestartReason, ...]:
    """Return the parts of a change that restarts which are the cause."""
    before, after = now.environment, wanted.environment
    grows = wanted.resources.storage_bytes > now.resources.storage_bytes and not live_growth
    found = {
        RestartReason.TEMPLATE: after.template != before.template,
        RestartReason.PACKAGES: after.packages != before.packages,
        RestartReason.STORAGE: grows,
        RestartReason.REBUILD: rebuild,
    }
    return tuple(reason for reason, is_cause in found.items() if is_cause) or (RestartReason.PENDING,)
