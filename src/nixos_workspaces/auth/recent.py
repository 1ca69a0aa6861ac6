"""Tokens that were valid a moment ago, so that not every request looks into the database."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

KNOWN_FOR = timedelta(seconds=0.5)
"""How long a token that was valid counts as valid without being looked up again.

A token that this process revokes counts no more at once; one that another process revokes, after this time. What is
open under it ends within a second (``web.http.access.watch``), and may have been opened with a known token.
"""
_MOST_KNOWN = 4096


class Ending(Protocol):
    """A credential whose time may be over."""

    def has_ended(self, now: datetime) -> bool:
        """Tell whether its time is over."""


T = TypeVar("T", bound=Ending)


class RecentTokens(Generic[T]):
    """Valid tokens by the digests of their secrets. Everything that makes tokens invalid calls ``forget``."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: dict[str, tuple[T, datetime]] = {}
        self.changes = 0
        """How often ``forget`` was called: what was read before may say nothing after it."""
        self.changed = asyncio.Event()
        """Set by each ``forget``, for a watch that waits for one and clears it."""

    def get(self, digest: str, now: datetime) -> T | None:
        """Return the token if it was read a moment ago and has not expired since."""
        token, read_at = self._known.get(digest, (None, now))
        if token is None or not timedelta(0) <= now - read_at < KNOWN_FOR or token.has_ended(now):
            return None
        return token

    def put(self, digest: str, token: T, now: datetime, changes: int) -> None:
        """Know a token that was read when ``changes`` was the count."""
        if changes != self.changes:
            return
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[digest] = (token, now)

    def drop(self, digest: str) -> None:
        """Look one token up again."""
        self._known.pop(digest, None)

    def forget(self) -> None:
        """Look every token up again, those too that are being looked up now, and wake what watches open things."""
        self.changes += 1
        self._known.clear()
        self.changed.set()
