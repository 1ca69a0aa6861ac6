"""Answers that carry files: streams that end when the reader leaves, ranges, conditions, safe headers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from email.utils import formatdate, parsedate_to_datetime

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from nixos_workspaces.files import Download
from nixos_workspaces.model.paths import encoded, shown

SAFE_HEADERS = {
    # What a workspace holds is never a page of ours: it is saved, not shown, and if shown all the same, powerless.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-cache",
}
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_TAG = re.compile(r'(W/)?"([^"]*)"')


class FileStream(Response):
    """An answer of any length, which closes its source when it ends, however it ends.

    An error of the source ends the connection before the announced length: the reader sees that something is missing.
    """

    def __init__(
        self, blocks: AsyncIterator[bytes], close: AsyncExitStack, headers: Mapping[str, str], status_code: int = 200
    ) -> None:
        self.status_code = status_code
        self.background = None
        self.init_headers(headers)
        self._blocks = blocks
        self._close = close

    @override
    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        # Starlette's own adds a length of nothing.
        self.raw_headers = [
            (key.lower().encode("ascii"), value.encode("ascii")) for key, value in (headers or {}).items()
        ]

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_disconnected(receive))
        try:
            async with self._close:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async for block in self._blocks:
                    if gone.done():
                        return
                    await send({"type": "http.response.body", "body": block, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()


async def _disconnected(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def disposition(name: bytes) -> str:
    """Return a Content-Disposition (RFC 6266) that saves under ``name``, as one line for every name."""
    readable = shown(name)
    fallback = "".join(
        letter if letter.isascii() and letter.isprintable() and letter not in '"\\%;/' else "_" for letter in readable
    )
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{encoded(readable.encode()).replace('/', '%2F')}"


def file_headers(download: Download) -> dict[str, str]:
    """Return the headers of a file's answer, without its length."""
    return {
        **SAFE_HEADERS,
        "Content-Type": "application/octet-stream",
        "Content-Disposition": disposition(download.entry.name),
        "Accept-Ranges": "bytes",
        "ETag": download.etag if download.strong else f"W/{download.etag}",
        "Last-Modified": formatdate(download.entry.modified, usegmt=True),
    }


def not_modified(headers: Headers, download: Download) -> bool:
    """Whether the client has this version already (RFC 9110, 13.2.2)."""
    given = headers.get("if-none-match")
    if given is not None:
        # The weak comparison: both kinds of tags stand for the same bytes as far as a cache cares.
        return given.strip() == "*" or download.etag in [f'"{tag}"' for _, tag in _TAG.findall(given)]
    return not _newer(headers.get("if-modified-since"), download)


def is_another_version(headers: Headers, download: Download) -> bool:
    """Whether the client wants another version than this one, or none that was changed since (RFC 9110, 13.2.2)."""
    given = headers.get("if-match")
    if given is not None:
        return given.strip() != "*" and not (download.strong and download.etag in (tags(given) or ()))
    since = _time(headers.get("if-unmodified-since"))
    return since is not None and download.entry.modified > since


def _newer(since: str | None, download: Download) -> bool:
    """Whether the file was changed after an HTTP date; also when there is none, or it cannot be read."""
    told = _time(since)
    return told is None or not download.strong or download.entry.modified > told


def _time(date: str | None) -> float | None:
    """Return the time of an HTTP date; None where there is none, or it cannot be read."""
    if date is None:
        return None
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def wanted_range(headers: Headers, download: Download) -> tuple[int, int] | None:
    """Return the one range that is asked for as start and end; None for the whole file.

    Several ranges, other units and what cannot be read are ignored, as RFC 9110 allows. A range that lies outside is
    returned as it is: ``start >= size``.
    """
    match = _RANGE.fullmatch(headers.get("range", "").replace(" ", ""))
    size = download.entry.size
    if match is None or match.groups() == ("", "") or not _range_is_of_this_version(headers, download):
        return None
    first, last = match.groups()
    if not first:
        count = min(int(last), size)
        return (size - count, size) if count else (size, size)
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return None
    return start, end


def _range_is_of_this_version(headers: Headers, download: Download) -> bool:
    condition = headers.get("if-range")
    return condition is None or (download.strong and condition.strip() == download.etag)


def tags(text: str) -> tuple[str, ...] | None:
    """Return the strong entity tags of an If-Match header, ``*`` as it is; None if it cannot be read."""
    if text.strip() == "*":
        return ("*",)
    found = []
    for part in text.split(","):
        match = _TAG.fullmatch(part.strip())
        if match is None:
            return None
        if not match[1]:
            found.append(f'"{match[2]}"')
    return tuple(found)
