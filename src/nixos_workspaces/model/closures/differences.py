"""The difference between two closures. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nixos_workspaces.model.closures.paths import StorePath

_UNIT, _USER_UNIT = "unit-", "user-unit-"


@dataclass(frozen=True, slots=True)
class PartChange:
    """One part of a system that is there in other versions than before, or in other builds of the same."""

    name: str
    before: tuple[str, ...]
    """Its versions, sorted; empty where it was not there. A part whose name tells no version has an empty text."""
    after: tuple[str, ...]
    """Empty where it is not there any more."""
    bytes_before: int
    """Size of its paths that are only there before."""
    bytes_after: int


@dataclass(frozen=True, slots=True)
class UnitChanges:
    """Names of units, each sorted; those of people's own service managers begin with ``user:``."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """The parts that a second closure has and lacks beside a first one."""

    added: tuple[PartChange, ...]
    removed: tuple[PartChange, ...]
    changed: tuple[PartChange, ...]
    """Other versions."""
    rebuilt: tuple[PartChange, ...]
    """The same versions out of another build: of configuration, as a rule, whose names tell none."""
    units: UnitChanges
    bytes_added: int
    """Size of all paths that are only in the second."""
    bytes_removed: int


def difference(before: Iterable[StorePath], after: Iterable[StorePath]) -> Difference:
    """Return how the second closure differs from the first, in time linear in their paths."""
    old, new = {one.path: one for one in before}, {one.path: one for one in after}
    gone = [one for path, one in old.items() if path not in new]
    come = [one for path, one in new.items() if path not in old]
    were, are, less, more = (_by_name(paths) for paths in (old.values(), new.values(), gone, come))
    parts = [
        PartChange(name, _versions(were, name), _versions(are, name), _size(less, name), _size(more, name))
        for name in sorted(less.keys() | more.keys())
    ]
    return Difference(
        added=tuple(one for one in parts if not one.before),
        removed=tuple(one for one in parts if not one.after),
        changed=tuple(one for one in parts if one.before and one.after and one.before != one.after),
        rebuilt=tuple(one for one in parts if one.before == one.after),
        units=_units(old, new),
        bytes_added=sum(one.bytes for one in come),
        bytes_removed=sum(one.bytes for one in gone),
    )


_Named = Mapping[str, Sequence[StorePath]]


def _by_name(paths: Iterable[StorePath]) -> _Named:
    """Return the paths by name, without those of units."""
    found: dict[str, list[StorePath]] = {}
    for one in paths:
        if _unit(one) is None:
            found.setdefault(one.name, []).append(one)
    return found


def _versions(named: _Named, name: str) -> tuple[str, ...]:
    return tuple(sorted({one.version for one in named.get(name, ())}))


def _size(named: _Named, name: str) -> int:
    return sum(one.bytes for one in named.get(name, ()))


def _unit(one: StorePath) -> str | None:
    """Return the name of the unit that a path holds; None where it holds none. NixOS names such paths so."""
    for prefix, owner in ((_USER_UNIT, "user:"), (_UNIT, "")):
        if one.label.startswith(prefix) and "." in one.label:
            return owner + one.label.removeprefix(prefix)
    return None


def _units(old: Mapping[str, StorePath], new: Mapping[str, StorePath]) -> UnitChanges:
    before, after = _paths_of_units(old), _paths_of_units(new)
    both = before.keys() & after.keys()
    return UnitChanges(
        tuple(sorted(after.keys() - both)),
        tuple(sorted(before.keys() - both)),
        tuple(sorted(unit for unit in both if before[unit] != after[unit])),
    )


def _paths_of_units(paths: Mapping[str, StorePath]) -> dict[str, set[str]]:
    """Return the paths by the unit that they hold: a closure may have a unit twice."""
    found: dict[str, set[str]] = {}
    for path, one in paths.items():
        if (unit := _unit(one)) is not None:
            found.setdefault(unit, set()).add(path)
    return found
