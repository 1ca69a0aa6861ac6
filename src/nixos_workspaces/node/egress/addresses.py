"""The addresses, links and names that a node has for its workspaces. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass

from nixos_workspaces.errors import InvalidInput

_FIRST_HOST = 2
_LAST_HOSTS = 2
"""The router of a way out through a namespace, and the range's last address."""
_LONGEST_PREFIX = 28
METRICS = 1 << 30
"""Metrics of routes of nodes are at least so large."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The range of one node, and names out of its tag that no other node of this machine has."""

    network: ipaddress.IPv4Network
    tag: str

    @property
    def capacity(self) -> int:
        """How many workspaces the range has addresses for."""
        return self.network.num_addresses - _FIRST_HOST - _LAST_HOSTS

    @property
    def gateway(self) -> str:
        """This machine's address as workspaces see it."""
        return str(self.network[1])

    @property
    def router(self) -> str:
        """The address of the far end of a way out through a namespace."""
        return str(self.network[-_LAST_HOSTS])

    @property
    def prefix(self) -> str:
        """The beginning of the names of workspaces' links."""
        return f"nx{self.tag}"

    @property
    def uplink(self) -> str:
        """The name of the link to a namespace that leads out."""
        return f"nu{self.tag}"

    @property
    def table(self) -> str:
        """The name of the table of nftables."""
        return f"nixws_{self.tag}"

    @property
    def number(self) -> int:
        """A number that tells routes and tables of routes of this node: nothing else about them could."""
        return METRICS + int.from_bytes(hashlib.sha256(self.tag.encode()).digest()[:3], "big")

    def address(self, index: int) -> str:
        """Return the address of the workspace with an index."""
        return str(self.network[_FIRST_HOST + index])

    def interface(self, index: int) -> str:
        """Return the link of the workspace with an index."""
        return f"{self.prefix}{index}"

    def index(self, address: str) -> int | None:
        """Return the index of the workspace with an address; None if no workspace can have it."""
        found = int(ipaddress.IPv4Address(address)) - int(self.network[_FIRST_HOST])
        return found if 0 <= found < self.capacity else None


def addresses_of(network: str, tag: str) -> Addresses:
    """Return the addresses of a range; raise ``InvalidInput`` for a range that is none or too small."""
    try:
        found = ipaddress.IPv4Network(network)
    except ValueError as wrong:
        raise InvalidInput(f"{network!r} is not an IPv4 range such as 10.213.0.0/16.", field="network") from wrong
    if found.prefixlen > _LONGEST_PREFIX:
        raise InvalidInput(f"{network} is too small: take a /28 or larger.", field="network")
    return Addresses(found, tag)
