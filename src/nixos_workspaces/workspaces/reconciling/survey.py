"""The look from afar: all records beside all machines, at a cost that many idle workspaces do not multiply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from nixos_workspaces.database import Database, parted
from nixos_workspaces.model.machine import MachineState, Observed
from nixos_workspaces.model.workspace import Desire, Workspace
from nixos_workspaces.workspaces import lifecycle
from nixos_workspaces.workspaces.lifecycle import Done, Observation, Step, Wait
from nixos_workspaces.workspaces.reconciling.work import settled

_ROWS_AT_ONCE = 50
"""Whole records that are made of rows between two turns of the event loop: each takes it some 0.1 ms."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The outcome of one look."""

    due: tuple[str, ...]
    """The workspaces with something to do or to note."""
    unknown: frozenset[str]
    """The machines that no record knows of."""
    tombstoned: frozenset[str]
    """The machines of deleted workspaces."""


@dataclass(frozen=True, slots=True)
class _Look:
    """One workspace with the mark of its summary and its machine, if there is one."""

    workspace_id: str
    mark: int
    machine: Observed | None


class Survey:
    """Compares records with machines, and remembers where nothing was to be done.

    A record is read in full only if its summary or its machine has changed since. The comparison runs in a thread: the
    event loop carries keystrokes.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        """Read the records of ``database``."""
        self._database = database
        self._clock = clock
        self._marks: dict[str, int] = {}
        """The hash of each summary with which there was nothing to do: one of two summaries in 2**61 has another's."""
        self._machines: dict[str, Observed | None] = {}
        """The machine that each of them was seen with."""

    async def look(self, machines: Iterable[Observed], busy: Container[str]) -> Findings:
        """Compare all records with ``machines``, which were listed before; leave out those that are ``busy``.

        A record is there before its machine, so that none of the machines can look unknown.
        """
        async with self._database.reading(once=True) as tx:
            summaries = await tx.summaries.deciding()
        changed, strange = await asyncio.to_thread(self._compare, summaries, machines)
        due: list[str] = []
        for begin in range(0, len(changed), _ROWS_AT_ONCE):
            due += await self._judge(changed[begin : begin + _ROWS_AT_ONCE], busy)
        tombstoned: frozenset[str] = frozenset()
        if strange:
            async with self._database.reading() as tx:
                tombstoned = await tx.tombstones.among(strange)
        return Findings(tuple(due), strange - tombstoned, tombstoned)

    def _compare(self, summaries: str, machines: Iterable[Observed]) -> tuple[list[_Look], frozenset[str]]:
        """Return the workspaces that are not as they were when nothing was to be done, and machines without a record.

        Makes few objects: each would be looked at by the interpreter's collector, which stops everything meanwhile.
        """
        seen = {machine.workspace_id: machine for machine in machines}
        changed, count = [], 0
        for workspace_id, summary in parted(summaries):
            count += 1
            machine, mark = seen.pop(workspace_id, None), hash(summary)
            if self._marks.get(workspace_id) != mark or self._machines.get(workspace_id) != machine:
                self._forget(workspace_id)
                changed.append(_Look(workspace_id, mark, machine))
        if len(self._marks) + len(changed) > count:
            present = {workspace_id for workspace_id, _ in parted(summaries)}
            for gone in self._marks.keys() - present:
                self._forget(gone)
        return changed, frozenset(seen)

    def _forget(self, workspace_id: str) -> None:
        self._marks.pop(workspace_id, None)
        self._machines.pop(workspace_id, None)

    async def _judge(self, looks: Sequence[_Look], busy: Container[str]) -> list[str]:
        """Return which of the workspaces have something to do; remember the others until they change."""
        async with self._database.reading(once=True) as tx:
            found = {one.id: one for one in await tx.workspaces.several([look.workspace_id for look in looks])}
        now = self._clock()
        due = []
        for look in looks:
            workspace = found.get(look.workspace_id)
            if workspace is None or workspace.id in busy:
                continue
            if _has_work(workspace, look.machine or Observed(workspace.id, MachineState.ABSENT), now):
                due.append(workspace.id)
            elif _stays_settled(workspace):
                self._marks[workspace.id], self._machines[workspace.id] = look.mark, look.machine
        return due


def _has_work(workspace: Workspace, machine: Observed, now: datetime) -> bool:
    """Tell whether a look from afar finds anything to do or to note; a deletion always has something to do."""
    if workspace.desire is Desire.DELETED:
        return True
    observation = Observation(machine, has_keys=True, live_growth=True)
    seen = lifecycle.seen_now(workspace, observation, now)
    match lifecycle.next_step(seen, observation, now):
        case Done(status):
            return settled(seen, status, now) != workspace
        case Wait(_, status):
            return replace(seen, status=status) != workspace
        case Step():
            return True


def _stays_settled(workspace: Workspace) -> bool:
    """Tell whether time alone brings no work: a failure that is tried again, or forgotten, does."""
    failure = workspace.step_failure
    return failure is None or failure.retry_at is None
