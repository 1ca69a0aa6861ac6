"""Every manipulation of the tables of the audit log is found, and the first bad entry is named."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from migrated_database import open_migrated

from nixos_workspaces.audit.entries import EXPIRE, SYSTEM, AuditClass, AuditEntry, cells_of
from nixos_workspaces.audit.notes import Checkpoint, Signer, open_note, split_notes
from nixos_workspaces.audit.tree import Frontier, leaf_hash
from nixos_workspaces.audit.verify import Finding, Flaw, Verified
from nixos_workspaces.database import open_database
from nixos_workspaces.database.audit.copies import Copy, open_copy, verify_copy
from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.keys.store import open_keys

NOW = datetime(2026, 5, 26, 10, tzinfo=UTC)
SIZE = 70
MANIPULATIONS = 10_000
CHECKPOINTS = (7, 20, 32, 33, 50, SIZE)
COLUMNS = ("at", "actor", "action", "workspace_id", "outcome", "request_id", "class", "body")


@dataclass(frozen=True)
class Log:
    """A log that was signed to its end, and what a witness has of it."""

    content: bytes
    older: bytes
    """Of when it had 33 entries."""
    key: str
    witnessed: tuple[Checkpoint, ...]

    def verify(self, raw: sqlite3.Connection, *, witness: bool = False) -> Verified:
        """Verify an open copy, which is closed then."""
        with closing(raw):
            return verify_copy(Copy(raw), self.key, self.witnessed if witness else ())


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(open_keys(tmp_path_factory.mktemp("keys")).authority("audit"))


@pytest.fixture
async def log(tmp_path: Path, signer: Signer) -> Log:
    database, notes, older = await open_migrated(tmp_path / "log.db"), list[str](), b""
    for number in range(1, SIZE + 1):
        detail = {"new": {"name": f"n{number}"}, "old": {"name": "ü\n"}}
        entry = AuditEntry(NOW + timedelta(seconds=number), f"u{number % 3}", "rename", f"ws-{number}", "accepted", "r")
        async with database.transaction() as tx:
            if number in {30, 60}:
                gone = await tx.audit.expirable(AuditClass.CHANGE, NOW + timedelta(seconds=number // 3), 100)
                ranges = [[one, one] for one in gone.numbers]
                told = AuditEntry(NOW, SYSTEM, EXPIRE, "", "accepted", after={"class": "change", "numbers": ranges})
                await tx.audit.expire(gone, await tx.audit.append(told))
            else:
                assert await tx.audit.append(replace(entry, detail=detail)) == number
        if number in CHECKPOINTS:
            async with database.transaction() as tx:
                notes.append(signer.sign(number, (await tx.audit.head()).root()))
                await tx.checkpoints.add(number, NOW, notes[-1])
        if number == 33:
            older = copied(tmp_path / "log.db")
    await database.close()
    witnessed = tuple(open_note(one, signer.verifier_key) for one in split_notes("\n".join(notes)))
    assert [one.size for one in witnessed] == list(CHECKPOINTS)
    return Log(copied(tmp_path / "log.db"), older, signer.verifier_key, witnessed)


def copied(path: Path) -> bytes:
    """Return the database as one file has it."""
    with closing(sqlite3.connect(":memory:")) as memory, closing(sqlite3.connect(path)) as raw:
        raw.backup(memory)
        content = bytearray(memory.serialize())
    # Memory has no write-ahead log: the header says that the file has none.
    content[18:20] = b"\1\1"
    return bytes(content)


def opened(content: bytes) -> sqlite3.Connection:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.deserialize(content)
    return raw


def of_the_log(content: bytes) -> bytes:
    """Return a copy without the tables of all else, whose definitions SQLite reads whenever one is opened."""
    with closing(opened(content)) as raw:
        tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in tables:
            if not name.startswith(("audit_", "sqlite_")):
                raw.execute(f"DROP TABLE {name}")
        raw.execute("VACUUM")
        return raw.serialize()


def entries(raw: sqlite3.Connection) -> dict[int, tuple[object, ...]]:
    """Return entries with their hashes, by number."""
    hashed = "audit_entries LEFT JOIN audit_nodes ON position = 2 * (number - 1)"
    return {row[0]: row for row in raw.execute(f"SELECT number, {', '.join(COLUMNS)}, hash FROM {hashed}")}


def bodies(raw: sqlite3.Connection) -> list[int]:
    return [number for (number,) in raw.execute("SELECT number FROM audit_entries WHERE body NOT NULL")]


def flip(raw: sqlite3.Connection, dice: random.Random) -> int:
    """Change one bit of one column of an entry."""
    number, column = dice.randint(1, SIZE), dice.choice(COLUMNS)
    [value] = raw.execute(f"SELECT CAST({column} AS BLOB) FROM audit_entries WHERE number = ?", (number,)).fetchone()
    changed = bytearray(value or b" ")
    changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(7)
    text = bytes(changed).decode(errors="replace")
    raw.execute(f"UPDATE audit_entries SET {column} = ? WHERE number = ?", (text, number))
    return number


def delete(raw: sqlite3.Connection, dice: random.Random) -> int:
    """Delete an entry, at times with its hash, at times closing the gap."""
    number = dice.randint(1, SIZE)
    raw.execute("DELETE FROM audit_entries WHERE number = ?", (number,))
    if dice.random() < 0.5:
        raw.execute("DELETE FROM audit_nodes WHERE position = ?", (2 * number - 2,))
    if dice.random() < 0.5:
        for later in range(number + 1, SIZE + 1):
            raw.execute("UPDATE audit_entries SET number = ? WHERE number = ?", (later - 1, later))
    return number


def insert(raw: sqlite3.Connection, dice: random.Random) -> int:
    """Put an entry in: a copy of another one, in the middle or at the end."""
    number, source = dice.randint(1, SIZE + 1), dice.choice(bodies(raw))
    [[*cells]] = raw.execute(f"SELECT {', '.join(COLUMNS)} FROM audit_entries WHERE number = ?", (source,))
    for later in range(SIZE, number - 1, -1):
        raw.execute("UPDATE audit_entries SET number = ? WHERE number = ?", (later + 1, later))
    if dice.random() < 0.5:
        cells[-1] = orjson.dumps({**orjson.loads(cells[-1]), "seq": number}, option=orjson.OPT_SORT_KEYS).decode()
    columns = ", ".join(("number", *COLUMNS))
    raw.execute(f"INSERT INTO audit_entries ({columns}) VALUES ({', '.join('?' * 9)})", (number, *cells))
    return number


def swap(raw: sqlite3.Connection, dice: random.Random) -> int:
    """Let two entries change places, at times with their hashes."""
    one, other = sorted(dice.sample(bodies(raw), 2))
    for first, second in ((one, -1), (other, one), (-1, other)):
        raw.execute("UPDATE audit_entries SET number = ? WHERE number = ?", (second, first))
    if dice.random() < 0.5:
        for first, second in ((2 * one - 2, -1), (2 * other - 2, 2 * one - 2), (-1, 2 * other - 2)):
            raw.execute("UPDATE audit_nodes SET position = ? WHERE position = ?", (second, first))
    return one


def truncate(raw: sqlite3.Connection, dice: random.Random) -> int:
    """Cut the end off, at times with the hashes."""
    number = dice.randint(1, SIZE)
    raw.execute("DELETE FROM audit_entries WHERE number >= ?", (number,))
    if dice.random() < 0.5:
        raw.execute("DELETE FROM audit_nodes WHERE position >= ?", (2 * number - 3,))
    return number


def erase(raw: sqlite3.Connection, dice: random.Random) -> int:
    """Remove a body as if its time had been over."""
    number = dice.choice([one for one in bodies(raw) if one > 20])
    raw.execute(
        "UPDATE audit_entries SET body = NULL, at = '1970-01-01 00:00:00.000000', actor = '', action = '', "
        "workspace_id = '', outcome = '', request_id = '', class = '', expired_by = ? WHERE number = ?",
        (dice.choice([None, 30, 60, number - 1, SIZE]), number),
    )
    return number


def forge(raw: sqlite3.Connection, dice: random.Random) -> int:
    """Write another entry, and every hash up to the root anew."""
    number = dice.choice(bodies(raw))
    [[body]] = raw.execute("SELECT body FROM audit_entries WHERE number = ?", (number,))
    told = {**orjson.loads(body), "actor": "mallory"}
    forged = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
    set_cells = ", ".join(f"{name} = ?" for name in COLUMNS)
    raw.execute(f"UPDATE audit_entries SET {set_cells} WHERE number = ?", (*cells_of(told), forged.decode(), number))
    tree = Frontier()
    leaves = [
        raw.execute("SELECT hash FROM audit_nodes WHERE position = ?", (2 * at,)).fetchone()[0] for at in range(SIZE)
    ]
    leaves[number - 1] = leaf_hash(forged)
    for leaf in leaves:
        tree, nodes = tree.append(leaf)
        raw.executemany("REPLACE INTO audit_nodes (position, hash) VALUES (?, ?)", nodes)
    raw.execute("UPDATE audit_head SET peaks = ?", (b"".join(tree.peaks),))
    return number


def spoil_hash(raw: sqlite3.Connection, dice: random.Random) -> int:
    """Change or delete a stored hash; returns the first entry under it."""
    positions = [one for (one,) in raw.execute("SELECT position FROM audit_nodes")]
    position = dice.choice(positions)
    if dice.random() < 0.5:
        raw.execute("DELETE FROM audit_nodes WHERE position = ?", (position,))
    else:
        raw.execute("UPDATE audit_nodes SET hash = ? WHERE position = ?", (dice.randbytes(32), position))
    level = (~position & position + 1).bit_length() - 1
    return int((position >> level + 1 << level) + 1)


MANNERS: tuple[Callable[[sqlite3.Connection, random.Random], int], ...] = (
    *(flip, flip, delete, insert, swap, truncate, erase, forge, spoil_hash),
)


async def test_every_manipulation_is_found_and_the_first_bad_entry_named(log: Log) -> None:
    """The first bad one is the first that differs. Signatures have a test of their own, and would cost the most."""
    whole = log.verify(opened(log.content), witness=True)
    assert (whole.finding, whole.size, whole.checkpoints) == (None, SIZE, 2 * len(CHECKPOINTS))
    content = of_the_log(log.content)
    with closing(opened(content)) as raw:
        before = entries(raw)
        assert verify_copy(Copy(raw), log.key, log.witnessed) == whole
    dice, missed, exact = random.Random(20260526), list[object](), 0
    for turn in range(MANIPULATIONS):
        raw, manner = opened(content), MANNERS[turn % len(MANNERS)]
        number = manner(raw, dice)
        if manner is not spoil_hash:
            now = entries(raw)
            number = min(one for one in before.keys() | now.keys() if before.get(one) != now.get(one))
        finding = verify_copy(Copy(raw), None, log.witnessed).finding
        if finding is None or not finding.first <= number <= finding.last:
            missed.append((manner.__name__, number, finding))
        exact += finding is not None and finding.first == finding.last
        raw.close()
    assert missed == []
    assert exact > MANIPULATIONS * 0.7


async def test_an_older_copy_is_found_by_the_witness_and_by_nothing_else(log: Log) -> None:
    assert log.verify(opened(log.older)).finding is None
    rolled_back = log.verify(opened(log.older), witness=True)
    assert rolled_back.finding == Finding(34, SIZE, Flaw.ROLLED_BACK)


async def test_an_older_copy_that_went_on_is_found_by_the_witness(log: Log, tmp_path: Path, signer: Signer) -> None:
    """The installation signs what it did after the copy was put back: its own checkpoints agree."""
    (tmp_path / "older.db").write_bytes(log.older)
    database = await open_database(tmp_path / "older.db")
    async with database.transaction() as tx:
        for number in range(60):
            await tx.audit.append(AuditEntry(NOW, "ann", "start", f"ws-{number}", "accepted"))
        tree = await tx.audit.head()
        await tx.checkpoints.add(tree.size, NOW, signer.sign(tree.size, tree.root()))
    await database.close()
    with open_copy(tmp_path / "older.db") as copy:
        assert verify_copy(copy, log.key).finding is None
    with open_copy(tmp_path / "older.db") as copy:
        assert verify_copy(copy, log.key, log.witnessed).finding == Finding(34, 50, Flaw.CHECKPOINT)


async def test_a_checkpoint_of_another_key_is_found(log: Log, tmp_path: Path) -> None:
    other = Signer(open_keys(tmp_path / "other").authority("audit"))
    with closing(opened(log.content)) as raw:
        finding = verify_copy(Copy(raw), other.verifier_key).finding
    assert finding == Finding(1, CHECKPOINTS[0], Flaw.SIGNATURE)
    raw = opened(log.content)
    raw.execute("UPDATE audit_checkpoints SET note = replace(note, '33', '34') WHERE size = 33")
    assert log.verify(raw).finding == Finding(33, 33, Flaw.SIGNATURE)


@pytest.mark.parametrize("kind", ["absent", "empty", "other", "text"])
def test_what_is_no_database_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "copy.db"
    if kind != "absent":
        path.write_bytes(b"" if kind != "text" else b"x" * 5000)
    if kind == "other":
        with closing(sqlite3.connect(path)) as raw:
            raw.execute("CREATE TABLE audit_entries (number INTEGER)")
    with pytest.raises(InvalidInput) as refused, open_copy(path) as copy:
        verify_copy(copy, None)
    assert refused.value.code == "copy_unreadable"
