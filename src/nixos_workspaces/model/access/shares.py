"""Shares: a workspace, one of its terminals or one of its ports, shown to somebody else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MOST_SHARES = 100
"""Shares of one workspace, with the users who came by its links."""
MOST_GUESTS = 100
"""Guests of one workspace, who take no place of its shares."""
_PORT = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
PART_PATTERN = f"^(terminal:[A-Za-z0-9_-]{{1,64}}|port:({_PORT}))?$"
_PART = re.compile(PART_PATTERN.removeprefix("^").removesuffix("$"))


class Access(StrEnum):
    """How much of what is shared may be done."""

    VIEWER = "viewer"
    EDITOR = "editor"


class Recipient(StrEnum):
    """The kind of those to whom something is shared."""

    USER = "user"
    GROUP = "group"
    LINK = "link"
    """Anybody who has its secret; each one who comes gets a share of their own, as a user or as a guest."""
    GUEST = "guest"
    """Came by a link and has no account."""


class ShareState(StrEnum):
    """Whether a share is in force."""

    ACTIVE = "active"
    WAITING = "waiting"
    """They have knocked, and the owner has not answered."""


class Relation(StrEnum):
    """The relation of a person to a workspace; the stronger ones come first."""

    OWNER = "owner"
    EDITOR = "editor"
    """It is shared with them, to work in it."""
    READER = "reader"
    """It is shared with them, to look at it and to read its files."""
    VIEWER = "viewer"
    """It is shared with them, to look at it."""
    TYPIST = "typist"
    """One terminal is shared with them, to type in it."""
    WATCHER = "watcher"
    """One terminal is shared with them, to look at it."""
    VISITOR = "visitor"
    """One port is shared with them."""
    NONE = "none"


class PartKind(StrEnum):
    """The kinds of parts that are shared on their own."""

    TERMINAL = "terminal"
    PORT = "port"


@dataclass(frozen=True, slots=True)
class Part:
    """One terminal or one port of a workspace."""

    kind: PartKind
    id: str
    """The terminal's id, or the port's number."""

    @property
    def text(self) -> str:
        """The part as one word, such as ``terminal:t-1`` or ``port:3000``."""
        return f"{self.kind.value}:{self.id}"


def terminal_part(terminal_id: str) -> Part:
    """Return a terminal as a part."""
    return Part(PartKind.TERMINAL, terminal_id)


def port_part(port: int) -> Part:
    """Return a port as a part."""
    return Part(PartKind.PORT, str(port))


def read_part(text: str) -> Part | None:
    """Return the part that ``Part.text`` says; None for the empty text, which is the whole workspace.

    Raises ``ValueError`` for anything else.
    """
    if not text:
        return None
    if not _PART.fullmatch(text):
        raise ValueError(text)
    kind, _, name = text.partition(":")
    return Part(PartKind(kind), name)


@dataclass(frozen=True, slots=True)
class Grant:
    """The part of a share that decides: one recipient, and what they may do. Read along with the workspace."""

    recipient: Recipient
    subject: str
    """Id of the user, group or guest."""
    access: Access
    part: Part | None = None
    """None: the whole workspace."""
    files: bool = False
    """A viewer may read files, too."""
    share_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One share of a workspace."""

    id: str
    workspace_id: str
    recipient: Recipient
    subject: str
    """Id of the user, group or guest; empty for a link."""
    name: str
    """The recipient's name when it was made, for people; empty for a link."""
    access: Access
    part: Part | None
    files: bool
    state: ShareState
    knock: bool
    """Of a link: the owner is asked about each one who comes."""
    via: str
    """Id of the link that they came by; empty otherwise. It ends with that one."""
    created_at: datetime
    created_by: str
    """Id of the principal."""
    expires_at: datetime | None
    """None: never."""
