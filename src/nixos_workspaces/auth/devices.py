"""Signing in a program that has no browser: the device flow of RFC 8628, against this service itself.

The program shows a short code; its user confirms it in a browser that is signed in; the program gets a token. What is
under way lives in memory only: who has no credential writes nothing, and a restart makes a program begin again.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum

from nixos_workspaces.auth.own_tokens import OwnTokens
from nixos_workspaces.auth.people.rules import WantedToken, bounds_of
from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.auth.tokens import Token, digest_of
from nixos_workspaces.errors import InvalidInput, LimitExceeded, NotFound

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Of user codes: no vowels, so that no words come about (RFC 8628, section 6.1)."""
CODE_LENGTH = 8
LIFETIME_SECONDS = 600.0
INTERVAL_SECONDS = 2.0
"""The least time between two questions of a program."""
MOST_LOGINS = 1000


class Answer(Enum):
    """The answer of the user."""

    NONE = "none"
    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """One program that waits for its token."""

    user_code: str
    address: str
    wanted: WantedToken
    expires: float
    answer: Answer = Answer.NONE
    principal: Principal | None = None
    """The user who has confirmed it."""
    credential: str = field(default="", repr=False)
    """The one that it was confirmed with."""
    asked_at: float = float("-inf")


class DeviceLogins:
    """The programs that wait. Call it from the event loop's thread only."""

    def __init__(self, tokens: OwnTokens, clock: Callable[[], float] = time.monotonic) -> None:
        """Make tokens with ``tokens``."""
        self._tokens = tokens
        self._clock = clock
        self._logins: dict[str, DeviceLogin] = {}
        """By the digests of their device codes."""

    def begin(self, wanted: WantedToken, address: str) -> tuple[str, DeviceLogin]:
        """Return a device code, which is the program's secret, and what its user is to confirm.

        Raises ``LimitExceeded`` when too many wait.
        """
        now = self._clock()
        self._logins = {code: one for code, one in self._logins.items() if one.expires > now}
        if len(self._logins) >= MOST_LOGINS:
            raise LimitExceeded("Too many programs wait to be signed in. Try again in some minutes.")
        device_code = secrets.token_urlsafe(32)
        user_code = "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))
        login = DeviceLogin(user_code, address, wanted, now + LIFETIME_SECONDS)
        self._logins[digest_of(device_code)] = login
        return device_code, login

    def look(self, user_code: str, *, principal: Principal) -> DeviceLogin:
        """Return the program that shows a code; ``NotFound`` with code ``device_code_unknown``."""
        authorise(principal, Action.MANAGE_CREDENTIALS)
        return self._logins[self._find(user_code)]

    def answer(self, user_code: str, answer: Answer, *, principal: Principal, credential: str) -> None:
        """Confirm or refuse a program, once. Raises ``Forbidden`` for a token that ``principal`` may not make."""
        authorise(principal, Action.MANAGE_CREDENTIALS)
        code = self._find(user_code)
        if answer is Answer.YES:
            bounds_of(principal, self._logins[code].wanted)
        self._logins[code] = replace(self._logins[code], answer=answer, principal=principal, credential=credential)

    async def claim(self, device_code: str) -> tuple[str, Token]:
        """Return the token's secret with its record, once.

        Raises ``InvalidInput`` with the codes of RFC 8628, section 3.5: ``authorization_pending``, ``slow_down``,
        ``access_denied``, ``expired_token``.
        """
        code, now = digest_of(device_code), self._clock()
        login = self._logins.get(code)
        if login is None or login.expires <= now:
            raise InvalidInput("The code was used, or is too old: begin again.", code="expired_token")
        if now - login.asked_at < INTERVAL_SECONDS:
            raise InvalidInput(f"Ask every {INTERVAL_SECONDS:g} seconds, not more often.", code="slow_down")
        match login.answer:
            case Answer.NONE:
                self._logins[code] = replace(login, asked_at=now)
                raise InvalidInput("The code is not confirmed yet: ask again.", code="authorization_pending")
            case Answer.NO:
                del self._logins[code]
                raise InvalidInput("The sign-in was refused in the browser.", code="access_denied")
            case Answer.YES:
                del self._logins[code]
                assert login.principal is not None
                return await self._tokens.make(login.wanted, principal=login.principal, credential=login.credential)

    def _find(self, user_code: str) -> str:
        """Return the digest under which the program with a user code waits for its answer."""
        plain = "".join(letter for letter in user_code.upper() if letter in LETTERS)
        now = self._clock()
        for code, login in self._logins.items():
            waits = login.answer is Answer.NONE and login.expires > now
            if waits and secrets.compare_digest(login.user_code, plain):
                return code
        raise NotFound(
            "No program waits with this code: look at it again, or begin again.",
            code="device_code_unknown",
            field="user_code",
        )
