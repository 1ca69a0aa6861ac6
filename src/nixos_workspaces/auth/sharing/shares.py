"""Sharing a workspace, one of its terminals or one of its ports.

A share says who, what and how much; ``auth.policy`` makes a relation of it. It is read along with its workspace, so
that it counts at once; what is open ends within a second of its end (``auth.sharing.open_access``).
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from nixos_workspaces.audit.entries import SYSTEM
from nixos_workspaces.auth.policy import Action, Principal, not_found
from nixos_workspaces.auth.tokens import digest_of
from nixos_workspaces.database import AuditEntry, Database, Transaction
from nixos_workspaces.errors import (
    Conflict,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Unavailable,
    WorkspacesError,
)
from nixos_workspaces.events import Event, Events
from nixos_workspaces.model.access.shares import (
    MOST_GUESTS,
    MOST_SHARES,
    Access,
    Part,
    Recipient,
    Share,
    ShareState,
)
from nixos_workspaces.model.workspace import Desire, Workspace

LINK_LIFETIME = timedelta(days=7)
"""Of a link where nothing else is asked for."""


class GetWorkspace(Protocol):
    """``workspaces.queries.Workspaces.get``, handed in."""

    def __call__(self, reference: str, *, principal: Principal, action: Action) -> Awaitable[Workspace]:
        """Return the workspace, if the principal may do ``action`` to it."""


@dataclass(frozen=True, slots=True)
class ShareWish:
    """A share to be made."""

    recipient: Recipient
    """A user, a group or a link."""
    name: str
    """The user's handle or the group's name; empty for a link."""
    access: Access
    part: Part | None = None
    files: bool = False
    knock: bool = False
    lifetime: timedelta | None = None
    """None: as long as it is not revoked; a link lives for ``LINK_LIFETIME``."""


class Shares:
    """The shares of workspaces. A ``reference`` is a workspace's id, or the name of one of the principal's own.

    Every method raises ``NotFound`` for a workspace that is not the principal's to see, ``Forbidden`` where only its
    owner may do this. Refusals are audited.
    """

    def __init__(
        self,
        database: Database,
        events: Events,
        get: GetWorkspace,
        *,
        changed: Callable[[], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep them in ``database``; ``changed`` is called after each change, to end what may not be open any more."""
        self._database = database
        self._events = events
        self._get = get
        self._changed = changed
        self._clock = clock

    async def list(self, reference: str, *, principal: Principal) -> tuple[Share, ...]:
        """Return a workspace's shares, oldest first, with those of all who came by a link."""
        workspace = await self._get(reference, principal=principal, action=Action.SHARE)
        async with self._database.reading(once=True) as tx:
            return await tx.shares.of(workspace.id, self._clock())

    async def add(
        self, reference: str, wish: ShareWish, *, principal: Principal, request_id: str = ""
    ) -> tuple[Share, str | None]:
        """Share a workspace or a part of it; return the share, and of a link the secret, which is told this once.

        A share of the same with the same user or group takes its place. Raises ``NotFound`` with code
        ``recipient_not_found``, ``InvalidInput`` for the owner's own, ``LimitExceeded`` beyond ``MOST_SHARES``.
        """
        now = self._clock()
        async with self._audited(reference, Action.SHARE, principal, request_id) as workspace:
            secret = secrets.token_urlsafe(32) if wish.recipient is Recipient.LINK else None
            lifetime = wish.lifetime or (LINK_LIFETIME if secret else None)
            async with self._database.transaction() as tx:
                await still_there(tx, workspace)
                subject, name = await _recipient(tx, wish, workspace)
                share = Share(
                    id=f"shr-{secrets.token_hex(8)}",
                    workspace_id=workspace.id,
                    recipient=wish.recipient,
                    subject=subject,
                    name=name,
                    access=wish.access,
                    part=wish.part,
                    files=wish.part is None and (wish.files or wish.access is Access.EDITOR),
                    state=ShareState.ACTIVE,
                    knock=wish.knock and secret is not None,
                    via="",
                    created_at=now,
                    created_by=principal.id,
                    expires_at=None if lifetime is None else now + lifetime,
                )
                replaced = await add_share(tx, share, now, None if secret is None else digest_of(secret))
                entry = self._entry(principal, "share", share, request_id)
                if replaced:
                    before = {one.id: _terms(one) for one in replaced}
                    entry = replace(entry, before=before, after={share.id: _terms(share)})
                await tx.audit.append(entry)
            self.tell(workspace)
        return share, secret

    async def admit(self, reference: str, share_id: str, *, principal: Principal, request_id: str = "") -> Share:
        """Let in one who has knocked; ``NotFound`` with code ``share_not_found`` where nobody of that id waits."""
        async with self._audited(reference, Action.SHARE, principal, request_id) as workspace:
            async with self._database.transaction() as tx:
                share = await _share(tx, workspace, share_id, self._clock())
                if not await tx.shares.admit(share_id, workspace.id):
                    raise _no_share()
                await tx.audit.append(self._entry(principal, "admit", share, request_id))
            self.tell(workspace)
        return replace(share, state=ShareState.ACTIVE)

    async def remove(self, reference: str, share_id: str, *, principal: Principal, request_id: str = "") -> None:
        """End a share, and, of a link, those of all who came by it; or refuse one who has knocked."""
        async with self._audited(reference, Action.SHARE, principal, request_id) as workspace:
            async with self._database.transaction() as tx:
                share = await _share(tx, workspace, share_id, self._clock())
                await tx.shares.remove(share_id, workspace.id)
                await tx.audit.append(self._entry(principal, "unshare", share, request_id))
            self.tell(workspace)

    async def expire(self) -> None:
        """Remove the shares whose time is over; nobody sees them any more."""
        now = self._clock()
        async with self._database.reading(once=True) as tx:
            if not await tx.shares.expired(now):
                return
        async with self._database.transaction() as tx:
            for one in await tx.shares.expired(now):
                await tx.shares.remove(one.id, one.workspace_id)
                await tx.audit.append(share_entry(now, SYSTEM, "expire-share", one, ""))

    async def leave(self, reference: str, *, principal: Principal, request_id: str = "") -> None:
        """Give up what is shared with the principal; ``Conflict`` for who has it by a group, or as its owner."""
        workspace = await self._get(reference, principal=principal, action=Action.READ)
        async with self._database.transaction() as tx:
            if not await tx.shares.remove_of(principal.id, workspace.id):
                raise Conflict("This workspace is not shared with you in person.", code="not_shared")
            entry = AuditEntry(self._clock(), principal.id, "leave", workspace.id, "accepted", request_id)
            await tx.audit.append(entry)
        self.tell(workspace)

    def tell(self, workspace: Workspace) -> None:
        """Let everything look anew at who may do what with a workspace."""
        self._changed()
        self._events.publish(Event("workspace.shares", workspace.id, {"owner_id": workspace.owner_id}))

    def _audited(self, reference: str, action: Action, principal: Principal, request_id: str) -> Audited:
        return Audited(self._database, self._get, self._clock, reference, action, principal, request_id)

    def _entry(self, principal: Principal, action: str, share: Share, request_id: str) -> AuditEntry:
        return share_entry(self._clock(), principal.id, action, share, request_id)


@dataclass(frozen=True, slots=True)
class Audited:
    """Yields a workspace for an action; a refusal is audited, and goes on to the caller."""

    database: Database
    get: GetWorkspace
    clock: Callable[[], datetime]
    reference: str
    action: Action
    principal: Principal
    request_id: str

    async def __aenter__(self) -> Workspace:
        """Return the workspace."""
        try:
            return await self.get(self.reference, principal=self.principal, action=self.action)
        except WorkspacesError as refused:
            await self._note(refused)
            raise

    async def __aexit__(self, _kind: object, problem: BaseException | None, _trace: object) -> None:
        """Note a refusal within the block."""
        if isinstance(problem, WorkspacesError):
            await self._note(problem)

    async def _note(self, refused: WorkspacesError) -> None:
        if isinstance(refused, Unavailable):
            return
        about = self.reference[:63].encode("ascii", "replace").decode()
        entry = AuditEntry(self.clock(), self.principal.id, self.action, about, refused.code, self.request_id)
        async with self.database.transaction() as tx:
            await tx.audit.append(entry)


def share_entry(at: datetime, actor: str, action: str, share: Share, request_id: str) -> AuditEntry:
    """Return the audit entry of what is done with a share."""
    detail: dict[str, object] = {
        "with": f"{share.recipient.value}:{share.subject}" if share.subject else share.recipient.value,
        "access": share.access.value,
    }
    if share.part is not None:
        detail["part"] = share.part.text
    if share.via:
        detail["via"] = share.via
    if share.expires_at is not None:
        detail["expires_at"] = share.expires_at.isoformat()
    return AuditEntry(at, actor, action, share.workspace_id, "accepted", request_id, detail, target=share.id)


def _terms(share: Share) -> dict[str, object]:
    """Return the part of a share that another one may say otherwise, as the audit log has it."""
    ends = {} if share.expires_at is None else {"expires_at": share.expires_at.isoformat()}
    return {"access": share.access.value, "files": share.files, "state": share.state.value, **ends}


async def add_share(tx: Transaction, share: Share, now: datetime, link_digest: str | None = None) -> Sequence[Share]:
    """Store a share in place of those of the same part with the same recipient, which are returned.

    Raises ``LimitExceeded`` if there are many.

    One that comes by a link takes the place of those by this link only: what the owner has given stays.
    """
    there = await tx.shares.of(share.workspace_id, now)
    same = [
        one
        for one in there
        if share.subject and (one.subject, one.part) == (share.subject, share.part) and share.via in {"", one.via}
    ]
    for one in same:
        await tx.shares.remove(one.id, share.workspace_id)
    is_guest = share.recipient is Recipient.GUEST
    count = sum((one.recipient is Recipient.GUEST) is is_guest for one in there if one not in same)
    if is_guest and count >= MOST_GUESTS:
        raise LimitExceeded(f"A workspace has at most {MOST_GUESTS} guests; try again later.", code="too_many_guests")
    if not is_guest and count >= MOST_SHARES:
        raise LimitExceeded(f"A workspace has at most {MOST_SHARES} shares: end some.", code="too_many_shares")
    await tx.shares.add(share, link_digest)
    return same


async def still_there(tx: Transaction, workspace: Workspace) -> Workspace:
    """Return a workspace as it is within this transaction; refuse one that is gone or has another owner."""
    now = await tx.workspaces.get(workspace.id, lock=True)
    if now is None or now.owner_id != workspace.owner_id:
        raise not_found(workspace.id)
    if now.desire is Desire.DELETED:
        raise Conflict(f"Workspace {now.name} is being deleted.", code="being_deleted")
    return now


async def _recipient(tx: Transaction, wish: ShareWish, workspace: Workspace) -> tuple[str, str]:
    """Return id and name of those with whom something is to be shared."""
    match wish.recipient:
        case Recipient.USER:
            user = await tx.users.find(wish.name)
            if user is None or user.handle != wish.name:
                raise no_recipient()
            if user.id == workspace.owner_id:
                raise InvalidInput("The workspace is theirs already.", field="with")
            return user.id, user.handle
        case Recipient.GROUP:
            group = await tx.groups.find(wish.name)
            if group is None or group.name != wish.name:
                raise no_recipient()
            return group.id, group.name
        case Recipient.LINK | Recipient.GUEST:
            return "", ""


async def _share(tx: Transaction, workspace: Workspace, share_id: str, now: datetime) -> Share:
    """Return a share of a workspace."""
    by_id: Mapping[str, Share] = {one.id: one for one in await tx.shares.of(workspace.id, now)}
    if share_id not in by_id:
        raise _no_share()
    return by_id[share_id]


def _no_share() -> NotFound:
    return NotFound("There is no such share; it was ended.", code="share_not_found", field="share_id")


def no_recipient() -> NotFound:
    """Return the error for a user or group that there is not."""
    return NotFound("There is no such user or group.", code="recipient_not_found", field="with")
