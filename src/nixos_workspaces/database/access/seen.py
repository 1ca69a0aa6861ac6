"""Workspaces as they are read: with their owners and shares, and the pages of those that somebody may see."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, func, select, tuple_, type_coerce, union_all
from sqlalchemy.types import NullType

from nixos_workspaces.database.access.shares import granted, granting
from nixos_workspaces.database.schema import users
from nixos_workspaces.database.schema import workspaces as table
from nixos_workspaces.model.workspace import Sort

PRESENT = table.c.deleted_at.is_(None)
"""The condition of a workspace that is not a tombstone; built once, as building costs as much as asking."""
_OWNER_NAME = select(users.c.handle).where(users.c.id == table.c.owner_id).correlate(table).scalar_subquery()
_AS_STORED = NullType()
_STORED: list[ColumnElement[Any]] = [type_coerce(column, _AS_STORED) for column in table.c]
ROWS: Select[Any] = select(*_STORED, _OWNER_NAME.label("owner_name"), granted(table.c.id).label("grants"))
"""Workspaces as the database gives them, with their owners' names and, last, their shares: all on the same trip."""
EVERYTHING = ROWS.where(PRESENT)


@dataclass(frozen=True, slots=True)
class Seen:
    """The workspaces that a list may show."""

    owner_id: str | None = None
    """Those of this owner, and those that are shared; None: all."""
    subjects: frozenset[str] = frozenset()
    """Ids of the user and of groups: those that are shared with one of them."""
    ids: frozenset[str] | None = None
    """Of these only those with one of these ids; None: every one."""


EVERY = Seen()


@cache
def page_statement(sort: Sort, given: frozenset[str]) -> Select[Any]:
    """Return the query of a page for the values that are ``given`` by name, and ``rows``.

    Kept, as building one costs as much as asking it.
    """
    column, down = table.c[column_of(sort)], sort.startswith("-")
    value, last = bindparam("value", type_=column.type), bindparam("last", type_=table.c.id.type)
    place, end = tuple_(column, table.c.id), tuple_(value, last)
    conditions: dict[str, ColumnElement[bool]] = {
        "status": table.c.status == bindparam("status"),
        "template": table.c.template == bindparam("template"),
        "pattern": func.lower(table.c.name).like(bindparam("pattern"), escape="/"),
        "ids": table.c.id.in_(bindparam("ids", expanding=True)),
        # As one comparison of pairs, so that an index leads to the place.
        "last": place < end if down else place > end,
    }
    wanted = [condition for name, condition in conditions.items() if name in given]
    rows: BindParameter[int] = bindparam("rows")

    def ordered(query: Select[Any], key: ColumnElement[Any], of: ColumnElement[Any]) -> Select[Any]:
        return query.order_by(*((key.desc(), of.desc()) if down else (key, of))).limit(rows)

    if "owner_id" not in given:
        return ordered(EVERYTHING.where(*wanted), column, table.c.id)
    # In two parts, each by its own index: one condition for both would have all of an owner's workspaces sorted.
    owner = table.c.owner_id
    own = ordered(EVERYTHING.where(owner == bindparam("owner_id"), *wanted), column, table.c.id).subquery()
    shared = table.c.id.in_(granting(bindparam("subjects", expanding=True), bindparam("now")))
    others = EVERYTHING.where(owner != bindparam("owner_id"), shared, *wanted)
    both = union_all(select(own), select(ordered(others, column, table.c.id).subquery())).subquery()
    return ordered(select(both), both.c[column.key], both.c.id)


def column_of(sort: Sort) -> str:
    """Return the name of the column that decides an order."""
    return sort.value.lstrip("-")
