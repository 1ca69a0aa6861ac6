"""End everything that is open under a credential which is revoked or expires: within a second, also by another process.

One task looks up all credentials in use, in one query, while any is in use; a revocation of this process wakes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Protocol

from nixos_workspaces.errors import Unauthenticated, WorkspacesError

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
"""How often another process's revocations are looked for."""

End = Callable[[WorkspacesError], None]
"""Ends one open thing, for the reason given; neither waits nor raises."""


class Credentials(Protocol):
    """The credentials as the watch needs them; ``auth.tokens.Tokens`` is one."""

    @property
    def revoked(self) -> asyncio.Event:
        """Set by each revocation of this process."""

    async def invalid(self, credentials: Collection[str]) -> frozenset[str]:
        """Return those of some credentials that are not valid any more."""


class CredentialWatch:
    """Knows what is open under which credential. Call it from the event loop's thread only."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._open: dict[str, list[End]] = {}
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def entered(self, credential: str, end: End) -> Iterator[None]:
        """Have ``end`` called, once or more, if the credential becomes invalid while the block runs."""
        ends = self._open.setdefault(credential, [])
        ends.append(end)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            ends.remove(end)
            if not ends:
                del self._open[credential]

    async def _look(self) -> None:
        """Look until nothing is open any more."""
        try:
            while self._open:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._credentials.revoked.wait()
                self._credentials.revoked.clear()
                await self._end_the_invalid()
        finally:
            self._looking = None

    async def _end_the_invalid(self) -> None:
        try:
            invalid = await self._credentials.invalid([*self._open])
        except WorkspacesError:
            return  # a database that cannot be read ends nobody's work; the next look may succeed
        for credential in invalid:
            for end in [*self._open.get(credential, [])]:
                try:
                    end(Unauthenticated("The credential that this was opened with was revoked or has expired."))
                except Exception:
                    # The others must end all the same.
                    log.exception("something that was open under a revoked credential cannot be ended")
