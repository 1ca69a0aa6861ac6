"""Rates of attempts: refused credentials and passwords for each address, new sessions for each account.

A credential that is valid always passes: who shares an address with a guesser is not locked out, and 256 random bits
are not guessed in the mean time. What is bounded is the cost of attempts, which write nothing.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum

from starlette.types import Scope

from nixos_workspaces.auth.counted import REFUSED, CountedAudit, Kind
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.web.http.access.windows import Rate, Windows
from nixos_workspaces.web.http.errors import TooManyAttempts

SESSIONS_OF_ACCOUNT = Rate(30)
PASSWORDS = Rate(10, 900.0)
"""Wrong passwords for one handle from one address in a quarter of an hour; other addresses go on."""
DEVICES = Rate(20)
"""Programs of one address that begin to be signed in."""
GUESTS = Rate(30)
"""Guests of one address who come by links, each of whom is stored; a class behind one address comes in some minutes."""
PROVISIONING = Rate(3000)
"""Requests of SCIM with the credentials of one account: twice the 25 in a second that Entra asks for."""
PASSKEYS = Rate(120)
"""Challenges for passkeys that one address asks for: each look at the page to sign in asks for one."""
SIGN_INS = Rate(60)
"""Sign-ins at an OpenID provider that browsers of one address begin."""
WRONG = frozenset({"sign_in_failed", "wrong_password", "passkey_unknown", "passkey_refused", "passkey_counter"})
"""Codes of what was wrong, unlike what failed by itself."""
_TOO_MANY = "There were too many attempts with wrong credentials."
MOST_ADDRESSES = 2000
"""Addresses that are told apart; those beyond share one rate."""
_NETWORK_BITS = 64
"""The network that one client has of IPv6 addresses."""


class Rates:
    """The attempts of the last minute; they live in memory only."""

    def __init__(self, refused_of_address: int) -> None:
        """Allow so many refused credentials of one address in a minute."""
        self._refused = Rate(refused_of_address)
        self._windows = Windows()

    def refused(self, address: str) -> None:
        """Count a credential that was refused. Raises ``TooManyAttempts`` beyond the rate of the address."""
        self._count(self._refused, self._client(address), _TOO_MANY)

    def _client(self, address: str) -> str:
        """Return what stands for an address: all that are not told apart any more share one rate."""
        client = client_of(address)
        if len(self._windows) < MOST_ADDRESSES or self._windows.count(self._refused, client):
            return client
        return "others"

    def session(self, account: str) -> None:
        """Count a session before it is made. Raises ``TooManyAttempts`` beyond the rate of the account."""
        self._count(SESSIONS_OF_ACCOUNT, account, "Too many sessions were made with your credentials.")

    @asynccontextmanager
    async def password(self, address: str, handle: str) -> AsyncIterator[None]:
        """Bound the check of a password, which costs more than any other attempt, or of a passkey's answer.

        It counts before it is checked, so that requests at once do not pass the bound together; what was not wrong is
        given back. Raises ``TooManyAttempts`` after too many wrong ones for the handle, whether or not there is such a
        user, or refused credentials of the address, which alone bounds attempts where too many are told apart.
        """
        client, of = self._client(address), _account(address, handle)
        if not self._windows.test(self._refused, client):
            self._refuse(self._refused, client, _TOO_MANY)
        is_counted = len(self._windows) < MOST_ADDRESSES * 2
        if not (self._windows.hit if is_counted else self._windows.test)(PASSWORDS, of):
            self._refuse(PASSWORDS, of, "There were too many wrong passwords or passkeys.")
        is_wrong = False
        try:
            yield
        except WorkspacesError as refused:
            is_wrong = refused.code in WRONG
            raise
        finally:
            if is_counted and not is_wrong:
                self._windows.give_back(PASSWORDS, of)

    def device(self, address: str) -> None:
        """Count a program that begins to be signed in. Raises ``TooManyAttempts`` beyond the rate of the address."""
        self._count(DEVICES, f"device {client_of(address)}", "Too many programs asked to be signed in.")

    def guest(self, address: str) -> None:
        """Count a guest before they are let in. Raises ``TooManyAttempts`` beyond the rate of the address."""
        self._count(GUESTS, f"guest {client_of(address)}", "Too many guests came from your network.")

    def provisioning(self, account: str) -> None:
        """Count a request of SCIM. Raises ``TooManyAttempts`` beyond the rate of the account."""
        self._count(PROVISIONING, f"scim {account}", "Your credentials were used for too many requests of SCIM.")

    def passkey(self, address: str) -> None:
        """Count a challenge before it is made. Raises ``TooManyAttempts`` beyond the rate of the address."""
        self._count(PASSKEYS, f"passkey {client_of(address)}", "Too many passkeys were asked for.")

    def provider(self, address: str) -> None:
        """Count a sign-in that begins. Raises ``TooManyAttempts`` beyond the rate of the address."""
        self._count(SIGN_INS, f"provider {client_of(address)}", "Too many sign-ins were begun.")

    def _count(self, rate: Rate, of: str, fact: str) -> None:
        if not self._windows.hit(rate, of):
            self._refuse(rate, of, fact)

    def _refuse(self, rate: Rate, of: str, fact: str) -> None:
        seconds = max(1, math.ceil(self._windows.seconds_left(rate, of)))
        raise TooManyAttempts(f"{fact} Try again in {seconds} s.", retry_after=seconds)


class Attempt(StrEnum):
    """A kind of attempt; audit entries carry its value as their action."""

    TOKEN = "authenticate"  # noqa: S105 - an action
    """A token, session or ticket that is not valid."""
    CODE = "login"
    """A login code that is not valid."""
    PASSWORD = "sign-in"  # noqa: S105
    """A wrong password, or an unknown handle."""
    PASSKEY = "sign-in-passkey"
    """A passkey's answer that does not hold, or an unknown passkey."""
    PROVIDER = "sign-in-openid"
    """An answer or a logout token of an OpenID provider that is not valid, or a person who may not come in."""


class Refusals:
    """Counts refused credentials for the audit log, and slows down addresses that send many."""

    def __init__(self, rates: Rates, audit: CountedAudit) -> None:
        self._rates = rates
        self._audit = audit

    async def count(self, attempt: Attempt, scope: Scope) -> None:
        """Count one. Raises ``TooManyAttempts`` beyond the rate of the address."""
        address = address_of(scope)
        scope["state"]["is_counted"] = True
        kind = Kind(attempt, REFUSED, address=client_of(address))
        self._audit.note(kind, scope["state"]["request_id"])
        self._rates.refused(address)


def _account(address: str, handle: str) -> str:
    """Return what stands for one account tried from one client."""
    return f"{client_of(address)} {hashlib.sha256(handle.encode(errors='surrogatepass')).hexdigest()}"


def address_of(scope: Scope) -> str:
    """Return the address of a request's client."""
    return str((scope.get("client") or ("unknown", 0))[0])


def client_of(address: str) -> str:
    """Return what stands for one client: an IPv4 address, or the network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _NETWORK_BITS), strict=False))
    return str(parsed)
