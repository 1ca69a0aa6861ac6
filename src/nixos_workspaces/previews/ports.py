"""Ports of a workspace: what listens, and the people it is shown to."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.auth.tokens import digest_of
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.errors import Forbidden, WorkspacesError
from nixos_workspaces.events import Event, Events
from nixos_workspaces.model.reach.ports import SSH_PORT, Listener, PortShare, Visibility
from nixos_workspaces.model.workspace import AuthorisedId, Status, Workspace
from nixos_workspaces.runtimes.base import Runtime

PROGRAM_SECONDS = 1.0
"""How long the programs of a workspace are known, for those who see a port that is shown to others."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a workspace: what listens, if anything does, and the people it is shown to."""

    number: int
    listener: Listener | None
    share: PortShare | None
    """None: private."""


class Ports:
    """The ports of workspaces."""

    def __init__(
        self,
        database: Database,
        runtime: Runtime,
        events: Events,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Ask ``runtime`` for what listens; ``on_change`` is called when a port is shown to others than before."""
        self._database = database
        self._runtime = runtime
        self._events = events
        self.on_change: Callable[[], None] = lambda: None
        self._clock = clock
        self._seen: dict[str, tuple[Sequence[Listener], float]] = {}

    async def listening(self, workspace_id: AuthorisedId) -> Sequence[Listener]:
        """Return what listens in a running workspace now. Raises as ``Runtime.listening`` does."""
        found = await self._runtime.listening(workspace_id)
        self._remember(workspace_id, found)
        return found

    async def list(self, workspace: Workspace, key: AuthorisedId) -> tuple[Port, ...]:
        """Return the ports on which something listens, or that are shown to others, by their numbers."""
        listeners: dict[int, Listener] = {}
        if workspace.status is Status.RUNNING:
            listeners = {one.port: one for one in await self.listening(key)}
        shares = await self._shares(key)
        numbers = sorted({*listeners, *shares})
        return tuple(Port(number, listeners.get(number), shares.get(number)) for number in numbers)

    async def get(self, workspace: Workspace, key: AuthorisedId, number: int) -> Port:
        """Return one port, whether anything listens there or not."""
        found = (one for one in await self.list(workspace, key) if one.number == number)
        return next(found, Port(number, None, None))

    async def show(
        self,
        workspace: Workspace,
        number: int,
        visibility: Visibility,
        lifetime: timedelta | None,
        *,
        principal: Principal,
        request_id: str = "",
    ) -> tuple[Port, str | None]:
        """Show a port to these people for so long; return it with the secret of a new link, which is told once.

        A link that there was before ends. Whoever sees it and may not any more is cut off within a second. What is
        shown is the program that listens now: another one that takes its place is not. Raises ``Forbidden`` with code
        ``port_refused`` for sshd's port.
        """
        authorise(principal, Action.SHARE_PORT, workspace)
        if number == SSH_PORT:
            raise Forbidden("Port 22 is sshd's and no web page: use `nixws ssh`.", code="port_refused", field="port")
        now, secret, share = self._clock(), None, None
        listener = await self._listener(workspace, number)
        if visibility is not Visibility.PRIVATE:
            secret = secrets.token_urlsafe(32) if visibility is Visibility.LINK else None
            share = PortShare(
                workspace.id,
                number,
                visibility,
                listener.program if listener else "",
                None if secret is None else digest_of(secret),
                None if lifetime is None else now + lifetime,
            )
        async with self._database.transaction() as tx:
            before = next((one for one in await tx.ports.shares([workspace.id]) if one.port == number), None)
            await tx.ports.replace(workspace.id, number, share)
            entry = AuditEntry(
                *(now, principal.id, Action.SHARE_PORT, workspace.id, "accepted", request_id),
                detail={"port": number, **_terms(share)},
                before=_terms(before),
                after=_terms(share),
            )
            await tx.audit.append(entry)
        self.on_change()
        self._events.publish(Event("workspace.ports", workspace.id, {"owner_id": workspace.owner_id}))
        return Port(number, listener, share), secret

    async def program_of(self, workspace_id: str, number: int) -> str | None:
        """Return the program that listens on a port, known for a second; None where none does, or it is not told."""
        found, at = self._seen.get(workspace_id, ((), 0.0))
        if asyncio.get_running_loop().time() - at > PROGRAM_SECONDS:
            try:
                found = await self._runtime.listening(workspace_id)
            except WorkspacesError:
                return None
            self._remember(workspace_id, found)
        return next((one.program for one in found if one.port == number and one.program), None)

    def _remember(self, workspace_id: str, found: Sequence[Listener]) -> None:
        now = asyncio.get_running_loop().time()
        self._seen = {one: seen for one, seen in self._seen.items() if now - seen[1] < PROGRAM_SECONDS}
        self._seen[workspace_id] = found, now

    async def _listener(self, workspace: Workspace, number: int) -> Listener | None:
        if workspace.status is not Status.RUNNING:
            return None
        found = await self._runtime.listening(workspace.id)
        self._remember(workspace.id, found)
        return next((one for one in found if one.port == number), None)

    async def _shares(self, workspace_id: str) -> dict[int, PortShare]:
        now = self._clock()
        async with self._database.reading(once=True) as tx:
            found = await tx.ports.shares([workspace_id])
        return {one.port: one for one in found if one.expires_at is None or one.expires_at > now}


def _terms(share: PortShare | None) -> dict[str, object]:
    """Return the people whom a port is shown to, as the audit log has it: without what its link is known by."""
    if share is None:
        return {"visibility": Visibility.PRIVATE.value}
    ends = {} if share.expires_at is None else {"expires_at": share.expires_at.isoformat()}
    return {"visibility": share.visibility.value, **ends}
