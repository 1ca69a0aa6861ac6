"""Everything that is open into workspaces: it ends within a second when the person may not do it any more.

A share was revoked or has expired, a group or a role was lost, or the workspace has another owner. Credentials that end
are not looked at here (``web.http.access.watch``). One task looks at all workspaces with others in them than their
owners, in one reading, while there are any; a change by this process wakes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from nixos_workspaces.auth.policy import Action, Principal, Relation, Role, authorise, not_found, relation
from nixos_workspaces.database import Database
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.model.access.shares import Part
from nixos_workspaces.model.workspace import Workspace

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.3
"""How often it is looked whether shares have expired."""
_IDS_AT_ONCE = 500

End = Callable[[WorkspacesError], None]
"""Ends one open thing, for the reason given; neither waits nor raises."""


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    """One open thing."""

    principal: Principal
    action: Action
    part: Part | None
    is_owner: bool
    end: End


class OpenAccess:
    """Knows who is in which workspace for what. Call it from the event loop's thread only."""

    def __init__(self, database: Database) -> None:
        """Look into ``database``."""
        self._database = database
        self._open: dict[str, set[_Open]] = {}
        self._changed = asyncio.Event()
        self._is_all_due = False
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def entered(
        self, principal: Principal, action: Action, workspace: Workspace, end: End, part: Part | None = None
    ) -> Iterator[None]:
        """Have ``end`` called, once or more, if the principal may no longer do ``action`` while the block runs."""
        one = _Open(principal, action, part, relation(principal, workspace) is Relation.OWNER, end)
        self._open.setdefault(workspace.id, set()).add(one)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        elif not one.is_owner:
            self._changed.set()  # it may be waiting without looking, because there were owners only
        try:
            yield
        finally:
            self._open[workspace.id].discard(one)
            if not self._open[workspace.id]:
                del self._open[workspace.id]
            if not self._open:
                self._changed.set()

    def changed(self) -> None:
        """Look at everything now: shares or an owner have changed."""
        self._is_all_due = True
        self._changed.set()

    async def _look(self) -> None:
        """Look until nothing is open any more."""
        try:
            while self._open:
                has_others = any(not one.is_owner for several in self._open.values() for one in several)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS if has_others else None):
                        await self._changed.wait()
                self._changed.clear()
                is_all, self._is_all_due = self._is_all_due, False
                await self._end_those_that_may_not(is_all=is_all)
        finally:
            self._looking = None

    async def _end_those_that_may_not(self, *, is_all: bool) -> None:
        due = [one for one, several in self._open.items() if is_all or any(not each.is_owner for each in several)]
        for begin in range(0, len(due), _IDS_AT_ONCE):
            ids = due[begin : begin + _IDS_AT_ONCE]
            try:
                people = {one.principal.id for each in ids for one in self._open.get(each, ())}
                async with self._database.reading() as tx:
                    found = {one.id: one for one in await tx.workspaces.several(ids)}
                    present = await tx.shares.people(people)
            except WorkspacesError:
                # A database that cannot be read ends nobody's work; the next look may succeed.
                self._is_all_due = self._is_all_due or is_all
                continue
            for workspace_id in ids:
                for one in [*self._open.get(workspace_id, ())]:
                    _end(one, _as_now(one.principal, present), found.get(workspace_id), workspace_id)


def _as_now(principal: Principal, present: Mapping[str, tuple[str, frozenset[str]]]) -> Principal:
    """Return a principal with the role and groups that the user has now; guests have neither."""
    if principal.id not in present:
        return principal
    role, groups = present[principal.id]
    return replace(principal, role=Role(role), groups=groups)


def _end(one: _Open, principal: Principal, workspace: Workspace | None, workspace_id: str) -> None:
    """End something that may not be open any more."""
    try:
        if workspace is None:
            raise not_found(workspace_id)
        authorise(principal, one.action, workspace, one.part)
    except WorkspacesError as refused:
        try:
            one.end(refused)
        except Exception:
            # The others must end all the same.
            log.exception("something that is open into workspace %s cannot be ended", workspace_id)
