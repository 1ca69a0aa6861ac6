"""Passwords: which are taken, their hashes, and a check that takes as long for handles that there are not.

Hashes are argon2id (RFC 9106) with the library's parameters. They are made in threads, two at a time.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Protocol

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from nixos_workspaces.errors import InvalidInput, Unavailable

SHORTEST, LONGEST = 12, 256
"""Characters of a password."""
_LEAST_DIFFERENT = 5
_SHORTEST_STEM = 8
AT_ONCE = 2
MOST_WAITING = 32
"""Checks that wait for their turn; more are refused: each takes 64 MiB and a tenth of a second."""


class Hasher(Protocol):
    """The operations on hashes; ``argon2.PasswordHasher`` is one."""

    def hash(self, password: str) -> str:
        """Return the encoded hash of a password."""

    def verify(self, hash: str, password: str) -> bool:  # noqa: A002  the library's name
        """Return True, or raise ``VerificationError``."""


class Passwords:
    """Makes and checks hashes."""

    def __init__(self, hasher: Hasher | None = None, decoy: str = "") -> None:
        """Use ``hasher``; ``decoy`` is a hash of the same cost that no password has."""
        self._hasher = PasswordHasher() if hasher is None else hasher
        self._decoy = decoy or _decoy()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Return the hash of a password that ``check_password`` takes."""
        return str(await self._in_turn(self._hasher.hash, normal(password)))

    async def matches(self, hashed: str, password: str) -> bool:
        """Tell whether a password has that hash; takes as long where ``hashed`` is empty, and is False then."""
        return bool(await self._in_turn(self._verify, hashed, normal(password)))

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed or self._decoy, password) and bool(hashed)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_turn(self, work: object, *arguments: str) -> object:
        if self._waiting >= MOST_WAITING:
            raise Unavailable("Too many people sign in just now. Try again in a moment.", code="sign_in_busy")
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work, *arguments)  # type: ignore[arg-type]
        finally:
            self._waiting -= 1


def _decoy() -> str:
    """Return a hash with the parameters of ours and random content, without the cost of making one."""
    of = PasswordHasher()
    salt, digest = (base64.b64encode(secrets.token_bytes(size)).rstrip(b"=") for size in (of.salt_len, of.hash_len))
    cost = f"m={of.memory_cost},t={of.time_cost},p={of.parallelism}"
    return f"$argon2id$v=19${cost}${salt.decode()}${digest.decode()}"


def normal(password: str) -> str:
    """Return a password as it is hashed: the same letters, however a keyboard composes them (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, handle: str) -> None:
    """Raise ``InvalidInput`` for a password that is too short, too long or too easily guessed.

    Length decides, and a list: no kinds of letters are asked for.
    """
    text = normal(password).lower()
    if not SHORTEST <= len(text) <= LONGEST:
        raise InvalidInput(
            f"A password has {SHORTEST} to {LONGEST} characters; several words are good.",
            code="password_length",
            field="password",
        )
    if len(set(text)) < _LEAST_DIFFERENT or is_common(text) or (len(handle) >= 4 and handle in text):  # noqa: PLR2004
        raise InvalidInput(
            "This password is among the first that are tried: it is common, made of few letters, or has your name "
            "in it. Choose another.",
            code="password_common",
            field="password",
        )


def is_common(text: str) -> bool:
    """Tell whether a password in small letters is in the list, also with more digits and signs around it."""
    known = common_passwords()
    stem = text.strip("".join(letter for letter in set(text) if not letter.isalpha()))
    return text in known or (len(stem) >= _SHORTEST_STEM and stem in known)


@cache
def common_passwords() -> frozenset[str]:
    """Return the bundled list of common passwords, in small letters."""
    content = files("nixos_workspaces.auth.people").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line for line in content.splitlines() if line and not line.startswith("# "))
