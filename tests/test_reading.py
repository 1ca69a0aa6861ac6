"""Reading writes nothing: uses are gathered, a valid token is known for a moment, a locked database can be read."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clock import NOW, Clock
from migrated_database import open_migrated
from sqlalchemy import event
from web_service import Web, running_web

from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.auth.tokens import KNOWN_FOR, Tokens
from nixos_workspaces.database import Database, Uses
from nixos_workspaces.database.tokens import TokenRecord, TokenRepository
from nixos_workspaces.errors import Unauthenticated, Unavailable
from nixos_workspaces.services import DATABASE

BUSY = 2.0
"""Well below the time that a writer waits for others before it gives up."""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "test.db")
    yield opened
    await opened.close()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep everybody from writing, as a full disk or a stuck writer does."""
    with contextlib.closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            holder.execute("ROLLBACK")


def statements_of(database: Database) -> list[str]:
    """Return a list that grows by every statement that the database is given."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        seen.append(statement)

    event.listen(database._engine.sync_engine, "before_cursor_execute", note)
    return seen


async def test_a_token_proves_its_principal_while_nothing_can_be_written(database: Database, tmp_path: Path) -> None:
    secret, _ = await Tokens(database).create("ci", principal=ADMIN)
    with locked(tmp_path / "test.db"):
        async with asyncio.timeout(BUSY):
            assert await Tokens(database).authenticate(secret) == ADMIN


async def test_a_known_token_is_looked_up_now_and_then(database: Database) -> None:
    clock = Clock()
    tokens = Tokens(database, clock)
    secret, _ = await tokens.create("ci", principal=ADMIN)
    seen = statements_of(database)
    for _ in range(5):
        await tokens.authenticate(secret)
    assert len(seen) == 1
    clock.now += KNOWN_FOR
    await tokens.authenticate(secret)
    clock.now -= timedelta(days=1)
    await tokens.authenticate(secret)
    assert len(seen) == 3
    assert [one for one in seen if not one.startswith("SELECT")] == []


async def test_readers_side_by_side_open_no_connection_anew(database: Database) -> None:
    opened: list[object] = []
    event.listen(database._engine.sync_engine, "connect", lambda connection, _record: opened.append(connection))

    async def read() -> None:
        for _ in range(20):
            async with database.reading() as tx:
                await tx.audit.entries()

    await asyncio.gather(*(read() for _ in range(8)))
    assert len(opened) <= 8


async def test_another_process_revokes_within_the_second(database: Database) -> None:
    clock = Clock()
    tokens = Tokens(database, clock)
    secret, token = await tokens.create("ci", principal=ADMIN)
    await tokens.authenticate(secret)
    await Tokens(database, clock).revoke(token.id, principal=ADMIN)
    clock.now += KNOWN_FOR
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(secret)


async def test_a_token_that_is_revoked_while_it_is_looked_up_is_not_known(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look-up that was under way says yes, and nothing of it stays."""
    tokens = Tokens(database, Clock())
    secret, token = await tokens.create("ci", principal=ADMIN)
    find = TokenRepository.find

    async def slow(self: TokenRepository, digest: str, now: datetime) -> TokenRecord | None:
        found = await find(self, digest, now)
        await tokens.revoke(token.id, principal=ADMIN)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(TokenRepository, "find", slow)
        await tokens.authenticate(secret)
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(secret)


async def test_an_expired_token_is_not_known(database: Database) -> None:
    clock = Clock()
    tokens = Tokens(database, clock)
    secret, _ = await tokens.create("ci", principal=ADMIN, lifetime=timedelta(milliseconds=500))
    await tokens.authenticate(secret)
    clock.now += timedelta(milliseconds=500)
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(secret)


async def test_uses_are_stored_together_and_kept_where_they_cannot_be(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, uses = Clock(), Uses(database)
    tokens = Tokens(database, clock, uses=uses)
    secrets = [(await tokens.create(f"ci-{number}", principal=ADMIN))[0] for number in range(3)]
    for secret in secrets:
        await tokens.authenticate(secret)
    monkeypatch.setattr("nixos_workspaces.database.engine.TURN_SECONDS", 0.05)
    async with database.transaction():
        with pytest.raises(Unavailable):
            await uses.store()
    assert {one.last_used_at for one in await Tokens(database).list(principal=ADMIN)} == {None}
    await uses.store()
    assert {one.last_used_at for one in await Tokens(database).list(principal=ADMIN)} == {NOW}
    seen = statements_of(database)
    await uses.store()
    assert seen == []


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("reading"))) as running:
        yield running


def test_a_database_that_cannot_be_written_locks_nobody_out_of_reading(web: Web) -> None:
    made = web.create("readable")
    one = f"/api/nixos/workspaces/{made['id']}"
    paths = ["/api/nixos/workspaces", one, f"{one}/generations", f"{one}/metrics/history", f"{one}/logs"]
    paths += ["/api/nixos/session", "/api/nixos/templates", "/healthz"]
    with web.http() as http, locked(web.services.settings.data / DATABASE):
        for path in paths:
            assert http.get(path, timeout=BUSY).status_code == 200, path


def test_a_list_is_one_statement(web: Web) -> None:
    with web.http() as http:
        http.get("/api/nixos/session")
        seen = statements_of(web.services.database)
        answer = http.get("/api/nixos/workspaces")
    # The reconciler looks around meanwhile; a list is ordered by when workspaces were made, newest first.
    lists = [one for one in seen if "ORDER BY workspaces.created_at DESC" in one]
    assert answer.status_code == 200
    assert len(lists) == 1
    assert answer.headers["content-type"] == "application/json"


def test_last_accessed_is_told_within_a_minute(web: Web) -> None:
    made = web.create("accessed")
    with web.http() as http:
        before = http.get(f"/api/nixos/workspaces/{made['id']}").json()["workspace"]["last_accessed"]
        workspace = web.run(web.services.workspaces.get(made["id"], principal=ADMIN))
        web.services.workspaces.touch(workspace)
        web.run(web.services.workspaces._uses.store())
        after = http.get(f"/api/nixos/workspaces/{made['id']}").json()["workspace"]["last_accessed"]
    assert after > before
