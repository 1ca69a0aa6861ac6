"""In-process publish/subscribe of changes, which may be lost.

Delivery is best effort by design: a subscriber that falls behind by more than its buffer is told so once by a
``Lagged`` event and reads the database again. Nothing in the program depends on an event for correctness.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Event:
    """Something about a workspace changed; ``data`` is JSON-serialisable."""

    kind: str
    """``workspace.`` and ``status``, ``progress``, ``layout``, ``ports``, ``network``, ``repository``, ``shares`` or
    ``deleted``.

    Or ``lagged``.
    """
    workspace_id: str = ""
    data: Mapping[str, object] = field(default_factory=dict)


LAGGED = Event("lagged")


class Subscription:
    """An async iterator over the events published since it was made."""

    def __init__(self, capacity: int) -> None:
        """Hold at most ``capacity`` undelivered events."""
        self._queue: asyncio.Queue[Event] = asyncio.Queue(capacity + 1)
        self._capacity = capacity
        self._lagging = False

    def offer(self, event: Event) -> None:
        """Take an event, or note the gap once the buffer is full."""
        if self._queue.qsize() < self._capacity:
            self._lagging = False
            self._queue.put_nowait(event)
        elif not self._lagging:
            self._lagging = True
            self._queue.put_nowait(LAGGED)

    def __aiter__(self) -> AsyncIterator[Event]:
        """Iterate until the consumer stops."""
        return self

    async def __anext__(self) -> Event:
        """Wait for the next event."""
        return await self._queue.get()


class Events:
    """The bus of one control plane; call it from the event loop's thread only."""

    def __init__(self) -> None:
        """Start without subscribers."""
        self._subscriptions: set[Subscription] = set()

    def publish(self, event: Event) -> None:
        """Deliver ``event`` to every subscriber without waiting for any."""
        for subscription in self._subscriptions:
            subscription.offer(event)

    @contextmanager
    def subscribe(self, capacity: int = 1024) -> Iterator[Subscription]:
        """Yield a ``Subscription`` that ends with the block."""
        subscription = Subscription(capacity)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
