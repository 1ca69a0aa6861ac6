"""The open sockets of all principals: their number for each, and whether their credentials are still valid."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from nixos_workspaces.auth.policy import Principal
from nixos_workspaces.errors import LimitExceeded, Unauthenticated, WorkspacesError

MOST_OF_ONE = 512
"""Terminal sockets of one principal."""
RECHECK_SECONDS = 5.0
"""How long a revoked credential's socket may live on."""

End = Callable[[WorkspacesError], None]


@dataclass(slots=True, eq=False)
class _Group:
    """The sockets of one credential."""

    ends: list[End] = field(default_factory=list)
    checking: asyncio.Task[None] | None = None


class OpenSockets:
    """Counts sockets and ends those with an invalid credential. Call it from the event loop's thread only."""

    def __init__(self, verify: Callable[[str], Awaitable[Principal]]) -> None:
        self._verify = verify
        self._counts: Counter[str] = Counter()
        self._groups: dict[str, _Group] = {}

    @contextmanager
    def entered(self, principal: Principal, credential: str, end: End) -> Iterator[None]:
        """Count a socket while the block runs; ``end`` is called once its credential is no longer valid.

        Raises ``LimitExceeded`` when the principal has too many.
        """
        if self._counts[principal.id] >= MOST_OF_ONE:
            raise LimitExceeded(f"You have {MOST_OF_ONE} terminals open in browsers and programs; close some.")
        self._counts[principal.id] += 1
        group = self._groups.setdefault(credential, _Group())
        group.ends.append(end)
        if group.checking is None:
            group.checking = asyncio.create_task(self._check(credential, group))
        try:
            yield
        finally:
            self._counts[principal.id] -= 1
            if not self._counts[principal.id]:
                del self._counts[principal.id]
            group.ends.remove(end)
            if not group.ends:
                group.checking.cancel()
                self._groups.pop(credential, None)

    async def _check(self, credential: str, group: _Group) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            try:
                await self._verify(credential)
            except Unauthenticated as invalid:
                for end in [*group.ends]:
                    end(invalid)
            except WorkspacesError:
                continue
