"""Filters of SCIM for any input: lookups find what looking at everybody finds, and no text does harm."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scim2_models import ResourceType, SCIMException, ScimFilter

from nixos_workspaces.model.access.people import User as Person
from nixos_workspaces.model.access.people import UserKind, UserState, handle_from, is_handle
from nixos_workspaces.model.access.provisioned import ProvisionedUser
from nixos_workspaces.provisioning import users
from nixos_workspaces.provisioning.resources import User, key_of, provider
from nixos_workspaces.provisioning.storage import _narrowed

PROVIDER = provider()
USERS: ResourceType = next(one for one in PROVIDER.resource_types if one.name == "User")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
words = st.text("aAbBéÉ@.", max_size=3)
COMPARE: dict[str, Callable[[str, str], bool]] = {
    "eq": str.__eq__,
    "ne": str.__ne__,
    "sw": str.startswith,
    "ew": str.endswith,
    "co": str.__contains__,
}


def record(number: int, user_name: str, external_id: str, *, active: bool) -> ProvisionedUser:
    state = UserState.ACTIVE if active else UserState.SUSPENDED
    user = Person(f"usr-{number}", f"user-{number}", "Shown", "member", UserKind.PERSON, state, NOW)
    return ProvisionedUser(user, user_name, NOW, external_id)


people = st.lists(st.tuples(words.filter(bool), words.filter(bool), st.booleans()), min_size=1, max_size=6).map(
    lambda told: [record(number, *one[:2], active=one[2]) for number, one in enumerate(told)]
)
leaves = st.tuples(st.sampled_from(["userName", "externalId"]), st.sampled_from(sorted(COMPARE)), words.filter(bool))
trees: st.SearchStrategy[Any] = st.recursive(
    leaves | st.booleans(), lambda inner: st.tuples(st.sampled_from(["and", "or"]), inner, inner), max_leaves=4
)


def written(tree: Any) -> str:
    if isinstance(tree, bool):
        return f"active eq {str(tree).lower()}"
    first, second, third = tree
    if first in {"and", "or"}:
        return f"({written(second)}) {first} ({written(third)})"
    return f'{first} {second} "{third}"'


def holds(tree: Any, one: ProvisionedUser) -> bool:
    """Return what RFC 7644, section 3.4.2.2, says of a filter, in a few words of our own."""
    if isinstance(tree, bool):
        return one.user.is_active is tree
    first, second, third = tree
    if first == "and":
        return holds(second, one) and holds(third, one)
    if first == "or":
        return holds(second, one) or holds(third, one)
    if first == "userName":
        return COMPARE[second](key_of(one.user_name), key_of(third))
    return COMPARE[second](one.external_id or "", third)


@given(people, trees)
def test_a_filter_finds_those_for_whom_it_holds(everybody: list[ProvisionedUser], tree: Any) -> None:
    with PROVIDER:
        wanted = ScimFilter[User](written(tree))
        found = {one.user.id for one in everybody if wanted.match(users.resource_of(one))}
        looked_up = _narrowed(USERS, wanted)
    expected = {one.user.id for one in everybody if holds(tree, one)}
    assert found == expected
    if "key" in looked_up:
        assert {one.user.id for one in everybody if key_of(one.user_name) == looked_up["key"]} == expected
    if "external_id" in looked_up:
        assert {one.user.id for one in everybody if one.external_id == looked_up["external_id"]} == expected


@given(st.text(max_size=60) | st.text('()[]"\\ andorneqpt.', max_size=60))
@example("(" * 3000)
@example("not (" * 700)
@example('userName eq "' + "\\u0000" * 300 + '"')
def test_any_text_is_a_filter_or_is_refused(text: str) -> None:
    try:
        with PROVIDER:
            ScimFilter[User](text)
    except (SCIMException, ValueError):
        return


@given(st.text(max_size=80))
def test_every_name_becomes_a_handle(name: str) -> None:
    assert is_handle(handle_from(name))


@given(st.text(max_size=300))
def test_a_text_is_kept_as_it_is_or_refused(text: str) -> None:
    with PROVIDER:
        wanted = User(user_name="ann", display_name=text)
        try:
            assert users.attributes_of(wanted).get("displayName", "") == text
        except SCIMException:
            assert len(text) > 100 or not text.isprintable()


@pytest.mark.parametrize("name", ["ann@example.com", "ANN@example.org", "Änn", "ann"])
def test_names_become_the_handles_that_people_expect(name: str) -> None:
    assert handle_from(name) == "ann"
