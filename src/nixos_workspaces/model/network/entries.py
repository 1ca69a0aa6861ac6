"""Modes, entries and policies of networks, and the rules about the texts of entries."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.names import HIGHEST_PORT, LOWEST_PORT, is_hostname, is_port

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MOST_ENTRIES = 256
"""Entries of a policy, allowed and denied ones together."""
MOST_PORT_RANGES = 16
LONGEST_NAME = 253
LONGEST_CIDR = 64
WILDCARD = "*."

NEVER_ALLOWED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/3",
        "::/96",
        "::ffff:0:0/96",
        "64:ff9b::/32",
        "2001::/32",
        "2002::/16",
        "fc00::/7",
        "fe80::/9",
        "ff00::/8",
    )
)
"""Addresses that no policy opens: this machine, private networks, link-local and metadata addresses, multicast, and the
IPv6 forms that carry an IPv4 address (RFC 6890). Networks for documentation stand not here: they lead nowhere."""

_LOCAL_NAMES = frozenset({"localhost", "localdomain"})
_NUMBER = frozenset("0123456789")
_HEXADECIMAL = frozenset("0123456789abcdef")


class NetworkMode(StrEnum):
    """The reach of a workspace; private and link-local addresses, the host and other workspaces are in none."""

    OPEN = "open"
    """The internet, but for ``deny``."""
    BALANCED = "balanced"
    """The administrator's list (package registries, code hosts) and ``allow``."""
    LOCKED = "locked"
    """Only ``allow``."""
    NONE = "none"
    """Nothing at all."""
    OBSERVE = "observe"
    """As ``OPEN``, and every connection is recorded."""

    @property
    def reaches_all(self) -> bool:
        """Whether everything may be reached that is not denied."""
        return self in (NetworkMode.OPEN, NetworkMode.OBSERVE)


@dataclass(frozen=True, slots=True, order=True)
class PortRange:
    """Ports from ``first`` to ``last``, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class NetworkEntry:
    """A name or a range of addresses, with ports; exactly one of ``name`` and ``cidr`` is there (see ``entry``)."""

    name: str | None = None
    """A host name in lower case (IDNA), or ``*.`` and the name above all that are meant; never the name itself."""
    cidr: str | None = None
    """A range of IPv4 or IPv6 addresses in its shortest form, always with the length of its prefix."""
    ports: tuple[PortRange, ...] = ()
    """Sorted, apart from each other; empty: all ports and every protocol."""
    expires_at: datetime | None = None
    """When it ends; None: never."""

    @property
    def target(self) -> str:
        """The name or the range."""
        return self.name or self.cidr or ""

    def in_force(self, now: datetime) -> bool:
        """Tell whether it has not ended yet."""
        return self.expires_at is None or self.expires_at > now


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """The wanted reach of a workspace. ``deny`` wins over ``allow`` and over every mode."""

    mode: NetworkMode = NetworkMode.OPEN
    allow: tuple[NetworkEntry, ...] = ()
    deny: tuple[NetworkEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class EgressRules:
    """The rules for an engine: everything merged in, nothing that has ended.

    ``BALANCED`` and ``LOCKED`` are enforced alike: ``allow`` is all there is. In the other modes it is empty. ``deny``
    wins. The engine ends by itself what has an end (``rules.in_force_at``).
    """

    mode: NetworkMode = NetworkMode.OPEN
    allow: tuple[NetworkEntry, ...] = ()
    deny: tuple[NetworkEntry, ...] = ()
    until: datetime | None = None
    """When ``after`` takes their place; None: never."""
    after: EgressRules | None = None
    """Rules without an ``until``."""


@dataclass(frozen=True, slots=True)
class DeniedConnection:
    """Connections that were refused (or, while a workspace is observed, let out), equal ones counted."""

    at: datetime
    """When the last of them began."""
    name: str | None
    """The name that was asked for; None where the address came from elsewhere."""
    address: str
    """Empty where the name alone was refused."""
    port: int
    """0 where the protocol has none."""
    protocol: str
    """``tcp``, ``udp``, ``dns``, ``icmp``, or the number of another."""
    program: str | None
    """The program's name; None where it could not be told."""
    count: int = 1


def entry(
    *,
    name: str | None = None,
    cidr: str | None = None,
    ports: Iterable[PortRange] = (),
    expires_at: datetime | None = None,
    opens: bool = True,
) -> NetworkEntry:
    """Return an entry in its one normal form.

    Raises ``InvalidInput`` whose field is ``name``, ``cidr``, ``ports`` or empty for the whole; its code is
    ``never_allowed`` for an address or name that no policy opens, where ``opens``: a deny list may hold it.
    """
    if (name is None) == (cidr is None):
        raise InvalidInput("An entry has either a name or a cidr.", code="invalid_entry", field="")
    normal = _normal_ports(ports)
    if name is not None:
        return NetworkEntry(name=_normal_name(name, opens=opens), ports=normal, expires_at=expires_at)
    return NetworkEntry(cidr=_normal_cidr(cidr or "", opens=opens), ports=normal, expires_at=expires_at)


def parsed(text: str, expires_at: datetime | None = None, *, opens: bool = True) -> NetworkEntry:
    """Return the entry that a text names, with ports or without.

    Such as ``NAME``, ``NAME:443``, ``192.0.2.0/24:80,8000-8999`` or ``[2001:db8::]/32:53``. Raises ``InvalidInput`` as
    ``entry`` does.
    """
    target, ports = _split(text.strip())
    plain = target.replace("[", "").replace("]", "")
    if "/" in plain or ":" in plain or _is_numeric(plain):
        return entry(cidr=plain, ports=ports, expires_at=expires_at, opens=opens)
    return entry(name=plain, ports=ports, expires_at=expires_at, opens=opens)


def port_ranges(text: str) -> tuple[PortRange, ...]:
    """Read ``443``, ``8000-8999`` or several of them by commas; raise ``InvalidInput`` for anything else."""
    return tuple(_port_range(part) for part in text.split(","))


def shown_ports(ports: Sequence[PortRange]) -> str:
    """Return ports as ``port_ranges`` reads them."""
    return ",".join(str(one.first) if one.first == one.last else f"{one.first}-{one.last}" for one in ports)


def shown(one: NetworkEntry) -> str:
    """Return an entry as ``parsed`` reads it, without its end."""
    target = one.target
    if one.ports and ":" in target:
        address, _, prefix = target.partition("/")
        target = f"[{address}]/{prefix}"
    return f"{target}:{shown_ports(one.ports)}" if one.ports else target


def is_never_allowed(address: str) -> bool:
    """Tell whether no policy opens this address; so for a text that is none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return True
    return any(found in network for network in NEVER_ALLOWED if network.version == found.version)


def _split(text: str) -> tuple[str, tuple[PortRange, ...]]:
    """Split the ports off a text; colons belong to an IPv6 address unless it stands in brackets."""
    _, bracket, after = text.partition("]")
    rest = after if bracket else text
    if (bracket and ":" in rest) or rest.count(":") == 1:
        target, _, ports = text.rpartition(":")
        return target, port_ranges(ports)
    return text, ()


def _port_range(text: str) -> PortRange:
    first, dash, last = text.strip().partition("-")
    if not (_are_digits(first) and (_are_digits(last) or not dash)):
        raise InvalidInput(
            f"{text[:40]!r} is neither a port nor a range such as 8000-8999.", code="invalid_entry", field="ports"
        )
    return PortRange(int(first), int(last if dash else first))


def _are_digits(text: str) -> bool:
    """Tell whether this is a number of at most five ASCII digits."""
    return 0 < len(text) <= len(str(HIGHEST_PORT)) and _NUMBER.issuperset(text)


def _normal_ports(ports: Iterable[PortRange]) -> tuple[PortRange, ...]:
    """Return ports sorted, with ranges that touch made one."""
    merged: list[PortRange] = []
    for one in sorted(ports):
        if not (is_port(one.first) and is_port(one.last) and one.first <= one.last):
            message = f"A port is a number from {LOWEST_PORT} to {HIGHEST_PORT}, a range begins with the lower one."
            raise InvalidInput(message, code="invalid_entry", field="ports")
        if merged and one.first <= merged[-1].last + 1:
            merged[-1] = PortRange(merged[-1].first, max(merged[-1].last, one.last))
        else:
            merged.append(one)
    if len(merged) > MOST_PORT_RANGES:
        message = f"An entry has at most {MOST_PORT_RANGES} ranges of ports."
        raise InvalidInput(message, code="invalid_entry", field="ports")
    return tuple(merged)


def _normal_name(text: str, *, opens: bool) -> str:
    """Return a name in lower case and ASCII; raise ``InvalidInput`` for what is no name of a host."""
    lower = _ascii(text.strip().removesuffix("."))
    wildcard, base = (WILDCARD, lower[len(WILDCARD) :]) if lower.startswith(WILDCARD) else ("", lower)
    if _is_numeric(base) or ":" in base:
        raise InvalidInput(f"{text[:80]!r} is an address: give it as cidr.", code="invalid_entry", field="name")
    labels = base.split(".")
    if labels[-1] in _LOCAL_NAMES and opens:
        raise InvalidInput(f"{text[:80]!r} is this machine itself: never allowed.", code="never_allowed", field="name")
    if len(lower) > LONGEST_NAME or len(labels) < 2 or not all(map(is_hostname, labels)):  # noqa: PLR2004  name.top
        raise InvalidInput(
            f"{text[:80]!r} is no host name such as git.example.org or *.example.org: "
            "no scheme, port or path, at least two labels.",
            code="invalid_entry",
            field="name",
        )
    return wildcard + base


def _ascii(text: str) -> str:
    """Return a name as the resolver sees it (IDNA 2008 after the mapping of UTS 46)."""
    if text.isascii() or len(text) > LONGEST_NAME:
        return text.lower()
    import idna  # its tables take 5 ms to load, for one name in thousands

    wildcard, base = (WILDCARD, text[len(WILDCARD) :]) if text.startswith(WILDCARD) else ("", text)
    try:
        return wildcard + idna.encode(base, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as wrong:
        raise InvalidInput(f"{text[:80]!r} is no host name.", code="invalid_entry", field="name") from wrong


def _is_numeric(base: str) -> bool:
    """Tell whether resolvers of programs may take this for an IPv4 address: decimal, octal or hexadecimal."""
    last = base.lower().rstrip(".").rpartition(".")[2]
    is_hexadecimal = last.startswith("0x") and _HEXADECIMAL.issuperset(last[2:])
    return bool(last) and (is_hexadecimal or _NUMBER.issuperset(last))


def _normal_cidr(text: str, *, opens: bool) -> str:
    """Return a range in its shortest form; raise ``InvalidInput`` for what is none, or is never allowed."""
    try:
        # Without a zone, which means nothing outside of its machine.
        network = ipaddress.ip_network(text.strip().replace("%", " ")[:LONGEST_CIDR])
    except ValueError as wrong:
        raise InvalidInput(
            f"{text[:80]!r} is no range of addresses such as 192.0.2.0/24 or 2001:db8::/32 "
            "(four decimal numbers, no bits set behind the prefix).",
            code="invalid_entry",
            field="cidr",
        ) from wrong
    if network.prefixlen == 0:
        raise InvalidInput(
            f"{network} is everything: choose mode open or none instead.", code="everything", field="cidr"
        )
    if opens and any(network.overlaps(never) for never in NEVER_ALLOWED if never.version == network.version):
        raise InvalidInput(
            f"{network} reaches private, link-local or other addresses that are never allowed.",
            code="never_allowed",
            field="cidr",
        )
    return str(network)
