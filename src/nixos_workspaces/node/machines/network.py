"""Networks: each workspace at the end of a routed point-to-point link, with one address and no neighbours.

There is no bridge: the machine knows one route per workspace, the workspace knows one route, to the gateway. The
whole range is unreachable but for the workspaces that exist, so nothing meant for one ever leaves the machine.
"""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nixos_workspaces.errors import Conflict
from nixos_workspaces.model.network import EgressRules
from nixos_workspaces.node.egress.addresses import METRICS, Addresses
from nixos_workspaces.node.egress.uplink import bring_up, forwarding
from nixos_workspaces.node.egress.way_out import WayOut
from nixos_workspaces.node.kernel.namespaces import network_namespace
from nixos_workspaces.node.kernel.netlink import IPRoute, NetlinkError

_LOOPBACK = 1
_PERMANENT = 0x80
_SCOPE_LINK = 253
_MAIN_TABLE = 254
_LOCAL_TABLE = 255
_SCOPE_HOST = 254
_BY_THE_KERNEL = 2
_OWN_ADDRESSES = ("127.0.0.0/8", "127.0.0.1/32")


class Network:
    """The networks of one node; all methods may be called from any thread."""

    def __init__(self, addresses: Addresses, way_out: WayOut) -> None:
        """Take the node's addresses and its way out, which judges everything that workspaces send."""
        self._addresses = addresses
        self._prefix = addresses.prefix
        self.gateway = addresses.gateway
        """This machine's address as workspaces see it, where their name server answers."""
        self.way_out = way_out
        # The metric tells whose route it is: nothing else about it could.
        self._barrier = {"dst": str(addresses.network), "type": "unreachable", "priority": addresses.number}

    @property
    def capacity(self) -> int:
        """How many workspaces the range has addresses for."""
        return self._addresses.capacity

    def address(self, index: int) -> str:
        """Return the address of the workspace with an index."""
        return self._addresses.address(index)

    def linked(self) -> set[int]:
        """Return the indices to which there are links."""
        names = (path.name.removeprefix(self._prefix) for path in Path("/sys/class/net").glob(f"{self._prefix}*"))
        return {int(name) for name in names if name.isdecimal()}

    def open(self, members: Mapping[int, EgressRules], *, keep_others: bool = False) -> None:
        """Make the range safe: rules, routes and gateway, and only the links of the given workspaces; then lead out.

        With ``keep_others``, links of others stay, and nothing passes them. Raises ``Conflict`` when something else on
        this machine uses addresses of the range.
        """
        with IPRoute() as netlink:
            self._refuse_overlap(netlink)
            self.way_out.load(members)
            kept = {self._addresses.interface(index) for index in members}
            for link in netlink.get_links():
                name = link.get("ifname") or ""
                if name.startswith(self._prefix) and name not in kept and not keep_others:
                    remove_link(netlink, link["index"])
            netlink.route("replace", **self._barrier)
            if not netlink.get_addr(address=self.gateway):
                netlink.addr("add", index=_LOOPBACK, address=self.gateway, prefixlen=32)
        for name in kept:
            self._let_forward(name)
        self.way_out.open()

    def close(self) -> None:
        """Leave the machine's network as it was; no workspace may run any more."""
        self.way_out.close()
        with IPRoute() as netlink:
            for link in netlink.get_links():
                if (link.get("ifname") or "").startswith(self._prefix):
                    remove_link(netlink, link["index"])
            for verb, what in (
                (netlink.route, self._barrier),
                (netlink.addr, {"index": _LOOPBACK, "address": self.gateway, "prefixlen": 32}),
            ):
                with suppress(NetlinkError):
                    verb("del", **what)

    def attach(self, index: int, inside: int, rules: EgressRules) -> None:
        """Link a workspace's network namespace (a descriptor) with the machine; rules first, then the link."""
        interface, address = self._addresses.interface(index), self.address(index)
        outer, inner = _mac(index, side=0), _mac(index, side=1)
        self.way_out.rules.admit(index, rules)
        with IPRoute() as netlink:
            peer = {"ifname": "eth0", "address": inner, "net_ns_fd": inside}
            netlink.link("add", ifname=interface, kind="veth", address=outer, peer=peer)
            link = netlink.link_lookup(ifname=interface)[0]
            # Both ends know each other; a question for any other address would be answered with this machine's own.
            netlink.link("set", index=link, arp=False)
            bring_up(netlink, link)
            self._let_forward(interface)
            netlink.neigh("replace", dst=address, lladdr=inner, ifindex=link, state=_PERMANENT)
            route = {"dst": f"{address}/32", "oif": link, "scope": _SCOPE_LINK, "prefsrc": self.gateway}
            netlink.route("replace", **route)
        with network_namespace(inside), IPRoute() as netlink:
            link = netlink.link_lookup(ifname="eth0")[0]
            netlink.link("set", index=_LOOPBACK, state="up")
            _leave_unpaced(netlink)
            netlink.addr("add", index=link, address=address, prefixlen=32)
            bring_up(netlink, link)
            netlink.neigh("replace", dst=self.gateway, lladdr=outer, ifindex=link, state=_PERMANENT)
            netlink.route("add", dst=f"{self.gateway}/32", oif=link, scope=_SCOPE_LINK)
            netlink.route("add", dst="default", gateway=self.gateway, oif=link)

    def detach(self, index: int) -> None:
        """Undo ``attach``, whole or interrupted."""
        interface = self._addresses.interface(index)
        with IPRoute() as netlink:
            for link in netlink.link_lookup(ifname=interface):
                remove_link(netlink, link)
        self.way_out.rules.forget(index)

    def counters(self, index: int) -> tuple[str, str]:
        """Return the files that count the bytes that the workspace has received and sent since it was started."""
        statistics = f"/sys/class/net/{self._addresses.interface(index)}/statistics"
        return f"{statistics}/tx_bytes", f"{statistics}/rx_bytes"

    def _let_forward(self, interface: str) -> None:
        """Let what a workspace sends be routed on, where there is to be a way out; the flag goes with the link."""
        if self.way_out.wanted:
            with suppress(FileNotFoundError):
                forwarding(interface).write_text("1")

    def _refuse_overlap(self, netlink: IPRoute) -> None:
        for route in netlink.get_routes(family=2, table=_MAIN_TABLE):
            target, metric, link = route.get("dst"), route.get("priority") or 0, route.get("oif")
            if not target or metric == self._barrier["priority"]:
                continue
            used = ipaddress.IPv4Network(f"{target}/{route['dst_len']}")
            name = name_of(netlink, link) if link else "another node"
            taken = (
                used.overlaps(self._addresses.network) if metric >= METRICS else used.subnet_of(self._addresses.network)
            )
            if taken and name is not None and not name.startswith(self._prefix):
                message = (
                    f"{used} is in use on this machine by {name}: choose another network than {self._addresses.network}"
                )
                if not link:
                    message += f", or, where that node is gone for good, run 'ip route del unreachable {used}'"
                message += "."
                raise Conflict(message, code="network_in_use", field="network")


def name_of(netlink: IPRoute, link: int) -> str | None:
    """Return a link's name; None once it has gone, and with it its routes: others' machines end at any time."""
    try:
        found: list[Mapping[str, Any]] = list(netlink.get_links(link))
    except NetlinkError as failed:
        if failed.code == errno.ENODEV:
            return None
        raise
    return str(found[0].get("ifname")) if found else None


def remove_link(netlink: IPRoute, link: int) -> None:
    """Remove a link; it goes by itself when the workspace's namespace ends, perhaps since it was listed."""
    try:
        netlink.link("del", index=link)
    except NetlinkError as failed:
        if failed.code != errno.ENODEV:
            raise


def _mac(index: int, *, side: int) -> str:
    return f"02:77:{side:02x}:{index >> 16 & 255:02x}:{index >> 8 & 255:02x}:{index & 255:02x}"


def _leave_unpaced(netlink: IPRoute) -> None:
    """Let programs of one workspace, and previews, talk over 127.0.0.1 as fast as they read.

    BBR, where it is the machine's choice, paces by timers what crosses no network; Reno, in every kernel, does not.
    """
    plain = {"table": _LOCAL_TABLE, "type": "local", "scope": _SCOPE_HOST, "proto": _BY_THE_KERNEL, "oif": _LOOPBACK}
    for own in _OWN_ADDRESSES:
        netlink.route("replace", dst=own, prefsrc="127.0.0.1", metrics={"cc_algo": "reno"}, **plain)
