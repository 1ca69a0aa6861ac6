"""Listings in pages: order, cursor, hidden names."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.files import Entry, FilePage, Kind

MAX_PAGE = 1000


class Order(StrEnum):
    """Orders of a listing; directories come first in each, a leading minus turns the rest round."""

    NAME = "name"
    NAME_DOWN = "-name"
    SIZE = "size"
    SIZE_DOWN = "-size"
    MODIFIED = "modified"
    MODIFIED_DOWN = "-modified"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The wanted part of a listing."""

    limit: int = 200
    """1 to ``MAX_PAGE``."""
    cursor: str | None = None
    """``Page.next_cursor`` of the page before, for the same order."""
    order: Order = Order.NAME
    hidden: bool = False
    """Whether names that begin with a dot are listed."""


class Snapshots:
    """Listings that are being paged through: a large directory is read once, not again for each page of it."""

    SECONDS = 5.0
    MOST_NAMES = 100_000

    def __init__(self) -> None:
        self._kept: dict[tuple[str, bytes], tuple[float, list[Entry]]] = {}

    def take(self, workspace_id: str, path: bytes) -> list[Entry] | None:
        """Return a listing that is a few seconds old; None if there is none."""
        kept = self._kept.get((workspace_id, path))
        return kept[1] if kept is not None and kept[0] + self.SECONDS > time.monotonic() else None

    def keep(self, workspace_id: str, path: bytes, found: list[Entry]) -> None:
        """Keep a listing for the pages that follow; the oldest make room, and go when their time is over."""
        self._kept.pop((workspace_id, path), None)
        self._kept[workspace_id, path] = (time.monotonic(), found)
        while len(self._kept) > 1 and sum(len(one) for _, one in self._kept.values()) > self.MOST_NAMES:
            del self._kept[next(iter(self._kept))]
        asyncio.get_running_loop().call_later(self.SECONDS, self._drop_old)

    def _drop_old(self) -> None:
        limit = time.monotonic() - self.SECONDS + 0.01
        self._kept = {key: kept for key, kept in self._kept.items() if kept[0] > limit}


def page(path: bytes, found: list[Entry], wanted: Wanted) -> FilePage:
    """Return the wanted part.

    The cursor tells the last name and its place in the order, not a number: names that come and go between two pages
    make no other name appear twice or not at all.
    """
    if not 1 <= wanted.limit <= MAX_PAGE:
        raise InvalidInput(f"limit has to be 1 to {MAX_PAGE}.", field="limit")
    shown = found if wanted.hidden else [one for one in found if not one.name.startswith(b".")]
    down = wanted.order.startswith("-")
    figure = _FIGURES[wanted.order.removeprefix("-")]

    def place(one: Entry) -> tuple[bool, int, bytes]:
        files = one.kind is not Kind.DIRECTORY
        return (files is not down, figure(one), one.name)

    ordered = sorted(shown, key=place, reverse=down)
    if wanted.cursor is not None:
        last = _read_cursor(wanted.cursor)
        ordered = [one for one in ordered if (place(one) < last if down else place(one) > last)]
    part = ordered[: wanted.limit]
    following = _cursor(place(part[-1])) if len(ordered) > len(part) else None
    return FilePage(path, tuple(part), following, len(shown))


_FIGURES: dict[str, Callable[[Entry], int]] = {
    "name": lambda _one: 0,
    "size": lambda one: one.size,
    "modified": lambda one: one.modified,
}


def _cursor(place: tuple[bool, int, bytes]) -> str:
    group, figure, name = place
    return base64.urlsafe_b64encode(b"%d:%d:%s" % (group, figure, name)).decode("ascii").rstrip("=")


def _read_cursor(text: str) -> tuple[bool, int, bytes]:
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        group, figure, name = raw.split(b":", 2)
        return (bool(int(group)), int(figure), name)
    except (ValueError, binascii.Error) as wrong:
        raise InvalidInput("This cursor is not one of ours; list from the start.", field="cursor") from wrong
