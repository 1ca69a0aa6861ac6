"""Turns are bounded and fair, and equal work is done once."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.nix.locks import SingleFlight, Turns


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


class Guest:
    """A task that has a turn until it is told to give it back."""

    def __init__(self, turns: Turns) -> None:
        self.told: list[int] = []
        self.has_it = False
        self.leave = asyncio.Event()
        self.task = asyncio.create_task(self._stay(turns))

    async def _stay(self, turns: Turns) -> None:
        async with turns.taken(self.told.append):
            self.has_it = True
            try:
                await self.leave.wait()
            finally:
                self.has_it = False


async def test_later_ones_wait_and_hear_how_many_are_before_them() -> None:
    turns = Turns(2)
    guests = [Guest(turns) for _ in range(5)]
    await settle()
    assert [guest.has_it for guest in guests] == [True, True, False, False, False]
    assert [guest.told for guest in guests] == [[], [], [1], [2], [3]]
    guests[1].leave.set()
    await settle()
    assert [guest.has_it for guest in guests] == [True, False, True, False, False]
    assert [guest.told for guest in guests] == [[], [], [1], [2, 1], [3, 2]]
    guests[3].task.cancel()
    await settle()
    assert guests[4].told == [3, 2, 1]
    for guest in guests:
        guest.leave.set()
    await asyncio.wait([guest.task for guest in guests])
    assert turns._free == 2


async def test_a_turn_can_be_given_back_before_its_end() -> None:
    turns = Turns(1)
    async with turns.taken() as give_back:
        guest = Guest(turns)
        await settle()
        assert not guest.has_it
        give_back()
        give_back()
        await settle()
        assert guest.has_it
    guest.leave.set()
    await guest.task
    assert turns._free == 1


async def test_who_is_cancelled_as_its_turn_comes_passes_it_on() -> None:
    turns = Turns(1)
    first, second, third = Guest(turns), Guest(turns), Guest(turns)
    await settle()
    first.leave.set()
    await asyncio.sleep(0)
    second.task.cancel()
    await settle()
    assert third.has_it
    third.leave.set()
    await asyncio.wait([first.task, second.task, third.task])
    assert turns._free == 1


@given(st.lists(st.tuples(st.sampled_from(["come", "leave", "cancel"]), st.integers(0, 9)), max_size=40))
def test_never_more_than_allowed_and_none_is_lost(moves: list[tuple[str, int]]) -> None:
    async def play() -> None:
        turns, guests = Turns(2), list[Guest]()
        for move, which in moves:
            if move == "come":
                guests.append(Guest(turns))
            elif which < len(guests):
                guest = guests[which]
                if move == "leave":
                    guest.leave.set()
                else:
                    guest.task.cancel()
            await asyncio.sleep(0)
            assert sum(guest.has_it for guest in guests) <= 2
        await settle()
        waiting = [guest for guest in guests if not guest.task.done() and not guest.has_it]
        assert not waiting or sum(guest.has_it for guest in guests) == 2
        for guest in guests:
            guest.leave.set()
        await asyncio.gather(*(guest.task for guest in guests), return_exceptions=True)
        assert turns._free == 2

    asyncio.run(play())


async def test_equal_work_is_done_once() -> None:
    flights: SingleFlight[int] = SingleFlight()
    begun, go_on = list[int](), asyncio.Event()

    async def work() -> int:
        begun.append(len(begun))
        await go_on.wait()
        return begun[-1]

    callers = [asyncio.create_task(flights.do("same", work)) for _ in range(60)]
    other = asyncio.create_task(flights.do("other", work))
    await settle()
    assert len(begun) == 2
    callers[0].cancel()
    go_on.set()
    results = await asyncio.gather(*callers, other, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert len(set(results[1:])) == 1
    assert await flights.do("same", work) == 2


async def test_work_that_nobody_waits_for_is_cancelled_and_begun_anew() -> None:
    flights: SingleFlight[None] = SingleFlight()
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def quick() -> None:
        """End at once."""

    callers = [asyncio.create_task(flights.do("same", work)) for _ in range(2)]
    await settle()
    for caller in callers:
        caller.cancel()
    await asyncio.wait_for(cancelled.wait(), 5)
    await asyncio.wait_for(flights.do("same", quick), 5)


async def test_a_failure_reaches_all_and_is_not_kept() -> None:
    flights: SingleFlight[int] = SingleFlight()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def work() -> int:
        return 1

    outcomes = await asyncio.gather(*(flights.do("same", fail) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in outcomes] == [ZeroDivisionError] * 3
    with pytest.raises(ZeroDivisionError):
        await flights.do("same", fail)
    assert await flights.do("same", work) == 1
