"""The people at all terminals: told of each other, heard when they type, closed when they are sent away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from nixos_workspaces.errors import Forbidden, WorkspacesError
from nixos_workspaces.terminals.people.company import NOBODY, TYPING_SECONDS, Company, InputRate, Person, PresenceOf

TELL_SECONDS = 0.02
"""Changes within this time are told together."""
Key = tuple[str, str]
"""A workspace and one of its terminals."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A client's person, and how their terminal is run."""

    person: Person
    presence: bool = False
    """The client is told of ``Presence``."""
    is_moderated: bool = False
    """A moderator must be there for others to type."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls on one client's session."""

    tell: Callable[[PresenceOf], None]
    fail: Callable[[WorkspacesError], None]
    """Ends the session for a reason."""
    take_size: Callable[[], None]
    """Puts the size of the client's window in force."""


class Seat:
    """One client's place at a terminal."""

    def __init__(self, place: Place, number: int, entrant: Entrant, calls: Calls, rate: InputRate | None) -> None:
        """``rate``: the bound on the person's input, the same for all their places at the terminal."""
        self.entrant = entrant
        self.calls = calls
        self.rate = rate
        self._place = place
        self._number = number

    def check_typing(self) -> None:
        """Return if the client may type now; raises as ``Company.check_typing``."""
        self._place.company.check_typing(self._number)

    def note_typed(self, count: int) -> float:
        """Attribute ``count`` bytes to the person; return the seconds for which the client is not to type."""
        self._place.note_typed(self._number, self.entrant.person, count)
        return 0.0 if self.rate is None else self.rate.spend(count)

    def note_arrived(self) -> None:
        """Tell all, this client too, now that it is attached."""
        self._place.changed()

    def ask(self) -> None:
        """Ask for the keyboard; raises as ``Company.ask``."""
        self._place.company.ask(self._number)
        self._place.changed()

    def grant(self, to: int) -> Person | None:
        """Give the keyboard to a client, or (0) to all; return the client's person; raises as ``Company.grant``."""
        self._place.company.grant(self._number, to)
        self._place.changed()
        if to == NOBODY:
            return None
        self._place.seats[to].calls.take_size()
        return self._place.seats[to].entrant.person

    def send_away(self, number: int) -> Person:
        """Close the clients of a person, who does not come back, and return it; raises as ``Company.send_away``."""
        seat = self._place.seats.get(number)
        for gone in self._place.company.send_away(self._number, number):
            self._place.seats[gone].calls.fail(
                Forbidden("A moderator has sent you away from this terminal.", code="sent_away")
            )
        assert seat is not None, "the company has found it"
        return seat.entrant.person

    async def end(self) -> None:
        """End the terminal. Raises ``Forbidden`` for a client that does not moderate."""
        self._place.company.check_moderator(self._number)
        await self._place.end()

    def leave(self) -> None:
        """Give the place up; may be called twice."""
        self._place.leave(self._number)


@dataclass(slots=True)
class Place:
    """One terminal with the clients at it."""

    company: Company
    now: Callable[[], float]
    on_typed: Callable[[Person, int], None]
    on_empty: Callable[[], None]
    end: Callable[[], Awaitable[None]]
    seats: dict[int, Seat] = field(default_factory=dict)
    _is_due: bool = False
    _typed_at: float = 0.0
    _watch: asyncio.TimerHandle | None = None

    def enter(self, entrant: Entrant, calls: Calls, rate: InputRate | None) -> Seat:
        """Add a client; raises as ``Company.enter``."""
        number = self.company.enter(entrant.person)
        seat = self.seats[number] = Seat(self, number, entrant, calls, rate)
        self.changed()
        return seat

    def leave(self, number: int) -> None:
        """Remove a client."""
        if self.seats.pop(number, None) is None:
            return
        self.company.leave(number)
        if self.seats:
            self.changed()
        else:
            self.on_empty()

    def note_typed(self, number: int, person: Person, count: int) -> None:
        """Take note of who types; the others are told when that is another than before."""
        self.on_typed(person, count)
        if len(self.seats) == 1:
            return
        self._typed_at = self.now()
        if self.company.note_typing(number):
            self.changed()
        if self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(TYPING_SECONDS, self._look)

    def changed(self) -> None:
        """Tell everybody soon."""
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(TELL_SECONDS, self._tell)

    def _tell(self) -> None:
        self._is_due = False
        presence = self.company.presence()
        for number, seat in self.seats.items():
            if seat.entrant.presence:
                seat.calls.tell(PresenceOf(number, presence))

    def _look(self) -> None:
        """See whether somebody still types."""
        self._watch = None
        left = self._typed_at + TYPING_SECONDS - self.now()
        if left > 0:
            self._watch = asyncio.get_running_loop().call_later(left, self._look)
        elif self.company.note_typing(NOBODY):
            self.changed()


class Companies:
    """The places of all terminals at which there is a client. Call it from the event loop's thread only."""

    def __init__(self, end: Callable[[str, str], Awaitable[None]]) -> None:
        """``end`` ends a terminal of a workspace."""
        self.on_typed: Callable[[str, str, str, str, int], None] = lambda *_: None
        """Called with workspace, terminal, the person's id and name, and the number of bytes."""
        self.is_recorded: Callable[[str, str], bool] = lambda _workspace_id, _terminal_id: False
        self._end = end
        self._places: dict[Key, Place] = {}
        self._chosen: dict[str, bool] = {}
        """The latest choices of workspaces; what a client has read of one may be older."""
        self._rates: dict[tuple[Key, str], InputRate] = {}
        """Of people at terminals, also when they have left, until they may type as much as at first."""
        self._emptied: dict[Key, Company] = {}
        """Companies nobody is in, for who was sent away; the latest."""

    def enter(self, key: Key, entrant: Entrant, calls: Calls) -> Seat:
        """Give a client its place at a terminal; raises as ``Company.enter``."""
        place = self._places.get(key) or self._place(key)
        seat = place.enter(entrant, calls, self._rate(key, entrant.person))
        place.company.is_moderated = self._chosen.get(key[0], entrant.is_moderated)
        self._places[key] = place
        self._emptied.pop(key, None)
        return seat

    def dismiss(self, workspace_id: str, person_id: str, error: WorkspacesError, terminal_id: str = "") -> None:
        """Close a person's clients at a terminal, or at all of a workspace, for a reason such as a share that ended."""
        for (workspace, terminal), place in [*self._places.items()]:
            if workspace == workspace_id and terminal_id in ("", terminal):
                for seat in [*place.seats.values()]:
                    if seat.entrant.person.id == person_id:
                        seat.calls.fail(error)

    def moderate(self, workspace_id: str, *, is_moderated: bool) -> None:
        """Have a moderator be there for others to type at a workspace's terminals, or not."""
        self._chosen[workspace_id] = is_moderated
        for (workspace, _), place in self._places.items():
            if workspace == workspace_id:
                place.company.is_moderated = is_moderated
                place.changed()

    def note_recording(self, workspace_id: str, terminal_id: str) -> None:
        """Tell the people at a terminal that its recording has begun or ended."""
        place = self._places.get((workspace_id, terminal_id))
        if place is not None:
            place.company.is_recorded = self.is_recorded(workspace_id, terminal_id)
            place.changed()

    def _rate(self, key: Key, person: Person) -> InputRate | None:
        """Return the bound on a guest's input, which a second window does not widen, nor coming anew."""
        if not person.is_guest:
            return None
        if len(self._rates) > _MOST_RATES:
            used = {id(seat.rate) for place in self._places.values() for seat in place.seats.values()}
            self._rates = {one: rate for one, rate in self._rates.items() if id(rate) in used or not rate.is_rested}
        return self._rates.setdefault((key, person.id), InputRate(asyncio.get_running_loop().time))

    def _place(self, key: Key) -> Place:
        company = self._emptied.get(key) or Company()
        company.is_recorded = self.is_recorded(*key)

        def typed(person: Person, count: int) -> None:
            self.on_typed(*key, person.id, person.name, count)

        def emptied() -> None:
            place = self._places.pop(key, None)
            if place is not None and place.company.has_sent_away:
                self._emptied[key] = place.company
                if len(self._emptied) > _MOST_EMPTIED:
                    self._emptied.pop(next(iter(self._emptied)))

        async def end() -> None:
            await self._end(*key)

        return Place(company, asyncio.get_running_loop().time, typed, emptied, end)


_MOST_EMPTIED = 1000
_MOST_RATES = 1000
"""Kept whether or not they still say anything."""
