"""Names that rules let a workspace ask for, and the addresses that these turned out to have."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from nixos_workspaces.model.network import NetworkMode
from nixos_workspaces.node.egress.rules import Group

_MOST_NAMES = 2048
_MOST_ADDRESSES = 32
"""Of one name; more are not let out to."""
SHORTEST_SECONDS, LONGEST_SECONDS = 300, 3600
"""An address stays allowed at least and at most so long after its name was asked for, and ``GRACE_SECONDS`` more."""
GRACE_SECONDS = 60


def patterns(name: str) -> Iterator[str]:
    """Yield the texts of entries that stand for a name: itself, and a wildcard for each name above it."""
    yield name
    _, _, above = name.partition(".")
    while above:
        yield f"*.{above}"
        _, _, above = above.partition(".")


class NameRules:
    """The names of a workspace's rules, so that one is found without looking at all."""

    def __init__(self, mode: NetworkMode, groups: Sequence[Group]) -> None:
        """Take the groups as ``rules.groups_of`` returns them."""
        self._mode = mode
        self._groups = groups
        self._numbers: dict[str, list[int]] = {}
        for number, group in enumerate(groups):
            for text in group.names:
                self._numbers.setdefault(text, []).append(number)

    def groups_for(self, name: str) -> tuple[int, ...] | None:
        """Return the numbers of the groups that a name's addresses belong to; None where it may not be asked for."""
        found = sorted({number for text in patterns(name) for number in self._numbers.get(text, ())})
        groups = [self._groups[number] for number in found]
        if self._mode is NetworkMode.NONE or any(group.deny and not group.ports for group in groups):
            return None
        if self._mode.reaches_all or any(not group.deny for group in groups):
            return tuple(found)
        return None

    @property
    def reaches_all(self) -> bool:
        """Whether every name may be asked for that is not denied."""
        return self._mode.reaches_all


class Resolved:
    """The names that one workspace has asked for, with their addresses: bounded, the oldest are forgotten."""

    def __init__(self) -> None:
        """Know no name."""
        self._names: OrderedDict[str, dict[str, float]] = OrderedDict()
        self._owners: dict[str, str] = {}

    def note(self, name: str, addresses: Sequence[str], ttl: int, now: float) -> dict[str, int]:
        """Remember a name's addresses; return them with the seconds for which they are allowed from now on."""
        seconds = min(max(ttl, SHORTEST_SECONDS), LONGEST_SECONDS) + GRACE_SECONDS
        kept = self._names.pop(name, {})
        kept = {address: end for address, end in kept.items() if end > now}
        kept |= dict.fromkeys(addresses[:_MOST_ADDRESSES], now + seconds)
        while len(kept) > 2 * _MOST_ADDRESSES:
            del kept[next(iter(kept))]
        self._names[name] = kept
        for address in addresses[:_MOST_ADDRESSES]:
            self._owners[address] = name
        while len(self._names) > _MOST_NAMES:
            self._forget()
        return dict.fromkeys(addresses[:_MOST_ADDRESSES], seconds)

    def live(self, rules: NameRules, now: float) -> dict[int, dict[str, int]]:
        """Return the addresses of each group's names with the seconds that they are still allowed for."""
        found: dict[int, dict[str, int]] = {}
        for name, addresses in self._names.items():
            for number in rules.groups_for(name) or ():
                of_group = found.setdefault(number, {})
                for address, end in addresses.items():
                    if end - now >= 1:
                        of_group[address] = max(of_group.get(address, 0), int(end - now))
        return found

    def name_of(self, address: str) -> str | None:
        """Return the name that last turned out to have an address; None if none did."""
        return self._owners.get(address)

    def _forget(self) -> None:
        name, addresses = self._names.popitem(last=False)
        for address in addresses:
            if self._owners.get(address) == name:
                del self._owners[address]
