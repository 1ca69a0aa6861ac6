"""Coming by a link: as a user, or as a guest who has no account.

A link's secret opens nothing itself. Who comes with it gets a share of their own, which ends with the link, and may
have to wait until the owner has admitted them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nixos_workspaces.auth.policy import Action, Principal, Role, authorise
from nixos_workspaces.auth.sharing.shares import Shares, add_share, share_entry
from nixos_workspaces.auth.tokens import TokenKind, Tokens, digest_of
from nixos_workspaces.database import Database, Transaction
from nixos_workspaces.errors import Conflict, InvalidInput, Unauthenticated
from nixos_workspaces.model.access.shares import Access, Recipient, Share, ShareState
from nixos_workspaces.model.workspace import Desire, Workspace

GUEST_LIFETIME = timedelta(hours=12)
"""Longest time that a guest stays signed in."""
_GUEST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}")


@dataclass(frozen=True, slots=True)
class Joined:
    """One who came by a link."""

    workspace: Workspace
    share: Share
    """Their own; it may wait for the owner."""
    secret: str = ""
    """Of a guest's new session."""


class Joining:
    """Lets people in who come by a link. Raises ``Unauthenticated`` for a link that is none, or has ended."""

    def __init__(
        self,
        database: Database,
        tokens: Tokens,
        shares: Shares,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Look into ``database``; ``tokens`` makes the sessions of guests."""
        self._database = database
        self._tokens = tokens
        self._shares = shares
        self._clock = clock

    async def join(self, secret: str, *, principal: Principal, request_id: str = "") -> Joined:
        """Give a principal the share of a link; once more returns the one that is there.

        Raises ``Conflict`` with code ``owner_already`` for the owner, and where they have more already.
        """
        authorise(principal, Action.JOIN)
        recipient = Recipient.GUEST if principal.role is Role.GUEST else Recipient.USER
        return await self._join(secret, recipient, principal.id, principal.name, request_id)

    async def join_as_guest(self, secret: str, name: str, *, request_id: str = "") -> Joined:
        """Make a guest of that name, who may do what the link says; returns the secret of a session besides.

        Whoever sees the name sees that it is a guest's. Share and session end together. Raises ``LimitExceeded`` with
        code ``too_many_guests`` beyond ``MOST_GUESTS``.
        """
        if not _GUEST_NAME.fullmatch(name):
            raise InvalidInput(
                "A guest's name has 1 to 40 letters, digits, blanks and . _ -, and begins with a letter or digit.",
                field="name",
            )
        guest = Principal(f"guest-{secrets.token_hex(8)}", f"{name} (guest)", Role.GUEST)
        joined = await self._join(secret, Recipient.GUEST, guest.id, guest.name, request_id)
        ends = joined.share.expires_at
        lifetime = GUEST_LIFETIME if ends is None else ends - self._clock()
        credential, _ = await self._tokens.create("guest", principal=guest, kind=TokenKind.SESSION, lifetime=lifetime)
        return Joined(joined.workspace, joined.share, credential)

    async def end_guest(self, workspace: Workspace, guest_id: str, *, by: Principal, request_id: str = "") -> None:
        """End what a guest has of a workspace, if it is one: a moderator has sent them away.

        Their link stays: it can be taken anew, under another name, until the owner revokes it.
        """
        now = self._clock()
        async with self._database.reading(once=True) as tx:
            there = await tx.shares.of(workspace.id, now)
        gone = [one for one in there if one.recipient is Recipient.GUEST and one.subject == guest_id]
        if not gone:
            return
        async with self._database.transaction() as tx:
            for one in gone:
                if await tx.shares.remove(one.id, workspace.id):
                    await tx.audit.append(share_entry(now, by.id, "unshare", one, request_id))
        self._shares.tell(workspace)

    async def _join(self, secret: str, recipient: Recipient, subject: str, name: str, request_id: str) -> Joined:
        now, digest = self._clock(), digest_of(secret)
        async with self._database.reading() as tx:
            found = await _link(tx, digest, now)
        if found is None:
            # Who has no link must not write: not even an audit entry, which costs a sync of the disk.
            raise _no_link()
        async with self._database.transaction() as tx:
            found = await _link(tx, digest, now)
            if found is None:
                raise _no_link()
            workspace, link = found
            if subject == workspace.owner_id:
                raise Conflict("The workspace is yours already.", code="owner_already")
            there = [one for one in await tx.shares.of(workspace.id, now) if one.subject == subject]
            for one in there:
                if one.part == link.part and (one.via == link.id or _is_as_much(one, link)):
                    return Joined(workspace, one)
            share = Share(
                id=f"shr-{secrets.token_hex(8)}",
                workspace_id=workspace.id,
                recipient=recipient,
                subject=subject,
                name=name,
                access=link.access,
                part=link.part,
                files=link.files,
                state=ShareState.WAITING if link.knock else ShareState.ACTIVE,
                knock=False,
                via=link.id,
                created_at=now,
                created_by=link.created_by,
                expires_at=link.expires_at if recipient is Recipient.USER else _end_of_guest(link, now),
            )
            await add_share(tx, share, now)
            await tx.audit.append(share_entry(now, subject, "join", share, request_id))
        self._shares.tell(workspace)
        return Joined(workspace, share)


def _is_as_much(there: Share, link: Share) -> bool:
    """Tell whether a share that somebody has already lets them do all that a link does, for as long."""
    lasts = there.expires_at is None or (link.expires_at is not None and there.expires_at >= link.expires_at)
    does = there.access is Access.EDITOR or (link.access is Access.VIEWER and (there.files or not link.files))
    return there.state is ShareState.ACTIVE and lasts and does


def _end_of_guest(link: Share, now: datetime) -> datetime:
    """Return the end of what a guest gets by a link."""
    longest = now + GUEST_LIFETIME
    return longest if link.expires_at is None else min(link.expires_at, longest)


async def _link(tx: Transaction, digest: str, now: datetime) -> tuple[Workspace, Share] | None:
    """Return a link that has not ended, with its workspace."""
    link = await tx.shares.by_link(digest, now)
    workspace = None if link is None else await tx.workspaces.get(link.workspace_id)
    if link is None or workspace is None or workspace.desire is Desire.DELETED:
        return None
    return None if await tx.users.suspended([workspace.owner_id]) else (workspace, link)


def _no_link() -> Unauthenticated:
    return Unauthenticated("This link is not valid: it was revoked or has expired.", code="link_invalid")
