"""SQLite as we set it up: durable, private, migrated once, honest about what it cannot do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from migrated_database import open_migrated, put_migrated
from sqlalchemy import create_engine, event
from sqlalchemy.dialects import sqlite

from nixos_workspaces.database import AuditEntry, is_current, open_database
from nixos_workspaces.database import engine as engine_module
from nixos_workspaces.database.access.seen import page_statement
from nixos_workspaces.database.engine import newest_revision, pragma
from nixos_workspaces.database.schema import metadata
from nixos_workspaces.database.tokens import TokenRecord
from nixos_workspaces.errors import Unavailable
from nixos_workspaces.model.workspace import Sort

NOW = datetime(2026, 5, 26, tzinfo=UTC)


async def test_every_connection_is_durable(tmp_path: Path) -> None:
    """Acknowledged rows survive a power cut, deleted ones do not stay in the file."""
    database = await open_database(tmp_path / "test.db")
    async with database.transaction() as one, database.reading() as two, database.reading() as three:
        for tx in (one, two, three):
            assert await pragma(tx, "journal_mode") == "wal"
            assert await pragma(tx, "synchronous") == 2
            assert await pragma(tx, "foreign_keys") == 1
            assert await pragma(tx, "secure_delete") == 1
            assert await pragma(tx, "busy_timeout") == 5000
    await database.close()


async def test_migrations_make_the_schema(tmp_path: Path) -> None:
    """From empty, the migrations end in exactly the tables that the queries are written for."""
    await (await open_database(tmp_path / "test.db")).close()
    engine = create_engine(f"sqlite:///{tmp_path / 'test.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


async def test_the_newest_migration_is_told_by_its_file(tmp_path: Path) -> None:
    """The short way that a start takes where nothing is to migrate, and Alembic's own, agree."""
    config = Config()
    config.set_main_option("script_location", str(Path(engine_module.__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_current_head() == newest_revision()
    assert all(Path(one.path).name[1:5] == one.revision for one in scripts.walk_revisions())
    assert not is_current(tmp_path / "test.db")
    await (await open_database(tmp_path / "test.db")).close()
    assert is_current(tmp_path / "test.db")


async def test_a_reading_sees_one_state_and_the_next_one_what_came_after(tmp_path: Path) -> None:
    """A transaction begins with its first statement and its end is not waited for: neither may be seen."""
    database = await open_migrated(tmp_path / "test.db")

    async def entries() -> int:
        async with database.reading() as tx:
            return len(await tx.audit.entries())

    for number in range(20):
        async with database.reading() as tx:
            assert len(await tx.audit.entries()) == number
            async with database.transaction() as writing:
                await writing.audit.append(AuditEntry(NOW, "ann", "create", "ws-1", "accepted"))
            assert len(await tx.audit.entries()) == number
        assert await entries() == number + 1
    async with database.reading():
        pass

    async with database.reading(once=True) as tx:
        assert len(await tx.audit.entries()) == 20
        with pytest.raises(AssertionError):
            await tx.audit.entries()

    async def fails() -> None:
        async with database.reading() as tx:
            await tx.audit.entries()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fails()
    assert await entries() == 20
    await database.close()


async def test_two_starts_at_once_migrate_once(tmp_path: Path) -> None:
    """Eight open an empty directory at the same time; all get a usable database."""
    opened = await asyncio.gather(*(open_database(tmp_path / "new" / "test.db") for _ in range(8)))
    for database in opened:
        async with database.transaction() as tx:
            await tx.audit.append(AuditEntry(NOW, "ann", "create", "ws-1", "accepted"))
    async with opened[0].reading() as tx:
        assert len(await tx.audit.entries()) == 8
    for database in opened:
        await database.close()


async def test_killed_migration_leaves_the_old_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration is one transaction; the next start does it from the beginning."""

    class Killed(BaseException):
        """The process ends here."""

    create, made = op.create_table, list[str]()

    def dying(name: str, *columns: Any, **given: Any) -> Any:
        made.append(name)
        if len(made) == 4:
            raise Killed
        return create(name, *columns, **given)

    with monkeypatch.context() as patched:
        patched.setattr(op, "create_table", dying)
        with pytest.raises(Killed):
            await open_database(tmp_path / "test.db")
    with sqlite3.connect(tmp_path / "test.db") as raw:
        assert raw.execute("select name from sqlite_master").fetchall() == []
    raw.close()
    await (await open_database(tmp_path / "test.db")).close()


async def test_files_are_private(tmp_path: Path) -> None:
    """Nobody but the service's own user can read the database, its log included."""
    before = os.umask(0)
    try:
        database = await open_database(tmp_path / "data" / "test.db")
        async with database.transaction() as tx:
            await tx.audit.append(AuditEntry(NOW, "ann", "create", "ws-1", "accepted"))
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}
        await database.close()
    finally:
        os.umask(before)
    assert set(modes) == {"test.db", "test.db-wal", "test.db-shm", "test.lock"}
    assert set(modes.values()) == {0o600}
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


async def test_deleted_rows_leave_the_files(tmp_path: Path) -> None:
    """After a close no byte of a deleted row is in any file of the database."""
    database = await open_migrated(tmp_path / "test.db")
    async with database.transaction() as tx:
        await tx.leases.acquire("canary-6f1d", "canary-holder", NOW, NOW)
    async with database.transaction() as tx:
        await tx.leases.release_all("canary-holder")
    await database.close()
    for path in tmp_path.iterdir():  # noqa: ASYNC240  nothing else runs
        assert b"canary" not in path.read_bytes(), path


async def test_locked_database_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that keeps the write lock: an honest refusal after the busy timeout, nothing stored."""
    monkeypatch.setattr("nixos_workspaces.database.engine._PRAGMAS", ("PRAGMA busy_timeout=50",))
    database = await open_migrated(tmp_path / "test.db")
    raw = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as refused:
        async with database.transaction() as tx:
            await tx.audit.append(AuditEntry(NOW, "ann", "create", "ws-1", "accepted"))
    assert refused.value.code == "database_unavailable"
    raw.execute("ROLLBACK")
    raw.close()
    async with database.reading() as tx:
        assert await tx.audit.entries() == []
    await database.close()


async def test_writers_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many at once, each longer than the busy timeout: all are stored, in the order they came."""
    # With the others: without a write-ahead log a reader that ends late keeps a writer from committing.
    pragmas = (*engine_module._PRAGMAS, "PRAGMA busy_timeout=1")
    monkeypatch.setattr("nixos_workspaces.database.engine._PRAGMAS", pragmas)
    database = await open_migrated(tmp_path / "test.db")

    async def write(number: int) -> None:
        async with database.transaction() as tx:
            await tx.audit.append(AuditEntry(NOW, "ann", "create", f"ws-{number}", "accepted"))
            async with database.reading() as other:
                assert len(await other.audit.entries()) == number

    await asyncio.gather(*(write(number) for number in range(20)))
    await database.close()


async def test_who_writes_too_long_holds_up_nobody_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nixos_workspaces.database.engine.TURN_SECONDS", 0.05)
    database = await open_migrated(tmp_path / "test.db")
    async with database.transaction():
        with pytest.raises(Unavailable) as refused:
            async with database.transaction():
                pass
    assert refused.value.code == "database_unavailable"
    async with database.transaction() as tx:
        await tx.audit.append(AuditEntry(NOW, "ann", "create", "ws-1", "accepted"))
    await database.close()


async def test_a_connection_that_cannot_be_set_up_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLAlchemy passes this error on as SQLite's own."""
    database = await open_migrated(tmp_path / "test.db")
    async with database.reading():
        monkeypatch.setattr("nixos_workspaces.database.engine._PRAGMAS", ("PRAGMA journal_mode=(",))
        with pytest.raises(Unavailable) as refused:
            async with database.reading():
                pass
    assert refused.value.code == "database_unavailable"
    await database.close()


async def test_a_full_disk_is_unavailable_and_keeps_what_was_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_migrated(tmp_path / "test.db")
    monkeypatch.setattr("nixos_workspaces.database.engine._PRAGMAS", ("PRAGMA max_page_count=1",))  # of what is there
    database = await open_database(tmp_path / "test.db")
    stored = 0

    async def store_for_ever() -> None:
        nonlocal stored
        while True:
            async with database.transaction() as tx:
                await tx.audit.append(AuditEntry(NOW, "ann", "create", "ws-1", "accepted", "r" * 500))
            stored += 1

    with pytest.raises(Unavailable, match="full") as refused:
        await asyncio.wait_for(store_for_ever(), 60)
    assert refused.value.code == "database_unavailable"
    async with database.reading() as tx:
        assert len(await tx.audit.entries(limit=10_000)) == stored
    await database.close()


async def test_reading_does_not_wait_for_writers(tmp_path: Path) -> None:
    """A transaction that writes and takes its time keeps nobody from reading what was before it."""
    database = await open_migrated(tmp_path / "test.db")
    async with database.transaction() as tx:
        await tx.audit.append(AuditEntry(NOW, "ann", "create", "ws-1", "accepted"))
        async with asyncio.timeout(2), database.reading() as other:
            assert await other.audit.entries() == []
    await database.close()


async def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """A clear word, and the file stays as it was."""
    (tmp_path / "test.db").write_bytes(b"not a database, but somebody's file" * 100)
    with pytest.raises(Unavailable):
        await open_database(tmp_path / "test.db")
    assert (tmp_path / "test.db").read_bytes().startswith(b"not a database")


@pytest.mark.parametrize(
    ("statement", "told", "not_told"),
    [
        ("SELECT nothing FROM tokens", "another version", "room"),
        ("INSERT INTO filler SELECT randomblob(100000) FROM tokens", "Make room", "version"),
    ],
)
async def test_a_failure_names_its_own_remedy(tmp_path: Path, statement: str, told: str, not_told: str) -> None:
    """A column that does not exist is no full disk."""
    database = await open_migrated(tmp_path / "test.db")
    async with database.transaction() as tx:
        await tx.tokens.add(TokenRecord("a", "a", "api", "a", "a", "admin", NOW, None), "digest")
        await tx.connection.exec_driver_sql("CREATE TABLE filler (content BLOB)")

    async def fail() -> None:
        async with database.transaction() as tx:
            await tx.connection.exec_driver_sql("PRAGMA max_page_count=1")
            await tx.connection.exec_driver_sql(statement)

    with pytest.raises(Unavailable) as refused:
        await fail()
    await database.close()
    assert told in refused.value.message
    assert not_told not in refused.value.message


async def plan_of(directory: Path, statement: str) -> str:
    """Return how SQLite would answer a statement."""
    put_migrated(directory / "test.db")
    with contextlib.closing(sqlite3.connect(directory / "test.db")) as raw:
        found = raw.execute(f"EXPLAIN QUERY PLAN {statement}", ("1",) * statement.count("?"))
        return "; ".join(str(row[3]) for row in found)


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("given", [set(), {"owner_id"}, {"value", "last"}, {"owner_id", "value", "last"}])
async def test_a_page_is_read_from_an_index(tmp_path: Path, sort: Sort, given: set[str]) -> None:
    """In the order asked for and from its place on: nothing is sorted, nothing is read to be skipped.

    A person's own and those that are shared with them are found each by an index, and only two pages are sorted.
    """
    statement = str(page_statement(sort, frozenset(given)).compile(dialect=sqlite.dialect()))
    plan = await plan_of(tmp_path, statement.replace("__[POSTCOMPILE_subjects]", "?"))
    assert "USING INDEX ix_workspaces" in plan
    if "owner_id" in given:
        own, _, others = plan.partition("RIGHT")
        assert "USING INDEX ix_workspaces_owner" in own
        assert "TEMP B-TREE" not in own.partition("; SCAN ")[0]  # what was found is sorted with the others
        assert "ix_workspace_shares_subject" in others
        assert "SCAN workspaces" not in plan
    else:
        assert "TEMP B-TREE" not in plan
    assert ("<" in plan or ">" in plan) is ("last" in given)


async def test_the_sums_of_a_creation_read_no_row(tmp_path: Path) -> None:
    database = await open_migrated(tmp_path / "test.db")
    seen: list[str] = []
    event.listen(
        database._engine.sync_engine, "before_cursor_execute", lambda _c, _u, statement, *_: seen.append(statement)
    )
    async with database.reading() as tx:
        await tx.workspaces.promised_bytes()
        await tx.workspaces.limits_in_force()
    await database.close()
    for statement in seen:
        assert "COVERING INDEX ix_workspaces_sums" in await plan_of(tmp_path, statement)
    assert len(seen) == 2
