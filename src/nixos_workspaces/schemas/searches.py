"""Wire types of searches in the files of a workspace: the lines of their answers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from nixos_workspaces.model.paths import encoded, shown
from nixos_workspaces.model.searches import Match, SearchEnd


class FoundLine(BaseModel):
    """A line that holds the text; for names only the path."""

    path: str
    """Percent-encoded, as everywhere."""
    line: int | None = None
    """Counted from 1."""
    text: str | None = None
    """The line, of a long one its beginning; bytes that are not UTF-8 are shown as U+FFFD."""

    @staticmethod
    def of(one: Match) -> dict[str, Any]:
        """Return the wire form; plain, for there are tens of thousands."""
        path = encoded(one.path)
        return {"path": path, "line": one.line, "text": shown(one.text)} if one.line else {"path": path}


class SearchEndLine(BaseModel):
    """The last line of a search, the only one without a path: how it ended."""

    tool: Literal["ripgrep", "grep", "find"]
    count: int
    complete: bool
    """False when a bound ended it: there may be more."""
    bound: Literal["limit", "time"] | None

    @staticmethod
    def of(one: SearchEnd) -> dict[str, Any]:
        """Return the wire form."""
        return {"tool": one.tool, "count": one.count, "complete": one.bound is None, "bound": one.bound}
