"""Git repositories that are put into a workspace: its own work, and the dotfiles of its owner."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nixos_workspaces.errors import InvalidInput

LONGEST_URL = 1024
LONGEST_REF = 200
LONGEST_DIRECTORY = 512
LONGEST_SCRIPT = 200
DOTFILES_DIRECTORY = ".dotfiles"

_HOST = r"([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
_PORT = r"(:[0-9]{1,5})?"
_PATH = r"[A-Za-z0-9._~%+@:/-]+"
_USER = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}@"
URL_PATTERN = (
    rf"^(https?://{_HOST}{_PORT}/{_PATH}|ssh://({_USER})?{_HOST}{_PORT}/{_PATH}"
    rf"|{_USER}{_HOST}:[A-Za-z0-9._~/]{_PATH})$"
)
"""Web, SSH, and SSH as scp writes it; nothing of it can be an option of Git or SSH."""
REF_PATTERN = r"^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._/+@-]{0,199}$"
RELATIVE_PATTERN = (
    r"^(?!(.*/)?(\.|\.\.|\.git)(/|$))[A-Za-z0-9_.][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9_.][A-Za-z0-9._-]{0,63}){0,7}$"
)
"""A path that stays below the directory it is joined to, and out of ``.git``."""

_URL = re.compile(URL_PATTERN)
_REF = re.compile(REF_PATTERN)
_DIRECTORY = re.compile(RELATIVE_PATTERN)
_LAST = re.compile(r"([^/:]+?)(?:\.git)?/*$")


class Purpose(StrEnum):
    """The reason for which a repository is in a workspace."""

    WORK = "work"
    DOTFILES = "dotfiles"


class CloneState(StrEnum):
    """How far a repository has got."""

    WAITING = "waiting"
    """Until the workspace runs, or until its turn."""
    CLONING = "cloning"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class GitSource:
    """A repository, the branch, tag or commit of it, and its place."""

    url: str
    ref: str = ""
    """Empty: its default branch."""
    directory: str = ""
    """Below the home directory."""


@dataclass(frozen=True, slots=True)
class Dotfiles:
    """The dotfiles of a person."""

    source: GitSource
    script: str = ""
    """Path in the repository of the program to run; empty: the first of the usual names that is there."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of one workspace."""

    workspace_id: str
    purpose: Purpose
    source: GitSource
    script: str
    state: CloneState
    message: str
    """The reason of a failure, with what to do; a remark otherwise."""
    asked: int
    """Counts how often it was asked for; an outcome counts only for the last time."""
    updated_at: datetime


def git_source(url: str, ref: str = "", directory: str = "", field: str = "git") -> GitSource:
    """Return a checked source, by default in a directory of its own name.

    Raises ``InvalidInput`` for what is no address of a repository, or could be an option.
    """
    if len(url) > LONGEST_URL:
        raise InvalidInput(f"The address of a repository has at most {LONGEST_URL} characters.", field=field)
    authority = url.partition("://")[2].partition("/")[0]
    user = authority.rpartition("@")[0]
    if ":" in user or (user and url.startswith(("http://", "https://"))):
        raise InvalidInput(
            "The address of a repository holds no user name or password: keep them as a secret of the kind git for "
            "its host.",
            code="credentials_in_url",
            field=field,
        )
    if not _URL.fullmatch(url):
        raise InvalidInput(
            "The address of a repository is https://HOST/PATH, http://HOST/PATH, ssh://USER@HOST/PATH or "
            "USER@HOST:PATH.",
            code="invalid_repository",
            field=field,
        )
    if ref and not _REF.fullmatch(ref):
        raise InvalidInput("A ref is the name of a branch or tag, or a commit.", code="invalid_repository", field=field)
    return GitSource(url, ref, _directory_of(url, directory, field))


def _directory_of(url: str, given: str, field: str) -> str:
    """Return the directory below the home directory that a repository is cloned into."""
    found = _LAST.search(url)
    name = given or (found[1] if found else "") or "repository"
    if not _DIRECTORY.fullmatch(name):
        raise InvalidInput(
            "A directory is a path below the home directory, of letters, digits, dots and hyphens.",
            code="invalid_repository",
            field=field,
        )
    return name


def install_script(text: str) -> str:
    """Return the checked path of an install script within its repository; empty for the usual names."""
    if text and (len(text) > LONGEST_SCRIPT or not _DIRECTORY.fullmatch(text)):
        raise InvalidInput("A script is a path within the repository.", code="invalid_path", field="dotfiles")
    return text


def asked(workspace_id: str, purpose: Purpose, source: GitSource, at: datetime, script: str = "") -> Repository:
    """Return a repository that is to be put into a workspace."""
    return Repository(workspace_id, purpose, source, script, CloneState.WAITING, "", 1, at)
