"""The people at a terminal, whatever they do in whatever order."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.errors import Forbidden, WorkspacesError
from nixos_workspaces.model.terminals import Mode
from nixos_workspaces.terminals.people.companies import Calls, Companies, Entrant
from nixos_workspaces.terminals.people.company import (
    GUEST_BYTES_AT_ONCE,
    GUEST_BYTES_PER_SECOND,
    MOST_SHOWN,
    NOBODY,
    Company,
    InputRate,
    Person,
)

modes = st.sampled_from([*Mode])
steps = st.lists(
    st.tuples(
        st.sampled_from(["enter", "leave", "ask", "grant", "send_away", "type", "moderate"]),
        st.integers(0, 6),
        st.integers(0, 6),
        modes,
    ),
    max_size=40,
)


def may_type(company: Company, number: int) -> bool:
    try:
        company.check_typing(number)
    except Forbidden:
        return False
    return True


def do(company: Company, there: dict[int, Mode], verb: str, first: int, second: int, mode: Mode) -> None:
    """Take one step, with who is there beside it."""
    match verb:
        case "enter":
            there[company.enter(Person(f"p{first}", "", mode))] = mode
        case "leave":
            company.leave(first)
            there.pop(first, None)
        case "ask":
            company.ask(first)
        case "grant":
            company.grant(first, second)
        case "send_away":
            for gone in company.send_away(first, second):
                assert there[gone] is not Mode.MODERATOR
                company.leave(gone)
                del there[gone]
        case "type":
            company.check_typing(first)
            company.note_typing(first)
        case _:
            company.is_moderated = not company.is_moderated


def test_every_window_of_who_is_sent_away_closes() -> None:
    company = Company()
    owner = company.enter(Person("owner", "", Mode.MODERATOR))
    windows = tuple(company.enter(Person("bob", "Bob", mode)) for mode in (Mode.PEER, Mode.OBSERVER))
    company.enter(Person("eve", "Eve"))
    assert company.send_away(owner, windows[0]) == windows


@given(steps)
def test_nobody_types_who_may_not_and_somebody_can_always_come_to_type(
    taken: list[tuple[str, int, int, Mode]],
) -> None:
    company, there = Company(), dict[int, Mode]()
    for verb, first, second, mode in taken:
        with suppress(WorkspacesError):
            do(company, there, verb, first, second, mode)
        state = company.presence()
        assert state.total == len(there)
        assert state.keyboard == NOBODY or there[state.keyboard] is not Mode.OBSERVER
        assert state.typist == NOBODY or state.typist in there
        typists = {number for number in there if may_type(company, number)}
        assert all(there[number] is not Mode.OBSERVER for number in typists)
        if state.keyboard != NOBODY:
            assert typists <= {state.keyboard}
        for moderator in (number for number, mode in there.items() if mode is Mode.MODERATOR):
            company.grant(moderator, moderator)
            assert may_type(company, moderator)
            company.grant(moderator, NOBODY)


def test_a_moderator_has_to_be_there_where_that_is_chosen() -> None:
    company = Company(is_moderated=True)
    peer = company.enter(Person("peer", "Peer"))
    with pytest.raises(Forbidden) as refused:
        company.check_typing(peer)
    assert refused.value.code == "moderator_absent"
    moderator = company.enter(Person("owner", "Owner", Mode.MODERATOR))
    company.check_typing(peer)
    company.leave(moderator)
    with pytest.raises(Forbidden):
        company.check_typing(peer)


def test_of_many_people_those_who_may_type_are_named_first() -> None:
    company = Company()
    for number in range(100):
        company.enter(Person(f"watcher{number}", "Watcher", Mode.OBSERVER))
    last = company.enter(Person("typist", "Typist"))
    state = company.presence()
    assert (state.total, len(state.people), state.people[0].number) == (101, MOST_SHOWN, last)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 40_000)), min_size=1, max_size=30))
def test_a_guest_who_waits_as_told_stays_within_the_rate(typed: list[tuple[float, int]]) -> None:
    now, total, largest = 0.0, 0, 0
    rate = InputRate(lambda: now)
    for pause, count in typed:
        now += pause
        total, largest = total + count, max(largest, count)
        wait = rate.spend(count)
        now += wait
    assert total <= GUEST_BYTES_AT_ONCE + now * GUEST_BYTES_PER_SECOND + 1


KEY = ("ws-1", "t1")
GUEST = Entrant(Person("guest-1", "Bea (guest)", is_guest=True))


def companies() -> Companies:
    async def end(_workspace_id: str, _terminal_id: str) -> None:
        raise AssertionError("nobody ends it")

    return Companies(end)


def calls() -> Calls:
    return Calls(lambda _: None, lambda _: None, lambda: None)


async def test_several_windows_of_a_guest_share_one_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coming anew does not renew it; other guests and other terminals have their own."""
    monkeypatch.setattr("nixos_workspaces.terminals.people.companies._MOST_RATES", 2)
    at = companies()
    windows = [at.enter(KEY, GUEST, calls()) for _ in range(4)]
    half = int(GUEST_BYTES_AT_ONCE / 2)
    assert [windows[0].note_typed(half), windows[1].note_typed(half)] == [0, 0]
    assert windows[2].note_typed(half) == pytest.approx(half / GUEST_BYTES_PER_SECOND, abs=0.5)
    for one in windows:
        one.leave()
    other = Entrant(Person("guest-2", "Cem (guest)", is_guest=True))
    assert at.enter(KEY, other, calls()).note_typed(half) == 0
    assert at.enter(("ws-1", "t2"), GUEST, calls()).note_typed(half) == 0
    assert at.enter(("ws-1", "t3"), GUEST, calls()).note_typed(half) == 0
    assert at.enter(KEY, GUEST, calls()).note_typed(1) > 1


async def test_a_choice_is_not_undone_by_who_read_the_one_before() -> None:
    """A client's terminal begins between its look at the choices and its place."""
    at = companies()
    at.moderate("ws-1", is_moderated=True)
    seat = at.enter(KEY, Entrant(Person("peer", "Peer"), is_moderated=False), calls())
    with pytest.raises(Forbidden) as refused:
        seat.check_typing()
    assert refused.value.code == "moderator_absent"
    at.moderate("ws-1", is_moderated=False)
    at.enter(KEY, Entrant(Person("late", "Late"), is_moderated=True), calls())
    seat.check_typing()
