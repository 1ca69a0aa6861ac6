"""Shares of workspaces, and of parts of them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Row,
    ScalarSelect,
    Select,
    Text,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from nixos_workspaces.database.schema import users, workspace_shares, workspaces
from nixos_workspaces.database.tokens import groups_of
from nixos_workspaces.model.access.people import UserState
from nixos_workspaces.model.access.shares import Access, Grant, Recipient, Share, ShareState, read_part

_shares = workspace_shares.c
_FIELD, _RECORD = "\x1f", "\x1e"
"""Separators that no value of a share holds."""


class _Gathered(FunctionElement[str]):
    """All values of a column as one text, with ``_RECORD`` between them.

    SQLAlchemy's own function writes its separator into the statement at each execution, which lists would pay for.
    """

    type = Text()
    inherit_cache = True
    name = "string_agg"


@compiles(_Gathered)
def _compile(element: _Gathered, compiler: SQLCompiler, **given: Any) -> str:
    return f"string_agg({compiler.process(element.clauses, **given)}, chr({ord(_RECORD)}))"


@compiles(_Gathered, "sqlite")
def _compile_for_sqlite(element: _Gathered, compiler: SQLCompiler, **given: Any) -> str:
    return f"group_concat({compiler.process(element.clauses, **given)}, char({ord(_RECORD)}))"


def _joined() -> ColumnElement[str]:
    """Return what ``read_grants`` reads of one share, as one text."""
    joined: ColumnElement[str] = cast(_shares.id, Text)
    texts = (_shares.recipient, _shares.subject, _shares.access, _shares.part)
    files = case((_shares.files, "files"), else_="")
    for column in (*texts, files, func.coalesce(cast(_shares.expires_at, Text), "")):
        joined += _FIELD + column
    return joined


_owned, _owners = workspaces.alias("owned"), users.alias("owners")
_answered_for = or_(
    _shares.recipient != Recipient.GUEST.value,
    _shares.workspace_id.not_in(
        select(_owned.c.id).where(
            _owned.c.owner_id.in_(select(_owners.c.id).where(_owners.c.state == UserState.SUSPENDED.value))
        )
    ),
)
"""Nobody answers for the guests of an owner who is suspended."""


def granted(workspace_id: ColumnElement[str]) -> ScalarSelect[str]:
    """Return the active shares of a row of workspaces as one value of it, for ``read_grants``."""
    wanted = select(_Gathered(_joined())).where(
        _shares.workspace_id == workspace_id,
        _shares.state == ShareState.ACTIVE.value,
        _shares.recipient != Recipient.LINK.value,
        _answered_for,
    )
    return wanted.correlate(workspaces).scalar_subquery()


def granting(subjects: BindParameter[Any], now: BindParameter[Any]) -> Select[tuple[str]]:
    """Return the query of the ids of workspaces that are shared with one of some users and groups."""
    return select(_shares.workspace_id).where(
        _shares.subject.in_(subjects), _shares.state == ShareState.ACTIVE.value, _unexpired(now), _answered_for
    )


def read_grants(text: str | None, now: datetime) -> tuple[Grant, ...]:
    """Return the shares that ``granted`` read and that have not expired ``now``."""
    if not text:
        return ()
    found = []
    for record in text.split(_RECORD):
        share_id, recipient, subject, access, part, files, expires_at = record.split(_FIELD)
        if expires_at and datetime.fromisoformat(expires_at).replace(tzinfo=now.tzinfo) <= now:
            continue
        found.append(Grant(Recipient(recipient), subject, Access(access), read_part(part), bool(files), share_id))
    return tuple(found)


class ShareRepository:
    """Shares, inside one transaction. Those that have expired are not seen, except by ``expired``."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def add(self, share: Share, link_digest: str | None = None) -> None:
        """Store a new share; a link with the digest of its secret."""
        await self._connection.execute(
            insert(workspace_shares).values(
                id=share.id,
                workspace_id=share.workspace_id,
                recipient=share.recipient.value,
                subject=share.subject,
                name=share.name,
                access=share.access.value,
                part="" if share.part is None else share.part.text,
                files=share.files,
                state=share.state.value,
                knock=share.knock,
                link_hash=link_digest,
                via=share.via,
                created_at=share.created_at,
                created_by=share.created_by,
                expires_at=share.expires_at,
            )
        )

    async def of(self, workspace_id: str, now: datetime) -> tuple[Share, ...]:
        """Return the shares of a workspace, oldest first."""
        wanted = (
            select(workspace_shares)
            .where(_shares.workspace_id == workspace_id, _unexpired(now))
            .order_by(_shares.created_at, _shares.id)
        )
        return tuple(_share(row) for row in await self._connection.execute(wanted))

    async def expired(self, now: datetime) -> tuple[Share, ...]:
        """Return the shares of all workspaces whose time is over, the first to end first."""
        wanted = select(workspace_shares).where(_shares.expires_at <= now).order_by(_shares.expires_at, _shares.id)
        return tuple(_share(row) for row in await self._connection.execute(wanted))

    async def shared_with(self, subjects: Collection[str], now: datetime) -> frozenset[str]:
        """Return the ids of the workspaces that are shared with one of some users and groups."""
        wanted = granting(bindparam("subjects", expanding=True), bindparam("now"))
        found = await self._connection.execute(wanted, {"subjects": sorted(subjects), "now": now})
        return frozenset(str(row[0]) for row in found)

    async def by_link(self, digest: str, now: datetime) -> Share | None:
        """Return the link with that digest of its secret."""
        wanted = select(workspace_shares).where(_shares.link_hash == digest, _unexpired(now))
        row = (await self._connection.execute(wanted)).one_or_none()
        return None if row is None else _share(row)

    async def admit(self, share_id: str, workspace_id: str) -> bool:
        """Put a share that waits in force; False if there is none of that id."""
        done = await self._connection.execute(
            update(workspace_shares)
            .where(_shares.id == share_id, _shares.workspace_id == workspace_id)
            .where(_shares.state == ShareState.WAITING.value)
            .values(state=ShareState.ACTIVE.value)
        )
        return done.rowcount == 1

    async def remove(self, share_id: str, workspace_id: str) -> bool:
        """Remove a share, and those of all who came by it; False if there is none of that id."""
        of_workspace = _shares.workspace_id == workspace_id
        await self._connection.execute(delete(workspace_shares).where(_shares.via == share_id, of_workspace))
        done = await self._connection.execute(delete(workspace_shares).where(_shares.id == share_id, of_workspace))
        return done.rowcount == 1

    async def remove_of(self, subject: str, workspace_id: str | None = None) -> int:
        """Remove the shares with a user, group or guest, of one workspace or of all; return how many there were."""
        wanted = delete(workspace_shares).where(_shares.subject == subject)
        if workspace_id is not None:
            wanted = wanted.where(_shares.workspace_id == workspace_id)
        return (await self._connection.execute(wanted)).rowcount

    async def people(self, ids: Collection[str]) -> dict[str, tuple[str, frozenset[str]]]:
        """Return role and ids of groups of those of some principals who are users."""
        wanted = select(users.c.id, users.c.role, groups_of(users.c.id)).where(users.c.id.in_(ids))
        found = await self._connection.execute(wanted)
        return {row[0]: (row[1], frozenset(row[2].split(",") if row[2] else ())) for row in found}


def _unexpired(now: Any) -> ColumnElement[bool]:
    return or_(_shares.expires_at.is_(None), _shares.expires_at > now)


def _share(row: Row[Any]) -> Share:
    return Share(
        id=row.id,
        workspace_id=row.workspace_id,
        recipient=Recipient(row.recipient),
        subject=row.subject,
        name=row.name,
        access=Access(row.access),
        part=read_part(row.part),
        files=row.files,
        state=ShareState(row.state),
        knock=row.knock,
        via=row.via,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
    )
