"""Endless answers that end when the service does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

import orjson
from starlette.requests import Request

from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.web.http.access.open_request import OpenRequest

T = TypeVar("T")


async def until_stopped(
    source: AsyncIterator[T], *ends: asyncio.Event, on_listening: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[T]:
    """Yield the items of ``source`` until it ends or one of ``ends`` is set; the source is closed in any case.

    ``on_listening`` is awaited once the source has been asked for its first item: nothing is missed from then on.
    """
    ended = [asyncio.create_task(one.wait()) for one in ends]
    following: asyncio.Task[list[T]] | None = None
    try:
        while not any(one.is_set() for one in ends):
            following = asyncio.create_task(_next(source))
            if on_listening is not None:
                await asyncio.sleep(0)
                await on_listening()
                on_listening = None
            await asyncio.wait({following, *ended}, return_when=asyncio.FIRST_COMPLETED)
            if not following.done() or not (item := following.result()):
                return
            yield item[0]
    finally:
        for one in ended:
            one.cancel()
        if following is not None and not following.done():
            following.cancel()
            await asyncio.wait({following})
        if isinstance(source, AsyncGenerator):
            await source.aclose()


async def ndjson(
    request: Request, source: AsyncIterator[T], lines_of: Callable[[T], Iterable[Mapping[str, Any]]]
) -> AsyncIterator[bytes]:
    """Yield what ``source`` tells as JSON, one object a line, until it, the service or the right to it ends.

    An error is the last line: ``{"error": {"code", "message"}}``. Times are written as the API writes them, in UTC.
    """
    opened: OpenRequest = request.state.request
    try:
        async for item in until_stopped(source, request.app.state.stopping, opened.ended):
            yield b"".join(map(_line, lines_of(item)))
        if opened.error is not None:
            raise opened.error
    except WorkspacesError as error:
        yield _line({"error": {"code": error.code, "message": error.message}})


def _line(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)


async def _next(source: AsyncIterator[T]) -> list[T]:
    """Return the next item alone in a list; an empty list at the end (a task cannot end with StopAsyncIteration)."""
    try:
        return [await anext(source)]
    except StopAsyncIteration:
        return []
