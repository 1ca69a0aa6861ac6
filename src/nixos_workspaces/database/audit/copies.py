"""Reading the audit log out of a database's file, of a copy too, to verify it; nothing is written."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson

from nixos_workspaces.audit.entries import EXPIRE
from nixos_workspaces.audit.notes import Checkpoint, open_note
from nixos_workspaces.audit.tree import Range, covering, folded, leaf_hash
from nixos_workspaces.audit.verify import Finding, Flaw, Verified, Verifier, completed_before
from nixos_workspaces.errors import InvalidInput

CHUNK = 4096
_BEFORE_ALL = -(1 << 63)
_ROWS = (
    "SELECT number, at, actor, action, workspace_id, outcome, request_id, class, body, expired_by "
    "FROM audit_entries WHERE number > ? ORDER BY number LIMIT ?"
)
_NODES = "SELECT position, hash FROM audit_nodes WHERE position >= ? AND position < ?"
_NODE = "SELECT position, hash FROM audit_nodes WHERE position = ?"
_ENTRY = "SELECT body FROM audit_entries WHERE number = ?"
_HEAD = "SELECT max(size) FROM audit_head"
_NOTES = "SELECT size, note FROM audit_checkpoints ORDER BY size"


class Copy:
    """The audit log in one file, read only."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        """Read from ``raw``; use ``open_copy``."""
        self._raw = raw
        self._expiries: dict[object, Sequence[Range] | None] = {}
        raw.text_factory = bytes

    def verify(self, verifier: Verifier, entries: int) -> bool:
        """Let ``verifier`` take up to so many more entries; tell whether it has all that are there."""
        while verifier.finding is None and entries > 0:
            # Up to a multiple of a power of two, so that few subtrees began in the chunk before.
            size = min(CHUNK - verifier.size % CHUNK, entries)
            rows = self._raw.execute(_ROWS, (verifier.size or _BEFORE_ALL, size)).fetchall()
            first, end = verifier.size, verifier.size + len(rows)
            nodes = dict(self._raw.execute(_NODES, (first << 1, end << 1)))
            for node in completed_before(first, end):
                nodes.update(self._raw.execute(_NODE, (node,)))
            for number in {row[9] for row in rows} - self._expiries.keys() - {None}:
                self._expiries[number] = self._expired_by(number)
            verifier.take(rows, nodes, self._expiries)
            if len(rows) < size:
                return True
            entries -= size
        return False

    def end(self, verifier: Verifier) -> Verified:
        """Return the outcome of a verification that has taken every entry."""
        [node] = self._raw.execute("SELECT max(position) FROM audit_nodes").fetchone()
        return verifier.end(self._head(), node if isinstance(node, int) else None)

    def checkpoints(self, key: str, after: int = -1) -> tuple[list[Checkpoint], Finding | None]:
        """Return the stored checkpoints of more than ``after`` entries, and the first that ``key`` has not signed."""
        found, last = list[Checkpoint](), 0
        for size, note in self._raw.execute(_NOTES):
            if isinstance(size, int) and size <= after:
                continue
            try:
                checkpoint = open_note(note.decode(), key)
            except (InvalidInput, UnicodeError, AttributeError):
                checkpoint = None
            if checkpoint is None or checkpoint.size != size:
                return found, Finding(last + 1, max(size, last + 1), Flaw.SIGNATURE)
            found.append(checkpoint)
            last = checkpoint.size
        return found, None

    def root(self, size: int) -> bytes | None:
        """Return the root of the first entries out of the stored hashes; None where one is missing."""
        found = [self._raw.execute(_NODE, (node,)).fetchone() for node in covering((0, size))]
        hashes = [row[1] for row in found if row is not None]
        return folded(hashes) if hashes and len(hashes) == len(found) else None

    def _head(self) -> int:
        [head] = self._raw.execute(_HEAD).fetchone()
        return head if isinstance(head, int) else 0

    def _expired_by(self, number: object) -> Sequence[Range] | None:
        """Return the numbers that an entry tells to have expired; None if it is bad itself, and so is found itself."""
        if not isinstance(number, int) or not 0 < number <= self._head():
            return ()
        entries, nodes = self._raw.execute(_ENTRY, (number,)), self._raw.execute(_NODE, (2 * (number - 1),))
        [body] = entries.fetchone() or (None,)
        [_, digest] = nodes.fetchone() or (None, None)
        if not isinstance(body, bytes) or leaf_hash(body) != digest:
            return None
        return _ranges(number, body)


@contextmanager
def open_copy(path: Path) -> Iterator[Copy]:
    """Open the log in a database's file; ``InvalidInput`` for a file that is none, or of an older schema."""
    # SQLite writes beside a file that was in use, even to read it.
    manner = "mode=ro" if os.access(path.parent, os.W_OK) else "immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?{manner}", uri=True)) as raw:
            # One state, although the service may go on writing.
            raw.execute("BEGIN")
            yield Copy(raw)
    except sqlite3.Error as wrong:
        raise InvalidInput(
            f"{path} cannot be read as a database of this version ({wrong}).", code="copy_unreadable", field="database"
        ) from wrong


def verify_copy(
    copy: Copy, key: str | None, witnessed: Sequence[Checkpoint] = (), told: Callable[[int], None] | None = None
) -> Verified:
    """Verify every entry, every stored checkpoint that ``key`` has to have signed, and those of a witness.

    ``told`` hears now and then how many entries agree so far.
    """
    stored, unsigned = copy.checkpoints(key) if key is not None else ([], None)
    verifier = Verifier([*stored, *witnessed])
    while not copy.verify(verifier, CHUNK) and verifier.finding is None:
        if told is not None:
            told(verifier.size)
    outcome = copy.end(verifier)
    if unsigned is not None and (outcome.finding is None or outcome.finding.first > unsigned.last):
        return Verified(outcome.size, outcome.root, outcome.checkpoints, unsigned)
    return outcome


def _ranges(number: int, body: bytes) -> Sequence[Range] | None:
    try:
        told = orjson.loads(body)
        if told["seq"] != number:
            return None
        return [(first, last) for first, last in told["after"]["numbers"]] if told["action"] == EXPIRE else ()
    except (ValueError, KeyError, TypeError):
        return ()
