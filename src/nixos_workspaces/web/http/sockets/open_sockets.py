"""The open sockets of all principals: their number for each, and their end with their credentials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from nixos_workspaces.auth.policy import Principal
from nixos_workspaces.errors import LimitExceeded
from nixos_workspaces.web.http.access.watch import CredentialWatch, End


class OpenSockets:
    """Counts sockets of one kind and ends those with an invalid credential. For the event loop's thread only."""

    def __init__(self, watch: CredentialWatch, noun: str, most_of_one: int) -> None:
        """Allow ``most_of_one`` sockets for each principal; ``noun`` names several of them."""
        self._watch = watch
        self._noun = noun
        self.most_of_one = most_of_one
        self._counts: Counter[str] = Counter()

    def of(self, principal: Principal) -> int:
        """Return how many a principal has open."""
        return self._counts[principal.id]

    @contextmanager
    def entered(self, principal: Principal, credential: str, end: End) -> Iterator[None]:
        """Count a socket while the block runs; ``end`` is called once its credential is no longer valid.

        Raises ``LimitExceeded`` when the principal has too many.
        """
        if self._counts[principal.id] >= self.most_of_one:
            raise LimitExceeded(f"You have {self.most_of_one} {self._noun} open in browsers and programs; close some.")
        self._counts[principal.id] += 1
        try:
            with self._watch.entered(credential, end):
                yield
        finally:
            self._counts[principal.id] -= 1
            if not self._counts[principal.id]:
                del self._counts[principal.id]
