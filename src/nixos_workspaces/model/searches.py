"""Searching the files of a workspace: what is asked for, found and told at the end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Tool(StrEnum):
    """A program inside the workspace that does the searching."""

    RIPGREP = "ripgrep"
    GREP = "grep"
    FIND = "find"


class Bound(StrEnum):
    """A bound that ended a search before everything was looked at."""

    LIMIT = "limit"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Match:
    """A line of a file, or, without a line, the file itself."""

    path: bytes
    line: int = 0
    """Counted from 1; 0 where names are looked for."""
    text: bytes = b""
    """The line, or the beginning of a long one."""


@dataclass(frozen=True, slots=True)
class SearchEnd:
    """The last word of a search."""

    tool: Tool
    count: int
    bound: Bound | None
    """None where everything was looked at."""


@dataclass(frozen=True, slots=True)
class TextQuery:
    """A text that lines are to hold, taken as it is."""

    text: str
    limit: int
    case: bool = False
    """Whether upper and lower case are told apart."""
    hidden: bool = False
    """Whether names that begin with a dot are looked at."""


@dataclass(frozen=True, slots=True)
class NamesQuery:
    """All files below a directory."""

    limit: int
    hidden: bool = False
