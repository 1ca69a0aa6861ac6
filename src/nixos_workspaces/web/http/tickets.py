"""Tickets: credentials for one WebSocket, for clients that can set no header, such as a browser on another site's page.

A ticket opens one path once, as the principal it was made for, within ``TICKET_SECONDS``, if the credential that it was
got with is still valid then. Tickets live in memory only.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nixos_workspaces.auth.policy import Principal
from nixos_workspaces.errors import LimitExceeded, Unauthenticated

TICKET_SECONDS = 30.0
MOST_TICKETS = 1000
"""Unused tickets of one principal."""
SUBPROTOCOL = "nixws.ticket."


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket with its principal, credential, path and expiry."""

    principal: Principal
    credential: str = field(repr=False)
    """The credential it was got with: it must be valid still, and the socket ends when it becomes invalid."""
    path: str
    expires: float


class Tickets:
    """The tickets that have not been used yet."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tickets: dict[str, Ticket] = {}

    def issue(self, principal: Principal, credential: str, path: str) -> str:
        """Return a new ticket for ``path``. Raises ``LimitExceeded`` when the principal has too many unused ones."""
        now = self._clock()
        self._tickets = {secret: one for secret, one in self._tickets.items() if one.expires > now}
        if sum(one.principal.id == principal.id for one in self._tickets.values()) >= MOST_TICKETS:
            raise LimitExceeded("There are too many unused terminal tickets; use them or wait half a minute.")
        secret = secrets.token_urlsafe(32)
        self._tickets[secret] = Ticket(principal, credential, path, now + TICKET_SECONDS)
        return secret

    def look(self, secret: str) -> Ticket:
        """Return a ticket that may be used, without using it. Raises ``Unauthenticated``."""
        ticket = self._tickets.get(secret)
        if ticket is None or ticket.expires <= self._clock():
            raise Unauthenticated("The ticket was used, or is too old; get a new one.")
        return ticket

    def redeem(self, secret: str, path: str) -> Ticket:
        """Use a ticket up and return it; it is used up by a failure, too. Raises ``Unauthenticated``."""
        ticket = self._tickets.pop(secret, None)
        if ticket is None or ticket.expires <= self._clock() or ticket.path != path:
            raise Unauthenticated("The ticket is not valid for this address, was used, or is too old; get a new one.")
        return ticket


def ticket_of(subprotocols: Sequence[str]) -> str | None:
    """Return the ticket among the offered subprotocols. Raises ``Unauthenticated`` when there are several."""
    found = [offered.removeprefix(SUBPROTOCOL) for offered in subprotocols if offered.startswith(SUBPROTOCOL)]
    if len(found) > 1:
        raise Unauthenticated("Send one ticket.")
    return found[0] if found else None
