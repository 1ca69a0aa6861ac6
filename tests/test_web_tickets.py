"""Tickets: one address, one use, half a minute."""

from __future__ import annotations

import pytest

from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.errors import LimitExceeded, Unauthenticated
from nixos_workspaces.web.http.tickets import MOST_TICKETS, TICKET_SECONDS, Tickets, ticket_of

PATH = "/ws/nixos/workspaces/ws-1/terminal"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tickets(clock: Clock) -> Tickets:
    return Tickets(clock)


def test_a_ticket_is_its_owner_once(tickets: Tickets) -> None:
    secret = tickets.issue(ADMIN, "credential", PATH)
    ticket = tickets.redeem(secret, PATH)
    assert (ticket.principal, ticket.credential) == (ADMIN, "credential")
    assert "credential" not in repr(ticket)
    with pytest.raises(Unauthenticated):
        tickets.redeem(secret, PATH)


def test_a_ticket_ends_after_half_a_minute(tickets: Tickets, clock: Clock) -> None:
    early, late = (tickets.issue(ADMIN, "credential", PATH) for _ in range(2))
    clock.now += TICKET_SECONDS - 0.001
    assert tickets.redeem(early, PATH).path == PATH
    clock.now += 0.001
    with pytest.raises(Unauthenticated):
        tickets.redeem(late, PATH)
    assert TICKET_SECONDS == 30


def test_a_ticket_for_another_address_is_used_up(tickets: Tickets) -> None:
    secret = tickets.issue(ADMIN, "credential", PATH)
    for path in (PATH.replace("ws-1", "ws-2"), PATH):
        with pytest.raises(Unauthenticated):
            tickets.redeem(secret, path)


def test_unused_tickets_are_bounded_and_make_room_by_time(tickets: Tickets, clock: Clock) -> None:
    made = {tickets.issue(ADMIN, "credential", PATH) for _ in range(MOST_TICKETS)}
    assert len(made) == MOST_TICKETS
    with pytest.raises(LimitExceeded):
        tickets.issue(ADMIN, "credential", PATH)
    clock.now += TICKET_SECONDS
    assert tickets.issue(ADMIN, "credential", PATH) not in made


def test_a_handshake_carries_one_ticket() -> None:
    assert ticket_of(["nixws.terminal.v1", "nixws.ticket.abc"]) == "abc"
    assert ticket_of(["nixws.terminal.v1"]) is None
    with pytest.raises(Unauthenticated):
        ticket_of(["nixws.ticket.abc", "nixws.ticket.def"])
