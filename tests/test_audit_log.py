"""The audit log in the database: grown in the transaction of the change, whatever ends it; shortened; taken over."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from migrated_database import open_migrated
from sqlalchemy import create_engine

from nixos_workspaces.audit.entries import Asker, AuditClass, AuditEntry, AuditQuery, asker, change_of, read_body
from nixos_workspaces.audit.tree import root_of
from nixos_workspaces.auth.counted import CountedAudit
from nixos_workspaces.auth.policy import ADMIN, Principal, Role
from nixos_workspaces.database import Database, open_database
from nixos_workspaces.database import engine as engine_module
from nixos_workspaces.database.audit.copies import open_copy, verify_copy
from nixos_workspaces.errors import Forbidden, InvalidInput, Unavailable
from nixos_workspaces.operations.audit import AuditLog, Retention
from nixos_workspaces.operations.audit.retention import read_days

NOW = datetime(2026, 5, 26, 10, tzinfo=UTC)
ENTRY = AuditEntry(NOW, "ann", "rename", "ws-1", "accepted", "r1")


async def append(database: Database, *entries: AuditEntry) -> list[int]:
    async with database.transaction() as tx:
        return [await tx.audit.append(entry) for entry in entries]


def whole(path: Path) -> int:
    """Return how many entries agree; fails if one does not."""
    with open_copy(path) as copy:
        outcome = verify_copy(copy, None)
    assert outcome.finding is None
    return outcome.size


async def test_numbers_have_no_gaps_where_changes_fail(tmp_path: Path) -> None:
    database = await open_migrated(tmp_path / "a.db")
    assert await append(database, ENTRY, ENTRY) == [1, 2]

    async def fails() -> None:
        async with database.transaction() as tx:
            assert await tx.audit.append(ENTRY) == 3
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    assert await append(database, ENTRY) == [3]
    await database.close()
    assert whole(tmp_path / "a.db") == 3


async def change(database: Database) -> None:
    """Change something, with an entry."""
    async with database.transaction() as tx:
        await tx.leases.acquire("k", "me", NOW, NOW + timedelta(hours=1))
        await tx.audit.append(ENTRY)


async def test_what_the_log_cannot_tell_does_not_happen(tmp_path: Path) -> None:
    """A damaged head, and an entry where the next is to stand: 503, and the change is not made."""
    database = await open_migrated(tmp_path / "a.db")
    await append(database, ENTRY)
    damages = (
        ("DELETE FROM audit_head", "audit_damaged"),
        ("INSERT INTO audit_head VALUES (1, 0, X'00')", "audit_damaged"),
        ("UPDATE audit_head SET size = 0, peaks = X''", "database_unavailable"),
    )
    for damage, code in damages:
        with closing(sqlite3.connect(tmp_path / "a.db")) as raw, raw:
            raw.execute(damage)
        with pytest.raises(Unavailable) as refused:
            await change(database)
        assert refused.value.code == code
    async with database.reading() as tx:
        assert await tx.leases.holders() == ()
    await database.close()


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from nixos_workspaces.database import open_database, sqlite
from test_audit_log import ENTRY, NOW

async def main(path, step):
    database = await open_database(path)
    steps = 0
    perform = sqlite.SqliteConnection._together
    def counting(self, work):
        def counted(run):
            def dying(statement, parameters):
                nonlocal steps
                if steps == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                steps += 1
                return run(statement, parameters)
            return work(dying)
        return perform(self, counted)
    sqlite.SqliteConnection._together = counting
    async with database.transaction() as tx:
        await tx.leases.acquire("k", "me", NOW, NOW)
        await tx.audit.append(ENTRY)
        await tx.audit.append(ENTRY)
        if steps == step:
            os.kill(os.getpid(), signal.SIGKILL)
    print(steps, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


def die(script: Path, path: Path, step: int) -> subprocess.CompletedProcess[str]:
    """Run the script until it has killed itself before a statement."""
    there = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    argv, environ = [sys.executable, str(script), str(path), str(step)], {**os.environ, "PYTHONPATH": there}
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=environ)


async def test_killed_at_any_step_there_is_all_or_nothing(tmp_path: Path) -> None:
    """The change, its entries and every node, at each statement, before the commit and after it."""
    path = tmp_path / "a.db"
    database = await open_migrated(path)
    await append(database, *[ENTRY] * 5)
    await database.close()
    script, steps, step = tmp_path / "killed.py", None, 0
    script.write_text(KILLED)
    while steps is None:
        ended = await asyncio.to_thread(die, script, path, step)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        steps = int(ended.stdout) if ended.stdout else None
        database = await open_database(path)
        async with database.reading() as tx:
            holders = await tx.leases.holders()
        await database.close()
        assert (whole(path), holders) == ((5, ()) if steps is None else (7, ("me",)))
        step += 1
    assert step > 8


def upgrade_to(path: Path, revision: str) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(engine_module.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


async def test_entries_from_before_become_the_first_leaves(tmp_path: Path) -> None:
    """In their order, without the gaps between them; a long one spans batches."""
    path = tmp_path / "a.db"
    upgrade_to(path, "0008")
    detail = {"new": {"cpu": 0.5}, "old": {"cpu": 1.0}}
    with closing(sqlite3.connect(path)) as raw, raw:
        for number in range(1, 1205):
            raw.execute(
                "INSERT INTO audit_entries (number, at, actor, action, workspace_id, outcome, request_id, detail) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (number * 2, "2026-05-26 10:00:00.000000", "ann", "resize", f"ws-{number}", "accepted", "r",
                 json.dumps(detail) if number % 2 else None),
            )  # fmt: skip
    database = await open_database(path)
    async with database.reading() as tx:
        found = await tx.audit.entries(limit=2000)
    assert [number for number, _ in found] == list(range(1, 1205))
    assert found[6][1] == replace(
        AuditEntry(NOW, "ann", "resize", "ws-7", "accepted", "r", detail), kind=AuditClass.CHANGE
    )
    assert await append(database, ENTRY) == [1205]
    await database.close()
    assert whole(path) == 1205


def content_of(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.iterdir())


async def test_secrets_never_reach_the_log(tmp_path: Path) -> None:
    database = await open_migrated(tmp_path / "a.db")
    canary = "nixws_CANARYCANARY"
    entry = replace(
        ENTRY,
        workspace_id=f"a {canary}",
        target="\ud800",
        detail={"password": "hunter2x", "url": "https://me:hunter2x@host/x", "nested": [{"value": "hunter2x"}]},
        before={"private_key": "hunter2x", "key": "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2x\n-----END"},
        after={"count": 1 << 60, "names": {"hunter2x": None}.keys() and ("a",), "when": NOW},
    )
    await append(database, entry)
    async with database.reading() as tx:
        [(_, read)] = await tx.audit.entries()
    await database.close()
    content = content_of(tmp_path)
    assert (b"hunter2x" in content, canary.encode() in content) == (False, False)
    assert read.after == {"count": str(1 << 60), "names": ["a"], "when": str(NOW)}
    assert read.detail == {"password": "•••", "url": "https://•••@host/x", "nested": [{"value": "•••"}]}


async def test_an_entry_knows_the_request_that_it_is_of_and_no_other(tmp_path: Path) -> None:
    database = await open_migrated(tmp_path / "a.db")
    asker.set(Asker("192.0.2.1", "r1", ("session-1", "token-1")))
    await append(database, ENTRY, replace(ENTRY, request_id="r2"), replace(ENTRY, request_id=""))
    async with database.reading() as tx:
        found = [entry for _, entry in await tx.audit.entries()]
    await database.close()
    assert [(one.address, one.chain) for one in found] == [
        ("192.0.2.1", ("session-1", "token-1")),
        ("", ()),
        ("", ()),
    ]


CLASSES = {
    AuditClass.CHANGE: ENTRY,
    AuditClass.ACCESS: replace(ENTRY, action="create-token"),
    AuditClass.REFUSAL: replace(ENTRY, outcome="forbidden"),
    AuditClass.USE: replace(ENTRY, action="read-files", detail={"count": 3}),
    AuditClass.SYSTEM: replace(ENTRY, actor="system", action="collect-garbage"),
    AuditClass.RECORD: replace(ENTRY, action="read-audit", detail={"count": 3}),
}


async def test_proofs_of_entries_outlive_their_bodies(tmp_path: Path) -> None:
    """Each class has its time; the log is whole afterwards, and a proof that was made before is still right."""
    database = await open_migrated(tmp_path / "a.db")
    log = AuditLog(database, CountedAudit(database))
    await append(database, *CLASSES.values(), *[replace(CLASSES[AuditClass.USE], at=NOW + timedelta(days=80))] * 2)
    before = await log.proof(4, 8, principal=ADMIN)
    later = NOW + timedelta(days=91)
    retention = Retention(database, read_days("use=90, refusal=90"), lambda: later)
    assert await retention.expire() == 2
    assert await retention.expire() == 0
    after = await log.proof(4, 8, principal=ADMIN)
    async with database.reading() as tx:
        root = (await tx.audit.head()).root()
        kept = await tx.audit.entries()
        assert (await tx.audit.page(AuditQuery(kind=AuditClass.USE), 10))[-1][0] == 7
        counts = await tx.audit.counts()
    now = await log.proof(4, None, principal=ADMIN)
    await database.close()
    assert after == before
    assert root_of(now.leaf, 3, now.size, now.path) == root
    assert [number for number, _ in kept] == [1, 2, 5, 6, 7, 8, 9, 10]
    assert counts == {"change": 1, "access": 1, "system": 1, "record": 3, "use": 2}
    assert kept[-1][1].after == {"class": "refusal", "numbers": [[3, 3]]}
    assert whole(tmp_path / "a.db") == 10


@pytest.mark.parametrize("setting", ["use", "use=", "use=0", "use=-1", "record=5", "nothing=5", "use=1e3", "use=99999"])
def test_wrong_times_to_keep_are_refused(setting: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_days(setting)
    assert refused.value.field == "audit_keep"
    assert read_days(" use=1,,system=2 ") == {AuditClass.USE: 1, AuditClass.SYSTEM: 2}


@pytest.mark.parametrize("role", Role, ids=str)
async def test_administrators_and_auditors_read_it(tmp_path: Path, role: Role) -> None:
    database = await open_migrated(tmp_path / "a.db")
    log, principal = AuditLog(database, CountedAudit(database)), Principal("ann", "ann", role)
    if role in {Role.ADMIN, Role.AUDITOR}:
        assert (await log.page(AuditQuery(), 1, principal=principal)).size == 0
    else:
        for ask in (
            lambda: log.page(AuditQuery(), 1, principal=principal),
            lambda: log.entry(1, principal=principal),
            lambda: log.proof(1, None, principal=principal),
            lambda: log.consistency(1, None, principal=principal),
            lambda: log.export(AuditQuery(), principal=principal),
        ):
            with pytest.raises(Forbidden):
                await ask()
    await database.close()


def test_old_and_new_entries_tell_a_change_alike() -> None:
    new = replace(ENTRY, before={"a": 1}, after={"a": 2})
    assert change_of(new) == ({"a": 1}, {"a": 2})
    for pair in (("old", "new"), ("before", "after")):
        assert change_of(replace(ENTRY, detail=dict(zip(pair, ({"a": 1}, {"a": 2}), strict=True)))) == (
            {"a": 1},
            {"a": 2},
        )
    assert change_of(replace(ENTRY, detail={"count": 1})) == (None, None)
    assert change_of(ENTRY) == (None, None)


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", "null", '{"at":1}', '{"seq":1,"at":"2026-05-26T10:00:00Z","class":"x"}']
)
def test_what_is_no_entry_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_body(body)
