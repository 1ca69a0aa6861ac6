"""Users of the people whom the OpenID provider knows: found by issuer and subject, made, changed as its groups say."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from nixos_workspaces.audit.entries import SYSTEM, AuditClass
from nixos_workspaces.auth.openid.mapping import GroupRules, Person
from nixos_workspaces.auth.policy import Principal, Role
from nixos_workspaces.auth.recent import RecentTokens
from nixos_workspaces.auth.tokens import Token
from nixos_workspaces.database import AuditEntry, Database, Transaction
from nixos_workspaces.errors import Conflict, Forbidden
from nixos_workspaces.model.access.identities import Identity
from nixos_workspaces.model.access.people import Group, User, UserKind, UserState

_TRIES = 20


class Accounts:
    """The users behind the provider's subjects."""

    def __init__(
        self,
        database: Database,
        rules: GroupRules,
        recent: RecentTokens[Token],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Change users in ``database``; ``recent`` is told when role or groups have changed."""
        self._database = database
        self._rules = rules
        self._recent = recent
        self._clock = clock

    async def enter(self, person: Person, request_id: str) -> Principal:
        """Return the principal who signs in, in their role and groups of now.

        Raises ``Forbidden`` with code ``oidc_unknown_user`` for people who are no users and are not made ones,
        ``oidc_suspended`` for suspended users.
        """
        async with self._database.transaction() as tx:
            user = await self._user(tx, person, request_id)
            if not user.is_active or user.kind is not UserKind.PERSON:
                raise Forbidden("Your user is suspended here; ask an administrator.", code="oidc_suspended")
            user = await self._in_role(tx, user, person, request_id)
            await self._in_groups(tx, user, person, request_id)
            known = await tx.users.principal(user.id)
            assert known is not None
            detail = {"by": "openid", "issuer": person.issuer, "subject": person.subject}
            entry = AuditEntry(self._clock(), user.id, "sign-in", "", "accepted", request_id, detail)
            await tx.audit.append(entry)
        self._recent.forget()
        return Principal(user.id, user.handle, Role(user.role), frozenset(known[1]))

    async def connect(self, user_id: str, person: Person, request_id: str) -> None:
        """Bind an account to a user; one that is bound already stays so.

        Raises ``Conflict`` with code ``identity_taken`` for another user's.
        """
        now = self._clock()
        async with self._database.transaction() as tx:
            bound = await tx.identities.find(person.issuer, person.subject)
            if bound is not None and bound.user_id == user_id:
                return
            if bound is not None:
                raise Conflict(
                    "This account signs somebody else in here. That user has to disconnect it first.",
                    code="identity_taken",
                )
            await self._bind(tx, user_id, person, now)
            await tx.audit.append(_access(now, user_id, "connect-identity", person, request_id))

    async def _user(self, tx: Transaction, person: Person, request_id: str) -> User:
        """Return the user of a subject, who is made where the rules say so."""
        now = self._clock()
        bound = await tx.identities.find(person.issuer, person.subject)
        if bound is not None:
            user = await tx.users.find(bound.user_id)
            assert user is not None
            await tx.identities.used(bound.id, now)
            return user
        if self._rules.new_users is None:
            raise Forbidden(
                "The provider knows you, but there is no user for you here. If you have one, sign in in another "
                "way and connect this account on the page Account; otherwise ask an administrator.",
                code="oidc_unknown_user",
            )
        handle = await _free_handle(tx, person.handle)
        role = self._rules.role_of(person.groups, None)
        name = person.display_name or handle
        user = User(f"usr-{secrets.token_hex(6)}", handle, name, role, UserKind.PERSON, UserState.ACTIVE, now)
        await tx.users.add(user)
        await self._bind(tx, user.id, person, now)
        detail = {"user": user.id, "handle": handle, "role": role.value, "kind": "person", **_source(person)}
        await tx.audit.append(AuditEntry(now, SYSTEM, "create-user", "", "accepted", request_id, detail))
        return user

    async def _bind(self, tx: Transaction, user_id: str, person: Person, now: datetime) -> None:
        made = Identity(f"idn-{secrets.token_hex(6)}", user_id, person.issuer, person.subject, now, now)
        await tx.identities.add(made)

    async def _in_role(self, tx: Transaction, user: User, person: Person, request_id: str) -> User:
        """Give a user the role that the rules say; the last administrator stays one, and the audit says it."""
        role = self._rules.role_of(person.groups, Role(user.role))
        if role == user.role:
            return user
        changed = replace(user, role=role.value)
        await tx.users.save(changed)
        detail = {"user": user.id, "old": {"role": str(user.role)}, "new": {"role": role.value}, **_source(person)}
        outcome = "accepted"
        if user.role == Role.ADMIN and not await tx.users.active_with_role(Role.ADMIN):
            await tx.users.save(user)
            changed, outcome = user, "last_administrator"
        await tx.audit.append(AuditEntry(self._clock(), SYSTEM, "change-user", "", outcome, request_id, detail))
        return changed

    async def _in_groups(self, tx: Transaction, user: User, person: Person, request_id: str) -> None:
        """Let a user join and leave the groups that the provider decides about; those that lack are made."""
        for name, is_in in self._rules.groups_of(person.groups).items():
            group = await tx.groups.find(name)
            if is_in == (group is not None and user.id in group.members):
                continue
            if group is None:
                group = Group(f"grp-{secrets.token_hex(6)}", name, self._clock())
                await tx.groups.add(group)
                await self._note(tx, "create-group", request_id, {"group": group.id, "name": name, **_source(person)})
            if is_in:
                await tx.groups.join(group.id, user.id)
            else:
                await tx.groups.leave(group.id, user.id)
            detail = {"group": group.id, "user": user.id, **_source(person)}
            await self._note(tx, "join-group" if is_in else "leave-group", request_id, detail)

    async def _note(self, tx: Transaction, action: str, request_id: str, detail: dict[str, str]) -> None:
        await tx.audit.append(AuditEntry(self._clock(), SYSTEM, action, "", "accepted", request_id, detail))


async def _free_handle(tx: Transaction, wanted: str) -> str:
    """Return a handle that nobody has: the wanted one, or it with something behind."""
    for number in range(1, _TRIES):
        handle = wanted if number == 1 else f"{wanted}-{number}"
        if await tx.users.find(handle) is None:
            return handle
    return f"{wanted[:24]}-{secrets.token_hex(4)}"


def _source(person: Person) -> dict[str, str]:
    return {"by": "openid", "issuer": person.issuer, "subject": person.subject}


def _access(now: datetime, user_id: str, action: str, person: Person, request_id: str) -> AuditEntry:
    detail = _source(person)
    return AuditEntry(now, user_id, action, "", "accepted", request_id, detail, kind=AuditClass.ACCESS)
