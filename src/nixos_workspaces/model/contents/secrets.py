"""Secrets of a person or a workspace: their kinds, limits and every rule about their names and places."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from nixos_workspaces.errors import InvalidInput

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,127}$"
"""Of a variable its own; the others could be one, too."""
GIT_HOST_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?$"
"""A host as Git asks for its credentials, with its port where the address has one."""
PLACE_PATTERN = r"^(~|/home/nixos|/run/secrets)(/(?!\.{1,2}(/|$))[^/\x00-\x1f\x7f]+)+$"
"""The path of a file."""
MODES = ("0400", "0500", "0600", "0700")
LARGEST_SECRET = 64 * 1024
"""Bytes of one value."""
MOST_SECRETS = 64
"""Secrets of one person, and of one workspace."""
MOST_ENVIRONMENT = 128 * 1024
"""Bytes of all variables of one scope together: a program is given at most some 2 MB of arguments and variables."""
LONGEST_PLACE = 512
HOME = "/home/nixos"
RUN_SECRETS = "/run/secrets"
DEFAULT_MODE = "0400"

_NAME = re.compile(NAME_PATTERN)
_HOST = re.compile(GIT_HOST_PATTERN)
_PLACE = re.compile(PLACE_PATTERN)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_OF_THE_SHELL = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "UID", "EUID", "PPID", "IFS", "ENV"),
        *("BASH_ENV", "BASHOPTS", "SHELLOPTS", "PROMPT_COMMAND"),
    }
)
"""Variables by which every shell and login would break."""


class SecretKind(StrEnum):
    """The form in which a secret reaches a workspace."""

    ENVIRONMENT = "environment"
    """A variable of shells and of the user's services."""
    FILE = "file"
    GIT = "git"
    """A password or token that Git is given for one host over HTTPS."""


class SecretLength(StrEnum):
    """The class of a value's length: all that is told of it."""

    SHORT = "short"
    """At most 64 bytes."""
    MEDIUM = "medium"
    """At most 1 KiB."""
    LONG = "long"
    """At most 8 KiB."""
    HUGE = "huge"


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret without its value."""

    name: str
    kind: SecretKind
    place: str
    """Of a file its absolute path, of a Git credential its host; empty for a variable."""
    mode: str
    """Of a file, in octal; empty otherwise."""
    username: str
    """Of a Git credential; empty otherwise."""
    length: SecretLength
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class OpenSecret:
    """One secret with its value: never log, never store."""

    secret: Secret
    value: bytes = field(repr=False)


def person_scope(principal_id: str) -> str:
    """Return the scope of the secrets that a person has in every workspace of theirs; a workspace's is its id."""
    return f"person:{principal_id}"


def length_of(value: bytes) -> SecretLength:
    """Return the class of a value's length."""
    bounds = ((64, SecretLength.SHORT), (1024, SecretLength.MEDIUM), (8192, SecretLength.LONG))
    return next((kind for most, kind in bounds if len(value) <= most), SecretLength.HUGE)


def is_secret_name(text: str) -> bool:
    """Tell whether a secret may have this name."""
    return _NAME.fullmatch(text) is not None


def checked_name(text: str) -> str:
    """Return the name of a secret; ``InvalidInput`` for a text that is none."""
    if not is_secret_name(text):
        raise InvalidInput(
            "A secret's name has at most 128 letters, digits and underscores, and begins with none of the digits.",
            field="name",
        )
    return text


def check_secret(secret: Secret, value: bytes) -> None:
    """Refuse a secret that no workspace could be given: ``InvalidInput`` with the field, never with the value."""
    if not value:
        raise InvalidInput("A secret has a value; delete it to have none.", field="value")
    if len(value) > LARGEST_SECRET:
        raise InvalidInput(too_large(), field="value")
    if b"\0" in value:
        raise InvalidInput("A secret is text without NUL; encode other bytes, as base64 does.", field="value")
    match secret.kind:
        case SecretKind.ENVIRONMENT:
            check_variable(secret.name)
        case SecretKind.FILE:
            file_mode(secret.mode)
        case SecretKind.GIT:
            git_username(secret.username)
            if _CONTROL.search(value.decode(errors="replace")):
                raise InvalidInput("A password or token for Git is one line.", field="value")


def too_large() -> str:
    """Return the reason to refuse a value that is larger than ``LARGEST_SECRET``."""
    kib = LARGEST_SECRET // 1024
    return f"A secret has at most {kib} KiB: copy a larger file into the workspace instead, as `nixws cp` does."


def check_variable(name: str) -> None:
    """Refuse a name by which shells would break."""
    if name in _OF_THE_SHELL or name.startswith(("LD_", "BASH_FUNC_")):
        raise InvalidInput(f"The variable {name} belongs to the system; take another name.", field="name")


def git_host(text: str) -> str:
    """Return a host in lower case; ``InvalidInput`` for any other text."""
    if not _HOST.fullmatch(text):
        raise InvalidInput("A host is a name such as code.example, with :PORT where there is one.", field="host")
    return text.lower()


def git_username(text: str) -> str:
    """Return a user name for Git; ``InvalidInput`` for what is no line."""
    if _CONTROL.search(text) or len(text) > LONGEST_PLACE:
        raise InvalidInput("A user name is one line of at most 512 characters.", field="username")
    return text


def file_mode(text: str) -> str:
    """Return the mode of a file; ``InvalidInput`` for one that lets others in."""
    if text not in MODES:
        raise InvalidInput("A mode is one of 0400, 0500, 0600 and 0700: for its owner only.", field="mode")
    return text


def file_place(text: str, name: str) -> str:
    """Return the absolute path of a file secret, by default one that is named like it.

    ``InvalidInput`` for a path that lies neither below the home directory nor below ``/run/secrets``.
    """
    given = text or f"{RUN_SECRETS}/{name}"
    whole = f"{HOME}/{given[2:]}" if given.startswith("~/") else given
    if not _PLACE.fullmatch(given):
        raise InvalidInput(
            "A path begins with ~/ or /run/secrets/ and has no empty part, no dots for parts and no line ends.",
            code="invalid_path",
            field="path",
        )
    if len(whole.encode(errors="replace")) > LONGEST_PLACE:
        raise InvalidInput(f"A path has at most {LONGEST_PLACE} bytes.", code="invalid_path", field="path")
    return whole
