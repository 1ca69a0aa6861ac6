"""The rules of the way out as nftables commands. Pure: values in, JSON values out.

A packet of a workspace is judged before routing. The judgement of a connection is remembered in its mark: the number of
the rules that let it out. As long as these are in force the connection passes by one comparison; once they are not, its
next packet, in either direction, is judged anew, so that a change acts upon open connections at once. Rules therefore
look at where a connection began to go (``ct original``) and not at the packet.

No command adds single elements to a set: libnftables would first read all sets of all workspaces.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nixos_workspaces.model.network import NEVER_ALLOWED, EgressRules, NetworkEntry, NetworkMode, PortRange
from nixos_workspaces.node.egress.counters import PREFIX

Command = dict[str, Any]

DNS_PORT = 53
_DNS_OVER_TLS = 853
_QUESTIONS_A_SECOND, _QUESTIONS_AT_ONCE = 30, 300
"""Of one workspace; what is beyond is dropped, and asked again by whoever asked."""
_REPORTS_A_SECOND, _REPORTS_AT_ONCE = 20, 100
_SEEN_SECONDS = 60
_MOST_SEEN = 4096
MOST_RESOLVED = 8192
"""Addresses that the names of one group of a workspace's rules have at a time."""
_MOST_CONNECTIONS = 4096
"""Of one workspace at a time: the kernel's table is one for all, and for the machine."""
_SNAPSHOT = 64
"""Bytes of a packet that are reported: enough for its addresses and ports."""
DENIED, OBSERVED = "d", "o"


@dataclass(frozen=True, slots=True)
class Ground:
    """Properties of the node that all rules share."""

    table: str
    prefix: str
    """The links of workspaces begin with it."""
    network: str
    """The range of the workspaces' addresses."""
    gateway: str
    resolver_port: int = 0
    """Where the resolver listens at the gateway's address; 0: there is none."""
    report_group: int = 0
    """The group of the kernel's packet log that is read; 0: none is."""
    uplinks: tuple[str, ...] = ()
    """The links that lead out; none: no workspace reaches anything, whatever its rules are."""
    guarded: tuple[str, ...] = ()
    """Uplinks that forward only because the node wants it: nothing of others passes them."""
    source: str | None = None
    """The address that all traffic gets that leaves; None: the uplink's own."""

    @property
    def ours(self) -> dict[str, Any]:
        """The table, as a part of commands."""
        return {"family": "inet", "table": self.table}


@dataclass(frozen=True, slots=True)
class Group:
    """The entries of one list that share their ports."""

    deny: bool
    ports: tuple[PortRange, ...]
    cidrs: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The rules in force for one workspace, with the names of their sets and chains."""

    index: int
    interface: str
    mode: NetworkMode
    groups: tuple[Group, ...]
    mark: int
    """Marks the connections that these rules let out; never 0."""
    resolved: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """Addresses of the names of groups, by the group's number, with the seconds for which they hold."""

    @property
    def judge(self) -> str:
        """The chain that judges."""
        return f"w{self.index}"

    @property
    def passing(self) -> str:
        """The chain that lets out."""
        return f"p{self.index}"

    @property
    def denied(self) -> str:
        """The chain that refuses and reports."""
        return f"x{self.index}"

    @property
    def counter(self) -> str:
        """The counter of the packets that were refused."""
        return f"{PREFIX}{self.index}"

    @property
    def seen(self) -> str:
        """The set of the refused connections that were reported lately."""
        return f"r{self.index}"

    def fixed(self, number: int) -> str:
        """Return the set of a group's ranges."""
        return f"s{self.index}_{number}"

    def names(self, number: int) -> str:
        """Return the set of the addresses of a group's names."""
        return f"n{self.index}_{number}"


def groups_of(rules: EgressRules) -> tuple[Group, ...]:
    """Return the groups of rules: denials first, each with IPv4 ranges and names sorted."""
    if rules.mode is NetworkMode.NONE:
        return ()
    allow = () if rules.mode.reaches_all else rules.allow
    return (*_grouped(rules.deny, deny=True), *_grouped(allow, deny=False))


def _grouped(entries: Iterable[NetworkEntry], *, deny: bool) -> Iterable[Group]:
    by_ports: dict[tuple[PortRange, ...], list[NetworkEntry]] = {}
    for one in entries:
        by_ports.setdefault(one.ports, []).append(one)
    for ports, members in sorted(by_ports.items()):
        ranges = [ipaddress.ip_network(one.cidr) for one in members if one.cidr is not None]
        narrow = ipaddress.collapse_addresses(one for one in ranges if isinstance(one, ipaddress.IPv4Network))
        names = sorted({one.name for one in members if one.name is not None})
        yield Group(deny, ports, tuple(map(str, narrow)), tuple(names))


def base(ground: Ground) -> list[Command]:
    """Return the commands that make the table anew, without any workspace."""
    table = {"family": "inet", "name": ground.table}
    return [
        {"add": {"table": table}},
        {"delete": {"table": table}},
        {"add": {"table": table}},
        *_sets(ground),
        *_chains(ground),
        *_refusing(ground),
        *_before_routing(ground),
        *_forwarding(ground),
        *_translating(ground),
    ]


def _sets(ground: Ground) -> list[Command]:
    networks = [*(one for one in NEVER_ALLOWED if one.version == 4), ipaddress.ip_network(ground.network)]  # noqa: PLR2004
    never = ipaddress.collapse_addresses(one for one in networks if isinstance(one, ipaddress.IPv4Network))
    return [
        _set(ground, "sources", type=["ifname", "ipv4_addr"]),
        _set(ground, "uplinks", type="ifname", **_elements(ground.uplinks)),
        _set(ground, "guarded", type="ifname", **_elements(ground.guarded)),
        _set(ground, "never", type="ipv4_addr", flags=["interval"], elem=[_range(one) for one in map(str, never)]),
        {"add": {"map": ground.ours | {"name": "egress", "type": "ifname", "map": "verdict"}}},
    ]


def _chains(ground: Ground) -> list[Command]:
    def hooked(name: str, kind: str, hook: str, priority: int) -> Command:
        place = {"type": kind, "hook": hook, "prio": priority, "policy": "accept"}
        return {"add": {"chain": ground.ours | {"name": name} | place}}

    return [
        {"add": {"chain": ground.ours | {"name": "refuse"}}},
        hooked("source", "filter", "prerouting", -300),
        hooked("policy", "filter", "prerouting", -150),
        hooked("names", "nat", "prerouting", -100),
        hooked("forward", "filter", "forward", 0),
        hooked("leave", "nat", "postrouting", 100),
    ]


def _refusing(ground: Ground) -> list[Command]:
    """Return the rules that refuse: who sent it is answered, so that nobody waits for a time-out."""
    return [
        # The kernel sends few messages of ICMP a second to one address, and as many resets as there is cause for.
        rule(ground, "refuse", equal(meta("l4proto"), "tcp"), {"reject": {"type": "tcp reset"}}),
        rule(ground, "refuse", {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}),
    ]


def _before_routing(ground: Ground) -> list[Command]:
    from_workspace = equal(meta("iifname"), f"{ground.prefix}*")
    claimed = {"concat": [meta("iifname"), _PACKET_SOURCE]}
    opened_to_it = {"concat": [meta("iifname"), _FIRST_TARGET]}
    return [
        # An address that is not the interface's own: no answer, it would go to another machine.
        rule(ground, "source", from_workspace, _IS_IPV4, _within(claimed, "sources", negated=True), {"drop": None}),
        *_around(ground),
        rule(ground, "policy", from_workspace, _differs(meta("nfproto"), "ipv4"), goto("refuse")),
        rule(ground, "policy", from_workspace, _IS_KNOWN, _within(opened_to_it, "sources"), {"accept": None}),
        rule(ground, "policy", from_workspace, {"vmap": {"key": meta("iifname"), "data": "@egress"}}),
        rule(ground, "policy", from_workspace, goto("refuse")),
    ]


def _around(ground: Ground) -> list[Command]:
    """Return the rules about packets that are not a workspace's: nobody else has its address, or comes by its way."""
    others = [_differs(meta("iifname"), f"{ground.prefix}*"), _differs(meta("iifname"), "lo")]
    ours = equal(_PACKET_SOURCE, _range(ground.network))
    if ground.source is None:
        return [rule(ground, "source", *others, ours, {"drop": None})]
    # A link of our own to a namespace: what comes by it are answers, and nothing is asked of this machine.
    others.append(_within(meta("iifname"), "uplinks", negated=True))
    new = {"match": {"op": "!=", "left": ct("state"), "right": {"set": ["established", "related"]}}}
    return [
        rule(ground, "source", *others, ours, {"drop": None}),
        rule(ground, "policy", _within(meta("iifname"), "uplinks"), new, {"drop": None}),
    ]


def _forwarding(ground: Ground) -> list[Command]:
    from_workspace = equal(meta("iifname"), f"{ground.prefix}*")
    to_workspace = equal(meta("oifname"), f"{ground.prefix}*")
    answers = [to_workspace, _within(meta("iifname"), "uplinks"), _IS_KNOWN, _IS_ANSWER]
    begins = {"match": {"op": "in", "left": {"payload": {"protocol": "tcp", "field": "flags"}}, "right": "syn"}}
    segment = {"tcp option": {"name": "maxseg", "field": "size"}}
    fitting = {"mangle": {"key": segment, "value": {"rt": {"key": "mtu"}}}}
    return [
        # What is too large for the uplink is not always told: nothing larger is agreed upon.
        rule(ground, "forward", from_workspace, _within(meta("oifname"), "uplinks"), begins, fitting),
        rule(ground, "forward", from_workspace, _within(meta("oifname"), "uplinks"), {"accept": None}),
        rule(ground, "forward", from_workspace, goto("refuse")),
        rule(ground, "forward", *answers, {"vmap": {"key": meta("oifname"), "data": "@egress"}}),
        rule(ground, "forward", to_workspace, _within(meta("iifname"), "uplinks"), {"drop": None}),
        rule(ground, "forward", to_workspace, goto("refuse")),
        rule(ground, "forward", _within(meta("iifname"), "guarded"), {"drop": None}),
    ]


def _translating(ground: Ground) -> list[Command]:
    """Return the rules that lead every question for names to the resolver, and give what leaves another address."""
    commands: list[Command] = []
    if ground.resolver_port:
        place = {"dnat": {"family": "ip", "addr": ground.gateway, "port": ground.resolver_port}}
        from_workspace = equal(meta("iifname"), f"{ground.prefix}*")
        commands.append(rule(ground, "names", from_workspace, *_ASKS_FOR_NAMES, place))
    translated = {"masquerade": None} if ground.source is None else {"snat": {"family": "ip", "addr": ground.source}}
    within = equal(_PACKET_SOURCE, _range(ground.network))
    commands.append(rule(ground, "leave", within, _within(meta("oifname"), "uplinks"), translated))
    return commands


def admission(ground: Ground, judged: Judgement, address: str, denied: int = 0) -> list[Command]:
    """Return the commands that make a workspace's link known with its rules; they may be known already.

    Its refused packets are counted on from ``denied``.
    """
    chains = [{"add": {"chain": ground.ours | {"name": name}}} for name in _chains_of(judged)]
    source = {"concat": [judged.interface, address]}
    return [
        {"add": {"element": ground.ours | {"name": "sources", "elem": [source]}}},
        {"add": {"counter": ground.ours | {"name": judged.counter, "packets": denied, "bytes": 0}}},
        *chains,
        *replacement(ground, None, judged),
        {"add": {"element": ground.ours | {"name": "egress", "elem": [[judged.interface, goto(judged.judge)]]}}},
    ]


def removal(ground: Ground, judged: Judgement, address: str) -> list[Command]:
    """Return the commands that forget a link and its rules, which must be known."""
    source = {"concat": [judged.interface, address]}
    return [
        {"delete": {"element": ground.ours | {"name": "egress", "elem": [[judged.interface, goto(judged.judge)]]}}},
        {"delete": {"element": ground.ours | {"name": "sources", "elem": [source]}}},
        *_cleared(ground, judged),
        *({"delete": {"chain": ground.ours | {"name": name}}} for name in _chains_of(judged)),
        {"delete": {"counter": ground.ours | {"name": judged.counter}}},
    ]


def replacement(ground: Ground, old: Judgement | None, new: Judgement) -> list[Command]:
    """Return the commands that put rules in the place of others, all at once."""
    return [
        *([] if old is None else _cleared(ground, old)),
        _set(ground, new.seen, type=_PLACE, flags=["timeout"], timeout=_SEEN_SECONDS, size=_MOST_SEEN),
        *(command for number, group in enumerate(new.groups) for command in _sets_of(ground, new, number, group)),
        *_judging(ground, new),
        *_passing(ground, new),
        *_denying(ground, new),
    ]


def _cleared(ground: Ground, judged: Judgement) -> list[Command]:
    """Return the commands that empty a workspace's chains and take its sets away."""
    return [
        *({"flush": {"chain": ground.ours | {"name": name}}} for name in _chains_of(judged)),
        {"delete": {"set": ground.ours | {"name": judged.seen}}},
        *(
            {"delete": {"set": ground.ours | {"name": name}}}
            for number, group in enumerate(judged.groups)
            for name in _set_names(judged, number, group)
        ),
    ]


def _chains_of(judged: Judgement) -> tuple[str, str, str]:
    """Return a workspace's chains, each before those that it goes to."""
    return judged.judge, judged.passing, judged.denied


def _set_names(judged: Judgement, number: int, group: Group) -> list[str]:
    return [judged.fixed(number)] * bool(group.cidrs) + [judged.names(number)] * bool(group.names)


def _sets_of(ground: Ground, judged: Judgement, number: int, group: Group) -> list[Command]:
    commands = []
    if group.cidrs:
        elements = {"elem": [_range(one) for one in group.cidrs]}
        commands.append(_set(ground, judged.fixed(number), type="ipv4_addr", flags=["interval"], **elements))
    if group.names:
        resolved = judged.resolved.get(number, {})
        elements = {"elem": [{"elem": {"val": one, "timeout": left}} for one, left in resolved.items()]}
        kept = {"flags": ["timeout"], "size": MOST_RESOLVED} | (elements if resolved else {})
        commands.append(_set(ground, judged.names(number), type="ipv4_addr", **kept))
    return commands


def _judging(ground: Ground, judged: Judgement) -> list[Command]:
    chain, denied = judged.judge, goto(judged.denied)
    if judged.mode is NetworkMode.NONE or not ground.uplinks:
        return [rule(ground, chain, denied)]
    from_workspace = equal(meta("iifname"), judged.interface)
    commands = [rule(ground, chain, _IS_KNOWN, equal(_MARK, judged.mark), {"accept": None})]
    if ground.resolver_port:
        asks = [from_workspace, *_ASKS_FOR_NAMES]
        few = _limit(_QUESTIONS_A_SECOND, _QUESTIONS_AT_ONCE)
        commands += [rule(ground, chain, *asks, few, {"accept": None}), rule(ground, chain, *asks, {"drop": None})]
    fib = {"fib": {"result": "type", "flags": ["daddr"]}}
    commands += [
        rule(ground, chain, _within(_FIRST_TARGET, "never"), denied),
        # This machine's own addresses, of every link; and broadcasts.
        rule(ground, chain, from_workspace, _differs(fib, "unicast"), denied),
        rule(ground, chain, _differs(meta("l4proto"), {"set": ["icmp", "tcp", "udp"]}), denied),
        rule(ground, chain, equal(ct("state"), "new"), _differs(_ICMP_TYPE, "echo-request"), denied),
        rule(ground, chain, _CARRIES_PORTS, equal(_FIRST_PORT, {"set": [DNS_PORT, _DNS_OVER_TLS]}), denied),
    ]
    many = {"ct count": {"val": _MOST_CONNECTIONS, "inv": True}}
    commands.append(rule(ground, chain, from_workspace, equal(ct("state"), "new"), many, {"drop": None}))
    for number, group in enumerate(judged.groups):
        verdict = denied if group.deny else goto(judged.passing)
        for name in _set_names(judged, number, group):
            commands.append(rule(ground, chain, _within(_FIRST_TARGET, name), *_ports(group.ports), verdict))
    commands.append(rule(ground, chain, goto(judged.passing) if judged.mode.reaches_all else denied))
    return commands


def _passing(ground: Ground, judged: Judgement) -> list[Command]:
    commands = []
    if judged.mode is NetworkMode.OBSERVE and ground.report_group:
        begins = [equal(meta("iifname"), judged.interface), equal(ct("state"), "new")]
        few = _limit(_REPORTS_A_SECOND, _REPORTS_AT_ONCE)
        commands.append(rule(ground, judged.passing, *begins, few, _report(ground, OBSERVED, judged)))
    mark = {"mangle": {"key": _MARK, "value": judged.mark}}
    commands.append(rule(ground, judged.passing, mark, {"accept": None}))
    return commands


def _denying(ground: Ground, judged: Judgement) -> list[Command]:
    """Return the rules that refuse and report.

    The first attempt to open a TCP connection somewhere gets no answer: it is made again after a second, and meanwhile
    the program can be found that makes it. Every further one is refused at once. With no way out at all, the first is.
    """
    chain, from_workspace = judged.denied, equal(meta("iifname"), judged.interface)
    commands = [
        rule(ground, chain, equal(meta("oifname"), judged.interface), {"drop": None}),
        rule(ground, chain, from_workspace, {"counter": judged.counter}),
    ]
    if ground.report_group:
        few = _limit(_REPORTS_A_SECOND, _REPORTS_AT_ONCE)
        for protocol in ("tcp", "udp"):
            port = {"payload": {"protocol": protocol, "field": "dport"}}
            place = {"concat": [_PACKET_TARGET, meta("l4proto"), port]}
            begins = [equal(ct("state"), "new")] if protocol == "tcp" else []
            noted = {"set": {"op": "add", "elem": place, "set": f"@{judged.seen}"}}
            fresh = [from_workspace, *begins, _within(place, judged.seen, negated=True), few, noted]
            ends = [{"drop": None}] if protocol == "tcp" and judged.mode is not NetworkMode.NONE else []
            commands.append(rule(ground, chain, *fresh, _report(ground, DENIED, judged), *ends))
        others = [from_workspace, _differs(meta("l4proto"), {"set": ["tcp", "udp"]}), few]
        commands.append(rule(ground, chain, *others, _report(ground, DENIED, judged)))
    commands.append(rule(ground, chain, goto("refuse")))
    return commands


def _ports(ports: Sequence[PortRange]) -> list[dict[str, Any]]:
    if not ports:
        return []
    spans = [one.first if one.first == one.last else {"range": [one.first, one.last]} for one in ports]
    return [_CARRIES_PORTS, equal(_FIRST_PORT, {"set": spans})]


def _report(ground: Ground, kind: str, judged: Judgement) -> dict[str, Any]:
    return {"log": {"prefix": f"{kind}{judged.index}", "group": ground.report_group, "snaplen": _SNAPSHOT}}


def _set(ground: Ground, name: str, **properties: Any) -> Command:
    return {"add": {"set": ground.ours | {"name": name} | properties}}


def _elements(values: Sequence[str]) -> dict[str, list[str]]:
    return {"elem": list(values)} if values else {}


def _range(network: str) -> dict[str, Any]:
    address, _, length = network.partition("/")
    return {"prefix": {"addr": address, "len": int(length)}}


def _limit(rate: int, burst: int) -> dict[str, Any]:
    return {"limit": {"rate": rate, "per": "second", "burst": burst}}


def meta(key: str) -> dict[str, Any]:
    """Return a property of a packet."""
    return {"meta": {"key": key}}


def ct(key: str, direction: str | None = None) -> dict[str, Any]:
    """Return a property of a packet's connection."""
    return {"ct": {"key": key} | ({} if direction is None else {"dir": direction})}


def equal(left: dict[str, Any], right: Any) -> dict[str, Any]:
    """Return a comparison."""
    return {"match": {"op": "==", "left": left, "right": right}}


def _differs(left: dict[str, Any], right: Any) -> dict[str, Any]:
    return {"match": {"op": "!=", "left": left, "right": right}}


def _within(left: dict[str, Any], name: str, *, negated: bool = False) -> dict[str, Any]:
    return {"match": {"op": "!=" if negated else "==", "left": left, "right": f"@{name}"}}


def goto(chain: str) -> dict[str, Any]:
    """Return the verdict that goes on in another chain for good."""
    return {"goto": {"target": chain}}


def rule(ground: Ground, chain: str, *expressions: dict[str, Any]) -> Command:
    """Return the command that appends a rule."""
    return {"add": {"rule": ground.ours | {"chain": chain, "expr": list(expressions)}}}


_PLACE = ["ipv4_addr", "inet_proto", "inet_service"]
_PACKET_SOURCE = {"payload": {"protocol": "ip", "field": "saddr"}}
_PACKET_TARGET = {"payload": {"protocol": "ip", "field": "daddr"}}
_FIRST_TARGET = ct("ip daddr", "original")
_FIRST_PORT = ct("proto-dst", "original")
_MARK = ct("mark")
_ICMP_TYPE = {"payload": {"protocol": "icmp", "field": "type"}}
_IS_IPV4 = equal(meta("nfproto"), "ipv4")
_IS_KNOWN = {"match": {"op": "in", "left": ct("state"), "right": ["established", "related"]}}
_IS_ANSWER = equal(ct("direction"), "reply")
_CARRIES_PORTS = equal(meta("l4proto"), {"set": ["tcp", "udp"]})
_ASKS_FOR_NAMES = (_CARRIES_PORTS, equal({"payload": {"protocol": "th", "field": "dport"}}, DNS_PORT))
