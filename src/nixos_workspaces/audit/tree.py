"""The Merkle tree of the audit log (RFC 6962, section 2.1): hashes, roots, and both kinds of proof.

Complete subtrees never change, so their hashes are stored once, each at the position that it has when the tree is read
from left to right (in order): an entry appends one leaf and on average one more node, and a proof reads O(log n).
Entries are counted from 0 here; their numbers (``seq``) begin at 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()

Range = tuple[int, int]
"""Entries from the first number on, up to and without the second."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of an entry's bytes."""
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees side by side."""
    return sha256(b"\1" + left + right).digest()


def position(level: int, index: int) -> int:
    """Return where the complete subtree ``index`` of 2^``level`` entries stands in the order from left to right."""
    return (index << level + 1) + (1 << level) - 1


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree's size and the hashes of its largest complete subtrees from left to right: enough to grow it."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> tuple[Frontier, list[tuple[int, bytes]]]:
        """Return the tree with one more leaf, and the nodes that it completes: position and hash, the leaf first."""
        peaks, nodes, level, index = list(self.peaks), [(position(0, self.size), leaf)], 0, self.size
        while index & 1:
            leaf = node_hash(peaks.pop(), leaf)
            level, index = level + 1, index >> 1
            nodes.append((position(level, index), leaf))
        return Frontier(self.size + 1, (*peaks, leaf)), nodes

    def root(self) -> bytes:
        """Return the hash of the whole tree."""
        return folded(self.peaks) if self.peaks else EMPTY_ROOT

    @classmethod
    def read(cls, size: int, peaks: bytes) -> Frontier:
        """Return the tree from its stored form; ``ValueError`` if it is none."""
        if len(peaks) != size.bit_count() * HASH_BYTES:
            raise ValueError(f"a tree of {size} entries has {size.bit_count()} peaks")
        return cls(size, split_hashes(peaks))


def split_hashes(together: bytes) -> tuple[bytes, ...]:
    """Return the hashes that stand one after another; ``ValueError`` for a length that is no multiple of theirs."""
    if len(together) % HASH_BYTES:
        raise ValueError("not a whole number of hashes")
    return tuple(together[at : at + HASH_BYTES] for at in range(0, len(together), HASH_BYTES))


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Return the entries under each hash of the path of entry ``index`` in a tree of ``size``, the lowest first."""
    low, high, path = 0, size, list[Range]()
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    return path[::-1]


def consistency_ranges(first: int, second: int) -> list[Range]:
    """Return the entries under each hash of the proof that ``second`` entries begin with ``first``; 0 < first."""
    low, high, path = 0, second, list[Range]()
    while first != high:
        middle = low + _split(high - low)
        if first <= middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    return ([(low, high)] if low else []) + path[::-1]


def covering(entries: Range) -> list[int]:
    """Return the positions of the complete subtrees that make up the subtree over ``entries``, left to right."""
    low, high = entries
    found = []
    while low < high:
        level = (high - low).bit_length() - 1
        found.append(position(level, low >> level))
        low += 1 << level
    return found


def prove(ranges: Sequence[Range], stored: Callable[[int], bytes]) -> tuple[bytes, ...]:
    """Return the hashes over ``ranges``, from what ``stored`` returns by position."""
    return tuple(folded([stored(one) for one in covering(entries)]) for entries in ranges)


def root_of(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that a path leads to; None if a path of this entry has another length."""
    if not 0 <= index < size or len(ranges := inclusion_ranges(index, size)) != len(path):
        return None
    for (low, _), other in zip(ranges, path, strict=True):
        leaf = node_hash(leaf, other) if low > index else node_hash(other, leaf)
    return leaf


def is_consistent(first: int, second: int, roots: tuple[bytes, bytes], path: Sequence[bytes]) -> bool:
    """Tell whether ``path`` proves that a tree of ``second`` entries begins with the other; ``roots`` are of both."""
    if not 0 < first <= second:
        return False
    ranges, hashes = consistency_ranges(first, second), list(path)
    if len(ranges) != len(hashes):
        return False
    begins_whole = not ranges or ranges[0][0] >= first
    old = new = roots[0] if begins_whole else hashes.pop(0)
    for (low, _), other in zip(ranges[len(ranges) - len(hashes) :], hashes, strict=True):
        if low >= first:
            new = node_hash(new, other)
        else:
            old, new = node_hash(other, old), node_hash(other, new)
    return (old, new) == roots


def _split(size: int) -> int:
    """Return the largest power of two that is smaller than ``size``."""
    return 1 << (size - 1).bit_length() - 1


def folded(peaks: Sequence[bytes]) -> bytes:
    """Return the hash over complete subtrees that stand side by side, the larger ones first."""
    root = peaks[-1]
    for left in reversed(peaks[:-1]):
        root = node_hash(left, root)
    return root
