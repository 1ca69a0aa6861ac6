"""The rules of people for any input: a token is never wider than its maker, a quota never blocks having less."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.auth.people.passwords import LONGEST, SHORTEST, check_password, is_common, normal
from nixos_workspaces.auth.people.rules import LONGEST_LIFETIME, WantedToken, bounds_of
from nixos_workspaces.auth.policy import Action, Principal, Role, Scope, authorise
from nixos_workspaces.errors import Forbidden, InvalidInput
from nixos_workspaces.model.access.people import DIMENSIONS, Amounts, exceeded, is_handle

scopes = st.none() | st.frozensets(st.sampled_from(Scope))
workspaces = st.none() | st.frozensets(st.sampled_from(["ws-a", "ws-b", "ws-c"]))
lifetimes = st.none() | st.timedeltas(timedelta(seconds=1), timedelta(days=3650))
principals = st.builds(
    Principal, st.just("ann"), st.just("ann"), st.sampled_from(Role), scopes=scopes, workspaces=workspaces
)
wishes = st.builds(WantedToken, st.just("ci"), scopes, workspaces, lifetimes)
amounts = st.builds(Amounts, *[st.none() | st.integers(0, 100)] * len(DIMENSIONS))
used = st.builds(Amounts, *[st.integers(0, 100)] * len(DIMENSIONS))


@given(principals, wishes)
def test_a_token_is_never_wider_than_the_credential_that_it_is_made_with(maker: Principal, wanted: WantedToken) -> None:
    try:
        bounds = bounds_of(maker, wanted)
    except Forbidden:
        return
    for own, made, asked in (
        (maker.scopes, bounds.scopes, wanted.scopes),
        (maker.workspaces, bounds.workspaces, wanted.workspaces),
    ):
        assert own is None or (made is not None and made <= own)
        assert asked is None or (made is not None and made <= asked)
    if maker.role is not Role.ADMIN:
        assert wanted.lifetime is not None
        assert wanted.lifetime <= LONGEST_LIFETIME


@given(principals)
def test_the_account_is_for_credentials_without_bounds(principal: Principal) -> None:
    """But ``admin`` among the scopes is the account itself; nobody who came by a link has one."""
    is_whole = principal.workspaces is None and (principal.scopes is None or Scope.ADMIN in principal.scopes)
    if is_whole and principal.role is not Role.GUEST:
        authorise(principal, Action.MANAGE_CREDENTIALS)
    else:
        with pytest.raises(Forbidden):
            authorise(principal, Action.MANAGE_CREDENTIALS)


@given(amounts, used, used)
def test_a_quota_refuses_growth_beyond_it_and_nothing_else(allowed: Amounts, before: Amounts, after: Amounts) -> None:
    found = exceeded(allowed, before, after)
    beyond = [
        name
        for name in DIMENSIONS
        if getattr(allowed, name) is not None
        and getattr(after, name) > getattr(allowed, name)
        and getattr(after, name) > getattr(before, name)
    ]
    assert (found in beyond) if beyond else found is None
    assert exceeded(allowed, after, after) is None
    assert exceeded(Amounts(), before, after) is None


@given(st.text(max_size=LONGEST + 10), st.sampled_from(["ann", "administrator"]))
def test_passwords_that_are_taken_are_long_and_not_common(password: str, handle: str) -> None:
    text = normal(password).lower()
    is_long, has_name = SHORTEST <= len(text) <= LONGEST, len(handle) > 3 and handle in text
    if is_long and not is_common(text) and not has_name and len(set(text)) > 4:
        check_password(password, handle)
        return
    with pytest.raises(InvalidInput) as refused:
        check_password(password, handle)
    assert refused.value.code == ("password_common" if is_long else "password_length")


@pytest.mark.parametrize("password", ["password1234", "1234qwerasdf!", "Password!!!!", "123456789123", "iloveyou2024"])
def test_common_passwords_are_refused_with_digits_and_signs_around_them(password: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_password(password, "ann")
    assert refused.value.code == "password_common"


@pytest.mark.parametrize("password", ["aaaaaaaaaaaaaaaa", "abababababababab", "my administrator word"])
def test_few_letters_and_the_own_name_are_refused(password: str) -> None:
    with pytest.raises(InvalidInput):
        check_password(password, "administrator")


@given(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,39}", fullmatch=True))
def test_handles(handle: str) -> None:
    assert is_handle(handle)
    for wrong in (handle.upper() + "A", f" {handle}", f"{handle}\n", f"{handle}/x", "." + handle):
        assert not is_handle(wrong)
