"""Reading and changing when a workspace rests, and asking that it be left running for a while."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from nixos_workspaces.audit.entries import ACCEPTED
from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.automation.watching import IdleWatch, Seen
from nixos_workspaces.database import AuditEntry, Database, Transaction
from nixos_workspaces.database.automation.idle import policy_to_json
from nixos_workspaces.errors import Unavailable, WorkspacesError
from nixos_workspaces.model.automation.idle import Hold, IdlePolicy, StoredIdle
from nixos_workspaces.model.workspace import Workspace
from nixos_workspaces.workspaces.lookup import find, plain


@dataclass(frozen=True, slots=True)
class IdleStatus:
    """The rest of a workspace: its policy, a hold, and what was seen in it."""

    workspace: Workspace
    stored: StoredIdle
    policy: IdlePolicy
    """The policy in force: its own, or that of the settings."""
    hold: Hold | None
    """The hold that is in force."""
    seen: Seen | None
    """None while it is not looked at."""


class IdlePolicies:
    """The policies of rest of workspaces.

    Every method raises ``NotFound`` for a workspace that does not exist or is not the principal's to see.
    """

    def __init__(
        self, database: Database, watch: IdleWatch, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Store in ``database``; ``watch`` is told of changes and tells what it has seen."""
        self._database = database
        self._watch = watch
        self._clock = clock

    async def read(self, reference: str, *, principal: Principal) -> IdleStatus:
        """Return when a workspace rests, and why it is awake."""
        async with self._database.reading() as tx:
            workspace = await find(tx, reference, principal)
            stored = await tx.idle.find(workspace.id)
        authorise(principal, Action.READ_USAGE, workspace)
        return self._status(workspace, stored)

    async def change(
        self, reference: str, policy: IdlePolicy | None, *, principal: Principal, request_id: str = ""
    ) -> IdleStatus:
        """Replace the policy of a workspace; None: that of the settings."""
        async with audited(self._database, self._clock, reference, principal, Action.CHANGE_IDLE, request_id) as act:
            before = await act.tx.idle.find(act.workspace.id)
            stored = replace(before, policy=policy)
            await act.tx.idle.replace(act.workspace.id, stored)
            await act.note(before=_told(before.policy), after=_told(policy))
        self._watch.wake()
        return self._status(act.workspace, stored)

    async def hold(
        self, reference: str, length: timedelta, reason: str, *, principal: Principal, request_id: str = ""
    ) -> IdleStatus:
        """Leave a workspace running for so long from now on; takes the place of an earlier hold."""
        hold = Hold(self._clock() + length, reason, principal.id)
        return await self._held(reference, hold, principal, request_id)

    async def release(self, reference: str, *, principal: Principal, request_id: str = "") -> IdleStatus:
        """End a hold."""
        return await self._held(reference, None, principal, request_id)

    async def _held(self, reference: str, hold: Hold | None, principal: Principal, request_id: str) -> IdleStatus:
        async with audited(self._database, self._clock, reference, principal, Action.HOLD, request_id) as act:
            stored = replace(await act.tx.idle.find(act.workspace.id), hold=hold)
            await act.tx.idle.replace(act.workspace.id, stored)
            told = {} if hold is None else {"until": hold.until.isoformat(), "reason": hold.reason}
            await act.note(detail=told)
        self._watch.wake()
        return self._status(act.workspace, stored)

    def _status(self, workspace: Workspace, stored: StoredIdle) -> IdleStatus:
        policy = self._watch.policy_of(workspace, stored)
        return IdleStatus(workspace, stored, policy, stored.held_at(self._clock()), self._watch.seen(workspace.id))


def _told(policy: IdlePolicy | None) -> dict[str, object] | None:
    return None if policy is None else policy_to_json(policy)


Told = Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Act:
    """A change of a workspace that a principal may make, in one transaction with its audit entry."""

    tx: Transaction
    workspace: Workspace
    entry: AuditEntry

    async def note(self, *, detail: Told = None, before: Told = None, after: Told = None) -> None:
        """Store the audit entry with what has changed."""
        await self.tx.audit.append(replace(self.entry, detail=detail, before=before, after=after))


@asynccontextmanager
async def audited(
    database: Database,
    clock: Callable[[], datetime],
    reference: str,
    principal: Principal,
    action: Action,
    request_id: str,
) -> AsyncIterator[Act]:
    """Yield the workspace in a transaction, if the principal may do ``action`` to it; note a refusal."""
    try:
        async with database.transaction() as tx:
            workspace = await find(tx, reference, principal, lock=True)
            authorise(principal, action, workspace)
            yield Act(tx, workspace, AuditEntry(clock(), principal.id, action, workspace.id, ACCEPTED, request_id))
    except Unavailable:
        raise
    except WorkspacesError as refused:
        entry = AuditEntry(clock(), principal.id, action, plain(reference), refused.code, request_id)
        with suppress(Unavailable):
            async with database.transaction() as tx:
                await tx.audit.append(entry)
        raise
