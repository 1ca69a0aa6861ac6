"""Files of a workspace: entries, listings, and outcomes of writes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nixos_workspaces.errors import WorkspacesError


class Kind(StrEnum):
    """The kind of an entry."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"
    """A pipe, socket or device: it can be listed, renamed and deleted, never read or written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a file system, by its name in a directory or by its path."""

    path: bytes
    """Absolute."""
    kind: Kind
    size: int
    """Bytes."""
    mode: int
    """Permission bits with set-user-id, set-group-id and sticky, without the type."""
    modified: int
    """Unix time in whole seconds: SFTP does not tell more."""
    uid: int
    gid: int
    owner: str = ""
    """The owner's name, where a listing told it; empty otherwise."""
    link_target: bytes | None = None
    """A link's target; None for other kinds, and where it was not asked for."""

    @property
    def name(self) -> bytes:
        """The last part of the path; ``/`` for the root."""
        return self.path.rpartition(b"/")[2] or b"/"


@dataclass(frozen=True, slots=True)
class FilePage:
    """A part of a listing."""

    path: bytes
    entries: tuple[Entry, ...]
    next_cursor: str | None
    """None on the last page."""
    total: int
    """Names in the directory, without hidden ones where those are not wanted."""


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search."""

    entries: tuple[Entry, ...]
    complete: bool
    """False when a bound ended the search: there may be more."""


class Loss(StrEnum):
    """A property that a file loses when another takes its place."""

    OWNER = "owner"
    GROUP = "group"
    LINKS = "links"
    """Its other names, which keep the old content."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written."""

    entry: Entry
    etag: str
    created: bool
    """Whether nothing was there before."""
    lost: tuple[Loss, ...] = ()
    """The properties that could not be kept; told only where keeping them was asked for."""


@dataclass(slots=True)
class Outcome:
    """The outcome of one file of a batch."""

    name: bytes
    """As it was given."""
    path: bytes = b""
    """Where it is; empty where the name could not be used."""
    size: int = 0
    created: bool = False
    """Whether nothing was there before."""
    error: WorkspacesError | None = None
    """Why it was not written; None when it was."""
