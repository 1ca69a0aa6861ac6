"""From what is wanted to what is enforced: floor, balanced list, expiry. Pure; time is an argument."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from nixos_workspaces.model.network.entries import (
    WILDCARD,
    EgressRules,
    NetworkEntry,
    NetworkMode,
    NetworkPolicy,
    PortRange,
)

NO_FLOOR = NetworkPolicy()
"""The floor that leaves every choice."""
_WIDTH = (NetworkMode.NONE, NetworkMode.LOCKED, NetworkMode.BALANCED, NetworkMode.OPEN, NetworkMode.OBSERVE)


def rules_of(
    policy: NetworkPolicy, floor: NetworkPolicy, balanced: Sequence[NetworkEntry], now: datetime
) -> EgressRules:
    """Return what is enforced: what ``policy`` and ``floor`` both let out, with the denials of both.

    Of two entries that overlap it is the part that both name. A floor of mode ``OPEN`` leaves every choice.
    """
    deny = _distinct(one for one in (*floor.deny, *policy.deny) if one.in_force(now))
    mode = narrower(policy.mode, floor.mode)
    if mode is NetworkMode.NONE:
        return EgressRules(mode, deny=deny)
    wanted, granted = _allowed(policy, balanced, now), _allowed(floor, balanced, now)
    if wanted is None:
        return EgressRules(mode, _distinct(granted or ()), deny)
    return EgressRules(mode, _distinct(wanted if granted is None else _common(wanted, granted)), deny)


def in_force_at(rules: EgressRules, now: datetime) -> EgressRules:
    """Return what of an engine's rules is in force, without ends of its own."""
    if rules.until is not None and rules.until <= now:
        rules = rules.after or EgressRules(NetworkMode.NONE)
    allow, deny = (tuple(one for one in entries if one.in_force(now)) for entries in (rules.allow, rules.deny))
    return EgressRules(rules.mode, allow, deny)


def next_end(rules: EgressRules, now: datetime) -> datetime | None:
    """Return when ``in_force_at`` may return something else for the first time after ``now``; None for never."""
    ends = [one.expires_at for part in (rules, rules.after) if part for one in (*part.allow, *part.deny)]
    return min((end for end in (*ends, rules.until) if end is not None and end > now), default=None)


def narrower(one: NetworkMode, other: NetworkMode) -> NetworkMode:
    """Return the mode of the two that lets out less; ``OBSERVE`` is as wide as ``OPEN``."""
    if one.reaches_all and other.reaches_all:
        return one
    return min(one, other, key=_WIDTH.index)


def beyond_floor(
    policy: NetworkPolicy, floor: NetworkPolicy, balanced: Sequence[NetworkEntry], now: datetime
) -> tuple[str, ...]:
    """Return the pointers of the parts of a policy that the floor does not let out: ``/mode``, ``/allow/3``."""
    pointers: list[str] = []
    if narrower(policy.mode, floor.mode) is not policy.mode:
        pointers.append("/mode")
    granted = () if floor.mode is NetworkMode.NONE else _allowed(floor, balanced, now)
    if granted is not None:
        lasting = _Granted([replace(one, expires_at=None) for one in granted])
        pointers += [f"/allow/{index}" for index, one in enumerate(policy.allow) if not _covered(one, lasting)]
    return tuple(pointers)


def next_expiry(policy: NetworkPolicy, now: datetime) -> datetime | None:
    """Return when the first of its entries ends after ``now``; None if none does."""
    ends = (one.expires_at for one in (*policy.allow, *policy.deny))
    return min((end for end in ends if end is not None and end > now), default=None)


def pruned(policy: NetworkPolicy, now: datetime) -> NetworkPolicy:
    """Return a policy without the entries that have ended."""
    return replace(
        policy,
        allow=tuple(one for one in policy.allow if one.in_force(now)),
        deny=tuple(one for one in policy.deny if one.in_force(now)),
    )


def permits(rules: EgressRules, port: int, *, name: str | None = None, address: str | None = None) -> bool:
    """Tell whether rules let a connection out, by its name or by its address.

    It is the meaning of rules for tests and for people; an engine enforces it by its own means. Addresses that are
    never allowed are not looked at here.
    """

    def named(entries: Iterable[NetworkEntry]) -> bool:
        return any(matches(one, port, name=name, address=address) for one in entries)

    if rules.mode is NetworkMode.NONE or named(rules.deny):
        return False
    return rules.mode.reaches_all or named(rules.allow)


def matches(one: NetworkEntry, port: int, *, name: str | None = None, address: str | None = None) -> bool:
    """Tell whether an entry names a connection."""
    if one.ports and not any(span.first <= port <= span.last for span in one.ports):
        return False
    if one.name is not None:
        return name is not None and _name_within(name, one.name)
    return address is not None and ipaddress.ip_address(address) in ipaddress.ip_network(one.cidr or "")


def _allowed(policy: NetworkPolicy, balanced: Sequence[NetworkEntry], now: datetime) -> tuple[NetworkEntry, ...] | None:
    """Return the entries that a policy lets out; None for everything."""
    if policy.mode.reaches_all:
        return None
    listed = (*balanced, *policy.allow) if policy.mode is NetworkMode.BALANCED else policy.allow
    return tuple(one for one in listed if one.in_force(now))


class _Granted:
    """Entries, found by what may have a part in common with another: there may be a thousand on either side."""

    def __init__(self, entries: Iterable[NetworkEntry]) -> None:
        self.entries = frozenset(entries)
        self._names: dict[str, list[NetworkEntry]] = {}
        self._ranges: list[NetworkEntry] = []
        for one in dict.fromkeys(entries):
            if one.name is None:
                self._ranges.append(one)
            else:
                self._names.setdefault(one.name.removeprefix(WILDCARD), []).append(one)

    def near(self, one: NetworkEntry) -> Iterator[NetworkEntry]:
        """Yield the entries whose names or ranges may lie within those of ``one``, or the other way round."""
        if one.name is None:
            yield from self._ranges
            return
        base = one.name.removeprefix(WILDCARD)
        above = base
        while above:
            yield from self._names.get(above, ())
            above = above.partition(".")[2]
        if one.name.startswith(WILDCARD):
            below = f".{base}"
            for other, found in self._names.items():
                if other.endswith(below):
                    yield from found


def _common(wanted: Sequence[NetworkEntry], granted: Sequence[NetworkEntry]) -> Iterator[NetworkEntry]:
    """Yield what both lists let out."""
    every = _Granted(granted)
    for one in wanted:
        if one in every.entries:
            yield one
            continue
        for other in every.near(one):
            both = _meet(one, other)
            if both is not None:
                yield both
                if both == one:
                    break


def _covered(one: NetworkEntry, granted: _Granted) -> bool:
    """Tell whether one of the entries lets out all that ``one`` names."""
    return any(_meet(one, other) == one for other in granted.near(one))


def _meet(one: NetworkEntry, other: NetworkEntry) -> NetworkEntry | None:
    """Return the part that two entries name both; None if there is none."""
    name = cidr = None
    if one.name is not None and other.name is not None:
        name = _narrower_name(one.name, other.name)
    elif one.cidr is not None and other.cidr is not None:
        cidr = _narrower_cidr(one.cidr, other.cidr)
    if name is None and cidr is None:
        return None
    ports = _common_ports(one.ports, other.ports)
    if ports is None:
        return None
    ends = [end for end in (one.expires_at, other.expires_at) if end is not None]
    return NetworkEntry(name, cidr, ports, min(ends, default=None))


def _narrower_name(one: str, other: str) -> str | None:
    if _name_within(one, other):
        return one
    return other if _name_within(other, one) else None


def _name_within(name: str, pattern: str) -> bool:
    """Tell whether all that ``name`` stands for is among what ``pattern`` stands for; both may be wildcards."""
    if name == pattern:
        return True
    return pattern.startswith(WILDCARD) and name.removeprefix(WILDCARD).endswith(pattern[1:])


@lru_cache(maxsize=4096)
def _range(cidr: str) -> tuple[int, int, int]:
    """Return a range's version, first and last address."""
    network = ipaddress.ip_network(cidr)
    return network.version, int(network.network_address), int(network.broadcast_address)


def _narrower_cidr(one: str, other: str) -> str | None:
    """Return the range that lies within the other; None for ranges that have nothing in common."""
    version, first, last = _range(one)
    other_version, other_first, other_last = _range(other)
    if version != other_version or first > other_last or other_first > last:
        return None
    return one if last - first <= other_last - other_first else other


def _common_ports(one: tuple[PortRange, ...], other: tuple[PortRange, ...]) -> tuple[PortRange, ...] | None:
    """Return the ports of both (empty: all); None if they share none."""
    if not one or not other:
        return one or other
    spans = (PortRange(max(a.first, b.first), min(a.last, b.last)) for a in one for b in other)
    shared = tuple(sorted(span for span in spans if span.first <= span.last))
    return shared or None


def _distinct(entries: Iterable[NetworkEntry]) -> tuple[NetworkEntry, ...]:
    """Return entries once each, in order."""
    return tuple(dict.fromkeys(entries))
