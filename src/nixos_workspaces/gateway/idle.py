"""An end for tunnels that carry nothing any more: their computers are gone, and nothing said so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

_LOOKS = 12
"""Times that a tunnel is looked at within its limit: so exact is the end."""


class Carrier(Protocol):
    """A tunnel that notes when a byte has passed it, either way."""

    has_moved: bool


@contextmanager
def ended_when_idle(carrier: Carrier, seconds: float, end: Callable[[], None]) -> Iterator[None]:
    """Call ``end`` once nothing has passed for so long, or a twelfth longer, while the block runs."""
    loop = asyncio.get_running_loop()
    quiet = 0
    timer: asyncio.TimerHandle

    def look() -> None:
        nonlocal quiet, timer
        quiet = 0 if carrier.has_moved else quiet + 1
        carrier.has_moved = False
        if quiet < _LOOKS:
            timer = loop.call_later(seconds / _LOOKS, look)
        else:
            end()

    timer = loop.call_later(seconds / _LOOKS, look)
    try:
        yield
    finally:
        timer.cancel()
