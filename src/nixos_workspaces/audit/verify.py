"""Verification of the audit log: entry by entry against the tree's stored hashes, and against signed checkpoints.

Entry, hash of the entry and hashes of subtrees are stored apart: to change one without a trace, all have to be changed
up to the root, and then the next signed checkpoint has another root. An installation's own checkpoints can be lost with
its database; those that a witness keeps cannot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

import orjson

from nixos_workspaces.audit.entries import BLANK, cells_of
from nixos_workspaces.audit.notes import Checkpoint
from nixos_workspaces.audit.tree import EMPTY_ROOT, Frontier, Range, position

Row = tuple[Any, ...]
"""Number, instant, actor, action, workspace, outcome, request, class, body, the entry that expired it."""
Expiries = Mapping[object, Sequence[Range] | None]
"""By the number of an entry: the numbers that it tells to have expired, first and last; None: it is bad itself."""


class Flaw(StrEnum):
    """A kind of disagreement."""

    MISSING = "missing"
    """The entry, or its hash, is not there."""
    CHANGED = "changed"
    """The entry has not the hash that was stored with it, or is not found under its own values."""
    MOVED = "moved"
    """The entry stands under the number of another."""
    ERASED = "erased"
    """The entry's body is gone, and no entry tells that its time was over."""
    TREE = "tree"
    """One of these entries, or a hash over them, was replaced."""
    CHECKPOINT = "checkpoint"
    """One of these entries is another one than when the checkpoint was signed."""
    ROLLED_BACK = "rolled_back"
    """A checkpoint tells of entries that are not there: an older copy was put back, or the end was cut off."""
    SIGNATURE = "signature"
    """A stored checkpoint is not signed with the log's key."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The first bad entry: number ``first``, or one of those up to ``last``."""

    first: int
    last: int
    flaw: Flaw


@dataclass(frozen=True, slots=True)
class Verified:
    """The outcome: ``size`` entries agree, with this root; ``finding`` is None if that is all of them."""

    size: int
    root: bytes
    checkpoints: int
    finding: Finding | None = None


class Verifier:
    """Takes the rows of a log in order; stops at the first finding."""

    def __init__(self, checkpoints: Sequence[Checkpoint] = ()) -> None:
        """Compare with ``checkpoints`` too, whose signatures were looked at."""
        self.finding: Finding | None = None
        self._peaks: list[bytes] = []
        self._size = 0
        self._due = sorted(checkpoints, key=lambda one: one.size)
        self._agreed = 0
        self._confirmed = 0
        self._meet_checkpoints()

    @property
    def size(self) -> int:
        """The entries that were taken."""
        return self._size

    def take(self, rows: Sequence[Row], nodes: Mapping[int, bytes], expiries: Expiries) -> None:
        """Take the next rows; ``nodes`` has the hashes of them, and of the subtrees that they complete."""
        for row in rows:
            if self.finding is not None:
                return
            self._take(row, nodes, expiries)

    def expect(self, checkpoint: Checkpoint) -> None:
        """Compare with one more checkpoint, of more entries than were taken."""
        self._due = sorted([*self._due, checkpoint], key=lambda one: one.size)

    def end(self, head: int, last_node: int | None) -> Verified:
        """Return the outcome: ``head`` is the size that the log states, ``last_node`` the last position stored."""
        stated = max(head, 0 if last_node is None else _entries_up_to(last_node))
        if self.finding is None and stated > self._size:
            self.finding = Finding(self._size + 1, stated, Flaw.MISSING)
        if self.finding is None and self._due:
            self.finding = Finding(self._size + 1, self._due[-1].size, Flaw.ROLLED_BACK)
        if self.finding is None and stated < self._size:
            self.finding = Finding(stated + 1, self._size, Flaw.TREE)
        return Verified(self._size, self._root(), self._agreed, self.finding)

    def _take(self, row: Row, nodes: Mapping[int, bytes], expiries: Expiries) -> None:
        index, number = self._size, row[0]
        if number != index + 1:
            self._found(min(number, index + 1) if number > 0 else 1, Flaw.MISSING if number > index else Flaw.MOVED)
            return
        leaf, body = nodes.get(index << 1), row[8]
        if leaf is None:
            self._found(number, Flaw.MISSING)
        elif body is None:
            if row[1:8] != _BLANK or not _has_expired(number, row[9], expiries):
                self._found(number, Flaw.ERASED)
        elif not isinstance(body, bytes) or sha256(b"\0" + body).digest() != leaf or row[9] is not None:
            self._found(number, Flaw.CHANGED)
        elif (flaw := _compare(number, row, body)) is not None:
            self._found(number, flaw)
        if self.finding is None and leaf is not None:
            self._grow(leaf, nodes)

    def _grow(self, leaf: bytes, nodes: Mapping[int, bytes]) -> None:
        """Append a leaf, and compare the subtrees that it completes."""
        index, level, peaks = self._size, 0, self._peaks
        self._size += 1
        while index & 1:
            leaf = sha256(b"\1" + peaks.pop() + leaf).digest()
            level, index = level + 1, index >> 1
            if nodes.get(position(level, index)) != leaf:
                self.finding = Finding((index << level) + 1, self._size, Flaw.TREE)
                return
        peaks.append(leaf)
        if self._due and self._due[0].size <= self._size:
            self._meet_checkpoints()

    def _meet_checkpoints(self) -> None:
        """Compare with the checkpoints of the present size."""
        while self._due and self._due[0].size <= self._size:
            due = self._due.pop(0)
            if due.root != self._root():
                self.finding = Finding(self._confirmed + 1, due.size, Flaw.CHECKPOINT)
                return
            self._agreed += 1
            self._confirmed = due.size

    def _root(self) -> bytes:
        return Frontier(self._size, tuple(self._peaks)).root() if self._size else EMPTY_ROOT

    def _found(self, number: int, flaw: Flaw) -> None:
        self.finding = Finding(number, number, flaw)


_BLANK = tuple(text.encode() for text in BLANK)


def completed_before(first: int, end: int) -> list[int]:
    """Return the positions of subtrees that entries ``first`` to ``end`` complete and that began before ``first``."""
    found = list[int]()
    for level in range(1, end.bit_length()):
        index = first >> level
        if index << level < first and (index + 1) << level <= end:
            found.append(position(level, index))
    return found


def _compare(number: int, row: Row, body: bytes) -> Flaw | None:
    """Return whether an entry stands under its own number and is found under its own values."""
    try:
        told = orjson.loads(body)
        if told["seq"] != number:
            return Flaw.MOVED
        return None if "\0".join(cells_of(told)).encode() == b"\0".join(row[1:8]) else Flaw.CHANGED
    except (ValueError, KeyError, TypeError, AttributeError):
        return Flaw.CHANGED


def _has_expired(number: int, expired_by: object, expiries: Expiries) -> bool:
    """Tell whether a later entry tells that the body of ``number`` went; one that is bad is found itself."""
    if not isinstance(expired_by, int) or expired_by not in expiries or expired_by <= number:
        return False
    ranges = expiries[expired_by]
    return ranges is None or any(first <= number <= last for first, last in ranges)


def _entries_up_to(node: int) -> int:
    """Return how many entries a log has at least in which the subtree at this position is complete."""
    level = (~node & node + 1).bit_length() - 1
    return ((node >> level + 1) + 1) << level
