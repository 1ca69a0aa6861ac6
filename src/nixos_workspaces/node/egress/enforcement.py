"""The rules of all workspaces of a node in force: packet filter, resolver and reports together."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from nixos_workspaces.model.network import EgressRules, NetworkMode, in_force_at, next_end
from nixos_workspaces.node.egress import rules
from nixos_workspaces.node.egress.addresses import Addresses
from nixos_workspaces.node.egress.counters import Counters
from nixos_workspaces.node.egress.elements import Elements
from nixos_workspaces.node.egress.names.allowed import NameRules, Resolved
from nixos_workspaces.node.egress.rules import Ground, Judgement
from nixos_workspaces.node.egress.uplink import Way
from nixos_workspaces.node.kernel.firewall import Firewall

NOTHING = EgressRules(NetworkMode.NONE)
"""The rules of a workspace for which none were set."""


@dataclass(slots=True)
class Member:
    """A workspace whose link is known."""

    rules: EgressRules
    """As they were told, with the ends of their parts."""
    names: NameRules
    judged: Judgement
    ends: datetime | None = None
    """When something of them ends next; None: never."""
    resolved: Resolved = field(default_factory=Resolved)
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while its rules change: an address that is opened meanwhile would get lost."""


class Enforcement:
    """The table of one node; methods may be called from any thread."""

    def __init__(self, addresses: Addresses, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Use the node's addresses and names; nothing is in force before ``load``."""
        self._clock = clock
        self._addresses = addresses
        self._firewall = Firewall()
        self._elements = Elements(addresses.table)
        self.counters = Counters(addresses.table)
        """The packets that each workspace was denied in its present run."""
        self._ground = Ground(addresses.table, addresses.prefix, str(addresses.network), addresses.gateway)
        self._members: dict[int, Member] = {}
        self._lock = threading.RLock()
        """Held while the table is made anew or a workspace comes or goes."""
        self._elements_lock = threading.Lock()
        self._removed = False

    def load(self, members: Mapping[int, EgressRules]) -> None:
        """Put the whole table in force in one transaction, for these workspaces only."""
        with self._lock:
            kept = {index: self._members.get(index) for index in members}
            self._members = {
                index: self._member(index, wanted, kept[index].resolved if kept[index] else Resolved())  # type: ignore[union-attr]
                for index, wanted in members.items()
            }
            self._reload()

    def furnish(self, way: Way | None, resolver_port: int, report_group: int) -> None:
        """Take another way out, resolver or reader of reports, for all workspaces; nothing after ``remove``."""
        uplinks = () if way is None else (way.link,)
        ground = replace(
            self._ground,
            resolver_port=resolver_port,
            report_group=report_group,
            uplinks=uplinks,
            guarded=uplinks if way is not None and way.guarded else (),
            source=None if way is None else way.source,
        )
        with self._lock:
            if ground != self._ground and not self._removed:
                self._ground = ground
                self._reload()

    def admit(self, index: int, wanted: EgressRules) -> None:
        """Know a workspace's link, before it exists, with its rules."""
        with self._lock:
            member = self._member(index, wanted, Resolved())
            if index in self._members:
                self.forget(index)
            address = self._addresses.address(index)
            self._firewall.run(rules.admission(self._ground, member.judged, address))
            self._members[index] = member

    def forget(self, index: int) -> None:
        """Forget a workspace's link; does nothing when it is not known."""
        with self._lock:
            member = self._members.pop(index, None)
            if member is not None:
                address = self._addresses.address(index)
                self._firewall.run(rules.removal(self._ground, member.judged, address), ignore_missing=True)

    def change(self, index: int, wanted: EgressRules) -> None:
        """Put other rules in force for a workspace, at once and for open connections too; without a link do nothing."""
        with self._changing(index) as member:
            if member is None or member.rules == wanted:
                return
            self._put(member, self._member(index, wanted, member.resolved))

    def end_parts(self) -> None:
        """Take out of force what has ended; to be called when ``next_end`` has come."""
        now = self._clock()
        for index in [index for index, one in self._members.items() if one.ends is not None and one.ends <= now]:
            with self._changing(index) as member:
                if member is not None:
                    self._put(member, self._member(index, member.rules, member.resolved))

    def next_end(self) -> float | None:
        """Return in how many seconds something ends, 0 or less where it has; None where nothing does."""
        ends = [one.ends for one in [*self._members.values()] if one.ends is not None]
        return (min(ends) - self._clock()).total_seconds() if ends else None

    def remove(self) -> None:
        """Take the whole table away, for good."""
        with self._lock:
            self._removed = True
            self._members = {}
            table = {"family": "inet", "name": self._addresses.table}
            self._firewall.run([{"delete": {"table": table}}], ignore_missing=True)

    def member(self, index: int | None) -> Member | None:
        """Return a workspace whose link is known."""
        return None if index is None else self._members.get(index)

    def open_addresses(self, member: Member, name: str, addresses: Sequence[str], ttl: int) -> None:
        """Let a workspace reach the addresses that a name turned out to have, as far as its rules of now name it."""
        with member.lock:
            held = member.resolved.note(name, addresses, ttl, time.monotonic())
            sets = {member.judged.names(number): held for number in member.names.groups_for(name) or ()}
            if sets and self._ground.uplinks:
                with self._elements_lock:
                    self._elements.add(sets)

    def _member(self, index: int, wanted: EgressRules, resolved: Resolved) -> Member:
        now = self._clock()
        in_force = in_force_at(wanted, now)
        groups = rules.groups_of(in_force)
        names = NameRules(in_force.mode, groups)
        judged = Judgement(
            index,
            self._addresses.interface(index),
            in_force.mode,
            groups,
            secrets.randbits(32) | 1,
            resolved.live(names, time.monotonic()),
        )
        return Member(wanted, names, judged, next_end(wanted, now), resolved)

    def _put(self, member: Member, new: Member) -> None:
        """Put the rules of ``new`` in the place of a member's, at once."""
        self._firewall.run(rules.replacement(self._ground, member.judged, new.judged))
        member.rules, member.names, member.judged, member.ends = new.rules, new.names, new.judged, new.ends

    def _reload(self) -> None:
        commands, denied = rules.base(self._ground), self.counters.denied()
        for index, member in self._members.items():
            # Connections that were let out stay so: the mark is the same.
            live = member.resolved.live(member.names, time.monotonic())
            member.judged = replace(member.judged, resolved=live)
            address = self._addresses.address(index)
            commands += rules.admission(self._ground, member.judged, address, denied.get(index, 0))
        self._firewall.run(commands)

    @contextmanager
    def _changing(self, index: int) -> Iterator[Member | None]:
        with self._lock:
            member = self._members.get(index)
        if member is None:
            yield None
            return
        with self._lock, member.lock:
            yield member if self._members.get(index) is member else None
