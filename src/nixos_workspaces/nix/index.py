"""The index of a package set: searched, and asked for the nearest names, without holding up the event loop.

A set has a hundred thousand names. Everything here is made of many small steps of the interpreter, so that a thread
that runs it lets others go on; a single call that takes long would hold all of them.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from nixos_workspaces.model.environment import Package

SUGGESTIONS = 3
_LEAST_RATIO = 60.0
"""Of 100: a name that is less alike is no suggestion."""
_NAMES_AT_ONCE = 5000
"""Names that one call compares, which takes some 1 ms."""
_DECODER = json.JSONDecoder()
_BLANKS = (" ", "\t", "\r", "\n")


class Names:
    """Names in any case, to find the nearest ones in."""

    def __init__(self, names: Iterable[str]) -> None:
        """Take them, in the order in which equally good ones are told."""
        self._originals: dict[str, str] = {}
        for name in names:
            self._originals.setdefault(name.lower(), name)
        self._lowered = list(self._originals)

    def nearest(self, name: str) -> tuple[str, ...]:
        """Return the names nearest to ``name``, best first; at most three.

        Case does not count; a name that begins with ``name`` counts as near.
        """
        # 4 MB of the service's memory, for which nobody has to have asked.
        from rapidfuzz import fuzz, process

        wanted = name.lower()
        close: list[tuple[float, str]] = []
        for begin in range(0, len(self._lowered), _NAMES_AT_ONCE):
            found = process.extract(
                wanted,
                self._lowered[begin : begin + _NAMES_AT_ONCE],
                scorer=fuzz.ratio,
                score_cutoff=_LEAST_RATIO,
                limit=SUGGESTIONS,
            )
            close += [(-ratio, one) for one, ratio, _ in found]
        alike = [one for _, one in heapq.nsmallest(SUGGESTIONS, close)]
        beginning = (one for one in self._lowered if wanted and one.startswith(wanted))
        shortest = heapq.nsmallest(SUGGESTIONS, beginning, key=_short_first)
        best = dict.fromkeys([*alike[:1], *shortest, *alike])
        return tuple(self._originals[one] for one in islice(best, SUGGESTIONS))


class PackageIndex:
    """The packages of one set."""

    def __init__(self, packages: Iterable[Package]) -> None:
        """Put them in the order in which equally good matches are told: short names first."""
        self._packages = _in_order(packages)
        self._names = [one.name.lower() for one in self._packages]
        self._lines = [
            f"{name}\n{one.description.lower()}" for name, one in zip(self._names, self._packages, strict=True)
        ]
        self.names = Names(one.name for one in self._packages)

    def __iter__(self) -> Iterator[Package]:
        """Iterate over the packages, short names first."""
        return iter(self._packages)

    def __len__(self) -> int:
        """Return how many packages there are."""
        return len(self._packages)

    def search(self, query: str, limit: int) -> tuple[Package, ...]:
        """Return the packages whose name or description holds every word of ``query``, best first.

        The best is the one of that name, then come names that begin with the first word, names that hold it, others.
        """
        lines, names = self._lines, self._names
        found: Sequence[int] = range(len(lines))
        words = query.lower().split()
        for word in sorted(words, key=len, reverse=True):
            found = [number for number in found if word in lines[number]]
        first = words[0] if words else ""
        named = [number for number in found if first in names[number]]
        beginning = [number for number in named if names[number].startswith(first)]
        exact = [number for number in beginning if names[number] == first]
        best = dict.fromkeys([*exact, *beginning[:limit], *named[:limit]])
        if len(best) < limit:
            best |= dict.fromkeys(found)
        return tuple(self._packages[number] for number in islice(best, max(limit, 0)))


def _short_first(name: str) -> tuple[int, str]:
    return len(name), name


def _in_order(packages: Iterable[Package]) -> list[Package]:
    """Return packages by length and letters of their names; sorting all at once would be one long call."""

    def place(one: Package) -> tuple[int, str]:
        return _short_first(one.name)

    rest, parts = iter(packages), []
    while part := sorted(islice(rest, _NAMES_AT_ONCE), key=place):
        parts.append(part)
    return list(heapq.merge(*parts, key=place))


def to_lines(packages: Iterable[Package]) -> bytes:
    """Return packages as lines of JSON."""
    rows = ([one.name, one.version, one.description, one.size_bytes] for one in packages)
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def from_lines(content: bytes) -> PackageIndex:
    """Return the index of packages that ``to_lines`` wrote; raises ``ValueError`` for anything else."""
    try:
        packages = [_package(*row) for row in map(json.loads, content.splitlines())]
    except (TypeError, LookupError) as strange:
        raise ValueError("not an index of packages") from strange
    if not packages:
        raise ValueError("an empty index of packages")
    return PackageIndex(packages)


def _package(name: object, version: object, description: object, size_bytes: int | None) -> Package:
    match name, version, description:
        case str(), str(), str():
            return Package(name, version, description, size_bytes)
        case _:
            raise TypeError("not texts")


def members(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the members of a JSON object, each read by itself; raises ``ValueError`` for anything else."""
    at = _behind(text, 0, "{")
    while not text.startswith("}", at):
        name, at = _DECODER.raw_decode(text, at)
        if not isinstance(name, str):
            raise ValueError("a name is not a text")  # noqa: TRY004 - the text is wrong, not the caller
        value, at = _DECODER.raw_decode(text, _behind(text, at, ":"))
        yield name, value
        at = _behind(text, at, "")
        if not text.startswith("}", at):
            at = _behind(text, at, ",")


def _behind(text: str, at: int, mark: str) -> int:
    """Return where the text goes on behind ``mark`` and the blanks around it."""
    while text.startswith(_BLANKS, at):
        at += 1
    if not text.startswith(mark, at):
        raise ValueError(f"{mark!r} is missing")
    at += len(mark)
    while text.startswith(_BLANKS, at):
        at += 1
    return at
