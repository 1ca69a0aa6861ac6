"""The people at one terminal: who is there, who has the keyboard, who may be sent away; without I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import orjson

from nixos_workspaces.errors import Forbidden, NotFound
from nixos_workspaces.model.terminals import Mode

COLOURS = 8
MOST_SHOWN = 32
"""People whose names are told; of more there is a number."""
NOBODY = 0
TYPING_SECONDS = 2.0
"""Time after the last key for which a person is shown as typing."""
GUEST_BYTES_PER_SECOND = 4096.0
GUEST_BYTES_AT_ONCE = 16384.0


@dataclass(frozen=True, slots=True)
class Person:
    """A client's person as the web knows them, and the part that they may have."""

    id: str
    name: str
    mode: Mode = Mode.PEER
    is_guest: bool = False
    """Their input is bounded: ``GUEST_BYTES_PER_SECOND``."""


@dataclass(frozen=True, slots=True)
class Participant:
    """One client of a terminal. A person with two windows is two."""

    number: int
    person: Person
    colour: int
    asks: bool = False
    """They asked for the keyboard."""


@dataclass(frozen=True)
class Presence:
    """The people at a terminal; the same for all of them, so that it is made once."""

    people: tuple[Participant, ...]
    total: int
    keyboard: int
    """Number of the only one who types; ``NOBODY``: all who may."""
    typist: int
    """Number of who is typing now."""
    is_moderated: bool
    has_moderator: bool
    is_recorded: bool

    @cached_property
    def content(self) -> bytes:
        """The fields of the message that all get, without its first brace."""
        people = [
            {
                "id": one.number,
                "name": one.person.name,
                "mode": one.person.mode.value,
                "colour": one.colour,
                "asks": one.asks,
            }
            for one in self.people
        ]
        said = {
            "people": people,
            "total": self.total,
            "keyboard": self.keyboard,
            "typist": self.typist,
            "moderated": self.is_moderated,
            "moderator": self.has_moderator,
            "recorded": self.is_recorded,
        }
        return orjson.dumps(said)[1:]


@dataclass(frozen=True, slots=True)
class PresenceOf:
    """Presence as it is told to one client."""

    you: int
    presence: Presence


@dataclass(slots=True)
class Company:
    """The state of one terminal's people."""

    is_moderated: bool = False
    is_recorded: bool = False
    _members: dict[int, Participant] = field(default_factory=dict)
    _keyboard: int = NOBODY
    _typist: int = NOBODY
    _last: int = 0
    _sent_away: set[str] = field(default_factory=set)

    def enter(self, person: Person) -> int:
        """Add a client; return its number. Raises ``Forbidden`` (``sent_away``) for a person who was sent away."""
        if person.id in self._sent_away and person.mode is not Mode.MODERATOR:
            raise Forbidden("A moderator has sent you away from this terminal.", code="sent_away")
        self._last += 1
        taken = {one.colour for one in self._members.values()}
        colour = next((one for one in range(COLOURS) if one not in taken), self._last % COLOURS)
        self._members[self._last] = Participant(self._last, person, colour)
        return self._last

    @property
    def has_sent_away(self) -> bool:
        """Whether anybody was sent away."""
        return bool(self._sent_away)

    def leave(self, number: int) -> None:
        """Remove a client; the keyboard that it had is everybody's again."""
        self._members.pop(number, None)
        if self._keyboard == number:
            self._keyboard = NOBODY
        if self._typist == number:
            self._typist = NOBODY

    def check_typing(self, number: int) -> None:
        """Return if a client may type now.

        Raises ``Forbidden``: ``readonly`` for an observer, ``keyboard_elsewhere`` where another has the keyboard, and
        ``moderator_absent`` where a moderator must be there and is not.
        """
        mode = self._mode(number)
        if mode is Mode.OBSERVER:
            raise Forbidden("This terminal is attached read-only.", code="readonly")
        if self._keyboard not in (NOBODY, number):
            raise Forbidden("Another has the keyboard of this terminal; ask for it.", code="keyboard_elsewhere")
        if self.is_moderated and not self._has_moderator:
            raise Forbidden("Nobody types here while no moderator is present.", code="moderator_absent")

    def note_typing(self, number: int) -> bool:
        """Take note of who types (``NOBODY``: nobody any more); tell whether that is another than before."""
        before, self._typist = self._typist, number
        return before != number

    def ask(self, number: int) -> None:
        """Ask for the keyboard. Raises ``Forbidden`` for an observer."""
        if self._mode(number) is Mode.OBSERVER:
            raise Forbidden("Observers do not type.", code="readonly")
        self._members[number] = replace(self._members[number], asks=True)

    def grant(self, by: int, to: int) -> None:
        """Give the keyboard to a client, or (``NOBODY``) to all.

        Raises ``Forbidden`` for one that neither moderates nor has it, ``NotFound`` where there is no such client.
        """
        if self._mode(by) is not Mode.MODERATOR and self._keyboard != by:
            raise Forbidden("A moderator gives the keyboard, or the one who has it.", code="not_moderator")
        if to != NOBODY:
            if self._found(to).person.mode is Mode.OBSERVER:
                raise Forbidden("Observers do not type.", code="readonly")
            self._members[to] = replace(self._members[to], asks=False)
        self._keyboard = to

    def send_away(self, by: int, number: int) -> tuple[int, ...]:
        """Return the clients of a person that are to be closed; the person does not come back to this terminal.

        Raises ``Forbidden`` for one that does not moderate, and where a moderator is to go.
        """
        self.check_moderator(by)
        person = self._found(number).person
        if person.mode is Mode.MODERATOR:
            raise Forbidden("A moderator cannot be sent away.", code="not_moderator")
        self._sent_away.add(person.id)
        return tuple(one.number for one in self._members.values() if one.person.id == person.id)

    def check_moderator(self, number: int) -> None:
        """Return if a client moderates; raises ``Forbidden``."""
        if self._mode(number) is not Mode.MODERATOR:
            raise Forbidden("Only a moderator may do this.", code="not_moderator")

    def presence(self) -> Presence:
        """Return the people as all are told of them."""
        return Presence(
            people=tuple(sorted(self._members.values(), key=_rank)[:MOST_SHOWN]),
            total=len(self._members),
            keyboard=self._keyboard,
            typist=self._typist,
            is_moderated=self.is_moderated,
            has_moderator=self._has_moderator,
            is_recorded=self.is_recorded,
        )

    @property
    def _has_moderator(self) -> bool:
        return any(one.person.mode is Mode.MODERATOR for one in self._members.values())

    def _found(self, number: int) -> Participant:
        if number not in self._members:
            raise NotFound("They have left this terminal.", code="participant_not_found")
        return self._members[number]

    def _mode(self, number: int) -> Mode:
        return self._found(number).person.mode


def _rank(one: Participant) -> tuple[bool, int]:
    """Order those who may type before those who watch."""
    return one.person.mode is Mode.OBSERVER, one.number


class InputRate:
    """The bound on a guest's input: so many bytes at once, so many a second."""

    def __init__(self, now: Callable[[], float]) -> None:
        """``now`` tells the time in seconds."""
        self._now = now
        self._room = GUEST_BYTES_AT_ONCE
        self._counted_at = now()

    @property
    def is_rested(self) -> bool:
        """Whether as much may come as at first."""
        return self._room + (self._now() - self._counted_at) * GUEST_BYTES_PER_SECOND >= GUEST_BYTES_AT_ONCE

    def spend(self, count: int) -> float:
        """Count bytes; return the seconds until more may come."""
        now = self._now()
        self._room = min(GUEST_BYTES_AT_ONCE, self._room + (now - self._counted_at) * GUEST_BYTES_PER_SECOND) - count
        self._counted_at = now
        return max(0.0, -self._room / GUEST_BYTES_PER_SECOND)
