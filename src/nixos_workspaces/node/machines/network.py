"""Networks: each workspace at the end of a routed point-to-point link, with one address and no neighbours.

There is no bridge: the machine knows one route per workspace, the workspace knows one route, to the gateway. The
whole range is unreachable but for the workspaces that exist, so nothing meant for one ever leaves the machine.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from nixos_workspaces.errors import Conflict, InvalidInput
from nixos_workspaces.node.kernel.firewall import Firewall
from nixos_workspaces.node.kernel.namespaces import network_namespace

_LOOPBACK = 1
_FIRST_HOST = 2
_LONGEST_PREFIX = 28
_METRICS = 1 << 30
_NO_LINK_LOCAL = 1
_PERMANENT = 0x80
_SCOPE_LINK = 253
_MAIN_TABLE = 254


class Network:
    """The networks of one node; all methods may be called from any thread."""

    def __init__(self, network: str, tag: str) -> None:
        """Take the range and the node's tag; raises ``InvalidInput`` for a range that is none."""
        try:
            self._range = ipaddress.IPv4Network(network)
        except ValueError as wrong:
            raise InvalidInput(f"{network!r} is not an IPv4 range such as 10.213.0.0/16.", field="network") from wrong
        if self._range.prefixlen > _LONGEST_PREFIX:
            raise InvalidInput(f"{network} is too small: take a /28 or larger.", field="network")
        self._prefix = f"nx{tag}"
        self._gateway = str(self._range[1])
        # The metric tells whose route it is: nothing else about it could.
        digest = hashlib.sha256(tag.encode()).digest()
        self._barrier = {
            "dst": str(self._range),
            "type": "unreachable",
            "priority": _METRICS + int.from_bytes(digest[:3], "big"),
        }
        self._firewall = Firewall(f"nixws_{tag}", self._prefix)

    @property
    def capacity(self) -> int:
        """How many workspaces the range has addresses for."""
        return self._range.num_addresses - _FIRST_HOST - 1

    def address(self, index: int) -> str:
        """Return the address of the workspace with an index."""
        return str(self._range[_FIRST_HOST + index])

    def linked(self) -> set[int]:
        """Return the indices to which there are links."""
        names = (path.name.removeprefix(self._prefix) for path in Path("/sys/class/net").glob(f"{self._prefix}*"))
        return {int(name) for name in names if name.isdecimal()}

    def open(self, indices: Iterable[int], *, keep_others: bool = False) -> None:
        """Make the range safe: rules, routes and gateway, and only the links of the given workspaces.

        With ``keep_others``, links of others stay, and nothing passes them. Raises ``Conflict`` when something else on
        this machine uses addresses of the range.
        """
        wanted = list(indices)
        with IPRoute() as netlink:
            self._refuse_overlap(netlink)
            self._firewall.load((self._interface(index), self.address(index)) for index in wanted)
            kept = {self._interface(index) for index in wanted}
            for link in netlink.get_links():
                name = link.get("ifname") or ""
                if name.startswith(self._prefix) and name not in kept and not keep_others:
                    netlink.link("del", index=link["index"])
            netlink.route("replace", **self._barrier)
            if not netlink.get_addr(address=self._gateway):
                netlink.addr("add", index=_LOOPBACK, address=self._gateway, prefixlen=32)

    def close(self) -> None:
        """Leave the machine's network as it was; no workspace may run any more."""
        with IPRoute() as netlink:
            for link in netlink.get_links():
                if (link.get("ifname") or "").startswith(self._prefix):
                    netlink.link("del", index=link["index"])
            for verb, what in (
                (netlink.route, self._barrier),
                (netlink.addr, {"index": _LOOPBACK, "address": self._gateway, "prefixlen": 32}),
            ):
                with suppress(NetlinkError):
                    verb("del", **what)
        self._firewall.remove()

    def attach(self, index: int, inside: int) -> None:
        """Link a workspace's network namespace (a descriptor) with the machine; rules first, then the link."""
        interface, address = self._interface(index), self.address(index)
        outer, inner = _mac(index, side=0), _mac(index, side=1)
        self._firewall.admit(interface, address)
        with IPRoute() as netlink:
            peer = {"ifname": "eth0", "address": inner, "net_ns_fd": inside}
            netlink.link("add", ifname=interface, kind="veth", address=outer, peer=peer)
            link = netlink.link_lookup(ifname=interface)[0]
            # Both ends know each other; a question for any other address would be answered with this machine's own.
            netlink.link("set", index=link, arp=False)
            _bring_up(netlink, link)
            netlink.neigh("replace", dst=address, lladdr=inner, ifindex=link, state=_PERMANENT)
            route = {"dst": f"{address}/32", "oif": link, "scope": _SCOPE_LINK, "prefsrc": self._gateway}
            netlink.route("replace", **route)
        with network_namespace(inside), IPRoute() as netlink:
            link = netlink.link_lookup(ifname="eth0")[0]
            netlink.link("set", index=_LOOPBACK, state="up")
            netlink.addr("add", index=link, address=address, prefixlen=32)
            _bring_up(netlink, link)
            netlink.neigh("replace", dst=self._gateway, lladdr=outer, ifindex=link, state=_PERMANENT)
            netlink.route("add", dst=f"{self._gateway}/32", oif=link, scope=_SCOPE_LINK)
            netlink.route("add", dst="default", gateway=self._gateway, oif=link)

    def detach(self, index: int) -> None:
        """Undo ``attach``, whole or interrupted."""
        interface = self._interface(index)
        with IPRoute() as netlink:
            for link in netlink.link_lookup(ifname=interface):
                with suppress(NetlinkError):  # it goes by itself when the workspace's namespace ends
                    netlink.link("del", index=link)
        self._firewall.forget(interface, self.address(index))

    def traffic(self, index: int) -> tuple[int, int]:
        """Return the bytes that the workspace has received and sent since it was started."""
        statistics = Path("/sys/class/net", self._interface(index), "statistics")
        received, sent = (int((statistics / name).read_text()) for name in ("tx_bytes", "rx_bytes"))
        return received, sent

    def _interface(self, index: int) -> str:
        return f"{self._prefix}{index}"

    def _refuse_overlap(self, netlink: IPRoute) -> None:
        for route in netlink.get_routes(family=2, table=_MAIN_TABLE):
            target, metric, link = route.get("dst"), route.get("priority") or 0, route.get("oif")
            if not target or metric == self._barrier["priority"]:
                continue
            used = ipaddress.IPv4Network(f"{target}/{route['dst_len']}")
            name = _name(netlink, link) if link else "another node"
            taken = used.overlaps(self._range) if metric >= _METRICS else used.subnet_of(self._range)
            if taken and not name.startswith(self._prefix):
                message = f"{used} is in use on this machine by {name}: choose another network than {self._range}"
                if not link:
                    message += f", or, where that node is gone for good, run 'ip route del unreachable {used}'"
                message += "."
                raise Conflict(message, code="network_in_use", field="network")


def _bring_up(netlink: IPRoute, link: int) -> None:
    """Bring one end of a link up, without an address for IPv6: it then fails at once instead of waiting."""
    af_spec = {"attrs": [["AF_INET6", {"attrs": [["IFLA_INET6_ADDR_GEN_MODE", _NO_LINK_LOCAL]]}]]}
    netlink.link("set", index=link, IFLA_AF_SPEC=af_spec)
    netlink.link("set", index=link, state="up")


def _name(netlink: IPRoute, link: int) -> str:
    found: list[Mapping[str, Any]] = list(netlink.get_links(link))
    return str(found[0].get("ifname")) if found else ""


def _mac(index: int, *, side: int) -> str:
    return f"02:77:{side:02x}:{index >> 16 & 255:02x}:{index >> 8 & 255:02x}:{index & 255:02x}"
