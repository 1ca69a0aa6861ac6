"""Endless answers that end when the service does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until_stopped(
    source: AsyncIterator[T], stopping: asyncio.Event, on_listening: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[T]:
    """Yield the items of ``source`` until it ends or ``stopping`` is set; the source is closed in any case.

    ``on_listening`` is awaited once the source has been asked for its first item: nothing is missed from then on.
    """
    stopped = asyncio.create_task(stopping.wait())
    following: asyncio.Task[list[T]] | None = None
    try:
        while not stopping.is_set():
            following = asyncio.create_task(_next(source))
            if on_listening is not None:
                await asyncio.sleep(0)
                await on_listening()
                on_listening = None
            await asyncio.wait({following, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not following.done() or not (item := following.result()):
                return
            yield item[0]
    finally:
        stopped.cancel()
        if following is not None and not following.done():
            following.cancel()
            await asyncio.wait({following})
        if isinstance(source, AsyncGenerator):
            await source.aclose()


async def _next(source: AsyncIterator[T]) -> list[T]:
    """Return the next item alone in a list; an empty list at the end (a task cannot end with StopAsyncIteration)."""
    try:
        return [await anext(source)]
    except StopAsyncIteration:
        return []
