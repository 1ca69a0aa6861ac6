"""Tokens."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import FromClause, Row, case, func, insert, null, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import group_members, tokens, users, workspace_shares
from nixos_workspaces.model.access.people import UserState
from nixos_workspaces.model.access.shares import Recipient


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token as it is kept: without its secret."""

    id: str
    name: str
    kind: str
    principal_id: str
    principal_name: str
    role: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = None
    parent_id: str | None = None
    """The token or session that it was made with: it ends with that one."""
    chain: tuple[str, ...] = ()
    """All that it comes from, the first one first."""
    scopes: tuple[str, ...] | None = None
    workspace_ids: tuple[str, ...] | None = None
    prefix: str = ""
    """The first letters of its secret."""
    device: str = ""
    """Of a session: the program that it was begun by, as that says itself."""
    address: str = ""
    idle_until: datetime | None = None
    """It ends then unless it is used; None: it may lie unused."""
    group_ids: tuple[str, ...] = ()
    """Of the user, as they are when it is read; so are name and role."""
    share_ids: tuple[str, ...] = ()
    """Of a guest: the shares that they came by."""


_parents = tokens.alias("parents")
_principals = users.alias("principals")


class TokenRepository:
    """Tokens, found by the SHA-256 of their secret."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def add(self, token: TokenRecord, digest: str) -> None:
        """Store a new token."""
        await self._connection.execute(
            insert(tokens).values(
                id=token.id,
                hash=digest,
                name=token.name,
                kind=token.kind,
                principal_id=token.principal_id,
                principal_name=token.principal_name,
                role=token.role,
                created_at=token.created_at,
                expires_at=token.expires_at,
                parent_id=token.parent_id,
                chain=[*token.chain],
                scopes=None if token.scopes is None else list(token.scopes),
                workspace_ids=None if token.workspace_ids is None else list(token.workspace_ids),
                prefix=token.prefix,
                device=token.device,
                address=token.address,
                idle_until=token.idle_until,
            )
        )

    async def find(self, digest: str, now: datetime) -> TokenRecord | None:
        """Return the token with that digest if it is valid at ``now``."""
        return await self._one(tokens.c.hash == digest, now)

    async def by_id(self, token_id: str, now: datetime) -> TokenRecord | None:
        """Return the token with that id if it is valid at ``now``."""
        return await self._one(tokens.c.id == token_id, now)

    async def _one(self, chosen: Any, now: datetime) -> TokenRecord | None:
        row = (await self._connection.execute(_with_user().where(chosen, valid_at(now)))).one_or_none()
        return None if row is None else _token(row)

    async def valid(self, digests: Collection[str], now: datetime) -> dict[str, tuple[str, datetime | None]]:
        """Return those of some digests whose tokens are valid at ``now``, with id and ``idle_until`` of the token."""
        wanted = select(tokens.c.hash, tokens.c.id, tokens.c.idle_until)
        found = await self._connection.execute(wanted.where(tokens.c.hash.in_(digests), valid_at(now)))
        return {row.hash: (row.id, row.idle_until) for row in found}

    async def of_principal(self, principal_id: str, now: datetime) -> tuple[TokenRecord, ...]:
        """Return the principal's valid tokens, newest first."""
        found = await self._connection.execute(
            _with_user()
            .where(tokens.c.principal_id == principal_id, valid_at(now))
            .order_by(tokens.c.created_at.desc(), tokens.c.id)
        )
        return tuple(_token(row) for row in found)

    async def links(self, ids: Collection[str]) -> dict[str, tuple[str, str]]:
        """Return kind and name of tokens, also of those that have ended."""
        found = await self._connection.execute(
            select(tokens.c.id, tokens.c.kind, tokens.c.name).where(tokens.c.id.in_(ids))
        )
        return {row.id: (row.kind, row.name) for row in found}

    async def used(self, token_id: str, at: datetime, idle_until: datetime | None = None) -> None:
        """Note the last use, and when it ends if it is not used again."""
        noted = {"last_used_at": at, **({} if idle_until is None else {"idle_until": idle_until})}
        await self._connection.execute(update(tokens).where(tokens.c.id == token_id).values(noted))

    async def revoke(self, token_id: str, principal_id: str, at: datetime) -> bool:
        """Revoke the principal's token and all that were made with it; False if there is none of that id."""
        done = await self._connection.execute(
            update(tokens)
            .where(tokens.c.id == token_id, tokens.c.principal_id == principal_id, valid_at(at))
            .values(revoked_at=at)
        )
        if done.rowcount != 1:
            return False
        ended: list[str] = [token_id]
        while ended:
            below = tokens.c.parent_id.in_(ended) & tokens.c.revoked_at.is_(None)
            found = await self._connection.execute(select(tokens.c.id).where(below))
            ended = [*found.scalars()]
            await self._connection.execute(update(tokens).where(tokens.c.id.in_(ended)).values(revoked_at=at))
        return True

    async def any_ever(self) -> bool:
        """Tell whether any token was ever made: whether this is not the first start."""
        return bool((await self._connection.execute(select(func.count()).select_from(tokens))).scalar_one())


def valid_at(now: datetime) -> Any:
    """Return the condition of a token that is valid: not revoked, expired or unused for too long.

    Nor is the token that it was made with revoked or expired, nor its user suspended.
    """
    parent = select(_parents.c.id).where(_parents.c.id == tokens.c.parent_id, _alive(_parents, now))
    is_used = or_(tokens.c.idle_until.is_(None), tokens.c.idle_until > now)
    return _alive(tokens, now) & is_used & or_(tokens.c.parent_id.is_(None), parent.exists()) & ~suspended(tokens)


def suspended(table: FromClause) -> Any:
    """Return the condition of a row whose principal is suspended."""
    is_principal = _principals.c.id == table.c.principal_id
    return select(_principals.c.id).where(is_principal, _principals.c.state == UserState.SUSPENDED).exists()


def groups_of(user_id: Any) -> Any:
    """Return the ids of a user's groups, with commas between them, as one value; null without any."""
    return (
        select(func.aggregate_strings(group_members.c.group_id, ","))
        .where(group_members.c.user_id == user_id)
        .scalar_subquery()
    )


def _with_user() -> Any:
    """Return the query of tokens with name, role and groups of their users, as these are now.

    Principals without a row of their own are those of tests and of parts that act for nobody: their tokens say it.
    """
    return select(
        tokens,
        func.coalesce(users.c.handle, tokens.c.principal_name).label("handle"),
        func.coalesce(users.c.role, tokens.c.role).label("role_now"),
        groups_of(tokens.c.principal_id).label("group_ids"),
        case((tokens.c.role == _GUEST, _shares_of_guest(tokens.c.principal_id)), else_=null()).label("share_ids"),
    ).outerjoin(users, users.c.id == tokens.c.principal_id)


_GUEST = "guest"


def _shares_of_guest(guest_id: Any) -> Any:
    """Return the ids of a guest's shares, with commas between them, as one value."""
    return (
        select(func.aggregate_strings(workspace_shares.c.id, ","))
        .where(workspace_shares.c.subject == guest_id, workspace_shares.c.recipient == Recipient.GUEST.value)
        .scalar_subquery()
    )


def _alive(table: FromClause, now: datetime) -> Any:
    return table.c.revoked_at.is_(None) & or_(table.c.expires_at.is_(None), table.c.expires_at > now)


def _token(row: Row[Any]) -> TokenRecord:
    """Return a row as a value."""
    return TokenRecord(
        row.id,
        row.name,
        row.kind,
        row.principal_id,
        row.handle,
        row.role_now,
        row.created_at,
        row.expires_at,
        row.last_used_at,
        row.parent_id,
        tuple(row.chain) if row.chain is not None else (row.parent_id,) if row.parent_id else (),
        scopes=None if row.scopes is None else tuple(row.scopes),
        workspace_ids=None if row.workspace_ids is None else tuple(row.workspace_ids),
        prefix=row.prefix or "",
        device=row.device or "",
        address=row.address or "",
        idle_until=row.idle_until,
        group_ids=tuple(row.group_ids.split(",")) if row.group_ids else (),
        share_ids=tuple(row.share_ids.split(",")) if row.share_ids else (),
    )
