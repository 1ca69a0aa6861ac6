"""SQLite's connections: a thread each, with one trip to it for a whole statement.

aiosqlite makes a trip for each part of a statement (cursor, execution, rows, end), and each trip hands the interpreter
to another thread and back: they are most of what a short read costs. SQLAlchemy takes all rows at once anyway.
Source: aiosqlite/core.py and sqlalchemy/connectors/asyncio.py of the pinned versions.
"""

from __future__ import annotations

import importlib
import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import aiosqlite
from typing_extensions import override

if TYPE_CHECKING:
    # Not when it runs: it would load the ORM.
    from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")
Run = Callable[[str, Sequence[Any]], list[Any]]
"""Executes a statement with its parameters and returns all rows."""

_CHUNK = 64
"""Rows that aiosqlite fetches at a time where it iterates; nothing here does."""


@dataclass(frozen=True, slots=True)
class _Done:
    """The result of a statement."""

    description: Any
    rowcount: int
    lastrowid: int | None
    rows: list[Any]


class SqliteConnection(aiosqlite.Connection):
    """A connection whose cursors do each statement in one trip."""

    def __init__(self, path: Path) -> None:
        """Connect to ``path`` when awaited."""

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(path)

        super().__init__(connect, _CHUNK)
        self._thread.daemon = True
        self._begin = ""
        self._reads = False
        self._asks_once = False
        self._asked = False

    @override
    def cursor(self) -> _Cursor:  # type: ignore[override]
        return _Cursor(self)

    @override
    async def rollback(self) -> None:
        if self._asks_once or self._begin:
            self._begin, self._reads, self._asks_once = "", False, False
        elif self._reads:
            # There is nothing to undo and nothing to wait for: whatever is asked next comes after it.
            self._reads = False
            self._tx.put_nowait((None, self._conn.rollback))
        else:
            await super().rollback()

    def begin_reading(self) -> None:
        """Begin a transaction that only reads, on the same trip as its first statement."""
        self._begin, self._reads = "BEGIN", True

    def ask_once(self) -> None:
        """Begin what is one statement that reads: SQLite shows it one state without a transaction."""
        self._asks_once, self._asked = True, False

    async def perform(self, statement: str, parameters: Any, *, many: bool = False) -> _Done:
        """Execute one statement and fetch all of its rows."""
        assert not (self._asks_once and self._asked), "one statement was promised"
        self._asked = True
        begin, self._begin = self._begin, ""
        done: _Done = await self._execute(  # type: ignore[no-untyped-call]
            self._perform, begin, statement, parameters, many
        )
        return done

    async def together(self, work: Callable[[Run], T]) -> T:
        """Do statements that depend on one another in one trip, in the transaction that has begun."""
        done: T = await self._execute(self._together, work)  # type: ignore[no-untyped-call]
        return done

    def _together(self, work: Callable[[Run], T]) -> T:
        cursor = self._conn.cursor()
        try:
            return work(lambda statement, parameters: cursor.execute(statement, parameters).fetchall())
        finally:
            cursor.close()

    def _perform(self, begin: str, statement: str, parameters: Any, many: bool) -> _Done:  # noqa: FBT001 - by position
        cursor = self._conn.cursor()
        try:
            if begin:
                cursor.execute(begin)
            run = cursor.executemany if many else cursor.execute
            run(statement, parameters)
            rows = cursor.fetchall() if cursor.description else []
            return _Done(cursor.description, cursor.rowcount, cursor.lastrowid, rows)
        finally:
            cursor.close()


class _Cursor:
    """The part of a DB-API cursor that SQLAlchemy uses."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection
        self._done = _Done(None, -1, None, [])

    async def __aenter__(self) -> Self:
        """Be usable at once."""
        return self

    @property
    def description(self) -> Any:
        return self._done.description

    @property
    def rowcount(self) -> int:
        return self._done.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._done.lastrowid

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Execute a statement."""
        self._done = await self._connection.perform(statement, parameters)

    async def executemany(self, statement: str, parameters: Sequence[Any]) -> None:
        """Execute a statement with each of the parameters."""
        self._done = await self._connection.perform(statement, parameters, many=True)

    async def fetchall(self) -> list[Any]:
        """Return all rows; they are here already."""
        return self._done.rows

    async def close(self) -> None:
        """Do nothing: the real cursor is closed."""


class _Absent(ModuleType):
    """Stands for a module of which nothing is used."""

    @override
    def __getattr__(self, name: str) -> object:
        """Have every name but those of the import system."""
        if name.startswith("__"):
            raise AttributeError(name)
        return object


def load_without_orm() -> None:
    """Load SQLAlchemy's asyncio package without the two modules of it that load the ORM, which takes 6 MB.

    Does nothing once the package is loaded. An import of one of the two afterwards gets the real one.
    """
    package = "sqlalchemy.ext.asyncio"
    if package in sys.modules:
        return
    absent = {f"{package}.{name}": _Absent(name) for name in ("session", "scoping")}
    sys.modules.update(absent)
    try:
        importlib.import_module(package)
    finally:
        for name in absent:
            del sys.modules[name]


async def in_one_trip(connection: AsyncConnection, work: Callable[[Run], T]) -> T:
    """Do ``work`` in the writing transaction of ``connection``: as many statements for the price of one.

    Raises ``sqlite3.Error`` where a statement fails.
    """
    raw: Any = connection.sync_connection
    driver: SqliteConnection = raw.connection.driver_connection
    return await driver.together(work)
