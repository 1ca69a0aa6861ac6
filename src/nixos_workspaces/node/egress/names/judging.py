"""The resolver's decisions out of the rules in force."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from nixos_workspaces.model.network import is_never_allowed
from nixos_workspaces.node.egress.addresses import Addresses
from nixos_workspaces.node.egress.enforcement import Enforcement, Member
from nixos_workspaces.node.egress.reports import Packet, Reported
from nixos_workspaces.node.egress.rules import DNS_PORT


class Judging:
    """A ``resolver.Judge``."""

    def __init__(self, addresses: Addresses, rules: Enforcement, reported: Reported) -> None:
        """Judge by the rules, report what is refused."""
        self._addresses = addresses
        self._rules = rules
        self._reported = reported
        self.own: frozenset[str] = frozenset()
        """This machine's addresses."""

    def allows(self, source: str, name: str) -> bool:
        """See ``resolver.Judge``."""
        member = self._from(source)
        return member is not None and member.names.groups_for(name) is not None

    def reaches_all(self, source: str) -> bool:
        """See ``resolver.Judge``."""
        member = self._from(source)
        return member is not None and member.names.reaches_all

    def permits(self, addresses: Sequence[str]) -> bool:
        """See ``resolver.Judge``."""
        return not any(
            is_never_allowed(one) or one in self.own or ipaddress.ip_address(one) in self._addresses.network
            for one in addresses
        )

    def open(self, source: str, name: str, addresses: Sequence[str], ttl: int) -> None:
        """See ``resolver.Judge``."""
        member = self._from(source)
        if member is not None:
            self._rules.open_addresses(member, name, addresses, ttl)

    def refused(self, source: tuple[str, int], name: str, address: str) -> None:
        """See ``resolver.Judge``."""
        index = self._addresses.index(source[0])
        if index is not None:
            asked = Packet(source[0], source[1], self._addresses.gateway, DNS_PORT, "udp")
            self._reported.refuse_name(index, name, address, asked)

    def _from(self, source: str) -> Member | None:
        return self._rules.member(self._addresses.index(source))
