"""Rules as the packet filter and the resolver get them mean what ``permits`` says, and nothing strange breaks them."""

from __future__ import annotations

import contextlib
import ipaddress
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.network import NEVER_ALLOWED, EgressRules, NetworkEntry, NetworkMode, PortRange
from nixos_workspaces.model.network.rules import permits
from nixos_workspaces.node.egress import rules, wire
from nixos_workspaces.node.egress.addresses import addresses_of
from nixos_workspaces.node.egress.names import messages
from nixos_workspaces.node.egress.names.allowed import NameRules, Resolved
from nixos_workspaces.node.egress.reports import packet_of
from nixos_workspaces.node.egress.rules import Ground, Judgement
from nixos_workspaces.node.egress.uplink import Uplink
from nixos_workspaces.node.egress.way_out import name_servers_in
from nixos_workspaces.node.kernel.nfnetlink import packets

NAMES = ("a.example", "b.a.example", "c.b.a.example", "b.example", "other.example.org")
PATTERNS = (*NAMES, "*.a.example", "*.b.a.example", "*.b.example")
CIDRS = ("192.0.2.0/24", "192.0.2.128/25", "192.0.2.7/32", "8.0.0.0/9", "2001:db8::/32")
ADDRESSES = ("192.0.2.7", "192.0.2.130", "8.8.8.8", "203.0.113.1")
PORTS = (22, 80, 443, 8080)
GROUND = Ground("nixws_test", "nxtest", "10.99.0.0/20", "10.99.0.1", 5353, 77, ("out0",), ("out0",))

spans = st.lists(st.sampled_from([(22, 22), (80, 300), (443, 443), (8000, 9000)]), max_size=2, unique=True)
ports = spans.map(lambda chosen: tuple(PortRange(*span) for span in sorted(chosen)))
named = st.builds(NetworkEntry, name=st.sampled_from(PATTERNS), ports=ports)
ranged = st.builds(NetworkEntry, cidr=st.sampled_from(CIDRS), ports=ports)
lists = st.lists(named | ranged, max_size=6).map(tuple)
wanted = st.builds(EgressRules, st.sampled_from(NetworkMode), lists, lists)


def judged(of: EgressRules, resolved: dict[int, dict[str, int]] | None = None, index: int = 3) -> Judgement:
    return Judgement(index, f"nxtest{index}", of.mode, rules.groups_of(of), 4711, resolved or {})


def passes(of: EgressRules, port: int, *, name: str | None = None, address: str | None = None) -> bool:
    """Tell what the judging chain does: the first group that matches decides."""
    numbers = NameRules(of.mode, rules.groups_of(of)).groups_for(name) if name is not None else ()
    if of.mode is NetworkMode.NONE or numbers is None:
        return False
    for number, group in enumerate(rules.groups_of(of)):
        inside = address is not None and any(
            ipaddress.ip_address(address) in ipaddress.ip_network(one) for one in group.cidrs
        )
        if (inside or number in numbers) and (
            not group.ports or any(span.first <= port <= span.last for span in group.ports)
        ):
            return not group.deny
    return of.mode.reaches_all


@given(wanted, st.sampled_from(PORTS), st.sampled_from(NAMES))
def test_a_name_passes_where_the_rules_permit_it(of: EgressRules, port: int, name: str) -> None:
    assert passes(of, port, name=name) == permits(of, port, name=name)


@given(wanted, st.sampled_from(PORTS), st.sampled_from(ADDRESSES))
def test_an_address_passes_where_the_rules_permit_it(of: EgressRules, port: int, address: str) -> None:
    assert passes(of, port, address=address) == permits(of, port, address=address)


@given(wanted, wanted)
def test_other_rules_take_the_place_of_all_of_the_old_ones(old: EgressRules, new: EgressRules) -> None:
    """Removal names everything of one workspace and nothing of another, and reads no set."""
    before, after = judged(old), judged(new)
    made = {one["name"] for one in told(rules.admission(GROUND, before, "10.99.0.5"), "add", "set")}
    commands = rules.replacement(GROUND, before, after)
    assert {one["name"] for one in told(commands, "delete", "set")} == made
    flushed = {one["name"] for one in told(commands, "flush", "chain")}
    assert flushed == {"w3", "p3", "x3"}
    assert not list(told(commands, "add", "element"))
    removed = rules.removal(GROUND, before, "10.99.0.5")
    assert {one["name"] for one in told(removed, "delete", "chain")} == flushed
    json.dumps(commands)


@given(wanted)
def test_every_chain_ends_with_a_verdict(of: EgressRules) -> None:
    last: dict[str, Any] = {}
    for rule in told(rules.admission(GROUND, judged(of), "10.99.0.5"), "add", "rule"):
        last[rule["chain"]] = rule["expr"]
    assert set(last) == {"w3", "p3", "x3"}
    assert all(len(expressions) <= 2 and expressions[-1].keys() & {"goto", "accept"} for expressions in last.values())


@given(wanted)
def test_without_an_uplink_every_packet_is_refused(of: EgressRules) -> None:
    alone = Ground("nixws_test", "nxtest", "10.99.0.0/20", "10.99.0.1")
    judging = [one["expr"] for one in told(rules.admission(alone, judged(of), "10.99.0.5"), "add", "rule")]
    assert judging[0] == [rules.goto("x3")]


def test_addresses_that_are_never_allowed_are_in_the_table() -> None:
    (never,) = [one for one in told(rules.base(GROUND), "add", "set") if one["name"] == "never"]
    covered = [ipaddress.ip_network(f"{one['prefix']['addr']}/{one['prefix']['len']}") for one in never["elem"]]
    expected = [one for one in NEVER_ALLOWED if one.version == 4]
    assert all(any(network.subnet_of(other) for other in covered) for network in expected)  # type: ignore[arg-type]
    assert any(ipaddress.ip_address("10.99.3.4") in network for network in covered)


def told(commands: list[dict[str, Any]], verb: str, what: str) -> Iterator[dict[str, Any]]:
    for command in commands:
        if what in command.get(verb, {}):
            yield command[verb][what]


@given(wanted)
def test_rules_come_back_from_the_wire(of: EgressRules) -> None:
    assert wire.rules_from_wire(json.loads(json.dumps(wire.rules_to_wire(of)))) == of
    learning = replace(of, until=datetime(2026, 11, 28, tzinfo=UTC), after=of)
    assert wire.rules_from_wire(json.loads(json.dumps(wire.rules_to_wire(learning)))) == learning
    endless = wire.rules_to_wire(learning) | {"after": wire.rules_to_wire(learning)}
    for wrong in (endless, wire.rules_to_wire(of) | {"until": "tomorrow"}, wire.rules_to_wire(of) | {"after": {}}):
        with pytest.raises(InvalidInput):
            wire.rules_from_wire(wrong)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["mode", "allow", "deny", "name", "until", "after"]), inner)
    ),
    max_leaves=8,
)


@given(json_values)
def test_strange_rules_are_refused(value: Any) -> None:
    with contextlib.suppress(InvalidInput):
        assert isinstance(wire.rules_from_wire(value), EgressRules)


@given(st.binary(max_size=600))
def test_strange_packets_break_nothing(data: bytes) -> None:
    question = messages.question_of(data)
    if question is not None:
        messages.blocked(question, 512)
        messages.nothing(question, 512)
    assert messages.found_of(dns.message.make_query("a.example.", "A"), data) is None
    packet_of(data)
    list(packets(data))


@given(st.binary(min_size=12, max_size=80))
def test_a_strange_tail_of_a_question_breaks_nothing(tail: bytes) -> None:
    asked = dns.message.make_query("a.example.", "A").to_wire()
    for data in (asked[:12] + tail, asked + tail, asked[:20] + tail):
        question = messages.question_of(data)
        if question is not None:
            assert len(messages.blocked(question, messages.room_for(question))) <= messages.LONGEST_DATAGRAM


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(ADDRESSES), st.integers(0, 1 << 31)), max_size=30))
def test_addresses_of_names_end_and_are_bounded(asked: list[tuple[str, str, int]]) -> None:
    of = EgressRules(NetworkMode.LOCKED, (NetworkEntry(name="*.a.example"), NetworkEntry(name="a.example")))
    names, resolved = NameRules(of.mode, rules.groups_of(of)), Resolved()
    for name, address, ttl in asked:
        resolved.note(name, [address], ttl, 0.0)
    now = resolved.live(names, 0.0)
    allowed = {address for name, address, _ in asked if name == "a.example" or name.endswith(".a.example")}
    assert set(now.get(0, {})) == allowed
    assert all(300 <= seconds <= 3660 for seconds in now.get(0, {}).values())
    assert resolved.live(names, 3661.0) == {0: {}} or not allowed


def test_addresses_of_the_node_stay_apart() -> None:
    addresses = addresses_of("10.99.0.0/28", "abcde")
    given_out = [addresses.address(index) for index in range(addresses.capacity)]
    assert len({*given_out, addresses.gateway, addresses.router}) == addresses.capacity + 2
    assert [addresses.index(one) for one in given_out] == list(range(addresses.capacity))
    assert [addresses.index(one) for one in (addresses.gateway, addresses.router, "10.99.0.15", "8.8.8.8")] == [
        None
    ] * 4


@pytest.mark.parametrize("setting", ["", "netns:", "netns:../etc", "a/b", ".", "netns:.", "x" * 200, "eth\n0"])
def test_a_strange_uplink_is_refused(setting: str, tmp_path: Any) -> None:
    with pytest.raises(InvalidInput):
        Uplink(setting, addresses_of("10.99.0.0/28", "abcde"), tmp_path / "note", lambda: None)


def test_name_servers_are_read_as_the_manual_says() -> None:
    text = "# nameserver 1.1.1.1\nnameserver 192.0.2.1\nnameserver fe80::1\n nameserver\t192.0.2.2 \nnameserver x"
    assert name_servers_in(text) == ("192.0.2.1", "192.0.2.2")
