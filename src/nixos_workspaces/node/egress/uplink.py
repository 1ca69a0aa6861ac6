"""The link that carries what workspaces send out, and the routes to it.

Packets from the range have a table of routes of their own, whose last word is that nothing can be reached: without an
uplink, or when it has gone, nothing of a workspace finds another way. What has to be changed of a link that is not ours
is noted first, and put back when the node ends, also by the node after one that was killed.
"""

from __future__ import annotations

import errno
import ipaddress
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.node.egress.addresses import Addresses
from nixos_workspaces.node.kernel.namespaces import network_namespace
from nixos_workspaces.node.kernel.netlink import IPRoute, NetlinkError

_log = logging.getLogger(__name__)
_MAIN_TABLE = 254
_TO_RANGE, _FROM_RANGE = 5210, 5211
"""Priorities of our routing rules: behind the kernel's own addresses, before the main table."""
_LAST_METRIC = (1 << 32) - 1
_SCOPE_LINK = 253
_PERMANENT = 0x80
_NO_LINK_LOCAL = 1
_UNIVERSE, _IPV4 = 0, 2
_NAMESPACES = Path("/run/netns")
_LEADS_NOWHERE = tuple(map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")))
"""Networks of documents (RFC 5737): who has such an address has no way to the internet by it."""
NAMESPACE_SETTING = "netns:"


@dataclass(frozen=True, slots=True)
class Way:
    """An uplink that can be used."""

    link: str
    kind: str
    """``interface``, ``namespace`` or ``pasta``."""
    next_hop: str | None = None
    """The router behind it; None where every address is asked for on the link itself."""
    source: str | None = None
    """The address that all traffic gets; None: the link's own."""
    guarded: bool = False
    """Whether the link forwards only because of us."""


class Uplink:
    """The way out of one node. Methods block, may be called from any thread, and run one at a time."""

    def __init__(self, setting: str, addresses: Addresses, note: Path, router: Callable[[], Path | None]) -> None:
        """Take the setting (``none``, ``auto``, ``pasta``, ``netns:NAME`` or a link's name) and the place of the note.

        ``router`` makes the namespace of ``pasta`` and returns its path; None where that cannot be. Raises
        ``InvalidInput`` for a setting that is none of these.
        """
        name = setting.removeprefix(NAMESPACE_SETTING)
        if not name or len(name) > 100 or "/" in name or name.startswith(".") or not name.isprintable():  # noqa: PLR2004
            message = f"{setting!r} is neither auto, none, pasta, netns:NAME nor the name of a link."
            raise InvalidInput(message, field="uplink")
        self._setting = setting
        self._addresses = addresses
        self._note = note
        self._router = router
        self._turn = threading.Lock()
        self._ended = False
        self.way: Way | None = None
        self.trouble = ""
        """Why there is no way out although one is wanted; empty otherwise."""

    @property
    def wanted(self) -> bool:
        """Whether there is to be a way out at all."""
        return self._setting != "none"

    def look(self) -> bool:
        """Take up the way out as it is now, with routes that lead nowhere else; return whether it has changed.

        After ``release`` or ``close`` it does nothing: what was put back stays so.
        """
        with self._turn:
            return False if self._ended else self._take_up()

    def _take_up(self) -> bool:
        before, told = self.way, self.trouble
        with IPRoute() as netlink:
            try:
                self._make_rules(netlink)
                self.way, self.trouble = self._found(netlink)
            except (OSError, NetlinkError) as failed:
                self.way, self.trouble = None, f"the uplink {self._setting} cannot be used: {failed}"
            if before is not None and (self.way is None or before.link != self.way.link):
                self._put_back()
            self._lead(netlink, self.way)
        if self.trouble != told:
            _log.warning("workspaces have no way out: %s", self.trouble) if self.trouble else None
        return self.way != before

    def release(self) -> None:
        """Put back what was changed of a link that is not ours, for good; workspaces may still run."""
        with self._turn:
            self._ended = True
            self._put_back()

    def close(self) -> None:
        """Remove everything of ours, for good; no workspace may run any more."""
        self.release()
        with IPRoute() as netlink:
            for link in netlink.link_lookup(ifname=self._addresses.uplink):
                netlink.link("del", index=link)
            for rule in self._rules():
                with suppress(NetlinkError):
                    netlink.rule("del", **rule)
            for route in list(netlink.get_routes(family=_IPV4, table=self._addresses.number)):
                with suppress(NetlinkError):
                    netlink.route("del", **_identity(route, self._addresses.number))

    def _rules(self) -> tuple[dict[str, Any], dict[str, Any]]:
        network = self._addresses.network
        where = {"family": _IPV4, "action": 1}
        return (
            where | {"dst": str(network[0]), "dst_len": network.prefixlen, "table": _MAIN_TABLE, "priority": _TO_RANGE},
            where
            | {
                "src": str(network[0]),
                "src_len": network.prefixlen,
                "table": self._addresses.number,
                "priority": _FROM_RANGE,
            },
        )

    def _make_rules(self, netlink: IPRoute) -> None:
        last = {"dst": "0.0.0.0/0", "type": "unreachable", "priority": _LAST_METRIC, "table": self._addresses.number}
        netlink.route("replace", **last)
        for rule in self._rules():
            try:
                netlink.rule("add", **rule)
            except NetlinkError as failed:
                if failed.code != errno.EEXIST:
                    raise

    def _found(self, netlink: IPRoute) -> tuple[Way | None, str]:
        """Return the way out that there is now, made usable, or why there is none."""
        setting = self._setting
        if setting == "none":
            return None, ""
        if setting.startswith(NAMESPACE_SETTING):
            name = setting.removeprefix(NAMESPACE_SETTING)
            return self._through_namespace(netlink, _NAMESPACES / name, "namespace")
        if setting == "pasta":
            return self._through_pasta(netlink)
        if setting != "auto":
            return self._through_interface(netlink, setting)
        found, refused = _default_link(netlink, self._addresses)
        if found is None:
            return None, refused
        way, trouble = self._through_interface(netlink, found)
        return (way, trouble) if way is not None else self._through_pasta(netlink)

    def _through_pasta(self, netlink: IPRoute) -> tuple[Way | None, str]:
        router = self._router()
        if router is None:
            return None, "the program pasta cannot be used (package passt)"
        return self._through_namespace(netlink, router, "pasta")

    def _through_interface(self, netlink: IPRoute, name: str) -> tuple[Way | None, str]:
        if not netlink.link_lookup(ifname=name):
            return None, f"there is no link {name}"
        flag = forwarding(name)
        if not os.access(flag, os.W_OK):
            return None, f"{flag} cannot be written"
        before = self._noted(name)
        if before is None:
            before = flag.read_text().strip()
            self._note.write_text(json.dumps({"link": name, "forwarding": before}))
        flag.write_text("1")
        return Way(name, "interface", _router_behind(netlink, name), guarded=before == "0"), ""

    def _through_namespace(self, netlink: IPRoute, path: Path, kind: str) -> tuple[Way | None, str]:
        mine = self._addresses
        try:
            there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None, f"there is no network namespace {path.name}"
        try:
            if not netlink.link_lookup(ifname=mine.uplink):
                _link_to(netlink, mine, there)
        finally:
            os.close(there)
        return Way(mine.uplink, kind, mine.router, source=mine.gateway), ""

    def _lead(self, netlink: IPRoute, way: Way | None) -> None:
        """Let the range's own table lead to the way out, or nowhere."""
        table = self._addresses.number
        wanted: dict[str, Any] | None = None
        links = netlink.link_lookup(ifname=way.link) if way is not None else []
        if way is not None and links:
            wanted = {"dst": "0.0.0.0/0", "oif": links[0], "table": table, "priority": 0}
            wanted |= {"scope": _SCOPE_LINK} if way.next_hop is None else {"gateway": way.next_hop, "flags": ["onlink"]}
            netlink.route("replace", **wanted)
        for route in list(netlink.get_routes(family=_IPV4, table=table)):
            if route.get("priority") != _LAST_METRIC and wanted is None:
                with suppress(NetlinkError):
                    netlink.route("del", **_identity(route, table))

    def _noted(self, name: str) -> str | None:
        """Return the flag that a link had before this node changed it; None if it has not."""
        with suppress(OSError, ValueError, KeyError):
            noted = json.loads(self._note.read_text())
            return str(noted["forwarding"]) if noted["link"] == name else None
        return None

    def _put_back(self) -> None:
        """Give a link that is not ours the flag that it had, and forget it."""
        with suppress(OSError, ValueError, KeyError):
            noted = json.loads(self._note.read_text())
            forwarding(str(noted["link"])).write_text(str(noted["forwarding"]))
        self._note.unlink(missing_ok=True)


def forwarding(link: str) -> Path:
    """Return the file that says whether what arrives on a link of the thread's network namespace is forwarded."""
    return Path("/proc/sys/net/ipv4/conf") / link.replace(".", "/") / "forwarding"


@contextmanager
def inside(descriptor: int) -> Iterator[IPRoute]:
    """Yield a connection to the kernel about a network namespace, with the thread in it."""
    with network_namespace(descriptor), IPRoute() as netlink:
        yield netlink


def _link_to(netlink: IPRoute, mine: Addresses, there: int) -> None:
    """Link this machine with a namespace; both ends know each other without asking."""
    near, far = "02:77:02:00:00:00", "02:77:03:00:00:00"
    peer = {"ifname": f"nixws-{mine.tag}", "address": far, "net_ns_fd": there}
    netlink.link("add", ifname=mine.uplink, kind="veth", address=near, peer=peer)
    link = netlink.link_lookup(ifname=mine.uplink)[0]
    forwarding(mine.uplink).write_text("1")
    netlink.link("set", index=link, arp=False)
    bring_up(netlink, link)
    netlink.neigh("replace", dst=mine.router, lladdr=far, ifindex=link, state=_PERMANENT)
    with inside(there) as other:
        link = other.link_lookup(ifname=f"nixws-{mine.tag}")[0]
        other.addr("add", index=link, address=mine.router, prefixlen=32)
        other.link("set", index=link, arp=False)
        bring_up(other, link)
        other.neigh("replace", dst=mine.gateway, lladdr=near, ifindex=link, state=_PERMANENT)
        other.route("replace", dst=f"{mine.gateway}/32", oif=link, scope=_SCOPE_LINK)
        forwarding(f"nixws-{mine.tag}").write_text("1")


def bring_up(netlink: IPRoute, link: int) -> None:
    """Bring one end of a link up, without an address for IPv6: it then fails at once instead of waiting."""
    af_spec = {"attrs": [["AF_INET6", {"attrs": [["IFLA_INET6_ADDR_GEN_MODE", _NO_LINK_LOCAL]]}]]}
    netlink.link("set", index=link, IFLA_AF_SPEC=af_spec)
    netlink.link("set", index=link, state="up")


def _default_link(netlink: IPRoute, mine: Addresses) -> tuple[str | None, str]:
    """Return the link of this machine's default route, or why none can be used."""
    routes = [one for one in netlink.get_routes(family=_IPV4, table=_MAIN_TABLE) if one["dst_len"] == 0]
    for route in sorted(routes, key=lambda one: one.get("priority") or 0):
        link = route.get("oif")
        if not link:
            continue
        name = str(next(iter(netlink.get_links(link))).get("ifname"))
        if name.startswith((mine.prefix, mine.uplink)):
            continue
        owned = [ipaddress.ip_address(one.get("address")) for one in netlink.get_addr(index=link, family=_IPV4)]
        if any(address in network for address in owned for network in _LEADS_NOWHERE):
            return None, f"{name} has an address out of a network for documents, which leads nowhere"
        return name, ""
    return None, "this machine has no default route"


def _router_behind(netlink: IPRoute, name: str) -> str | None:
    """Return the next hop of a link's default route; None where it has none."""
    link = netlink.link_lookup(ifname=name)[0]
    for route in netlink.get_routes(family=_IPV4, table=_MAIN_TABLE):
        if route["dst_len"] == 0 and route.get("oif") == link:
            gateway = route.get("gateway")
            return str(gateway) if gateway else None
    return None


def _identity(route: Any, table: int) -> dict[str, Any]:
    """Return the properties by which a default route is removed."""
    found = {"dst": "0.0.0.0/0", "table": table, "priority": route.get("priority") or 0, "type": route["type"]}
    return found | ({"oif": route.get("oif")} if route.get("oif") else {})
