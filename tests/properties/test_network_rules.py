"""Floors, lists and ends: whatever is wanted, nothing more than both sides grant is let out."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.network import (
    NEVER_ALLOWED,
    EgressRules,
    NetworkEntry,
    NetworkMode,
    NetworkPolicy,
    PortRange,
)
from nixos_workspaces.model.network.entries import entry, is_never_allowed, parsed, shown
from nixos_workspaces.model.network.proposals import with_allowed
from nixos_workspaces.model.network.rules import (
    beyond_floor,
    in_force_at,
    next_end,
    next_expiry,
    permits,
    pruned,
    rules_of,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
NAMES = ("a.example", "b.a.example", "c.b.a.example", "b.example", "example.org")
PATTERNS = (*NAMES, "*.a.example", "*.b.a.example", "*.b.example")
CIDRS = ("192.0.2.0/24", "192.0.2.128/25", "192.0.2.7/32", "8.0.0.0/9", "2001:db8::/32", "2001:db8:1::/48")
ADDRESSES = ("192.0.2.7", "192.0.2.130", "8.8.8.8", "2001:db8::1", "2001:db8:1::1", "203.0.113.1")
PORTS = (22, 80, 443, 8080)

spans = st.lists(st.sampled_from([(22, 22), (80, 443), (443, 443), (1, 65535), (8000, 9000)]), max_size=3)
ends = st.sampled_from([None, NOW - timedelta(seconds=1), NOW, NOW + timedelta(hours=1), NOW + timedelta(hours=2)])


@st.composite
def entries(draw: st.DrawFn) -> NetworkEntry:
    ports = [PortRange(*span) for span in draw(spans)]
    if draw(st.booleans()):
        return entry(name=draw(st.sampled_from(PATTERNS)), ports=ports, expires_at=draw(ends))
    return entry(cidr=draw(st.sampled_from(CIDRS)), ports=ports, expires_at=draw(ends))


lists = st.lists(entries(), max_size=5).map(tuple)
policies = st.builds(NetworkPolicy, st.sampled_from(NetworkMode), lists, lists)
attempts = st.tuples(st.sampled_from(PORTS), st.sampled_from([None, *NAMES]), st.sampled_from([None, *ADDRESSES]))
OPEN = NetworkPolicy()


@given(policies, policies, lists, attempts)
def test_nothing_gets_out_that_one_side_refuses(
    policy: NetworkPolicy,
    floor: NetworkPolicy,
    balanced: tuple[NetworkEntry, ...],
    attempt: tuple[int, str | None, str | None],
) -> None:
    port, name, address = attempt
    both = permits(rules_of(policy, floor, balanced, NOW), port, name=name, address=address)
    alone = permits(rules_of(policy, OPEN, balanced, NOW), port, name=name, address=address)
    bound = permits(rules_of(floor, OPEN, balanced, NOW), port, name=name, address=address)
    assert not both or (alone and bound)
    if name is None or address is None:
        # By name or by address alone both sides speak of the same thing, so what both let out gets out.
        assert both == (alone and bound)


@given(policies, policies, lists, st.sampled_from([timedelta(hours=hours) for hours in range(4)]))
def test_an_engine_that_ends_parts_by_itself_enforces_what_it_would_be_told(
    policy: NetworkPolicy, floor: NetworkPolicy, balanced: tuple[NetworkEntry, ...], later: timedelta
) -> None:
    """Between its ends nothing changes, and at each of them it is as if the rules were made anew."""
    told, fresh = rules_of(policy, floor, balanced, NOW), rules_of(policy, floor, balanced, NOW + later)
    found = in_force_at(told, NOW + later)
    assert (found.mode, set(found.allow), set(found.deny)) == (fresh.mode, set(fresh.allow), set(fresh.deny))
    end = next_end(told, NOW)
    if end is None or end > NOW + later:
        assert found == in_force_at(told, NOW)
    else:
        assert end > NOW


@given(policies, policies, lists)
def test_learning_gives_way_to_the_policy_by_itself(
    policy: NetworkPolicy, floor: NetworkPolicy, balanced: tuple[NetworkEntry, ...]
) -> None:
    lasting = rules_of(policy, floor, balanced, NOW)
    until = NOW + timedelta(minutes=10)
    learning = EgressRules(NetworkMode.OBSERVE, deny=lasting.deny, until=until, after=lasting)
    assert in_force_at(learning, until - timedelta(seconds=1)).mode is NetworkMode.OBSERVE
    assert in_force_at(learning, until) == in_force_at(lasting, until)
    end = next_end(learning, NOW)
    assert end is not None
    assert end <= until


@given(policies, policies, lists)
def test_rules_hold_nothing_that_has_ended(
    policy: NetworkPolicy, floor: NetworkPolicy, balanced: tuple[NetworkEntry, ...]
) -> None:
    rules = rules_of(policy, floor, balanced, NOW)
    assert all(one.in_force(NOW) for one in (*rules.allow, *rules.deny))
    if rules.mode.reaches_all or rules.mode is NetworkMode.NONE:
        assert rules.allow == ()
    assert rules_of(pruned(policy, NOW), floor, balanced, NOW) == rules


@given(policies, policies, lists, attempts)
def test_a_policy_within_the_floor_is_enforced_as_it_is(
    policy: NetworkPolicy,
    floor: NetworkPolicy,
    balanced: tuple[NetworkEntry, ...],
    attempt: tuple[int, str | None, str | None],
) -> None:
    port, name, address = attempt
    policy = pruned(policy, NOW)
    bound = NetworkPolicy(floor.mode, tuple(one for one in floor.allow if one.expires_at is None))
    lasting = tuple(one for one in balanced if one.expires_at is None)
    if beyond_floor(policy, bound, lasting, NOW) or bound.mode is NetworkMode.NONE:
        return
    if policy.mode is NetworkMode.BALANCED and bound.mode is NetworkMode.LOCKED:
        return
    rules = rules_of(policy, bound, lasting, NOW)
    free = rules_of(policy, OPEN, lasting, NOW)
    assert permits(rules, port, name=name, address=address) == permits(free, port, name=name, address=address)


@given(policies)
def test_the_next_end_is_when_something_changes_first(policy: NetworkPolicy) -> None:
    end = next_expiry(policy, NOW)
    held = pruned(policy, NOW)
    if end is None:
        assert pruned(held, NOW + timedelta(days=9)) == held
    else:
        assert pruned(held, end - timedelta(microseconds=1)) == held != pruned(held, end)


@given(entries())
def test_an_entry_reads_as_it_is_shown(one: NetworkEntry) -> None:
    assert parsed(shown(one), one.expires_at) == one


@given(policies, lists, ends)
def test_allowing_more_takes_nothing_away(
    policy: NetworkPolicy, more: tuple[NetworkEntry, ...], end: datetime | None
) -> None:
    after = with_allowed(policy, more, end)
    for port in PORTS:
        for name in NAMES:
            before_rules, after_rules = (rules_of(one, OPEN, (), NOW) for one in (policy, after))
            assert not permits(before_rules, port, name=name) or permits(after_rules, port, name=name)
    assert with_allowed(after, more, end) == after


@given(st.text(max_size=60))
def test_any_text_is_an_entry_or_refused(text: str) -> None:
    """No text raises anything but our error; no text becomes an address that is never allowed."""
    try:
        one = parsed(text)
    except InvalidInput as refused:
        found = {refused.code, refused.field or ""}
        assert found <= {"invalid_entry", "never_allowed", "everything", "name", "cidr", "ports", ""}
        return
    assert one.target.isascii()
    if one.cidr is not None:
        network = ipaddress.ip_network(one.cidr)
        assert not any(network.overlaps(never) for never in NEVER_ALLOWED if never.version == network.version)


@given(st.ip_addresses())
def test_an_allowed_address_is_none_that_is_never_allowed(address: ipaddress.IPv4Address) -> None:
    if is_never_allowed(str(address)):
        with pytest.raises(InvalidInput):
            entry(cidr=str(address))
    else:
        assert entry(cidr=str(address)).cidr is not None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(("0.0.0.0/0", "everything"), ("::/0", "everything"), ("0.0.0.0/1", "never_allowed")),
        *(("169.254.169.254", "never_allowed"), ("127.0.0.1:80", "never_allowed"), ("[::1]:80", "never_allowed")),
        *(("::ffff:10.0.0.1", "never_allowed"), ("64:ff9b::a00:1", "never_allowed"), ("fe80::1", "never_allowed")),
        *(("10.1.2.3", "never_allowed"), ("192.168.0.0/16", "never_allowed"), ("172.16.0.0/12", "never_allowed")),
        *(("100.64.0.1", "never_allowed"), ("224.0.0.1", "never_allowed"), ("255.255.255.255", "never_allowed")),
        *(("localhost", "never_allowed"), ("a.localhost:80", "never_allowed"), ("LOCALHOST.", "never_allowed")),
        *(("2130706433", "invalid_entry"), ("0x7f000001", "invalid_entry"), ("0177.0.0.1", "invalid_entry")),
        *(("127.1", "invalid_entry"), ("0x7f.1", "invalid_entry"), ("1.2.3.4.5", "invalid_entry")),
        *(("2606:4700::1%eth0", "invalid_entry"), ("8.8.8.8/33", "invalid_entry"), ("8.8.8.8/8", "invalid_entry")),
        *(("https://a.example/", "invalid_entry"), ("a.example/x", "invalid_entry"), ("*", "invalid_entry")),
        *(("*.org", "invalid_entry"), ("a.*.example", "invalid_entry"), ("a..example", "invalid_entry")),
        *(("a.example:0", "invalid_entry"), ("a.example:65536", "invalid_entry"), ("a.example:9-1", "invalid_entry")),
        *(("a.example\n", "ok"), ("a example.org", "invalid_entry"), ("\u200d.example", "invalid_entry")),
        *((f"{'a' * 64}.example", "invalid_entry"), (f"{'a.' * 127}example", "invalid_entry"), ("", "invalid_entry")),
    ],
)
def test_what_is_no_entry_is_refused(text: str, code: str) -> None:
    if code == "ok":
        assert parsed(text).name == "a.example"
        return
    with pytest.raises(InvalidInput) as refused:
        parsed(text)
    assert refused.value.code == code
