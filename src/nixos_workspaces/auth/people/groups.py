"""Groups of users."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from nixos_workspaces.auth.people.users import found
from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.auth.recent import RecentTokens
from nixos_workspaces.auth.tokens import Token
from nixos_workspaces.database import AuditEntry, Database, Transaction
from nixos_workspaces.errors import Conflict, InvalidInput, NotFound
from nixos_workspaces.model.access.people import Group, is_handle


class Groups:
    """The groups. Every verb raises ``Forbidden`` unless an administrator asks; auditors may read."""

    def __init__(
        self, database: Database, recent: RecentTokens[Token], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Keep them in ``database``; ``recent`` is told when memberships have changed."""
        self._database = database
        self._recent = recent
        self._clock = clock

    async def list(self, *, principal: Principal) -> tuple[Group, ...]:
        """Return all groups with their members, by their names."""
        authorise(principal, Action.READ_PEOPLE)
        async with self._database.reading() as tx:
            return await tx.groups.all()

    async def create(self, name: str, *, principal: Principal, request_id: str = "") -> Group:
        """Make a group without members. Raises ``Conflict`` with code ``group_taken``."""
        authorise(principal, Action.MANAGE_PEOPLE)
        if not is_handle(name):
            raise InvalidInput(
                "A group's name has 1 to 40 small letters, digits and . _ -, and begins with a letter or digit.",
                field="name",
            )
        group = Group(f"grp-{secrets.token_hex(6)}", name, self._clock())
        async with self._database.transaction() as tx:
            if await tx.groups.find(name) is not None:
                raise Conflict(f"There is a group {name} already.", code="group_taken", field="name")
            await tx.groups.add(group)
            await self._note(tx, "create-group", principal, request_id, group, name=name)
        return group

    async def remove(self, reference: str, *, principal: Principal, request_id: str = "") -> None:
        """Remove a group with its memberships, its quota and what is shared with it."""
        authorise(principal, Action.MANAGE_PEOPLE)
        async with self._database.transaction() as tx:
            group = await found_group(tx, reference)
            await tx.groups.remove(group.id)
            await tx.shares.remove_of(group.id)
            await self._note(tx, "delete-group", principal, request_id, group, name=group.name)
        self._recent.forget()

    async def join(self, reference: str, user: str, *, principal: Principal, request_id: str = "") -> Group:
        """Make a user a member, and return the group; who is one stays it."""
        authorise(principal, Action.MANAGE_PEOPLE)
        async with self._database.transaction() as tx:
            group, member = await found_group(tx, reference), await found(tx, user)
            if member.id not in group.members:
                await tx.groups.join(group.id, member.id)
                await self._note(tx, "join-group", principal, request_id, group, user=member.id)
            group = await found_group(tx, group.id)
        self._recent.forget()
        return group

    async def leave(self, reference: str, user: str, *, principal: Principal, request_id: str = "") -> None:
        """End a membership; ``NotFound`` with code ``user_not_found`` where there is none."""
        authorise(principal, Action.MANAGE_PEOPLE)
        async with self._database.transaction() as tx:
            group, member = await found_group(tx, reference), await found(tx, user)
            if not await tx.groups.leave(group.id, member.id):
                raise NotFound(
                    f"{member.handle} is not in the group {group.name}.", code="user_not_found", field="user"
                )
            await self._note(tx, "leave-group", principal, request_id, group, user=member.id)
        self._recent.forget()

    async def _note(
        self, tx: Transaction, action: str, principal: Principal, request_id: str, group: Group, **detail: str
    ) -> None:
        """Store the audit entry."""
        stated = {"group": group.id, **detail}
        await tx.audit.append(AuditEntry(self._clock(), principal.id, action, "", "accepted", request_id, stated))


async def found_group(tx: Transaction, reference: str) -> Group:
    """Return the group with that id or name; ``NotFound`` with code ``group_not_found``."""
    group = await tx.groups.find(reference)
    if group is None:
        raise NotFound(f"There is no group {reference!r}.", code="group_not_found", field="group")
    return group
