"""Challenges that authenticators sign: short-lived, for one use, one purpose, one browser.

A challenge carries its end and a seal over all that it is bound to, so that nothing is kept of one until it comes back:
who asks for many fills no memory. Those that came back are known until their time is over.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from nixos_workspaces.errors import Forbidden, Unavailable

LIFETIME_SECONDS = 300.0
MOST_USED = 100_000
_NONCE_BYTES = 16
_END = struct.Struct(">d")
_LENGTH = _NONCE_BYTES + _END.size + hashlib.sha256().digest_size


class Purpose(StrEnum):
    """The ceremony that a challenge is for."""

    REGISTER = "register"
    SIGN_IN = "sign-in"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class Binding:
    """The use that a challenge is good for."""

    purpose: Purpose
    browser: str
    """A secret that only the one browser has: of its session, or of a cookie for this."""
    user_id: str = ""


class Challenges:
    """The challenges of this process. Call it from the event loop's thread only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Seal them with a key of its own."""
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._used: dict[bytes, float] = {}

    def issue(self, binding: Binding) -> str:
        """Return a new challenge in base64url."""
        plain = secrets.token_bytes(_NONCE_BYTES) + _END.pack(self._clock() + LIFETIME_SECONDS)
        return text_of(plain + self._seal(plain, binding))

    def redeem(self, challenge: str, binding: Binding) -> bytes:
        """Use a challenge up, and return its bytes.

        Raises ``Forbidden`` with code ``passkey_expired`` for one that was used, is too old or bound to something else.
        """
        now = self._clock()
        try:
            given = bytes_of(challenge)
        except ValueError:
            given = b""
        plain, seal = given[: _NONCE_BYTES + _END.size], given[_NONCE_BYTES + _END.size :]
        if len(given) != _LENGTH or not hmac.compare_digest(seal, self._seal(plain, binding)):
            raise _expired()
        (end,) = _END.unpack(plain[_NONCE_BYTES:])
        if end <= now or plain in self._used:
            raise _expired()
        if len(self._used) >= MOST_USED:
            self._used = {one: until for one, until in self._used.items() if until > now}
        if len(self._used) >= MOST_USED:
            raise Unavailable("Too many people sign in just now. Try again in a moment.", code="sign_in_busy")
        self._used[plain] = end
        return given

    def _seal(self, plain: bytes, binding: Binding) -> bytes:
        bound = f"{binding.purpose}\0{binding.browser}\0{binding.user_id}".encode(errors="surrogatepass")
        return hmac.digest(self._key, plain + bound, "sha256")


def _expired() -> Forbidden:
    return Forbidden(
        "The passkey was asked for too long ago, from another browser, or was shown before. Try again.",
        code="passkey_expired",
    )


def text_of(content: bytes) -> str:
    """Return bytes in base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def bytes_of(text: str) -> bytes:
    """Return what base64url without padding stands for; ``ValueError`` for what it is not."""
    try:
        content = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as wrong:
        raise ValueError("this is not base64url") from wrong
    if text_of(content) != text:
        raise ValueError("this is not base64url")
    return content
