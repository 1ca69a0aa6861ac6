"""People who use the service, their groups, and how much each may have: the records and their rules."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

HANDLE_PATTERN = "^[a-z0-9][a-z0-9._-]{0,39}$"
_HANDLE = re.compile(HANDLE_PATTERN.removeprefix("^").removesuffix("$"))
TOKEN_NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,62}$"  # noqa: S105 - a pattern
_TOKEN_NAME = re.compile(TOKEN_NAME_PATTERN.removeprefix("^").removesuffix("$"))
TOKEN_LIFETIME = timedelta(days=90)
"""Of a token of which nothing else is said."""
LONGEST_HANDLE = 40
_NO_HANDLE = re.compile(r"[^a-z0-9._-]+")
LONGEST_DISPLAY_NAME = 100
FIRST_USER = "admin"
"""Id and handle of the first administrator, who owns everything of a database from before there were users."""


class UserKind(StrEnum):
    """A kind of user."""

    PERSON = "person"
    """Signs in, in browsers too."""
    SERVICE_ACCOUNT = "service_account"
    """A program: has tokens that administrators make, and never signs in."""


class UserState(StrEnum):
    """Whether a user may use the service."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    """No credential of theirs is valid; what they have stays."""


@dataclass(frozen=True, slots=True)
class User:
    """A user, without the password."""

    id: str
    """Stable; the principal's id of everything that the user has."""
    handle: str
    """Unique and for ever: the name to sign in with."""
    display_name: str
    role: str
    kind: UserKind
    state: UserState
    created_at: datetime
    has_password: bool = False

    @property
    def is_active(self) -> bool:
        """Whether credentials of theirs are valid."""
        return self.state is UserState.ACTIVE


@dataclass(frozen=True, slots=True)
class Group:
    """A group of users."""

    id: str
    name: str
    created_at: datetime
    members: tuple[str, ...] = ()
    """Ids of users, in their order."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """Amounts of what a quota bounds: used, or allowed; None is no bound."""

    workspaces: float | None = None
    """Those that are not deleted."""
    running: float | None = None
    """Those that are to run; paused ones count."""
    cpu: float | None = None
    """Cores, of those that are to run."""
    memory_bytes: float | None = None
    """Of those that are to run."""
    storage_bytes: float | None = None
    """Of all that are not deleted."""


DIMENSIONS = ("workspaces", "running", "cpu", "memory_bytes", "storage_bytes")
NO_BOUND = Amounts()


class QuotaSubject(StrEnum):
    """The kind of subject that has a quota."""

    USER = "user"
    """Bounds what the user has."""
    GROUP = "group"
    """Bounds what all members have together."""


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota beside what of it is used."""

    kind: QuotaSubject
    subject_id: str
    name: str
    """The user's handle, or the group's name."""
    allowed: Amounts
    used: Amounts


def is_handle(text: str) -> bool:
    """Tell whether a text can be the handle of a user, or the name of a group."""
    return bool(_HANDLE.fullmatch(text))


def handle_from(name: str, longest: int = LONGEST_HANDLE) -> str:
    """Return the handle that a name becomes, or a group's: what stands before an @, in letters that handles have."""
    plain = unicodedata.normalize("NFKD", name.partition("@")[0]).encode("ascii", "ignore").decode().lower()
    return _NO_HANDLE.sub("-", plain).strip("._-")[:longest].strip("._-") or "user"


def is_token_name(text: str) -> bool:
    """Tell whether a text can be the name of a token."""
    return bool(_TOKEN_NAME.fullmatch(text))


def exceeded(allowed: Amounts, before: Amounts, after: Amounts) -> str | None:
    """Return the first dimension that a change takes beyond what is allowed; None where there is none.

    A dimension that does not grow is not looked at: who has too much already may still stop, shrink and delete.
    """
    for dimension in DIMENSIONS:
        bound, had, has = (getattr(one, dimension) for one in (allowed, before, after))
        if bound is not None and has > bound and has > had:
            return dimension
    return None
