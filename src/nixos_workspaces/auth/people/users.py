"""Users: made, changed and suspended by administrators."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from nixos_workspaces.auth.policy import Action, Principal, Role, authorise
from nixos_workspaces.auth.recent import RecentTokens
from nixos_workspaces.auth.tokens import Token, Tokens
from nixos_workspaces.database import AuditEntry, Database, Transaction
from nixos_workspaces.errors import Conflict, InvalidInput, NotFound
from nixos_workspaces.model.access.people import User, UserKind, UserState, is_handle


@dataclass(frozen=True, slots=True)
class UserChange:
    """A partial update; None keeps the current value."""

    display_name: str | None = None
    role: Role | None = None
    state: UserState | None = None


class Users:
    """The users. Every verb takes the principal, and raises ``Forbidden`` where that may not do it."""

    def __init__(
        self,
        database: Database,
        tokens: Tokens,
        recent: RecentTokens[Token],
        *,
        state_changed: Callable[[str], Awaitable[None]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep them in ``database``.

        ``recent`` is told when credentials may have become invalid; ``state_changed`` is told a user's id when they
        are suspended or active again: it ends what their SSH keys have opened.
        """
        self._database = database
        self._tokens = tokens
        self._recent = recent
        self._state_changed = state_changed
        self._clock = clock

    async def list(self, *, principal: Principal) -> tuple[User, ...]:
        """Return all users, by their handles."""
        authorise(principal, Action.READ_PEOPLE)
        async with self._database.reading(once=True) as tx:
            return await tx.users.all()

    async def get(self, reference: str, *, principal: Principal) -> User:
        """Return the user with that id or handle. Everybody may read their own."""
        if reference not in {principal.id, principal.name}:
            authorise(principal, Action.READ_PEOPLE)
        async with self._database.reading(once=True) as tx:
            return await found(tx, reference)

    async def create(
        self,
        handle: str,
        *,
        principal: Principal,
        display_name: str = "",
        role: Role = Role.MEMBER,
        kind: UserKind = UserKind.PERSON,
        request_id: str = "",
    ) -> User:
        """Make a user, who has no password yet: a person signs in by a link first.

        Raises ``InvalidInput`` for what is no handle, ``Conflict`` with code ``handle_taken``.
        """
        authorise(principal, Action.MANAGE_PEOPLE)
        if not is_handle(handle):
            raise InvalidInput(
                "A handle has 1 to 40 small letters, digits and . _ -, and begins with a letter or digit.",
                field="handle",
            )
        now = self._clock()
        user = User(f"usr-{secrets.token_hex(6)}", handle, display_name or handle, role, kind, UserState.ACTIVE, now)
        async with self._database.transaction() as tx:
            if await tx.users.find(handle) is not None:
                raise Conflict(f"There is a user {handle} already.", code="handle_taken", field="handle")
            await tx.users.add(user)
            detail = {"user": user.id, "handle": handle, "role": role.value, "kind": kind.value}
            await tx.audit.append(AuditEntry(now, principal.id, "create-user", "", "accepted", request_id, detail))
        return user

    async def change(self, reference: str, change: UserChange, *, principal: Principal, request_id: str = "") -> User:
        """Change a user, and return them; suspending ends everything that is open under their credentials.

        Raises ``Conflict`` with code ``last_administrator`` where nobody could administer the service afterwards.
        """
        authorise(principal, Action.MANAGE_PEOPLE)
        async with self._database.transaction() as tx:
            before = await found(tx, reference)
            after = await store_change(
                tx, before, change, AuditEntry(self._clock(), principal.id, "change-user", "", "accepted", request_id)
            )
        if after == before:
            return before
        self._recent.forget()
        if after.state is not before.state:
            await self._state_changed(after.id)
        return after

    async def invite(self, reference: str, *, principal: Principal, request_id: str = "") -> str:
        """Return a login code for a person, who may sign in with it once within an hour.

        Raises ``Conflict`` with code ``cannot_sign_in`` for service accounts and suspended users.
        """
        authorise(principal, Action.MANAGE_PEOPLE)
        async with self._database.reading(once=True) as tx:
            user = await found(tx, reference)
            if user.kind is not UserKind.PERSON or not user.is_active:
                raise Conflict(
                    f"{user.handle} cannot sign in: it is a service account, or suspended.", code="cannot_sign_in"
                )
        return await self._tokens.login_code(user.id, by=principal.id, action="invite-user", request_id=request_id)


async def found(tx: Transaction, reference: str) -> User:
    """Return the user with that id or handle; ``NotFound`` with code ``user_not_found``."""
    user = await tx.users.find(reference)
    if user is None:
        raise NotFound(f"There is no user {reference!r}.", code="user_not_found", field="user")
    return user


async def store_change(tx: Transaction, before: User, change: UserChange, entry: AuditEntry) -> User:
    """Store a change of a user with its audit entry, and return the user as they are then.

    Raises ``Conflict`` with code ``last_administrator`` where nobody could administer the service afterwards. Once the
    transaction is done, whoever keeps valid tokens has to be told.
    """
    after = replace(
        before,
        display_name=before.display_name if change.display_name is None else change.display_name,
        role=before.role if change.role is None else change.role.value,
        state=before.state if change.state is None else change.state,
    )
    if after == before:
        return before
    await tx.users.save(after)
    if not after.is_active:
        await tx.transfers.remove_of(after.id)
    if _administers(before) and not await tx.users.active_with_role(Role.ADMIN):
        raise Conflict(
            f"{before.handle} is the last administrator. Make another user one first.", code="last_administrator"
        )
    await tx.audit.append(replace(entry, detail=_difference(before, after)))
    return after


def _administers(user: User) -> bool:
    return user.role == Role.ADMIN and user.is_active and user.kind is UserKind.PERSON


def _difference(before: User, after: User) -> dict[str, object]:
    names = [name for name in ("display_name", "role", "state") if getattr(before, name) != getattr(after, name)]
    return {
        "user": before.id,
        "old": {name: str(getattr(before, name)) for name in names},
        "new": {name: str(getattr(after, name)) for name in names},
    }
