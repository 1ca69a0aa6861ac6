"""Giving a workspace to another owner: nothing of it is theirs, and nothing of theirs is in it, before they accept.

Its former owner may have left anything in it, programs that start by themselves included. With another owner all of
its shares and links end, and the new owner's personal secrets are kept from it until they say otherwise (decision 60).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from nixos_workspaces.auth.policy import RULES, Action, Principal, Role, authorise, permit
from nixos_workspaces.auth.sharing.shares import Audited, GetWorkspace, Shares, no_recipient, still_there
from nixos_workspaces.database import AuditEntry, Database, Transaction
from nixos_workspaces.errors import InsufficientResources, NotFound
from nixos_workspaces.events import Event, Events
from nixos_workspaces.model.access.people import User
from nixos_workspaces.model.access.transfers import Offer, Offers, TransferState
from nixos_workspaces.model.workspace import Desire, Workspace

OFFER_LIFETIME = timedelta(days=7)
"""Of an offer that is neither answered nor withdrawn."""

Within = Callable[[Transaction, str], AbstractAsyncContextManager[None]]
"""``workspaces.admission.within_quotas``, handed in: refuses what takes a user beyond a quota."""


@dataclass(frozen=True, slots=True)
class Changed:
    """Called with a workspace that has another owner, or whose owner's secrets are to be delivered or removed."""

    owner: Callable[[Workspace], Awaitable[None]]
    secrets: Callable[[], None]


class Transfers:
    """Offers of workspaces, and the answers to them. Changes and their refusals are audited.

    A ``reference`` is a workspace's id, or the name of one of the principal's own.
    """

    def __init__(
        self,
        database: Database,
        events: Events,
        get: GetWorkspace,
        shares: Shares,
        *,
        within_quotas: Within,
        changed: Changed,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep them in ``database``; ``shares`` ends what may not be open any more."""
        self._database = database
        self._events = events
        self._get = get
        self._shares = shares
        self._within_quotas = within_quotas
        self._changed = changed
        self._clock = clock

    async def transfer(
        self, reference: str, to: str, *, principal: Principal, request_id: str = ""
    ) -> tuple[TransferState, datetime | None]:
        """Offer a workspace to the user with that handle, in place of an earlier offer; return when it expires.

        One whose role allows it with every workspace gives it at once. Raises ``NotFound`` with code
        ``recipient_not_found``, and then ``InsufficientResources`` with code ``recipient_quota``.
        """
        async with self._audited(reference, Action.TRANSFER, principal, request_id) as workspace:
            async with self._database.transaction() as tx:
                found = await still_there(tx, workspace)
                user = await tx.users.find(to)
                if user is None or user.handle != to or not _may_own(user):
                    raise no_recipient()
                if user.id == found.owner_id:
                    return TransferState.GIVEN, None
                if principal.role not in RULES[Action.TRANSFER].roles:
                    expires_at, given = await self._offer(tx, found, user, principal, request_id), None
                else:
                    expires_at, given = None, await self._give_at_once(tx, found, user, principal, request_id)
            if given is None:
                self._tell_of_offer(found.id, user.id)
                return TransferState.OFFERED, expires_at
            await self._tell(found, given)
        return TransferState.GIVEN, None

    async def withdraw(self, reference: str, *, principal: Principal, request_id: str = "") -> None:
        """Withdraw the offer of a workspace; ``NotFound`` with code ``transfer_not_found`` if there is none."""
        audited = self._audited(reference, Action.TRANSFER, principal, request_id)
        async with audited as workspace, self._database.transaction() as tx:
            await still_there(tx, workspace)
            offer = await tx.transfers.of(workspace.id, self._clock())
            if offer is None:
                raise _no_offer()
            await self._end(tx, offer, principal, "withdraw-transfer", request_id)
        self._tell_of_offer(offer.workspace_id, offer.to_id)

    async def list(self, *, principal: Principal) -> Offers:
        """Return the offers to a principal, and those that they have made."""
        authorise(principal, Action.READ_TRANSFERS)
        now = self._clock()
        async with self._database.reading() as tx:
            return Offers(await tx.transfers.to(principal.id, now), await tx.transfers.by(principal.id, now))

    async def accept(
        self, workspace_id: str, *, principal: Principal, deliver_secrets: bool = False, request_id: str = ""
    ) -> Workspace:
        """Make a workspace that is offered to the principal theirs; return it.

        It keeps its name unless they have one of that name. What others have open in it ends. Raises ``NotFound``
        with code ``transfer_not_found``, ``InsufficientResources`` where it would take them beyond a quota.
        """
        authorise(principal, Action.ACCEPT_TRANSFER)
        if deliver_secrets:
            permit(principal, Action.DELIVER_PERSONAL_SECRETS)
        await self._offered(workspace_id, principal)
        try:
            async with self._database.transaction() as tx:
                now = self._clock()
                offer = await _offer_to(tx, workspace_id, principal, now)
                before = await tx.workspaces.get(offer.workspace_id, lock=True)
                user = await tx.users.find(principal.id)
                if before is None or before.desire is Desire.DELETED or user is None or not _may_own(user):
                    raise _no_offer()
                given = await self._give(tx, before, principal.id)
                if deliver_secrets:
                    await tx.transfers.withhold(given.id, withholds=False)
                    given = replace(given, withholds_personal=False)
                await tx.audit.append(_given(now, principal, Action.ACCEPT_TRANSFER, before, given, request_id))
        except InsufficientResources as refused:
            async with self._database.transaction() as tx:
                entry = AuditEntry(
                    *(self._clock(), principal.id, Action.ACCEPT_TRANSFER, workspace_id, refused.code, request_id)
                )
                await tx.audit.append(entry)
            raise
        await self._tell(before, given)
        return given

    async def refuse(self, workspace_id: str, *, principal: Principal, request_id: str = "") -> None:
        """Refuse a workspace that is offered to the principal; ``NotFound`` with code ``transfer_not_found``."""
        authorise(principal, Action.REFUSE_TRANSFER)
        await self._offered(workspace_id, principal)
        async with self._database.transaction() as tx:
            offer = await _offer_to(tx, workspace_id, principal, self._clock())
            await self._end(tx, offer, principal, Action.REFUSE_TRANSFER, request_id)
        self._tell_of_offer(offer.workspace_id, offer.owner_id)

    async def deliver_secrets(
        self, reference: str, *, delivers: bool, principal: Principal, request_id: str = ""
    ) -> Workspace:
        """Have the principal's personal secrets delivered to a workspace of theirs, or kept from it; return it."""
        action = Action.DELIVER_PERSONAL_SECRETS
        async with self._audited(reference, action, principal, request_id) as workspace:
            async with self._database.transaction() as tx:
                before = await still_there(tx, workspace)
                after = replace(before, withholds_personal=not delivers)
                if after != before:
                    await tx.transfers.withhold(before.id, withholds=not delivers)
                    entry = AuditEntry(self._clock(), principal.id, action, before.id, "accepted", request_id)
                    told = ({"personal_secrets": one.personal_secrets.value} for one in (before, after))
                    await tx.audit.append(replace(entry, before=next(told), after=next(told)))
            self._changed.secrets()
        return after

    async def _offer(
        self, tx: Transaction, workspace: Workspace, to: User, principal: Principal, request_id: str
    ) -> datetime:
        """Store an offer; return when it expires."""
        now = self._clock()
        earlier = await tx.transfers.of(workspace.id, now)
        await tx.transfers.offer(workspace.id, workspace.owner_id, to.id, now, now + OFFER_LIFETIME)
        entry = AuditEntry(now, principal.id, "offer-transfer", workspace.id, "accepted", request_id, target=to.id)
        before = {"owner": workspace.owner_id, "offered_to": None if earlier is None else earlier.to_id}
        after = {"owner": workspace.owner_id, "offered_to": to.id}
        await tx.audit.append(replace(entry, before=before, after=after))
        return now + OFFER_LIFETIME

    async def _give_at_once(
        self, tx: Transaction, workspace: Workspace, to: User, principal: Principal, request_id: str
    ) -> Workspace:
        """Give a workspace without an offer; return it as it is then."""
        try:
            given = await self._give(tx, workspace, to.id)
        except InsufficientResources as beyond:
            # Without the figures: they are the new owner's.
            raise InsufficientResources(
                "A quota of the new owner does not allow them this workspace.", code="recipient_quota", field="to"
            ) from beyond
        await tx.audit.append(_given(self._clock(), principal, "transfer", workspace, given, request_id))
        return given

    async def _end(self, tx: Transaction, offer: Offer, principal: Principal, action: str, request_id: str) -> None:
        """Remove an offer that was withdrawn or refused."""
        await tx.transfers.remove(offer.workspace_id)
        entry = AuditEntry(self._clock(), principal.id, action, offer.workspace_id, "accepted", request_id)
        before = {"owner": offer.owner_id, "offered_to": offer.to_id}
        await tx.audit.append(
            replace(entry, target=offer.to_id, before=before, after={"owner": offer.owner_id, "offered_to": None})
        )

    async def _give(self, tx: Transaction, workspace: Workspace, owner_id: str) -> Workspace:
        """Give a workspace to another owner; return it as it is then."""
        async with self._within_quotas(tx, owner_id):
            await _free_name(tx, workspace, owner_id)
            await tx.transfers.give(workspace.id, owner_id)
        # Compared by revisions: the old owner's secrets must go although nobody has changed one.
        await tx.secrets.note_change(workspace.id)
        given = await tx.workspaces.get(workspace.id)
        assert given is not None
        return given

    async def _tell(self, before: Workspace, given: Workspace) -> None:
        """Let everything look anew at who may do what with a workspace, and tell both owners."""
        self._shares.tell(given)
        self._events.publish(Event("workspace.shares", before.id, {"owner_id": before.owner_id}))
        await self._changed.owner(given)

    def _tell_of_offer(self, workspace_id: str, user_id: str) -> None:
        """Tell a person that what is offered to or by them is otherwise than before."""
        self._events.publish(Event("workspace.offered", workspace_id, {"owner_id": user_id}))

    async def _offered(self, workspace_id: str, principal: Principal) -> None:
        """Refuse without writing anything, as there may be no such offer at all."""
        async with self._database.reading(once=True) as tx:
            await _offer_to(tx, workspace_id, principal, self._clock())

    def _audited(self, reference: str, action: Action, principal: Principal, request_id: str) -> Audited:
        return Audited(self._database, self._get, self._clock, reference, action, principal, request_id)


async def _offer_to(tx: Transaction, workspace_id: str, principal: Principal, now: datetime) -> Offer:
    """Return the offer of a workspace to a principal."""
    offer = await tx.transfers.of(workspace_id, now)
    if offer is None or offer.to_id != principal.id:
        raise _no_offer()
    return offer


def _given(
    at: datetime, principal: Principal, action: str, before: Workspace, after: Workspace, request_id: str
) -> AuditEntry:
    """Return the audit entry of another owner."""
    entry = AuditEntry(at, principal.id, action, after.id, "accepted", request_id, target=after.owner_id)
    told = (
        {"owner": one.owner_id, "name": one.name, "personal_secrets": one.personal_secrets.value}
        for one in (before, after)
    )
    return replace(entry, before=next(told), after=next(told))


def _may_own(user: User) -> bool:
    return user.is_active and Role(user.role) in RULES[Action.ACCEPT_TRANSFER].roles


async def _free_name(tx: Transaction, workspace: Workspace, owner_id: str) -> None:
    """Give a workspace a name that the new owner has none of yet."""
    name, number = workspace.name, 1
    while await tx.workspaces.find(name, owner_id) is not None:
        number += 1
        ending = f"-{number}"
        name = f"{workspace.name[: 63 - len(ending)]}{ending}"
    if name != workspace.name:
        await tx.workspaces.save_desired(replace(workspace, name=name))


def _no_offer() -> NotFound:
    return NotFound(
        "There is no such offer: it was answered or withdrawn, or has expired.",
        code="transfer_not_found",
        field="workspace_id",
    )
